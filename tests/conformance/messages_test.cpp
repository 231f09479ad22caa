// Every call on a descriptor, a socket, a process or signals that fails says in its message which
// operation it was, and on what.
#include "sockets.hpp"
#include "support/scale.hpp"

#include <fcntl.h>

#include <sys/socket.h>
#include <array>
#include <csignal>
#include <functional>

using namespace std::chrono_literals;
using weft_test::contains;
using weft_test::read_some;

namespace {

struct failing_call {
  std::string operation;  // as the message has it, with the object
  std::function<void()> call;
  std::errc error;
};

// Each throws, and its message begins with the operation and the object.
void check_all(const std::vector<failing_call>& calls) {
  for (const failing_call& c : calls) {
    CAPTURE(c.operation);
    std::string message = "nothing was thrown";
    std::error_code code;
    try {
      c.call();
    } catch (const std::system_error& e) {
      message = e.what();
      code = e.code();
    } catch (const std::exception& e) {
      message = std::string("something else: ") + e.what();
    }
    CHECK(message.substr(0, c.operation.size()) == c.operation);
    CHECK(code == c.error);
    // The error in words comes last.
    CHECK(message.ends_with(code.message()));
  }
}

std::string descriptor(int fd) { return " (descriptor " + std::to_string(fd) + ")"; }

// Of a coroutine, that which the awaiter throws.
template <class Make>
void awaited(Make make) {
  weft::spawn([](Make make) -> weft::coro<> { co_await make(); }(std::move(make))).get();
}

// A number that nobody has open.
int closed_number() { return 1000; }

}  // namespace

TEST_CASE("messages of calls on descriptors", "[io][messages]") {
  weft_test::everywhere([] {
    auto ends = weft::pipe();
    auto quiet = weft::pipe();
    auto broken = weft::pipe();
    auto full = weft::pipe();
    broken.reader.close();
    const std::string block(1 << 20, 'f');
    try {
      full.writer.write(block, 0ms);
    } catch (const std::system_error&) {  // as it is meant to be
    }
    ends.writer.write("twelve bytes");
    std::array<std::byte, 8> bytes{};
    const auto out = std::as_bytes(std::span("x", 1));
    weft::file_descriptor none;
    const std::string reader = descriptor(ends.reader.get());
    const std::string writer = descriptor(ends.writer.get());
    const std::string silent = descriptor(quiet.reader.get());
    const std::string broken_one = descriptor(broken.writer.get());
    const std::string full_one = descriptor(full.writer.get());
    const std::string closed = descriptor(-1);
    const std::string unused = descriptor(closed_number());
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    weft::line_reader lines(ends.reader, 4);
    weft::line_reader no_lines(quiet.reader);
    constexpr auto bad = std::errc::bad_file_descriptor;
    constexpr auto late = std::errc::timed_out;
    const std::string of = "weft::file_descriptor::";
    check_all({
        {"weft::wait_readable" + closed, [] { weft::wait_readable(-1); }, bad},
        {"weft::wait_writable" + closed, [] { weft::wait_writable(-1); }, bad},
        {"weft::wait_readable" + unused, [] { weft::wait_readable(closed_number()); }, bad},
        {"weft::wait_writable" + unused, [] { weft::wait_writable(closed_number(), 1ms); }, bad},
        {"weft::wait_readable" + unused,
         [] { awaited([] { return weft::async_wait_readable(closed_number()); }); }, bad},
        {"weft::wait_writable" + unused,
         [] { awaited([] { return weft::async_wait_writable(closed_number()); }); }, bad},
        {of + "open /nowhere/at all",
         [] { weft::file_descriptor::open("/nowhere/at all", O_RDONLY); },
         std::errc::no_such_file_or_directory},
        {of + "duplicate" + unused, [] { weft::file_descriptor::duplicate(closed_number()); }, bad},
        {of + "read" + closed, [&] { none.read(bytes); }, bad},
        {of + "read" + writer, [&] { ends.writer.read(bytes); }, bad},
        {of + "read" + silent, [&] { quiet.reader.read(bytes, 0ms); }, late},
        {of + "read" + silent, [&, ctx = ctx] { quiet.reader.read(bytes, ctx); },
         std::errc::operation_canceled},
        {of + "read_full" + closed, [&] { none.read_full(bytes); }, bad},
        {of + "read_full" + silent, [&] { quiet.reader.read_full(bytes, 1ms); }, late},
        {of + "read_all" + closed, [&] { none.read_all(); }, bad},
        {of + "read_all" + silent, [&] { quiet.reader.read_all(1ms); }, late},
        {of + "read_all" + reader, [&] { ends.reader.read_all({}, 4); }, std::errc::message_size},
        {of + "write" + closed, [&] { none.write("x"); }, bad},
        {of + "write" + reader, [&] { ends.reader.write("x"); }, bad},
        {of + "write" + broken_one, [&] { broken.writer.write("x"); }, std::errc::broken_pipe},
        {of + "write" + full_one, [&] { full.writer.write(block, 1ms); }, late},
        {of + "write_some" + closed, [&] { none.write_some(out); }, bad},
        {of + "write_some" + broken_one, [&] { broken.writer.write_some(out); },
         std::errc::broken_pipe},
        {of + "write_some" + full_one, [&] { full.writer.write_some(out, 1ms); }, late},
        {of + "async_read" + silent,
         [&] { awaited([&] { return quiet.reader.async_read(bytes, 1ms); }); }, late},
        {of + "async_read_full" + silent,
         [&] { awaited([&] { return quiet.reader.async_read_full(bytes, 1ms); }); }, late},
        {of + "async_write" + broken_one,
         [&] { awaited([&] { return broken.writer.async_write("x"); }); }, std::errc::broken_pipe},
        {"weft::line_reader::next: more than 4 bytes" + reader, [&] { lines.next(); },
         std::errc::message_size},
        {of + "read" + silent, [&] { no_lines.next(1ms); }, late},
    });
  });
}

TEST_CASE("messages of calls on sockets", "[net][messages]") {
  const weft_test::scratch_directory here;
  weft_test::everywhere([&] {
    auto [client, server] = weft_test::connected();
    weft::tcp_listener listener("127.0.0.1", 0);
    weft::tcp_listener no_listener;
    weft::tcp_stream no_stream;
    weft::udp_socket socket("127.0.0.1");
    weft::udp_socket closed_socket("127.0.0.1");
    closed_socket.close();
    const auto path = here / "socket";
    weft::unix_listener unix_listener(path);
    weft::unix_listener no_unix_listener;
    weft::unix_stream no_unix_stream;
    weft::tcp_stream no_tcp(
        ::fcntl(socket.get(), F_DUPFD_CLOEXEC, 3));  // which a datagram socket is
    const weft_test::closed_port closed;
    const weft::socket_address nobody = closed.address();
    const std::string nobody_there = nobody.to_string();
    const std::string port = std::to_string(nobody.port());
    const std::string listening = listener.local_address().to_string();
    const std::string bound = socket.local_address().to_string();
    const std::string unused = descriptor(-1);
    const std::string stream = descriptor(client.get());
    std::array<std::byte, 8> bytes{};
    const std::vector<std::byte> huge(70000);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    cancel();
    constexpr auto bad = std::errc::bad_file_descriptor;
    constexpr auto late = std::errc::timed_out;
    constexpr auto refused = std::errc::connection_refused;
    const std::string tcp = "weft::tcp_stream::";
    check_all({
        {"weft::socket_address \"nonsense\": ", [] { weft::socket_address("nonsense", 1); },
         std::errc::invalid_argument},
        {"weft::socket_address: family 1",
         [] {
           sockaddr a{};
           a.sa_family = AF_UNIX;
           weft::socket_address::from(&a, sizeof a);
         },
         std::errc::address_family_not_supported},
        {"weft::resolve a-name:80", [] { weft::resolve("a-name", "80", 0ms); }, late},
        {"weft::resolve a-name:80", [ctx = ctx] { weft::resolve("a-name", "80", ctx); },
         std::errc::operation_canceled},
        {tcp + "connect " + nobody_there, [&] { weft::tcp_stream::connect(nobody); }, refused},
        {tcp + "connect localhost:" + port + " (",
         [&] { weft::tcp_stream::connect("localhost", nobody.port()); }, refused},
        {tcp + "connect " + nobody_there,
         [&] { awaited([&] { return weft::tcp_stream::async_connect(nobody); }); }, refused},
        {tcp + "connect localhost:" + port + " (",
         [&] {
           awaited([&] { return weft::tcp_stream::async_connect("localhost", nobody.port()); });
         },
         refused},
        {"weft::file_descriptor::read" + stream, [&] { client.read(bytes, 0ms); }, late},
        {tcp + "close_write" + unused, [&] { no_stream.close_write(); }, bad},
        {tcp + "no_delay" + unused, [&] { no_stream.no_delay(true); }, bad},
        {tcp + "no_delay" + descriptor(no_tcp.get()), [&] { no_tcp.no_delay(true); },
         std::errc::no_protocol_option},
        {tcp + "keep_alive" + unused, [&] { no_stream.keep_alive(1s); }, bad},
        {tcp + "keep_alive: 0 to 32767 seconds, not -1", [&] { client.keep_alive(-1s); },
         std::errc::invalid_argument},
        {tcp + "local_address" + unused, [&] { (void)no_stream.local_address(); }, bad},
        {tcp + "peer_address" + unused, [&] { (void)no_stream.peer_address(); }, bad},
        {tcp + "peer_address" + descriptor(no_tcp.get()), [&] { (void)no_tcp.peer_address(); },
         std::errc::not_connected},
        {"weft::tcp_listener " + listening,
         [&] { weft::tcp_listener("127.0.0.1", listener.local_address().port()); },
         std::errc::address_in_use},
        {"weft::tcp_listener::accept" + unused, [&] { no_listener.accept(); }, bad},
        {"weft::tcp_listener::accept" + descriptor(listener.get()), [&] { listener.accept(0ms); },
         late},
        {"weft::tcp_listener::accept" + descriptor(listener.get()),
         [&] { awaited([&] { return listener.async_accept(1ms); }); }, late},
        {"weft::tcp_listener::local_address" + unused, [&] { (void)no_listener.local_address(); },
         bad},
        {"weft::udp_socket " + bound,
         [&] { weft::udp_socket("127.0.0.1", socket.local_address().port()); },
         std::errc::address_in_use},
        {"weft::udp_socket::send_to " + nobody_there, [&] { socket.send_to(huge, nobody); },
         std::errc::message_size},
        {"weft::udp_socket::send_to" + unused, [&] { closed_socket.send_to({}, nobody); }, bad},
        {"weft::udp_socket::receive_from" + descriptor(socket.get()),
         [&] { socket.receive_from(bytes, 0ms); }, late},
        {"weft::udp_socket::receive_from" + unused, [&] { closed_socket.receive_from(bytes); },
         bad},
        {"weft::udp_socket::local_address" + unused, [&] { (void)closed_socket.local_address(); },
         bad},
        {"weft::unix_stream::connect " + (here / "none").string(),
         [&] { weft::unix_stream::connect(here / "none"); },
         std::errc::no_such_file_or_directory},
        {"weft::unix_stream::connect " + (here / "none").string(),
         [&] { awaited([&] { return weft::unix_stream::async_connect(here / "none"); }); },
         std::errc::no_such_file_or_directory},
        {"weft::unix_stream::close_write" + unused, [&] { no_unix_stream.close_write(); }, bad},
        {"weft::unix_listener " + path.string(), [&] { weft::unix_listener again(path); },
         std::errc::address_in_use},
        {"weft::unix_listener " + (here / "none" / "socket").string(),
         [&] { weft::unix_listener in_none(here / "none" / "socket"); },
         std::errc::no_such_file_or_directory},
        {"weft::unix_listener::accept" + unused, [&] { no_unix_listener.accept(); }, bad},
        {"weft::unix_listener::accept" + descriptor(unix_listener.get()),
         [&] { unix_listener.accept(0ms); }, late},
        {"weft::unix_listener::accept" + descriptor(unix_listener.get()),
         [&] { awaited([&] { return unix_listener.async_accept(1ms); }); }, late},
    });
  });
  CHECK_THAT(weft_test::message_of([] { weft::resolve("localhost", "no-such-service"); }),
             contains("weft::resolve localhost:no-such-service"));
}

TEST_CASE("messages of calls that make descriptors, where none is left", "[io][net][messages]") {
  const weft_test::scratch_directory here;
  const weft_test::no_descriptors none;
  constexpr auto no_more = std::errc::too_many_files_open;
  const std::string path = (here / "socket").string();
  check_all({
      {"weft::pipe", [] { weft::pipe(); }, no_more},
      {"weft::file_descriptor::open /dev/null",
       [] { weft::file_descriptor::open("/dev/null", O_RDONLY); }, no_more},
      {"weft::file_descriptor::duplicate (descriptor 0)",
       [] { weft::file_descriptor::duplicate(0); }, no_more},
      {"weft::tcp_stream::connect 127.0.0.1:9",
       [] { weft::tcp_stream::connect(weft::socket_address("127.0.0.1", 9)); }, no_more},
      {"weft::tcp_listener 127.0.0.1:0", [] { weft::tcp_listener("127.0.0.1", 0); }, no_more},
      {"weft::udp_socket 127.0.0.1:0", [] { weft::udp_socket("127.0.0.1"); }, no_more},
      {"weft::unix_stream::pair", [] { weft::unix_stream::pair(); }, no_more},
      {"weft::unix_stream::connect " + path, [&] { weft::unix_stream::connect(path); }, no_more},
      {"weft::unix_listener " + path, [&] { weft::unix_listener at(path); }, no_more},
  });
  // UBSan looks at the memory of a shared_ptr with a pipe of its own.
  if (weft_test::under_asan) return;
  check_all({
      {"weft::command::start true: stdout: ",
       [] { weft::command("true").stdout_to(weft::stdio::pipe).start(); }, no_more},
  });
}

TEST_CASE("messages of calls on processes and signals", "[os][messages]") {
  const weft_test::scratch_directory here;
  weft_test::everywhere([&] {
    weft::command c("sleep", {"1000"});
    c.start();
    const std::string start = "weft::command::start ";
    constexpr auto none = std::errc::no_such_file_or_directory;
    check_all({
        {start + "no-such-program", [] { weft::command("no-such-program").start(); }, none},
        {start + "true: directory /nowhere", [] { weft::command("true").dir("/nowhere").start(); },
         none},
        {start + "true: stdin: /nowhere/in",
         [] { weft::command("true").stdin_from("/nowhere/in").start(); }, none},
        {start + "true: stdout: ", [&] { weft::command("true").stdout_to(here.path()).start(); },
         std::errc::is_a_directory},
        {start + "true: stderr: descriptor -1",
         [] { weft::command("true").stderr_to(weft::file_descriptor()).start(); },
         std::errc::bad_file_descriptor},
        {start + "true: a null character in an argument",
         [] { weft::command("true", {std::string("a\0b", 3)}).start(); },
         std::errc::invalid_argument},
        {start + "true: \"a=b\" is no name for a variable",
         [] { weft::command("true").env("a=b", "c").start(); }, std::errc::invalid_argument},
        {start + "no-such-program", [] { weft::command("no-such-program").run(); }, none},
        {"weft::command::signal sleep: signal 9999", [&] { c.signal(9999); },
         std::errc::invalid_argument},
        {"weft::notify_signals: signal " + std::to_string(SIGKILL),
         [] { weft::notify_signals({SIGKILL}); }, std::errc::invalid_argument},
    });
    c.kill();
    CHECK(c.wait().signal == SIGKILL);
  });
}
