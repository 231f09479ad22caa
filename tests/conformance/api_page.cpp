// Every declaration of the interface's contract (runtime to contexts, descriptors), used the way a reader of that
// page would write it. What each of them does is the other files' business; here they compile, and
// have the types that the contract says.
#include <atomic>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <weft/weft.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;

namespace {

template <class A, class B>
constexpr bool same = std::is_same_v<A, B>;

struct move_only {
  explicit move_only(int v) : value(std::make_unique<int>(v)) {}
  std::unique_ptr<int> value;
};

weft::coro<int> doubled(weft::chan<int> c) {
  std::optional<int> v = co_await c.async_recv();
  co_return v ? 2 * *v : 0;
}

weft::coro<> relay(weft::recv_chan<int> from, weft::send_chan<int> to) {
  for (;;) {
    std::optional<int> v = co_await from.async_recv();
    if (!v) break;
    co_await to.async_send(*v);
  }
  to.close();
}

}  // namespace

TEST_CASE("api: runtime", "[api]") {
  weft::options o;
  static_assert(same<decltype(o.workers), unsigned>);
  static_assert(same<decltype(o.stack_size), std::size_t>);
  static_assert(same<decltype(o.seed), std::uint64_t>);
  static_assert(same<decltype(o.on_uncaught), std::function<void(std::exception_ptr, std::string_view)>>);
  static_assert(same<decltype(o.shutdown_grace), std::chrono::milliseconds>);
  static_assert(same<decltype(o.abort_on_stuck), bool>);
  static_assert(same<decltype(o.max_threads), unsigned>);
  static_assert(same<decltype(o.detect_deadlock), bool>);
  CHECK(o.workers == 0);
  CHECK(o.stack_size == 0);
  CHECK(o.seed == 0);
  CHECK(!o.on_uncaught);
  CHECK(o.shutdown_grace == 5000ms);
  CHECK(!o.abort_on_stuck);
  CHECK(o.max_threads == 512);
  CHECK(o.detect_deadlock);

  CHECK(weft::run([] { return 7; }) == 7);
  static_assert(same<decltype(weft::run([] {})), void>);
  CHECK(weft::run(weft::options{.workers = 2}, [] { return std::string("two"); }) == "two");
  CHECK(*weft::run([] { return move_only(3); }).value == 3);

  weft::runtime rt;
  weft::runtime with_options(weft::options{.workers = 1});
  weft::chan<int> c;
  rt.go([c] { c.send(1); });
  CHECK(c.recv() == 1);
  CHECK(with_options.run([] { return 9; }) == 9);
  const weft::runtime_stats s = rt.stats();
  CHECK(s.workers >= 1);
  (void)(s.goroutines + s.parked + s.runnable + s.spawned + s.switches + s.steals + s.timers +
         s.blocked_workers + s.abandoned);

  weft::run({.workers = 2}, [] {
    const weft::runtime_stats mine = weft::stats();
    CHECK(mine.workers == 2);
    static_assert(same<decltype(weft::num_goroutines()), std::size_t>);
    CHECK(weft::num_goroutines() == 1);
    CHECK(weft::workers() == 2);
    weft::set_workers(1);
    std::ostringstream out;
    weft::dump(out);
    CHECK(out.str().find("goroutine") != std::string::npos);
    weft::exit_guard guard;
    CHECK_THROWS_AS(weft::run([] {}), std::logic_error);
  });
  static_assert(std::is_base_of_v<std::runtime_error, weft::deadlock_error>);
  static_assert(!std::is_base_of_v<std::exception, weft::goroutine_exit>);
  static_assert(std::is_base_of_v<std::logic_error, weft::no_result>);
}

TEST_CASE("api: goroutines", "[api]") {
  weft::run([] {
    weft::wait_group wg;
    wg.add(3);
    weft::go([&] { wg.done(); });
    weft::go([](weft::wait_group* g, std::unique_ptr<int>) { g->done(); }, &wg,
             std::make_unique<int>(1));
    struct worker {
      void work(weft::wait_group* g) { g->done(); }
    } w;
    weft::go(&worker::work, &w, &wg);
    wg.wait();

    weft::join_handle<int> h = weft::spawn([](int a, int b) { return a + b; }, 2, 3);
    h.wait();
    CHECK(h.done());
    CHECK(h.get() == 5);
    CHECK_THROWS_AS(h.get(), weft::no_result);
    weft::join_handle<void> nothing = weft::spawn([] {});
    nothing.get();
    CHECK_THROWS_AS(weft::spawn([] { throw std::runtime_error("x"); }).get(), std::runtime_error);
    CHECK_THROWS_AS(weft::spawn([] { weft::exit_goroutine(); }).get(), weft::no_result);
    weft::yield();

    static_assert(same<decltype(weft::this_goroutine::id()), std::uint64_t>);
    CHECK(weft::this_goroutine::id() != 0);
    weft::this_goroutine::name("api");
    CHECK(weft::this_goroutine::name() == "api");
    CHECK(weft::this_goroutine::inside());

    static weft::goroutine_local<int> counter;
    static weft::goroutine_local<std::string> text([] { return std::string("init"); });
    ++*counter;
    CHECK(counter.get() == 1);
    CHECK(text->size() == 4);
    CHECK(weft::spawn([] { return *counter; }).get() == 0);

    {
      weft::pinned here;
      weft::pinned nested;
      weft::yield();
    }
    CHECK(weft::blocking([] { return 4; }) == 4);
    weft::blocking([] {});
    CHECK_THROWS_AS(weft::blocking([]() -> int { throw std::runtime_error("b"); }), std::runtime_error);
  });
  CHECK_FALSE(weft::this_goroutine::inside());
}

TEST_CASE("api: coroutines", "[api]") {
  weft::run([] {
    weft::chan<int> c;
    weft::join_handle<int> h = weft::spawn(doubled(c));
    c.send(4);
    CHECK(h.get() == 8);
    weft::join_handle<int> f = weft::spawn(doubled, c);
    c.send(5);
    CHECK(f.get() == 10);
    weft::chan<int> out;
    weft::go(relay(c, out));
    weft::go([c] {
      for (int i = 0; i < 3; ++i) c.send(i);
      c.close();
    });
    int sum = 0;
    for (int& v : out) sum += v;
    CHECK(sum == 3);

    weft::chan<void> bell;
    weft::chan<move_only> moves(1);
    weft::wait_group wg;
    wg.add(1);
    auto all = [](weft::chan<void> b, weft::chan<move_only> m, weft::wait_group* g) -> weft::coro<std::string> {
      co_await b.async_send();
      const bool got = co_await b.async_recv();
      co_await m.async_send(move_only(6));
      std::optional<move_only> back = co_await m.async_recv();
      co_await weft::async_sleep_for(1ms);
      auto joined = weft::spawn([] { return 1; });
      co_await joined.async_wait();
      co_await g->async_wait();
      std::size_t which = co_await weft::async_select(
          weft::on_recv(b, [](bool) {}), weft::on_timeout(1ms, [] {}));
      co_return std::to_string(got) + std::to_string(*back->value) + std::to_string(joined.get()) +
          std::to_string(which);
    };
    auto h2 = weft::spawn(all, bell, moves, &wg);
    CHECK(bell.recv());
    bell.send();
    wg.done();
    CHECK(h2.get() == "1611");
  });
}

TEST_CASE("api: channels", "[api]") {
  weft::run([] {
    weft::chan<int> c(2);
    static_assert(std::copyable<weft::chan<int>>);
    static_assert(same<decltype(c.send(1)), void>);
    static_assert(same<decltype(c.recv()), std::optional<int>>);
    static_assert(same<decltype(c.try_send(1)), weft::chan_status>);
    static_assert(std::is_convertible_v<weft::chan<int>, weft::send_chan<int>>);
    static_assert(std::is_convertible_v<weft::chan<int>, weft::recv_chan<int>>);
    static_assert(!std::is_convertible_v<weft::recv_chan<int>, weft::send_chan<int>>);
    static_assert(!std::is_convertible_v<int, weft::chan<int>>);
    const int lvalue = 1;
    c.send(lvalue);
    CHECK(c.try_send(2) == weft::chan_status::ok);
    CHECK(c.try_send(lvalue) == weft::chan_status::full);
    CHECK(c.send_for(3, 1ms) == weft::chan_status::timeout);
    CHECK(c.send_for(lvalue, 1ms) == weft::chan_status::timeout);
    CHECK(c.send_until(3, weft::clock::now() + 1ms) == weft::chan_status::timeout);
    CHECK(c.size() == 2);
    CHECK(c.capacity() == 2);
    CHECK(static_cast<bool>(c));
    std::optional<int> v;
    CHECK(c.try_recv(v) == weft::chan_status::ok);
    CHECK(c.recv_for(v, 1s) == weft::chan_status::ok);
    CHECK(c.recv_until(v, weft::clock::now()) == weft::chan_status::timeout);
    CHECK(!v);
    CHECK(c.try_recv(v) == weft::chan_status::empty);
    c.close();
    CHECK(c.closed());
    CHECK(c.try_recv(v) == weft::chan_status::closed);
    CHECK_THROWS_AS(c.close(), weft::closed_channel);
    CHECK_THROWS_AS(c.send(1), weft::closed_channel);
    static_assert(std::is_base_of_v<std::logic_error, weft::closed_channel>);
    static_assert(std::is_base_of_v<std::logic_error, weft::nil_channel>);

    weft::chan<int> nil(nullptr);
    weft::chan<int> also_nil = nullptr;
    CHECK(nil == also_nil);
    CHECK_FALSE(static_cast<bool>(nil));
    CHECK_THROWS_AS(nil.close(), weft::nil_channel);
    CHECK(nil.try_recv(v) == weft::chan_status::empty);
    CHECK(nil.try_send(1) == weft::chan_status::full);
    CHECK(nil.recv_for(v, 1ms) == weft::chan_status::timeout);

    weft::chan<void> bell(1);
    bell.send();
    CHECK(bell.recv());
    CHECK(bell.try_send() == weft::chan_status::ok);
    CHECK(bell.try_recv() == weft::chan_status::ok);
    CHECK(bell.send_for(1ms) == weft::chan_status::ok);
    CHECK(bell.recv_for(1ms) == weft::chan_status::ok);
    CHECK(bell.send_until(weft::clock::now()) == weft::chan_status::ok);
    CHECK(bell.recv_until(weft::clock::now()) == weft::chan_status::ok);
    bell.close();
    CHECK_FALSE(bell.recv());

    weft::chan<move_only> m(1);
    m.send(move_only(1));
    move_only kept(2);
    CHECK(m.try_send(std::move(kept)) == weft::chan_status::full);
    REQUIRE(kept.value);
    CHECK(*m.recv()->value == 1);

    weft::chan<int> d(3);
    weft::send_chan<int> in = d;
    weft::recv_chan<int> out = d;
    weft::send_chan<int> no_in;
    weft::recv_chan<int> no_out;
    CHECK_FALSE(static_cast<bool>(no_in));
    CHECK(no_out == weft::recv_chan<int>());
    CHECK(in == weft::send_chan<int>(d));
    in.send(1);
    CHECK(in.try_send(2) == weft::chan_status::ok);
    CHECK(in.send_for(3, 1s) == weft::chan_status::ok);
    CHECK(in.send_until(4, weft::clock::now()) == weft::chan_status::timeout);
    CHECK(in.size() == 3);
    CHECK(in.capacity() == 3);
    in.close();
    CHECK(in.closed());
    CHECK(out.closed());
    CHECK(out.size() == 3);
    CHECK(out.recv() == 1);
    CHECK(out.try_recv(v) == weft::chan_status::ok);
    CHECK(out.recv_for(v, 1s) == weft::chan_status::ok);
    CHECK(out.recv_until(v, weft::clock::now()) == weft::chan_status::closed);
    for (int& unused : out) (void)unused;
    auto it = out.begin();
    CHECK(it == out.end());
  });
}

TEST_CASE("api: select", "[api]") {
  weft::run([] {
    weft::chan<int> a(1);
    weft::chan<std::string> b(1);
    weft::chan<void> bell(1);
    std::optional<int> filled;
    bool rang = false;
    b.send("x");
    std::size_t n = weft::select(weft::on_recv(a, [](std::optional<int>) {}),
                                 weft::on_recv(b, [](std::optional<std::string> s) { CHECK(*s == "x"); }),
                                 weft::on_timeout(10s, [] {}));
    CHECK(n == 1);
    CHECK(weft::select(weft::on_send(a, 4, [] {}), weft::on_timeout(weft::clock::now() + 10s, [] {})) == 0);
    CHECK(weft::select(weft::on_recv(a, filled)) == 0);
    CHECK(filled == 4);
    CHECK(weft::select(weft::on_send(bell), weft::on_recv(bell, rang)) == 0);
    CHECK(weft::select(weft::on_recv(bell, rang)) == 0);
    CHECK(rang);
    CHECK(weft::select(weft::on_recv(bell, [](bool) {}), weft::on_recv(a), weft::on_default([] {})) == 2);
    CHECK(weft::select(weft::on_recv(bell), weft::on_timeout(1ms)) == 1);
    CHECK(weft::select(weft::on_recv(bell), weft::on_default()) == 1);
    const std::string text = "y";
    CHECK(weft::select(weft::on_send(b, text)) == 0);
    CHECK(weft::select(weft::on_recv(weft::recv_chan<std::string>(b))) == 0);
    CHECK(weft::select(weft::on_send(weft::send_chan<std::string>(b), std::string("z"))) == 0);
    CHECK(weft::select(weft::on_send(bell, [] {})) == 0);

    auto [ctx, cancel] = weft::with_cancel(weft::background());
    CHECK(weft::select(weft::on_done(ctx, [] {}), weft::on_default([] {})) == 1);
    cancel();
    CHECK(weft::select(weft::on_done(ctx, [] {}), weft::on_timeout(10s)) == 0);
    std::stop_source stop;
    stop.request_stop();
    CHECK(weft::select(weft::on_stop(stop.get_token(), [] {})) == 0);
    weft::join_handle<int> h = weft::spawn([] { return 1; });
    CHECK(weft::select(weft::on_joined(h, [] {})) == 0);
    CHECK(h.get() == 1);

    std::vector<weft::select_case> cases;
    cases.push_back(weft::on_recv(a, [](std::optional<int>) {}));
    cases.push_back(weft::on_send(a, 1, [] {}));
    cases.push_back(weft::on_timeout(10s, [] {}));
    CHECK(weft::select(std::span<weft::select_case>(cases)) == 1);
    cases[1].value(2);
    CHECK(weft::select(std::span(cases)) == 0);
    CHECK(weft::select(cases) == 1);
    CHECK_THROWS_AS(cases[1].value(std::string("wrong")), std::logic_error);
  });
}

TEST_CASE("api: time", "[api]") {
  weft::run([] {
    weft::sleep_for(1ms);
    weft::sleep_until(weft::clock::now() + 1ms);
    static_assert(weft::clock::is_steady);
    weft::recv_chan<weft::clock::time_point> once = weft::after(1ms);
    CHECK(once.recv());
    weft::timer t(1h);
    weft::recv_chan<weft::clock::time_point> ticks = t.channel();
    CHECK(t.stop());
    CHECK_FALSE(t.reset(1ms));
    CHECK(ticks.recv());
    weft::timer moved = std::move(t);
    CHECK_FALSE(moved.stop());
    weft::ticker every(1ms);
    CHECK(every.channel().recv());
    every.reset(2ms);
    CHECK(every.channel().recv());
    every.stop();
    CHECK_THROWS_AS(weft::ticker(0ms), std::invalid_argument);
    weft::chan<void> fired;
    weft::timer f = weft::after_func(1ms, [fired] { fired.send(); });
    CHECK(fired.recv());
    CHECK_FALSE(f.stop());
  });
}

TEST_CASE("api: synchronisation", "[api]") {
  weft::run([] {
    weft::mutex m;
    weft::mutex m2;
    { std::lock_guard guard(m); }
    { std::scoped_lock both(m, m2); }
    std::unique_lock lock(m, std::try_to_lock);
    CHECK(lock.owns_lock());
    lock.unlock();
    CHECK_THROWS_AS(m.unlock(), std::logic_error);

    weft::shared_mutex sm;
    {
      std::shared_lock one(sm);
      std::shared_lock two(sm);
      CHECK_FALSE(sm.try_lock());
    }
    { std::unique_lock alone(sm); }
    CHECK(sm.try_lock_shared());
    sm.unlock_shared();

    weft::condition_variable cv;
    bool ready = false;
    weft::go([&] {
      std::lock_guard guard(m);
      ready = true;
      cv.notify_one();
    });
    lock.lock();
    cv.wait(lock, [&] { return ready; });
    cv.notify_all();
    CHECK_FALSE(cv.wait_for(lock, 1ms, [] { return false; }));
    CHECK(cv.wait_for(lock, 1ms) == std::cv_status::timeout);
    CHECK(cv.wait_until(lock, weft::clock::now() + 1ms) == std::cv_status::timeout);
    CHECK_FALSE(cv.wait_until(lock, weft::clock::now() + 1ms, [] { return false; }));
    lock.unlock();

    weft::wait_group wg;
    wg.add(2);
    wg.done();
    wg.done();
    wg.go([] {});
    wg.wait();
    CHECK(wg.wait_for(1ms));
    CHECK_THROWS_AS(wg.done(), std::logic_error);

    weft::once o;
    int calls = 0;
    CHECK_THROWS_AS(o.call([&] { ++calls; throw std::runtime_error("again"); }), std::runtime_error);
    o.call([&] { ++calls; });
    o.call([&] { ++calls; });
    CHECK(calls == 2);
    auto value = weft::once_value([&] { return ++calls; });
    CHECK(value() == 3);
    CHECK(value() == 3);

    weft::semaphore s(3);
    s.acquire();
    s.acquire(2);
    CHECK_FALSE(s.try_acquire(1));
    CHECK_FALSE(s.try_acquire_for(1, 1ms));
    s.release(2);
    s.release();
    CHECK_THROWS_AS(s.acquire(4), std::invalid_argument);
    CHECK_THROWS_AS(s.release(1), std::logic_error);

    weft::latch l(2);
    l.count_down();
    l.arrive_and_wait();
    l.wait();
    CHECK(l.try_wait());

    weft::barrier b(1);
    b.arrive_and_wait();
    b.arrive_and_drop();

    weft::concurrent_map<std::string, int> map;
    CHECK_FALSE(map.load("a"));
    map.store("a", 1);
    auto [v, loaded] = map.load_or_store("a", 2);
    CHECK(v == 1);
    CHECK(loaded);
    CHECK(map.compare_and_swap("a", 1, 3));
    CHECK(map.load_and_delete("a") == 3);
    CHECK_FALSE(map.erase("a"));
    map.store("b", 2);
    map.for_each([](const std::string& k, const int& n) {
      CHECK(k == "b");
      CHECK(n == 2);
      return true;
    });

    weft::pool<std::vector<int>> p([] { return std::vector<int>(3); });
    std::vector<int> from_pool = p.get();
    CHECK(from_pool.size() == 3);
    p.put(std::move(from_pool));

    weft::single_flight<std::string, int> flight;
    auto r = flight.run("k", [] { return 1; });
    CHECK(r.value == 1);
    CHECK_FALSE(r.shared);
    flight.forget("k");
  });
}

TEST_CASE("api: task groups and contexts", "[api]") {
  static const weft::key<std::string> user;
  weft::run([] {
    weft::task_group g;
    g.set_limit(2);
    std::atomic<int> n = 0;
    for (int i = 0; i < 5; ++i) g.go([&] { ++n; });
    g.wait();
    CHECK(n == 5);
    CHECK(g.try_go([] {}));
    weft::context mine = g.ctx();
    weft::task_group failing(weft::background());
    failing.go([] { throw std::runtime_error("first"); });
    CHECK_THROWS_WITH(failing.wait(), "first");
    CHECK(failing.ctx().err() == weft::context_error::cancelled);

    weft::context root = weft::background();
    CHECK(root.err() == weft::context_error::none);
    CHECK_FALSE(static_cast<bool>(root.done()));
    CHECK_FALSE(root.deadline());
    CHECK(root.cause() == nullptr);
    auto [ctx, cancel] = weft::with_cancel(root);
    static_assert(same<decltype(cancel), weft::cancel_function>);
    static_assert(!std::is_copy_constructible_v<weft::cancel_function>);
    static_assert(std::is_move_constructible_v<weft::cancel_function>);
    auto [timed, stop_timed] = weft::with_timeout(ctx, 1h);
    auto [dated, stop_dated] = weft::with_deadline(ctx, weft::clock::now() + 1h);
    CHECK(timed.deadline());
    weft::context with_user = weft::with_value(timed, user, std::string("ann"));
    static_assert(same<decltype(with_user.value(user)), const std::string*>);
    CHECK(*with_user.value(user) == "ann");
    CHECK(ctx.value(user) == nullptr);
    weft::context apart = weft::without_cancel(with_user);
    weft::chan<void> ended(1);
    weft::stop_function stop = weft::after_func(with_user, [ended] { ended.send(); });
    weft::stop_function never = weft::after_func(ctx, [] {});
    CHECK(never());
    std::stop_token token = with_user.stop_token();
    cancel(std::make_exception_ptr(std::runtime_error("why")));
    cancel();
    CHECK(token.stop_requested());
    CHECK(with_user.err() == weft::context_error::cancelled);
    CHECK_THROWS_WITH(std::rethrow_exception(with_user.cause()), "why");
    CHECK_FALSE(with_user.done().recv());
    CHECK(ended.recv());
    CHECK_FALSE(stop());
    CHECK(apart.err() == weft::context_error::none);
    CHECK(*apart.value(user) == "ann");
    auto [late, stop_late] = weft::with_timeout(root, 1ms);
    late.done().recv();
    CHECK(late.err() == weft::context_error::deadline_exceeded);
    CHECK_THROWS_AS(std::rethrow_exception(late.cause()), weft::context_deadline_exceeded);
    static_assert(std::is_base_of_v<std::runtime_error, weft::context_cancelled>);
    static_assert(std::is_base_of_v<std::runtime_error, weft::context_deadline_exceeded>);
  });
}

TEST_CASE("api: descriptors", "[api]") {
  weft::run([] {
    weft::wait_limit for_ever;
    weft::wait_limit so_long(1s);
    weft::wait_limit until(weft::clock::now() + 1s);
    weft::wait_limit with_it(weft::background());
    static_assert(same<decltype(weft::wait_readable(0)), weft::wait_status>);
    static_assert(same<decltype(weft::wait_writable(0, 1s)), weft::wait_status>);
    static_assert(std::is_nothrow_default_constructible_v<weft::file_descriptor>);
    static_assert(!std::is_copy_constructible_v<weft::file_descriptor>);
    static_assert(std::is_nothrow_move_constructible_v<weft::file_descriptor>);
    static_assert(!std::is_convertible_v<int, weft::file_descriptor>);

    weft::pipe_ends ends = weft::pipe();
    weft::file_descriptor& in = ends.reader;
    weft::file_descriptor& out = ends.writer;
    CHECK(weft::wait_writable(out.get()) == weft::wait_status::ready);
    CHECK(weft::wait_readable(in.get(), 1ms) == weft::wait_status::timeout);
    weft::cancel_waits(in.get());
    out.write("abc");
    const std::vector<std::byte> bytes{std::byte('d'), std::byte('\n')};
    out.write(bytes, so_long);
    out.write(std::string("e\n"), until);
    std::size_t written = out.write_some(bytes);
    CHECK(written == 2);
    std::byte two[2];
    std::size_t n = in.read(two);
    CHECK(n == 2);
    n = in.read_full(two, for_ever);
    CHECK(n == 2);
    weft::line_reader reader(in, 100);
    std::optional<std::string> line = reader.next();
    CHECK(line == "");
    line = reader.next(with_it);
    CHECK(line == "e");
    std::string rest = reader.rest();
    CHECK(rest == "d\n");
    auto coroutine = [&in, &out]() -> weft::coro<std::size_t> {
      std::byte one[1];
      std::byte last[1];
      co_await out.async_write("xyz");
      co_await out.async_write(std::span<const std::byte>(), 1s);
      const weft::wait_status readable = co_await weft::async_wait_readable(in.get());
      const weft::wait_status writable = co_await weft::async_wait_writable(out.get(), 1s);
      const std::size_t a = co_await in.async_read(one);
      const std::size_t b = co_await in.async_read_full(last, 1s);
      co_return a + b + (readable == writable ? 1 : 0);
    };
    CHECK(weft::spawn(coroutine()).get() == 3);
    out.close();
    out.close();
    CHECK_FALSE(out);
    CHECK(in.read_all(1s, 100) == "z");
    weft::file_descriptor null = weft::file_descriptor::open("/dev/null", O_RDWR);
    weft::file_descriptor copy = weft::file_descriptor::duplicate(null.get());
    weft::file_descriptor again(copy.release());
    CHECK(copy.get() == -1);
    weft::recv_chan<std::string> none = weft::lines(std::move(again));
    CHECK_FALSE(none.recv());
    weft::recv_chan<std::string> some = weft::lines(std::move(in), weft::background(), 10);
    CHECK_FALSE(some.recv());
  });
}

TEST_CASE("api: processes and signals", "[api]") {
  static_assert(!std::is_copy_constructible_v<weft::command>);
  static_assert(std::is_nothrow_move_constructible_v<weft::command>);
  weft::run([] {
    const std::filesystem::path nowhere = "/dev/null";
    weft::command c("cat");
    c.args({"-u", "-"}).env("NAME", "value").clear_env().dir("/").kill_grace(10ms);
    c.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).stderr_to(weft::stdio::to_stdout);
    c.start();
    static_assert(same<decltype(c.pid()), pid_t>);
    CHECK(c.pid() > 0);
    weft::file_descriptor in = std::move(c.stdin_pipe());
    in.write("hello");
    in.close();
    weft::file_descriptor& out = c.stdout_pipe();
    CHECK(out.read_all() == "hello");
    c.signal(0);
    weft::exit_status ended = c.wait();
    static_assert(same<decltype(ended.code), std::optional<int>>);
    static_assert(same<decltype(ended.signal), std::optional<int>>);
    CHECK(ended.ok());
    CHECK_FALSE(ended.limit_reached);
    CHECK_FALSE(ended.to_string().empty());

    weft::command both("sh", {"-c", "cat >&2"});
    both.stdin_from("/dev/null").stdout_to(nowhere).stderr_to(weft::stdio::pipe);
    both.start();
    CHECK(both.stderr_pipe().read_all() == "");
    CHECK(both.wait(10s).code == 0);
    weft::command with_file("true");
    with_file.stdin_from(weft::file_descriptor::open("/dev/null", O_RDONLY));
    with_file.stdout_to(std::string("/dev/null")).stderr_to(weft::stdio::inherit);
    CHECK(with_file.run().ok());
    weft::command sleeper("sleep", {"1000"});
    sleeper.stdin_from(weft::stdio::null).start();
    sleeper.kill();
    CHECK(weft::spawn(sleeper.async_wait(10s)).get().signal == SIGKILL);
    CHECK(weft::command("sleep", {"1000"}).run(1ms).limit_reached);
    CHECK_THROWS_AS(weft::command("weft-has-no-such-program").start(), std::system_error);

    weft::recv_chan<int> signals = weft::notify_signals({SIGUSR1, SIGUSR2});
    ::raise(SIGUSR2);
    CHECK(signals.recv() == SIGUSR2);
    weft::stop_signals(signals);
    CHECK_FALSE(signals.recv());
  });
}

TEST_CASE("api: network", "[api]") {
  static_assert(std::is_base_of_v<weft::file_descriptor, weft::tcp_stream>);
  static_assert(std::is_base_of_v<weft::file_descriptor, weft::unix_stream>);
  static_assert(!std::is_copy_constructible_v<weft::tcp_listener>);
  static_assert(std::is_move_constructible_v<weft::udp_socket>);
  weft::run([] {
    const weft::socket_address address("127.0.0.1", 80);
    CHECK(address.ip() == "127.0.0.1");
    CHECK(address.port() == 80);
    CHECK(address.to_string() == "127.0.0.1:80");
    static_assert(same<decltype(address.data()), const sockaddr*>);
    static_assert(same<decltype(address.size()), socklen_t>);
    std::vector<weft::socket_address> found = weft::resolve("127.0.0.1", "80", 10s);
    CHECK(found.at(0) == address);
    static_assert(std::is_base_of_v<std::error_category,
                                    std::remove_cvref_t<decltype(weft::resolve_category())>>);

    weft::tcp_listener listener("", 0);
    weft::tcp_listener short_queue("127.0.0.1", 0, 1);
    CHECK(short_queue.get() >= 0);
    short_queue.close();
    const std::uint16_t port = listener.local_address().port();
    weft::tcp_stream client = weft::tcp_stream::connect(weft::socket_address("127.0.0.1", port), 10s);
    weft::tcp_stream server = listener.accept(10s);
    CHECK(client.local_address() == server.peer_address());
    client.no_delay(false);
    client.keep_alive(30s);
    client.keep_alive(0s);
    client.write("to the end");
    client.close_write();
    CHECK(server.read_all() == "to the end");
    weft::tcp_stream by_name = weft::tcp_stream::connect("127.0.0.1", port);
    weft::tcp_stream accepted = weft::spawn(listener.async_accept()).get();
    auto connects = [](std::uint16_t to) -> weft::coro<bool> {
      weft::tcp_stream one =
          co_await weft::tcp_stream::async_connect(weft::socket_address("127.0.0.1", to), 10s);
      weft::tcp_stream two = co_await weft::tcp_stream::async_connect("127.0.0.1", to);
      co_return one && two;
    };
    CHECK(weft::spawn(connects(port)).get());

    weft::udp_socket receiver("127.0.0.1", 0);
    weft::udp_socket sender;
    std::byte datagram[3]{};
    sender.send_to(datagram, receiver.local_address(), 10s);
    std::pair<std::size_t, weft::socket_address> got = receiver.receive_from(datagram, 10s);
    CHECK(got.first == 3);
    CHECK(got.second.port() == sender.local_address().port());
    CHECK(receiver.get() >= 0);
    receiver.close();

    auto [a, b] = weft::unix_stream::pair();
    a.write("x");
    a.close_write();
    CHECK(b.read_all() == "x");
    const auto path = std::filesystem::temp_directory_path() / ("weft-api-" + std::to_string(::getpid()));
    weft::unix_listener local(path, 5);
    weft::unix_stream there = weft::unix_stream::connect(path, 10s);
    weft::unix_stream here = local.accept(10s);
    there.close();
    CHECK(here.read_all() == "");
    auto waits = weft::spawn(local.async_accept(10s));
    weft::unix_stream again = weft::spawn(weft::unix_stream::async_connect(path)).get();
    CHECK(waits.get());
    CHECK(local.get() >= 0);
    local.close();
    CHECK_FALSE(std::filesystem::exists(path));
  });
}
