// Read by check.sh.
#include <weft/sync.hpp>

#include <memory>
#include <mutex>
#include <string>

struct move_only {
  move_only() = default;
  move_only(move_only&&) = default;
  void operator()() {}
};

// case COPY_A_MUTEX: delete
#ifdef COPY_A_MUTEX
void f(weft::mutex& m) { weft::mutex copy(m); }
#else
void f1(weft::mutex& m) { std::lock_guard lock(m); }
#endif

// case MOVE_A_MUTEX: delete
#ifdef MOVE_A_MUTEX
void f(weft::mutex& m) { weft::mutex moved(std::move(m)); }
#else
void f2(weft::mutex& m) { std::unique_lock lock(m); }
#endif

// case COPY_A_WAIT_GROUP: delete
#ifdef COPY_A_WAIT_GROUP
void f(weft::wait_group g) { g.done(); }
void g(weft::wait_group& g) { f(g); }
#else
void f3(weft::wait_group& g) { g.done(); }
void g3(weft::wait_group& g) { f3(g); }
#endif

// case WAIT_FOR_A_NUMBER: duration
#ifdef WAIT_FOR_A_NUMBER
bool f(weft::wait_group& g) { return g.wait_for(5); }
#else
bool f4(weft::wait_group& g) { return g.wait_for(std::chrono::seconds(5)); }
#endif

// case WAIT_FOR_A_TIME_POINT: duration
#ifdef WAIT_FOR_A_TIME_POINT
bool f(weft::wait_group& g) { return g.wait_for(weft::clock::now()); }
#else
bool f5(weft::wait_group& g) { return g.wait_for(std::chrono::milliseconds(1)); }
#endif

// case GROUP_GOES_A_NUMBER: invocable
#ifdef GROUP_GOES_A_NUMBER
void f(weft::wait_group& g) { g.go(5); }
#else
void f6(weft::wait_group& g) { g.go([] {}); }
#endif

// case GROUP_GOES_WITH_PARAMETER: invocable
#ifdef GROUP_GOES_WITH_PARAMETER
void f(weft::wait_group& g) { g.go([](int) {}); }
#else
void f7(weft::wait_group& g) { g.go([n = 1] { (void)n; }); }
#endif

// case GROUP_COPIES_MOVE_ONLY: constructible
#ifdef GROUP_COPIES_MOVE_ONLY
void f(weft::wait_group& g, move_only& m) { g.go(m); }
#else
void f8(weft::wait_group& g, move_only& m) { g.go(std::move(m)); }
#endif

// case CONDITION_WITH_ANOTHER_MUTEX: unique_lock
#ifdef CONDITION_WITH_ANOTHER_MUTEX
void f(weft::condition_variable& c, std::unique_lock<std::mutex>& l) { c.wait(l); }
#else
void f9(weft::condition_variable& c, std::unique_lock<weft::mutex>& l) { c.wait(l); }
#endif

// case CONDITION_WITH_A_MUTEX: unique_lock
#ifdef CONDITION_WITH_A_MUTEX
void f(weft::condition_variable& c, weft::mutex& m) { c.wait(m); }
#else
void f10(weft::condition_variable& c, weft::mutex& m) {
  std::unique_lock lock(m);
  c.wait(lock);
}
#endif

// case CONDITION_FOR_A_NUMBER: duration
#ifdef CONDITION_FOR_A_NUMBER
void f(weft::condition_variable& c, std::unique_lock<weft::mutex>& l) { c.wait_for(l, 5); }
#else
void f11(weft::condition_variable& c, std::unique_lock<weft::mutex>& l) {
  c.wait_for(l, std::chrono::seconds(5));
}
#endif

// case ACQUIRE_FOR_A_NUMBER: duration
#ifdef ACQUIRE_FOR_A_NUMBER
bool f(weft::semaphore& s) { return s.try_acquire_for(1, 5); }
#else
bool f12(weft::semaphore& s) { return s.try_acquire_for(1, std::chrono::seconds(5)); }
#endif

// case ONCE_A_NUMBER: invocable
#ifdef ONCE_A_NUMBER
void f(weft::once& o) { o.call(5); }
#else
void f13(weft::once& o) { o.call([] {}); }
#endif

// case ONCE_VALUE_WITH_PARAMETER: invocable
#ifdef ONCE_VALUE_WITH_PARAMETER
auto f() {
  return weft::once_value([](int n) { return n; });
}
#else
auto f14() {
  return weft::once_value([n = 1] { return n; });
}
#endif

// case COMPLETION_WITH_PARAMETER: the completion function is called without arguments
#ifdef COMPLETION_WITH_PARAMETER
void f() { weft::barrier b(2, [](int) {}); }
#else
void f15() { weft::barrier b(2, [] {}); }
#endif

// case MAP_OF_MOVE_ONLY: V must be copyable
#ifdef MAP_OF_MOVE_ONLY
void f() { weft::concurrent_map<int, move_only> m; }
#else
void f16() { weft::concurrent_map<int, std::shared_ptr<move_only>> m; }
#endif

// case FLIGHTS_OF_MOVE_ONLY: V must be copyable
#ifdef FLIGHTS_OF_MOVE_ONLY
void f() { weft::single_flight<int, move_only> s; }
#else
void f17() { weft::single_flight<int, std::shared_ptr<move_only>> s; }
#endif

// case POOL_OF_ANOTHER_TYPE: is_invocable_r
#ifdef POOL_OF_ANOTHER_TYPE
void f() {
  weft::pool<int> p([] { return std::string(); });
}
#else
void f18() {
  weft::pool<std::string> p([] { return std::string(); });
}
#endif

// case COPY_A_SEMAPHORE: delete
#ifdef COPY_A_SEMAPHORE
void f(weft::semaphore& s) { weft::semaphore copy(s); }
#else
void f19() { weft::semaphore s(3); }
#endif
