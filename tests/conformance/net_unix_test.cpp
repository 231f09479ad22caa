// unix_stream and unix_listener.
#include "sockets.hpp"
#include "support/scale.hpp"

#include <fcntl.h>

#include <array>
#include <fstream>
#include <type_traits>

using namespace std::chrono_literals;
using weft::unix_listener;
using weft::unix_stream;
using weft_test::contains;
using weft_test::descriptors_kept;
using weft_test::error_of;
using weft_test::everywhere;
using weft_test::message_of;
using weft_test::read_some;
using weft_test::until_parked;

TEST_CASE("a pair is connected with each other", "[net][unix]") {
  descriptors_kept kept;
  everywhere([] {
    auto [a, b] = unix_stream::pair();
    CHECK((::fcntl(a.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(b.get(), F_GETFL) & O_NONBLOCK) != 0);
    a.write("to b");
    b.write("to a");
    CHECK(read_some(a) == "to a");
    CHECK(read_some(b) == "to b");
    a.close_write();
    CHECK(read_some(b) == "");
    b.write("still");
    CHECK(read_some(a) == "still");
    b.close();
    CHECK(read_some(a) == "");
    CHECK(error_of([&] { a.write("x"); }) == std::errc::broken_pipe);
    auto [c, d] = unix_stream::pair();
    d.write("never read");
    d.close();
    CHECK(error_of([&, &s = c] { s.write("x"); }) == std::errc::broken_pipe);
  });
}

TEST_CASE("a unix socket that is connected already is taken over as it is", "[net][unix]") {
  descriptors_kept kept;
  everywhere([] {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    unix_stream a(ends[0]);
    unix_stream b(ends[1]);
    CHECK(error_of([&] { read_some(a, 1ms); }) == std::errc::timed_out);
    b.write("to a");
    CHECK(read_some(a) == "to a");
    const std::string block(1 << 20, 'b');
    CHECK(error_of([&] { a.write(block, 1ms); }) == std::errc::timed_out);
    CHECK((::fcntl(a.get(), F_GETFL) & O_NONBLOCK) == 0);
    a.close_write();
    b.close();
    CHECK(error_of([&] { a.write("x"); }) == std::errc::broken_pipe);
  });
}

TEST_CASE("connections over a path", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  everywhere([&] {
    const auto path = dir / "socket";
    unix_listener listener(path);
    CHECK(std::filesystem::is_socket(path));
    unix_stream client = unix_stream::connect(path);
    unix_stream server = listener.accept();
    client.write("question");
    client.close_write();
    CHECK(server.read_all() == "question");
    server.write("answer");
    server.close();
    CHECK(client.read_all() == "answer");
    listener.close();
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(error_of([&] { unix_stream::connect(path); }) == std::errc::no_such_file_or_directory);
    CHECK_THAT(message_of([&] { unix_stream::connect(path); }), contains(path.string()));
    listener.close();
    CHECK(error_of([&] { listener.accept(); }) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a path that exists is not taken over", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  const auto path = dir / "socket";
  {
    unix_listener listener(path);
    CHECK(error_of([&] { unix_listener{path}; }) == std::errc::address_in_use);
    CHECK(std::filesystem::is_socket(path));
    CHECK(unix_stream::connect(path).get() >= 0);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  {
    // What a server that was killed leaves behind.
    unix_listener listener(path);
    const auto kept_name = dir / "kept";
    std::filesystem::rename(path, kept_name);
    listener.close();
    std::filesystem::rename(kept_name, path);
  }
  CHECK(error_of([&] { unix_stream::connect(path); }) == std::errc::connection_refused);
  CHECK_THAT(message_of([&] { unix_listener{path}; }), contains("remove it first"));
  CHECK_THAT(message_of([&] { unix_listener{path}; }), contains(path.string()));
  std::filesystem::remove(path);
  std::ofstream(path) << "a file";
  CHECK_THAT(message_of([&] { unix_listener{path}; }), contains("is no socket"));
  CHECK(std::filesystem::is_regular_file(path));
}

TEST_CASE("a listener removes only what it made", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  const auto path = dir / "socket";
  unix_listener old_one(path);
  std::filesystem::remove(path);  // as an administrator may
  unix_listener new_one(path);
  old_one.close();
  CHECK(std::filesystem::is_socket(path));
  CHECK(unix_stream::connect(path).get() >= 0);
  new_one.close();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a listener that was moved from owns nothing", "[net][unix]") {
  descriptors_kept kept;
  static_assert(!std::is_copy_constructible_v<unix_listener>);
  static_assert(std::is_nothrow_move_constructible_v<unix_listener>);
  weft_test::scratch_directory dir;
  const auto path = dir / "socket";
  const auto other_path = dir / "other";
  unix_listener listener(path);
  {
    unix_listener moved = std::move(listener);
    CHECK(listener.get() == -1);
    CHECK_FALSE(static_cast<bool>(listener));
    CHECK(error_of([&] { listener.accept(); }) == std::errc::bad_file_descriptor);
    listener.close();
    CHECK(std::filesystem::is_socket(path));
    unix_stream client = unix_stream::connect(path);
    moved.accept();
    moved = unix_listener(other_path);
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(std::filesystem::is_socket(other_path));
    unix_stream::connect(other_path);
    moved.accept();
  }
  CHECK_FALSE(std::filesystem::exists(other_path));
  listener = unix_listener(path);
  CHECK(unix_stream::connect(path).get() >= 0);
}

TEST_CASE("a path is removed wherever the process has gone meanwhile", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  unix_listener listener("here");
  std::filesystem::current_path(before);
  CHECK(std::filesystem::is_socket(dir / "here"));
  listener.close();
  CHECK_FALSE(std::filesystem::exists(dir / "here"));
}

TEST_CASE("paths that cannot be", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  const std::string stem = dir.path().string() + '/';
  const std::string longest = stem + std::string(107 - stem.size(), 'l');
  unix_listener listener(longest);
  CHECK(unix_stream::connect(longest).get() >= 0);
  const std::string too_long = longest + 'l';
  CHECK(error_of([&] { unix_listener{too_long}; }) == std::errc::filename_too_long);
  CHECK_THAT(message_of([&] { unix_listener{too_long}; }),
             contains("at most 107 bytes, this one 108"));
  CHECK(error_of([&] { unix_stream::connect(too_long); }) == std::errc::filename_too_long);
  CHECK(error_of([&] { unix_listener{""}; }) == std::errc::invalid_argument);
  CHECK(error_of([&] { unix_stream::connect(""); }) == std::errc::invalid_argument);
  CHECK(error_of([&] { unix_stream::connect(std::string("a\0b", 3)); }) ==
        std::errc::invalid_argument);
  CHECK(error_of([&] { unix_listener{dir / "no" / "socket"}; }) ==
        std::errc::no_such_file_or_directory);
}

TEST_CASE("close wakes who accepts; limits and contexts", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  weft::run([&] {
    unix_listener listener(dir / "socket");
    CHECK(error_of([&] { listener.accept(0ms); }) == std::errc::timed_out);
    CHECK(error_of([&] { listener.accept(2ms); }) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    auto cancelled =
        weft::spawn([&, ctx = ctx] { return error_of([&] { listener.accept(ctx); }); });
    auto closed = weft::spawn([&] { return error_of([&] { listener.accept(); }); });
    until_parked(2);
    cancel();
    CHECK(cancelled.get() == std::errc::operation_canceled);
    listener.close();
    CHECK(closed.get() == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("a full queue: connect waits for room, or for its limit", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  const auto path = dir / "socket";
  everywhere([&] {
    unix_listener listener(path, 0);
    std::vector<unix_stream> filling;
    while (!error_of([&] { filling.push_back(unix_stream::connect(path, 0ms)); })) {
    }
    CHECK(error_of([&] { unix_stream::connect(path, 0ms); }) == std::errc::timed_out);
    CHECK(error_of([&] { unix_stream::connect(path, 3ms); }) == std::errc::timed_out);
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    weft::go([c = std::move(cancel)] { c(); });
    CHECK(error_of([&] { unix_stream::connect(path, ctx); }) == std::errc::operation_canceled);
    auto accepting = weft::spawn([&] { listener.accept(); });
    CHECK(unix_stream::connect(path).get() >= 0);
    accepting.get();
  });
}

TEST_CASE("many connections over one path", "[net][unix]") {
  descriptors_kept kept;
  weft_test::scratch_directory dir;
  const auto path = dir / "socket";
  const int clients = static_cast<int>(weft_test::scaled(300));
  weft_test::notes notes;
  weft::run([&] {
    unix_listener listener(path, 16);
    weft::wait_group all;
    all.go([&] {
      for (int i = 0; i < clients; ++i) {
        all.go([s = listener.accept()]() mutable {
          std::array<std::byte, 512> buffer;
          while (std::size_t n = s.read(buffer)) s.write(std::span(buffer).first(n));
        });
      }
    });
    for (int i = 0; i < clients; ++i) {
      all.go([&, i] {
        unix_stream s = unix_stream::connect(path);
        const std::string text = "client " + std::to_string(i);
        s.write(text);
        s.close_write();
        notes.expect(s.read_all() == text, "another's bytes");
      });
    }
    all.wait();
  });
  CHECK(notes.text() == "");
}
