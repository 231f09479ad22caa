// resolve, and connecting by name, with answers that do not depend on the machine: the getaddrinfo of
// this program is the one below.
#include "coroutines.hpp"
#include "sockets.hpp"

#include <netdb.h>

#include <atomic>
#include <cerrno>
#include <cstring>

using namespace std::chrono_literals;
using weft::resolve;
using weft::socket_address;
using weft::tcp_listener;
using weft::tcp_stream;
using weft_test::contains;
using weft_test::descriptors_kept;
using weft_test::error_of;
using weft_test::everywhere;
using weft_test::message_of;

namespace {

std::atomic<int> asked{0};
std::atomic<int> answered{0};
std::atomic<bool> stuck{true};  // what "stuck.test" waits for

std::atomic<int> stuck_ones{0};

// Until all have answered.
void let_go() {
  stuck = false;
  stuck.notify_all();
  while (answered != asked) std::this_thread::yield();
}

// What a name stands for; the ports are those that were asked for.
std::vector<std::string> addresses_of(const std::string& host) {
  if (host == "two.test") return {"::1", "127.0.0.1"};
  if (host == "first.test") return {"127.0.0.1", "127.0.0.2"};
  if (host == "second.test") return {"127.0.0.2", "127.0.0.1"};
  if (host == "twice.test") return {"127.0.0.1", "::1", "127.0.0.1"};
  if (host == "stuck.test" || host == "slow.test") return {"127.0.0.1"};
  if (host.empty()) return {"::1", "127.0.0.1"};
  return {};
}

addrinfo* entry(const std::string& ip, std::uint16_t port, addrinfo* next) {
  const socket_address a(ip, port);
  auto* made = new addrinfo{};
  auto* storage = new sockaddr_storage{};
  std::memcpy(storage, a.data(), a.size());
  made->ai_family = a.data()->sa_family;
  made->ai_addr = reinterpret_cast<sockaddr*>(storage);
  made->ai_addrlen = a.size();
  made->ai_next = next;
  return made;
}

}  // namespace

extern "C" {

int getaddrinfo(const char* host, const char* service, const addrinfo*,
                addrinfo** result) noexcept(noexcept(::getaddrinfo(nullptr, nullptr, nullptr,
                                                                   nullptr))) {
  ++asked;
  const std::string name = host != nullptr ? host : "";
  const std::string port = service != nullptr ? service : "0";
  if (name == "stuck.test") {
    ++stuck_ones;
    stuck.wait(true);
  }
  // Long enough for a deadlock to be judged, if it were one.
  if (name == "slow.test") std::this_thread::sleep_for(100ms);
  ++answered;
  if (name == "busy.test") return EAI_AGAIN;
  if (name == "broken.test") {
    errno = EIO;
    return EAI_SYSTEM;
  }
  if (port != "https" && port.find_first_not_of("0123456789") != std::string::npos)
    return EAI_SERVICE;
  const auto found = addresses_of(name);
  if (found.empty()) return EAI_NONAME;
  *result = nullptr;
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    *result =
        entry(*it, static_cast<std::uint16_t>(port == "https" ? 443 : std::stoi(port)), *result);
  }
  return 0;
}

void freeaddrinfo(addrinfo* list) noexcept {
  while (list != nullptr) {
    delete reinterpret_cast<sockaddr_storage*>(list->ai_addr);
    delete std::exchange(list, list->ai_next);
  }
}
}

TEST_CASE("a name's addresses come in order, each once", "[net][resolve]") {
  descriptors_kept kept;
  everywhere([] {
    CHECK(resolve("two.test", "80") ==
          std::vector{socket_address("::1", 80), socket_address("127.0.0.1", 80)});
    CHECK(resolve("twice.test", "https") ==
          std::vector{socket_address("127.0.0.1", 443), socket_address("::1", 443)});
    CHECK(resolve("two.test", "").front() == socket_address("::1", 0));
    CHECK(resolve("", "80", 1h).size() == 2);
    CHECK(resolve("", "").front() == socket_address("::1", 0));
  });
}

TEST_CASE("numbers are not looked up", "[net][resolve]") {
  const int before = asked;
  everywhere([] {
    CHECK(resolve("192.0.2.1", "80") == std::vector{socket_address("192.0.2.1", 80)});
    CHECK(resolve("2001:db8::1", "") == std::vector{socket_address("2001:db8::1", 0)});
    CHECK(resolve("127.0.0.1", "1", 0ms).size() == 1);
  });
  CHECK(asked == before);
}

TEST_CASE("what a look-up fails with can be compared", "[net][resolve]") {
  descriptors_kept kept;
  everywhere([] {
    const auto& category = weft::resolve_category();
    CHECK(error_of([] { resolve("none.test", "80"); }) == std::error_code(EAI_NONAME, category));
    CHECK(error_of([] { resolve("busy.test", "80"); }) == std::error_code(EAI_AGAIN, category));
    CHECK(error_of([] { resolve("two.test", "no-such"); }) ==
          std::error_code(EAI_SERVICE, category));
    CHECK(error_of([] { resolve("127.0.0.1", "65536"); }).category() == category);
    CHECK(error_of([] { resolve("broken.test", "80"); }) == std::errc::io_error);
    CHECK(category.message(EAI_NONAME) == ::gai_strerror(EAI_NONAME));
    CHECK(std::string(category.name()) == "weft.resolve");
    const std::string message = message_of([] { resolve("none.test", "80"); });
    CHECK_THAT(message, contains("weft::resolve none.test:80"));
    CHECK_THAT(message, contains(::gai_strerror(EAI_NONAME)));
    CHECK(error_of([] { resolve(std::string("two.test\0x", 10), "80"); }) ==
          std::errc::invalid_argument);
  });
}

TEST_CASE("a look-up that is stuck holds nobody beyond the limit", "[net][resolve]") {
  descriptors_kept kept;
  stuck = true;
  everywhere([] {
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto [late, cancel_late] = weft::with_timeout(ctx, 3ms);
    CHECK(error_of([] { resolve("stuck.test", "80", 3ms); }) == std::errc::timed_out);
    CHECK(error_of([&] { resolve("stuck.test", "80", late); }) == std::errc::timed_out);
    CHECK(error_of([] { resolve("stuck.test", "80", 0ms); }) == std::errc::timed_out);
    CHECK(error_of([] { tcp_stream::connect("stuck.test", 80, 3ms); }) == std::errc::timed_out);
    CHECK_THAT(message_of([] { resolve("stuck.test", "80", 3ms); }), contains("stuck.test:80"));
    // Others do not wait for those.
    CHECK(resolve("two.test", "80").size() == 2);
    // Cancelled while it is out for sure.
    weft::go([c = std::move(cancel), before = stuck_ones.load()] {
      while (stuck_ones == before) weft::yield();
      c();
    });
    CHECK(error_of([&] { resolve("stuck.test", "80", ctx); }) == std::errc::operation_canceled);
    CHECK(error_of([&] { resolve("stuck.test", "80", ctx); }) == std::errc::operation_canceled);
  });
  CHECK(asked - answered >= 2);
  // Their callers and their runs are long gone when they answer.
  let_go();
}

TEST_CASE("a look-up that is out is no deadlock", "[net][resolve]") {
  descriptors_kept kept;
  CHECK(weft::run([] { return resolve("slow.test", "80").size(); }) == 1);
}

TEST_CASE("connect tries each address of a name in turn", "[net][connect]") {
  descriptors_kept kept;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    const auto port = listener.local_address().port();
    for (const char* host : {"first.test", "second.test", "two.test"}) {
      tcp_stream client = tcp_stream::connect(host, port);
      tcp_stream server = listener.accept();
      CHECK(client.peer_address() == listener.local_address());
    }
  });
}

TEST_CASE("when no address answers the message tells of each", "[net][connect]") {
  descriptors_kept kept;
  everywhere([] {
    const weft_test::closed_port nobody;
    const std::uint16_t port = nobody.port();
    const std::string number = std::to_string(port);
    CHECK(error_of([&] { tcp_stream::connect("two.test", port); }) ==
          std::errc::connection_refused);
    const std::string message = message_of([&] { tcp_stream::connect("two.test", port); });
    CHECK_THAT(message, contains("weft::tcp_stream::connect two.test:" + number));
    CHECK_THAT(message,
               contains("[::1]:" + number +
                        (weft_test::loopbacks().size() > 1 ? ": Connection refused" : ": ")));
    CHECK_THAT(message, contains("127.0.0.1:" + number));
    CHECK(error_of([&] { tcp_stream::connect("none.test", port); }) ==
          std::error_code(EAI_NONAME, weft::resolve_category()));
  });
}

TEST_CASE("an address that does not answer leaves time for the next", "[net][connect]") {
  descriptors_kept kept;
  weft::run([] {
    weft_test::black_hole hole("127.0.0.2");
    const auto port = hole.address().port();
    tcp_listener listener("127.0.0.1", port);
    CHECK(tcp_stream::connect("second.test", port, 2s).peer_address() == listener.local_address());
    auto [ctx, cancel] = weft::with_timeout(weft::background(), 2s);
    CHECK(tcp_stream::connect("second.test", port, ctx).peer_address() == listener.local_address());
    listener.close();
    // The limit's end ends it all, and so does a cancel.
    CHECK(error_of([&] { tcp_stream::connect("first.test", port, 3ms); }) == std::errc::timed_out);
    auto [other, cancel_other] = weft::with_cancel(weft::background());
    auto cancelled = weft::spawn([&, ctx = other] {
      return error_of([&] { tcp_stream::connect("second.test", port, ctx); });
    });
    weft_test::until_parked(1);
    cancel_other();
    CHECK(cancelled.get() == std::errc::operation_canceled);
  });
}

TEST_CASE("coroutines connect by name", "[net][connect][coro]") {
  descriptors_kept kept;
  stuck = true;
  everywhere([] {
    tcp_listener listener("127.0.0.1", 0);
    const auto port = listener.local_address().port();
    auto client = weft::spawn(tcp_stream::async_connect("second.test", port, 1h));
    CHECK(client.get().peer_address() == listener.local_address());
    listener.accept();
    listener.close();
    auto error = [](auto call) { return error_of([&] { weft::spawn(std::move(call)).get(); }); };
    CHECK(error(tcp_stream::async_connect("second.test", port)) == std::errc::connection_refused);
    CHECK(error(tcp_stream::async_connect("none.test", port)) ==
          std::error_code(EAI_NONAME, weft::resolve_category()));
    CHECK(error(tcp_stream::async_connect("stuck.test", port, 3ms)) == std::errc::timed_out);
  });
  // One that is destroyed while its look-up is out.
  weft::run([] {
    auto connecting = []() -> weft_test::eager {
      co_await tcp_stream::async_connect("stuck.test", 1);
    };
    weft_test::eager c = connecting();
    CHECK_FALSE(c.done());
  });
  let_go();
}
