// The programs in examples/net.
#include "program.hpp"

#include "support/closed_port.hpp"
#include "support/scale.hpp"

#include <array>
#include <span>
#include <system_error>

using namespace std::chrono_literals;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::contains;
using weft_test::patience;
using weft_test::program;
using weft_test::server;

namespace {

std::string read_exactly(tcp_stream& s, std::size_t size) {
  std::string text(size, '\0');
  s.read_full(std::as_writable_bytes(std::span(text)), patience);
  return text;
}

bool has_ipv6() {
  try {
    tcp_listener("::1", 0);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("echo_server: what is sent comes back, to each its own", "[examples]") {
  weft::run([] {
    server echo("echo_server", {});
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(echo.connect());
    for (int i = 0; i < 20; ++i) clients[i].write("client " + std::to_string(i));
    clients[3] = tcp_stream();  // gone in the middle
    for (int i = 0; i < 20; ++i) {
      if (i == 3) continue;
      const std::string text = "client " + std::to_string(i);
      CHECK(read_exactly(clients[i], text.size()) == text);
    }
    clients[0].close_write();
    CHECK(clients[0].read_all(patience) == "");
    echo.stop();  // with clients that are still there
  });
}

TEST_CASE("echo_client: sends its input and prints what comes back", "[examples]") {
  weft::run([] {
    server echo("echo_server", {"0"});
    program client("echo_client", {"localhost", echo.port_text()});
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "line " + std::to_string(i) + '\n';
    client.in().write(text);
    client.in().close();
    CHECK((client.rest() == text));
    CHECK(client.wait() == 0);
    echo.stop();
  });
}

TEST_CASE("echo_client: one limit for all of it, and errors that name the server", "[examples]") {
  weft::run([] {
    const weft_test::closed_port nobody;
    const std::string nobody_there = std::to_string(nobody.port());
    program refused("echo_client", {"127.0.0.1", nobody_there});
    CHECK_THAT(refused.error_line(), contains("127.0.0.1:" + nobody_there));
    CHECK(refused.wait() == 1);
    server echo("echo_server", {});
    program late("echo_client", {"127.0.0.1", echo.port_text(), "0"});
    CHECK_THAT(late.error_line(), contains("timed out"));
    CHECK(late.wait() == 1);
    program wrong("echo_client", {});
    CHECK_THAT(wrong.error_line(), contains("usage"));
    CHECK(wrong.wait() == 2);
    echo.stop();
  });
}

TEST_CASE("chat_server: each line goes to all others", "[examples]") {
  weft::run([] {
    server chat("chat_server", {});
    tcp_stream ann = chat.connect();
    weft::line_reader to_ann(ann);
    const std::string ann_name = ann.local_address().to_string();
    CHECK(to_ann.next(patience) == ann_name + " is here");
    tcp_stream ben = chat.connect();
    weft::line_reader to_ben(ben);
    const std::string ben_name = ben.local_address().to_string();
    CHECK(to_ben.next(patience) == ben_name + " is here");
    CHECK(to_ann.next(patience) == ben_name + " is here");
    ann.write("hello\nis there ");
    CHECK(to_ben.next(patience) == ann_name + ": hello");
    ann.write("anybody?\n");
    CHECK(to_ben.next(patience) == ann_name + ": is there anybody?");
    ben.write("me\n");
    CHECK(to_ann.next(patience) == ben_name + ": me");
    ben.close();
    CHECK(to_ann.next(patience) == ben_name + " has left");
    chat.stop();
    CHECK(to_ann.next(patience) == std::nullopt);
  });
}

TEST_CASE("chat_server: who does not read is dropped, and holds nobody up", "[examples]") {
  weft::run([] {
    server chat("chat_server", {});
    tcp_stream slow = chat.connect();
    weft::line_reader to_slow(slow);
    const std::string slow_name = slow.local_address().to_string();
    CHECK(to_slow.next(patience) == slow_name + " is here");
    tcp_stream ann = chat.connect();
    tcp_stream ben = chat.connect();
    weft::line_reader to_ben(ben);
    const std::string ann_name = ann.local_address().to_string();
    while (to_ben.next(patience) != ben.local_address().to_string() + " is here") {
    }
    // More than the buffers of a connection and a channel hold. Ben reads each before the next.
    const std::string words(4000, 'w');
    bool dropped = false;
    for (int i = 0; i < 10000 && !dropped; ++i) {
      ann.write(words + '\n');
      while (auto l = to_ben.next(patience)) {
        dropped = dropped || *l == slow_name + " was too slow";
        if (*l == ann_name + ": " + words) break;
      }
    }
    CHECK(dropped);
    ann.write("go on\n");
    CHECK_THAT(*to_ben.next(patience), contains("go on") || contains("was too slow"));
    chat.stop();
  });
}

TEST_CASE("port_forwarder: both directions, each to its own end", "[examples]") {
  weft::run([] {
    tcp_listener target("127.0.0.1", 0);
    server forwarder("port_forwarder",
                     {"0", "localhost", std::to_string(target.local_address().port())});
    tcp_stream client = forwarder.connect();
    tcp_stream behind = target.accept(patience);
    client.write("question");
    client.close_write();
    CHECK(behind.read_all(patience) == "question");
    behind.write("answer, ");
    CHECK(read_exactly(client, 8) == "answer, ");
    behind.write("and more");
    behind.close();
    CHECK(client.read_all(patience) == "and more");
    forwarder.stop();
  });
}

TEST_CASE("port_forwarder: much in both directions, and back-pressure", "[examples]") {
  weft::run([] {
    tcp_listener target("127.0.0.1", 0);
    server forwarder("port_forwarder",
                     {"0", "127.0.0.1", std::to_string(target.local_address().port())});
    tcp_stream client = forwarder.connect();
    tcp_stream behind = target.accept(patience);
    // Nobody reads: in the end the writer has to wait, since the forwarder holds only so much.
    const std::string block(1 << 20, 'b');
    bool waits = false;
    std::size_t most = 0;
    while (!waits && most < (std::size_t{1} << 30)) {
      try {
        client.write(block, 200ms);
        most += block.size();
      } catch (const std::system_error& e) {
        waits = e.code() == std::errc::timed_out;
        REQUIRE(waits);
      }
    }
    CHECK(waits);
    client.close();
    const std::size_t size = weft_test::scaled(8 << 20);
    tcp_stream second = forwarder.connect();
    tcp_stream behind_it = target.accept(patience);
    const std::string text(size, 't');
    auto send = [&](tcp_stream& s) {
      s.write(text, patience);
      s.close_write();
    };
    auto there = weft::spawn([&] { send(second); });
    auto back = weft::spawn([&] { send(behind_it); });
    auto at_target = weft::spawn([&] { return behind_it.read_all(patience, size); });
    CHECK((second.read_all(patience, size) == text));
    CHECK((at_target.get() == text));
    there.get();
    back.get();
    forwarder.stop();
  });
}

TEST_CASE("port_forwarder: nobody behind it", "[examples]") {
  weft::run([] {
    const weft_test::closed_port none;
    server forwarder("port_forwarder", {"0", "127.0.0.1", std::to_string(none.port())});
    for (int i = 0; i < 3; ++i) {
      tcp_stream client = forwarder.connect();
      CHECK(client.read_all(patience) == "");
      CHECK_THAT(forwarder.error_line(), contains("Connection refused"));
    }
    forwarder.stop();
  });
}

TEST_CASE("health_checker: who is up, and its exit status", "[examples]") {
  weft::run([] {
    tcp_listener up("", 0);
    const std::string port = std::to_string(up.local_address().port());
    const weft_test::closed_port nobody;
    const std::string none = std::to_string(nobody.port());
    {
      const std::string other = has_ipv6() ? "[::1]:" + port : "127.0.0.9:" + port;
      program checker("health_checker", {"2", "60", "localhost:" + port, other});
      CHECK(checker.line() == "asking 2 addresses, 2 at a time");
      CHECK_THAT(checker.line(), contains("up    localhost:" + port));
      CHECK_THAT(checker.line(), contains("up    " + other));
      CHECK(checker.line() == "2 of 2 are up");
      CHECK(checker.wait() == 0);
    }
    std::vector<std::string> args{"16", "60"};
    for (int i = 0; i < 200; ++i) args.push_back("127.0.0.1:" + (i % 4 == 0 ? none : port));
    program checker("health_checker", args);
    CHECK(checker.line() == "asking 200 addresses, 16 at a time");
    for (int i = 0; i < 200; ++i) {
      const std::string line = checker.line();
      if (i % 4 == 0) {
        CHECK(line == "down  127.0.0.1:" + none + "  Connection refused");
      } else {
        CHECK(line.rfind("up    127.0.0.1:" + port, 0) == 0);
      }
    }
    CHECK(checker.line() == "150 of 200 are up");
    CHECK(checker.wait() == 1);
  });
}

TEST_CASE("health_checker: a deadline for all of them, and SIGINT", "[examples]") {
  weft::run([] {
    // Answers nobody, since its queue is full.
    tcp_listener hole("127.0.0.1", 0, 0);
    std::vector<tcp_stream> filling;
    for (int late = 0; late < 2;) {  // one attempt may just have been late
      try {
        filling.push_back(tcp_stream::connect(hole.local_address(), 50ms));
        late = 0;
      } catch (const std::system_error&) {
        ++late;
      }
    }
    const std::string silent = hole.local_address().to_string();
    program late("health_checker", {"1", "0.05", silent, silent});
    CHECK(late.line() == "asking 2 addresses, 1 at a time");
    CHECK(late.line() == "down  " + silent + "  no answer in time");
    CHECK(late.line() == "down  " + silent + "  no answer in time");
    CHECK(late.line() == "0 of 2 are up");
    CHECK(late.wait() == 1);
    program interrupted("health_checker", {"1", "600", silent});
    CHECK(interrupted.line() == "asking 1 addresses, 1 at a time");
    interrupted.interrupt();
    CHECK_THAT(interrupted.line(), contains("down  " + silent));
    CHECK(interrupted.line() == "0 of 1 are up");
    CHECK(interrupted.wait() == 130);
    program wrong("health_checker", {"0", "1", silent});
    CHECK_THAT(wrong.error_line(), contains("usage"));
    CHECK(wrong.wait() == 2);
    program worse("health_checker", {"1", "1", "no-port"});
    CHECK_THAT(worse.error_line(), contains("no-port: no HOST:PORT"));
    CHECK(worse.wait() == 2);
  });
}
