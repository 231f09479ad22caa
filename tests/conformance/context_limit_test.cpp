// wait_limit(context): waits on descriptors that end with a context.
#include "collect.hpp"
#include "left_over.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using weft::background;
using weft::wait_readable;
using weft::wait_status;
using weft::wait_writable;
using weft::with_cancel;
using weft::with_timeout;

namespace {

template <class F>
std::errc error_of(F f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return std::errc(e.code().value());
  }
  return std::errc();
}

void fill(weft::file_descriptor& writer) {
  const std::string block(65536, 'f');
  CHECK(error_of([&] {
          for (;;) writer.write(block, 0ms);
        }) == std::errc::timed_out);
}

}  // namespace

static const weft::key<int> some_key;

TEST_CASE("a wait ends with its context: cancelled, or timeout at its deadline", "[context][io]") {
  auto check = [] {
    auto ends = weft::pipe();
    const int fd = ends.reader.get();
    auto [timed, cancel_timed] = with_timeout(background(), 3ms);
    const auto at = *timed.deadline();
    CHECK(wait_readable(fd, timed) == wait_status::timeout);
    CHECK(weft::clock::now() >= at);
    CHECK(timed.err() == weft::context_error::deadline_exceeded);
    CHECK(wait_readable(fd, timed) == wait_status::timeout);  // done already
    auto [ctx, cancel] = with_cancel(background());
    weft::chan<wait_status> got(1);
    weft::go([=, ctx = ctx] { got.send(wait_readable(fd, weft::with_value(ctx, some_key, 1))); });
    weft::yield();
    cancel();
    CHECK(got.recv() == wait_status::cancelled);
    CHECK(wait_readable(fd, ctx) == wait_status::cancelled);
    // What is ready is ready.
    ends.writer.write("x");
    CHECK(wait_readable(fd, ctx) == wait_status::ready);
    CHECK(wait_readable(fd, timed) == wait_status::ready);
    CHECK(wait_writable(ends.writer.get(), ctx) == wait_status::ready);
    CHECK(wait_readable(fd, background()) == wait_status::ready);
  };
  check();
  weft::run(check);
}

TEST_CASE("file_descriptor's calls: operation_canceled, timed_out", "[context][io]") {
  auto check = [] {
    auto ends = weft::pipe();
    std::byte bytes[4];
    auto [ctx, cancel] = with_cancel(background());
    auto [timed, cancel_timed] = with_timeout(ctx, 2ms);
    CHECK(error_of([&, &timed = timed] { ends.reader.read(bytes, timed); }) == std::errc::timed_out);
    weft::chan<std::errc> got(1);
    weft::go([&, ctx = ctx] { got.send(error_of([&] { ends.reader.read(bytes, ctx); })); });
    weft::yield();
    cancel();
    CHECK(got.recv() == std::errc::operation_canceled);
    CHECK(error_of([&, &ctx = ctx] { ends.reader.read_all(ctx); }) == std::errc::operation_canceled);
    // What was read and not returned stays.
    ends.writer.write("abc");
    CHECK(error_of([&, &ctx = ctx] { ends.reader.read_full(bytes, ctx); }) ==
          std::errc::operation_canceled);
    CHECK(ends.reader.read(bytes, ctx) == 3);
    fill(ends.writer);
    CHECK(error_of([&, &ctx = ctx] { ends.writer.write("x", ctx); }) ==
          std::errc::operation_canceled);
  };
  check();
  weft::run(check);
}

TEST_CASE("a close is told from a cancel", "[context][io]") {
  weft::run([] {
    auto ends = weft::pipe();
    auto [ctx, cancel] = with_cancel(background());
    weft::chan<std::errc> got(1);
    weft::go([&, ctx = ctx] {
      std::byte b[1];
      got.send(error_of([&] { ends.reader.read(b, ctx); }));
    });
    weft_test::until_parked(1);
    ends.reader.close();
    CHECK(got.recv() == std::errc::bad_file_descriptor);
    auto other = weft::pipe();
    const int fd = other.reader.get();
    auto waiting = weft::spawn([fd, ctx = ctx] { return wait_readable(fd, ctx); });
    weft_test::until_parked(1);
    weft::cancel_waits(fd);
    CHECK(waiting.get() == wait_status::cancelled);
    CHECK(ctx.err() == weft::context_error::none);
  });
}

TEST_CASE("many waits on one context, readers and writers, goroutines and threads", "[context][io]") {
  auto empty = weft::pipe();
  auto full = weft::pipe();
  fill(full.writer);
  auto [ctx, cancel] = with_cancel(background());
  std::atomic<int> cancelled = 0;
  std::thread thread([&, ctx = ctx] {
    if (wait_readable(empty.reader.get(), ctx) == wait_status::cancelled) ++cancelled;
  });
  weft::run([&, &ctx = ctx, &cancel = cancel] {
    weft::wait_group group;
    for (int i = 0; i < 10; ++i) {
      group.go([&, i] {
        const auto status = i % 2 == 0 ? wait_readable(empty.reader.get(), ctx)
                                       : wait_writable(full.writer.get(), ctx);
        if (status == wait_status::cancelled) ++cancelled;
      });
    }
    weft_test::until_parked(10);
    cancel();
    group.wait();
    weft_test::until_nothing_is_left();
  });
  thread.join();
  CHECK(cancelled == 11);
}

TEST_CASE("readiness, cancel and deadline race: one of them, nothing is left", "[context][io]") {
  const std::size_t rounds = weft_test::scaled(1500);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      auto ends = weft::pipe();
      auto [ctx, cancel] = i % 2 == 0 ? with_cancel(background())
                                      : with_timeout(background(), std::chrono::microseconds(i % 50));
      weft::wait_group group;
      std::atomic<bool> wrote = false;
      std::atomic<bool> ended = false;
      for (int g = 0; g < 2; ++g) {
        group.go([&, ctx = ctx] {
          const auto status = wait_readable(ends.reader.get(), ctx);
          if (status == wait_status::ready && !wrote) ++wrong;
          if (status == wait_status::cancelled && !ended) ++wrong;
          if (status == wait_status::timeout &&
              ctx.err() != weft::context_error::deadline_exceeded) {
            ++wrong;
          }
        });
      }
      group.go([&] {
        if (i % 3 == 0) return;
        wrote = true;
        ends.writer.write("x");
      });
      if (i % 5 != 0) weft::yield();
      ended = true;
      cancel();
      group.wait();
    }
    weft_test::until_nothing_is_left();
  });
  CHECK(wrong == 0);
}

TEST_CASE("a wait with a context whose run ends", "[context][io]") {
  std::atomic<bool> unwound = false;
  auto ends = weft::pipe();
  auto [ctx, cancel] = with_cancel(background());
  weft::run([&, ctx = ctx] {
    weft::go([&, ctx] {
      try {
        wait_readable(ends.reader.get(), ctx);
      } catch (const weft::goroutine_exit&) {
        unwound = true;
        throw;
      }
    });
    weft_test::until_parked(1);
  });
  CHECK(unwound);
  cancel();  // nothing of it is left in the context
}
