// Read by check.sh.
#include <weft/sync.hpp>

#include <mutex>

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
