// What weft does with calls that cannot be told not to block: on older kernels, where a filter refuses
// them, and with regular files and terminals. The kernel says no, or holds the call that may block,
// and tells which thread made it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "conformance/bytes.hpp"
#include "conformance/collect.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/no_spare_thread.hpp"
#include "support/scale.hpp"
#include "support/scratch_directory.hpp"
#include "unit/held_calls.hpp"
#include "unit/refuse.hpp"

using namespace std::chrono_literals;
using weft_test::failure;
using weft_test::held_calls;
using weft_test::no_spare_thread;
using weft_test::read_some;
using weft_test::run_child;

namespace {

// A filter knows a descriptor by its number, which nobody else uses.
int renumbered(int fd) {
  const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 700);
  if (high < 0) throw std::system_error(errno, std::generic_category(), "dup");
  ::close(fd);
  return high;
}
std::uint32_t number(int fd) { return static_cast<std::uint32_t>(fd); }

pid_t this_thread() { return static_cast<pid_t>(syscall(SYS_gettid)); }

void talk(int rounds) {
  weft::chan<int> there;
  weft::chan<int> back;
  weft::go([=] {
    while (auto v = there.recv()) back.send(*v + 1);
  });
  for (int i = 0; i < rounds; ++i) {
    there.send(i);
    back.recv();
  }
  there.close();
}

// Runs `call` in a goroutine of a runtime without a thread to spare, and `meanwhile` while the kernel
// holds what the call does last, as the only worker may have to. Says whether another thread did it.
void run_while_held(held_calls& held, const std::function<std::string()>& call,
                    const std::function<void()>& meanwhile) {
  weft::chan<pid_t> is_held;
  weft::chan<void> go_on;
  std::thread supervisor([&] {
    const auto one = held.next();
    is_held.send(one.thread);
    go_on.recv();
    held.let_go(one);
  });
  weft::run(no_spare_thread(), [&] {
    pid_t before = 0;
    auto result = weft::spawn([&] {
      before = this_thread();
      return call();
    });
    const pid_t thread = *is_held.recv();
    talk(100);
    meanwhile();
    go_on.send();
    talk(100);
    std::cout << result.get() << (thread != before ? ", on another thread\n" : ", on its worker\n");
  });
  supervisor.join();
}

struct terminal {
  terminal() : screen(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(screen.get());
    ::unlockpt(screen.get());
    std::array<char, 64> name{};
    ::ptsname_r(screen.get(), name.data(), name.size());
    program = weft::file_descriptor(renumbered(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC)));
    termios t{};
    ::tcgetattr(program.get(), &t);
    ::cfmakeraw(&t);
    ::tcsetattr(program.get(), TCSANOW, &t);
  }
  weft::file_descriptor screen;
  weft::file_descriptor program;
};

// ---- Regular files ---------------------------------------------------------------------------

weft::file_descriptor file_with(std::string_view text) {
  std::string name = "/tmp/weft-io-XXXXXX";
  weft::file_descriptor file(renumbered(::mkostemp(name.data(), O_CLOEXEC)));
  ::unlink(name.c_str());
  if (::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw std::system_error(errno, std::generic_category(), "pwrite");
  }
  return file;
}

// As if the page cache had nothing of it and no room.
std::vector<held_calls::rule> as_from_a_slow_disk(const weft::file_descriptor& file) {
  const auto n = number(file.get());
  return {{SYS_preadv2, 0, n, EAGAIN},
          {SYS_read, 0, n, 0},
          {SYS_pwritev2, 0, n, EAGAIN},
          {SYS_write, 0, n, 0}};
}

// read, then write, each while it is held.
void slow_file(const weft::wait_limit& limit, const std::function<void()>& meanwhile) {
  auto file = file_with("what the file holds");
  held_calls held(as_from_a_slow_disk(file));
  run_while_held(
      held, [&] { return "read: " + read_some(file, limit); }, meanwhile);
  run_while_held(
      held,
      [&] {
        file.write(", and more", limit);
        return std::string("written");
      },
      meanwhile);
  std::array<char, 64> all{};
  const auto n = ::pread(file.get(), all.data(), all.size(), 0);
  std::cout << std::string_view(all.data(), static_cast<std::size_t>(n)) << '\n';
}

WEFT_CHILD_CASE("a-slow-file") {
  slow_file({}, [] {});
}

WEFT_CHILD_CASE("a-slow-file-past-its-limit") {
  slow_file(1ms, [] { weft::sleep_for(2ms); });
}

WEFT_CHILD_CASE("a-slow-file-whose-limit-was-over") {
  auto [ctx, cancel] = weft::with_cancel(weft::background());
  cancel();
  slow_file(ctx, [] {});
}

// fstat asks a file's server.
WEFT_CHILD_CASE("a-slow-file-that-is-not-asked-what-it-is") {
  auto file = file_with("what the file holds");
  auto rules = as_from_a_slow_disk(file);
  for (const long call : {SYS_fstat, SYS_newfstatat})
    rules.push_back({call, 0, number(file.get()), EIO});
  held_calls held(rules);
  run_while_held(
      held, [&] { return "read: " + read_some(file); }, [] {});
}

// A kernel before 4.11.
WEFT_CHILD_CASE("a-slow-file-without-statx") {
  auto file = file_with("what the file holds");
  auto rules = as_from_a_slow_disk(file);
  rules.push_back({SYS_statx, 0, number(file.get()), ENOSYS});
  held_calls held(rules);
  run_while_held(
      held, [&] { return "read: " + read_some(file); }, [] {});
}

WEFT_CHILD_CASE("a-slow-file-and-its-end") {
  auto file = file_with("what the file holds");
  held_calls held(as_from_a_slow_disk(file));
  // Nobody closes the number while the call is on its way.
  const int fd = file.get();
  run_while_held(
      held, [&] { return "read: " + read_some(file); },
      [&] {
        file.close();
        std::cout << "closed " << file.get() << ", open " << (::fcntl(fd, F_GETFD) != -1) << '\n';
      });
  std::cout << "open " << (::fcntl(fd, F_GETFD) != -1) << '\n';
}

WEFT_CHILD_CASE("a-slow-file-in-a-coroutine") {
  auto file = file_with("what the file holds");
  held_calls held(as_from_a_slow_disk(file));
  run_while_held(
      held,
      [&] {
        return weft::spawn([](weft::file_descriptor& from) -> weft::coro<std::string> {
                 std::array<std::byte, 4> bytes{};
                 const std::size_t n = co_await from.async_read(bytes);
                 co_return weft_test::text_of(std::span(bytes).first(n));
               }(file))
            .get();
      },
      [] {});
}

WEFT_CHILD_CASE("a-slow-open") {
  // Flags that nobody else uses.
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
  held_calls held({{SYS_openat, 2, flags, 0}});
  run_while_held(
      held,
      [] {
        auto file = weft::file_descriptor::open("/proc/self/status", flags);
        return read_some(file, 5);
      },
      [] {});
}

// ---- Terminals and pipes that somebody else uses, too ------------------------------------------

WEFT_CHILD_CASE("a-terminal-whose-bytes-another-took") {
  terminal t;
  const weft::file_descriptor other(::dup(t.program.get()));
  held_calls held({{SYS_read, 0, number(t.program.get()), 0}});
  weft::chan<void> taken;
  std::thread types([&] {
    taken.recv();
    weft::run([&] { t.screen.write("for us"); });
  });
  t.screen.write("theirs");
  run_while_held(
      held, [&] { return "read: " + read_some(t.program); },
      [&] {
        std::array<char, 16> theirs{};
        std::cout << std::string_view(theirs.data(), static_cast<std::size_t>(
                                                         ::read(other.get(), theirs.data(), 16)))
                  << '\n';
        taken.send();  // what comes now may be before or after the call goes on
      });
  types.join();
}

void fill(const weft::file_descriptor& pipe) {
  const auto path = "/proc/self/fd/" + std::to_string(pipe.get());
  const int again = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  const std::string block(1 << 16, '-');
  while (::write(again, block.data(), block.size()) > 0) {
  }
  while (::write(again, "-", 1) > 0) {
  }
  ::close(again);
}

WEFT_CHILD_CASE("a-terminal-and-its-end") {
  terminal t;
  const int fd = t.program.get();
  held_calls held({{SYS_read, 0, number(fd), 0}});
  t.screen.write("for us");
  run_while_held(
      held, [&] { return "read: " + read_some(t.program); },
      [&] {
        t.program.close();
        std::cout << "closed " << t.program.get() << ", open " << (::fcntl(fd, F_GETFD) != -1)
                  << '\n';
      });
  std::cout << "open " << (::fcntl(fd, F_GETFD) != -1) << '\n';
}

// On a kernel that cannot be told not to block. Between the question whether there is room and the
// write another writer takes it.
WEFT_CHILD_CASE("an-old-pipe-whose-room-another-took") {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return;
  weft::file_descriptor reader(fds[0]);
  weft::file_descriptor writer(renumbered(fds[1]));
  const auto n = number(writer.get());
  held_calls held({{SYS_pwritev2, 0, n, EOPNOTSUPP}, {SYS_write, 0, n, 0}});
  std::thread drains;
  run_while_held(
      held,
      [&] {
        writer.write("ours");
        return std::string("written");
      },
      [&] {
        fill(writer);
        drains = std::thread([&] {
          std::array<char, 4096> bytes{};
          std::string last;
          while (!last.ends_with("ours")) {
            const auto got = ::read(fds[0], bytes.data(), bytes.size());
            last.append(bytes.data(), static_cast<std::size_t>(got));
          }
        });
      });
  drains.join();
}

// ---- Kernels that do not know the calls ---------------------------------------------------------

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

bool passes_through(weft::file_descriptor& reader, weft::file_descriptor& writer) {
  const std::string text = pattern(weft_test::scaled(1 << 20));
  auto writing = weft::spawn([&] {
    writer.write(text);
    writer.close();
  });
  const bool same = reader.read_all() == text;
  writing.get();
  return same;
}

void use_pipes() {
  {
    auto ends = weft::pipe();
    auto reading = weft::spawn([&] { return read_some(ends.reader); });
    ends.writer.write("a pipe");
    std::cout << reading.get() << ' ' << passes_through(ends.reader, ends.writer) << '\n';
  }
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return;
  {
    weft::file_descriptor reader(fds[0]);
    weft::file_descriptor writer(fds[1]);
    auto reading = weft::spawn([&] { return read_some(reader); });
    writer.write("in blocking mode");
    std::cout << reading.get() << ' ' << passes_through(reader, writer) << '\n';
  }
  {
    auto ends = weft::pipe();
    std::cout << (failure([&] { read_some(ends.reader, 1ms); }) == std::errc::timed_out);
    ends.reader.close();
    std::cout << (failure([&] { ends.writer.write("x"); }) == std::errc::broken_pipe);
    std::cout << (failure([&] { ends.writer.write("x", 1ms); }) == std::errc::broken_pipe) << '\n';
  }
  auto file = weft::file_descriptor::open("/proc/self/status", O_RDONLY);
  std::cout << read_some(file, 5) << '\n';
}

// One that was opened by a name cannot be told not to block; those that were not can, before and after.
WEFT_CHILD_CASE("a-fifo-beside-a-pipe") {
  const weft_test::scratch_directory directory;
  const auto path = directory / "fifo";
  if (::mkfifo(path.c_str(), 0600) != 0) return;
  weft::run([&] {
    auto fifo = weft::file_descriptor::open(path, O_RDWR | O_NONBLOCK);
    std::filesystem::remove(path);
    std::array<std::byte, 11> bytes{};
    fifo.write("by a name");
    std::cout << fifo.read(bytes);
    fifo.write("again");
    std::cout << ' ' << fifo.read(bytes);
    // Plain calls with these lengths fail from here on.
    weft_test::refuse(SYS_write, EIO, 7);
    weft_test::refuse(SYS_read, EIO, 11);
    auto ends = weft::pipe();
    ends.writer.write("unnamed");
    std::cout << ' ' << ends.reader.read(bytes) << '\n';
  });
}

bool is_sigpipe_pending() {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE) == 1;
}
bool is_sigpipe_blocked() {
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, nullptr, &now);
  return sigismember(&now, SIGPIPE) == 1;
}

// SIGPIPE would end this process. What others have of it stays as it was.
void leave_sigpipe_alone() {
  signal(SIGPIPE, SIG_DFL);
  auto ends = weft::pipe();
  ends.reader.close();
  auto write = [&] {
    const bool broken = failure([&] { ends.writer.write("x"); }) == std::errc::broken_pipe;
    std::cout << broken << is_sigpipe_blocked() << is_sigpipe_pending() << ' ';
  };
  write();
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
  write();
  raise(SIGPIPE);  // somebody else's, which has not been taken yet
  write();
  std::cout << '\n';
}

void workload() {
  leave_sigpipe_alone();
  use_pipes();
  weft::run(no_spare_thread(), &use_pipes);
}

const std::string uses_of_pipes = "a pipe 1\nin blocking mode 1\n111\nName:\n";
const std::string workload_done = "100 110 111 \n" + uses_of_pipes + uses_of_pipes;

WEFT_CHILD_CASE("nothing-refused") { workload(); }

// RWF_NOSIGNAL; its value is that of Linux 6.18.
WEFT_CHILD_CASE("before-linux-6.18") {
  constexpr std::uint32_t no_wait_no_signal = 0x8 | 0x100;
  const held_calls refused({{SYS_pwritev2, 5, no_wait_no_signal, EOPNOTSUPP}});
  workload();
}

void refuse_both(int error) {
  weft_test::refuse(SYS_preadv2, error);
  weft_test::refuse(SYS_pwritev2, error);
  workload();
}
WEFT_CHILD_CASE("before-linux-6.4") { refuse_both(EOPNOTSUPP); }
WEFT_CHILD_CASE("calls-unknown") { refuse_both(ENOSYS); }
WEFT_CHILD_CASE("calls-filtered") { refuse_both(EPERM); }

// ---- Connections -------------------------------------------------------------------------------

// What the network says of one connection, and a shortage, end no accept.
WEFT_CHILD_CASE("accepts-that-fail") {
  held_calls held({{SYS_accept4, 3, SOCK_CLOEXEC | SOCK_NONBLOCK, 0}});
  weft::run([&] {
    weft::tcp_listener listener("127.0.0.1", 0);
    auto client = weft::tcp_stream::connect(listener.local_address());
    std::thread kernel([&] {
      for (const int error : {ECONNABORTED, EPROTO, ENFILE, ENOBUFS, ENOMEM}) {
        held.refuse(held.next(), error);
      }
      held.let_go(held.next());
    });
    auto stream = listener.accept();
    kernel.join();
    stream.write("here");
    std::cout << read_some(client) << '\n';
  });
}

WEFT_CHILD_CASE("without-ipv6") {
  held_calls held({{SYS_socket, 0, AF_INET6, EAFNOSUPPORT}});
  weft::run([] {
    weft::tcp_listener listener("", 0);
    auto client = weft::tcp_stream::connect(
        weft::socket_address("127.0.0.1", listener.local_address().port()));
    auto stream = listener.accept();
    stream.write("by IPv4");
    std::cout << read_some(client) << '\n';
    weft::udp_socket mine("", 0);
    weft::udp_socket theirs("127.0.0.1", 0);
    theirs.send_to(std::as_bytes(std::span("x", 1)),
                   weft::socket_address("127.0.0.1", mine.local_address().port()));
    std::array<std::byte, 8> bytes{};
    std::cout << mine.receive_from(bytes).first << '\n';
  });
}

// ---- A socket's full buffer ---------------------------------------------------------------------

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The kernel says that a datagram has no room: the call waits, and tries again.
WEFT_CHILD_CASE("send-to-without-room") {
  weft::udp_socket from("127.0.0.1");
  weft::udp_socket to("127.0.0.1");
  held_calls held({{SYS_sendto, 0, number(from.get()), 0}});
  // The first finds no room and the second some, and from then on there is none.
  std::thread([&] {
    held.refuse(held.next(), EAGAIN);
    held.let_go(held.next());
    for (;;) held.refuse(held.next(), EAGAIN);
  }).detach();
  weft::run(no_spare_thread(), [&] {
    from.send_to(bytes_of("with room at last"), to.local_address());
    std::array<std::byte, 64> bytes{};
    std::cout << weft_test::text_of(std::span(bytes).first(to.receive_from(bytes).first)) << '\n';
    std::cout << (failure([&] { from.send_to(bytes_of("x"), to.local_address(), 5ms); }) ==
                  std::errc::timed_out);
    auto closed = weft::spawn(
        [&] { return failure([&] { from.send_to(bytes_of("x"), to.local_address()); }); });
    weft_test::until_parked(1);
    from.close();
    std::cout << (closed.get() == std::errc::bad_file_descriptor) << std::endl;
  });
  ::_exit(0);
}

// A link in a network of this process alone, at whose other end is the test.
weft::file_descriptor make_link(const char* address) {
  if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return {};
  weft::file_descriptor link(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  const weft::file_descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq r{};
  std::strcpy(r.ifr_name, "weft0");
  r.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (!link || ::ioctl(link.get(), TUNSETIFF, &r) != 0) return {};
  sockaddr_in a{};
  a.sin_family = AF_INET;
  ::inet_pton(AF_INET, address, &a.sin_addr);
  std::memcpy(&r.ifr_addr, &a, sizeof a);
  if (::ioctl(socket.get(), SIOCSIFADDR, &r) != 0) return {};
  r.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &r) != 0) return {};
  return link;
}

// "I am whom you look for", to an ARP request.
bool answer_if_asked(weft::file_descriptor& link, std::span<const std::byte> frame) {
  constexpr std::size_t header = 14;
  if (frame.size() < header + 28 || frame[12] != std::byte{8} || frame[13] != std::byte{6})
    return false;
  std::array<std::byte, header + 28> answer{};
  std::memcpy(answer.data(), frame.data(), answer.size());
  std::byte* const arp = answer.data() + header;
  const std::array<std::byte, 6> mine{std::byte{2}, {}, {}, {}, {}, std::byte{7}};
  std::array<std::byte, 4> asked{};
  std::memcpy(asked.data(), arp + 24, 4);
  std::memcpy(answer.data(), frame.data() + 6, 6);
  std::memcpy(answer.data() + 6, mine.data(), 6);
  arp[7] = std::byte{ARPOP_REPLY};
  std::memcpy(arp + 18, frame.data() + header + 8, 10);  // to who asks
  std::memcpy(arp + 8, mine.data(), 6);
  std::memcpy(arp + 14, asked.data(), 4);
  link.write(answer);
  return true;
}

// While nobody answers for its address, what is sent to a neighbour stays in the sender's buffer.
WEFT_CHILD_CASE("send-to-a-silent-neighbour") {
  auto link = make_link("10.99.0.1");
  if (!link) {
    std::cout << "no link\n";
    return;
  }
  weft::run(no_spare_thread(), [&] {
    weft::udp_socket from("10.99.0.1");
    const int small = 1;
    ::setsockopt(from.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    const weft::socket_address to("10.99.0.2", 9);
    const std::string text(1000, 'd');
    auto sending = weft::spawn([&] {
      for (int i = 0; i < 100; ++i) from.send_to(bytes_of(text), to);
    });
    weft_test::until_parked(1);
    std::cout << (failure([&] { from.send_to(bytes_of("late"), to, 1ms); }) ==
                  std::errc::timed_out);
    std::vector<std::byte> frame(2048);
    bool answered = false;
    // Who asks waits for an answer only so long, and what waited for it is lost then.
    while (!sending.done()) {
      std::size_t n = 0;
      const auto error = failure([&] { n = link.read(frame, 100ms); });
      if (error != std::errc() && error != std::errc::timed_out) break;
      answered |= answer_if_asked(link, std::span(frame).first(n));
    }
    sending.get();
    std::cout << answered << '\n';
  });
}

}  // namespace

TEST_CASE("a regular file is read and written on a thread that may block", "[unit][io]") {
  const auto child = run_child("a-slow-file");
  CHECK(child.exit_code == 0);
  CHECK(child.out ==
        "read: what the file holds, on another thread\nwritten, on another thread\n"
        "what the file holds, and more\n");
}

TEST_CASE("no limit ends what a regular file takes", "[unit][io]") {
  for (const char* name : {"a-slow-file-past-its-limit", "a-slow-file-whose-limit-was-over"}) {
    const auto child = run_child(name);
    CHECK(child.exit_code == 0);
    CHECK(child.out ==
          "read: what the file holds, on another thread\nwritten, on another thread\n"
          "what the file holds, and more\n");
  }
}

TEST_CASE("what a descriptor is, is found out without asking a file's server", "[unit][io]") {
  for (const char* name :
       {"a-slow-file-that-is-not-asked-what-it-is", "a-slow-file-without-statx"}) {
    const auto child = run_child(name);
    CHECK(child.exit_code == 0);
    CHECK(child.out == "read: what the file holds, on another thread\n");
  }
}

TEST_CASE("a regular file is closed when its read is over", "[unit][io]") {
  const auto child = run_child("a-slow-file-and-its-end");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "closed -1, open 1\nread: what the file holds, on another thread\nopen 0\n");
}

TEST_CASE("a coroutine reads a regular file on a thread that may block", "[unit][io][coro]") {
  const auto child = run_child("a-slow-file-in-a-coroutine");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "what, on another thread\n");
}

TEST_CASE("a file is opened on a thread that may block", "[unit][io]") {
  const auto child = run_child("a-slow-open");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "Name:, on another thread\n");
}

TEST_CASE("another reader takes what a terminal in blocking mode had", "[unit][io]") {
  const auto child = run_child("a-terminal-whose-bytes-another-took");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "theirs\nread: for us, on another thread\n");
}

TEST_CASE("a terminal is closed when the read that a thread has is over", "[unit][io]") {
  const auto child = run_child("a-terminal-and-its-end");
  CAPTURE(child.err);
  CHECK(child.exit_code == 0);
  CHECK(child.out == "closed -1, open 1\nread: for us, on another thread\nopen 0\n");
}

TEST_CASE("another writer takes the room of a pipe in blocking mode, before Linux 6.4",
          "[unit][io]") {
  const auto child = run_child("an-old-pipe-whose-room-another-took");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "written, on another thread\n");
}

TEST_CASE("a FIFO does not change how pipes are read and written", "[unit][io]") {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  char byte = 'x';
  iovec v{&byte, 1};
  const bool knows = ::pwritev2(fds[1], &v, 1, -1, RWF_NOWAIT) == 1;  // Linux 6.4
  ::close(fds[0]);
  ::close(fds[1]);
  if (!knows) return;
  const auto child = run_child("a-fifo-beside-a-pipe");
  CAPTURE(child.err);
  CHECK(child.out == "9 5 7\n");
}

TEST_CASE("pipes on kernels and under filters that refuse preadv2 and pwritev2", "[unit][io]") {
  for (const char* name : {"nothing-refused", "before-linux-6.18", "before-linux-6.4",
                           "calls-unknown", "calls-filtered"}) {
    const auto child = run_child(name);
    CAPTURE(name, child.err);
    CHECK(child.exit_code == 0);
    CHECK(child.signal == 0);
    CHECK(child.out == workload_done);
  }
}

TEST_CASE("send_to waits while there is no room, or until its limit", "[unit][io][udp]") {
  const auto child = run_child("send-to-without-room");
  CHECK(child.exit_code == 0);
  CHECK(child.out == "with room at last\n11\n");
}

TEST_CASE("a datagram waits in the kernel: send_to waits for room in its buffer",
          "[unit][io][udp]") {
  const auto child = run_child("send-to-a-silent-neighbour");
  CHECK(child.exit_code == 0);
  if (child.out == "no link\n") {
    WARN("a network of its own was refused to this process");
    return;
  }
  CHECK(child.out == "11\n");
}

TEST_CASE("an accept goes on after an error of one connection, and after a shortage",
          "[unit][io]") {
  const auto child = run_child("accepts-that-fail");
  CAPTURE(child.err);
  CHECK(child.exit_code == 0);
  CHECK(child.out == "here\n");
}

TEST_CASE("every address is IPv4's where there is no IPv6", "[unit][io]") {
  const auto child = run_child("without-ipv6");
  CAPTURE(child.err);
  CHECK(child.exit_code == 0);
  CHECK(child.out == "by IPv4\n1\n");
}
