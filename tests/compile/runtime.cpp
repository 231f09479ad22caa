// Read by check.sh.
#include <weft/runtime.hpp>

#include <memory>

struct move_only {
  move_only() = default;
  move_only(move_only&&) = default;
  void operator()() {}
};

// case RUN_A_NUMBER: invocable
#ifdef RUN_A_NUMBER
void f() { weft::run(42); }
#else
void f1() { weft::run([] {}); }
#endif

// case RUN_NOTHING: run
#ifdef RUN_NOTHING
void f() { weft::run(weft::options{}); }
#else
void f2() { weft::run(weft::options{}, [] {}); }
#endif

// case RUN_WITH_ARGUMENT: invocable
#ifdef RUN_WITH_ARGUMENT
void f() { weft::run([](int) {}); }
#else
void f3() { weft::run([n = 1] { (void)n; }); }
#endif

// case RUNTIME_GO_A_NUMBER: invocable
#ifdef RUNTIME_GO_A_NUMBER
void f(weft::runtime& r) { r.go(42); }
#else
void f4(weft::runtime& r) { r.go([] {}); }
#endif

// case RUNTIME_GO_COPIES_MOVE_ONLY: constructible
#ifdef RUNTIME_GO_COPIES_MOVE_ONLY
void f(weft::runtime& r, move_only& m) { r.go(m); }
#else
void f5(weft::runtime& r, move_only& m) { r.go(std::move(m)); }
#endif

// case RUNTIME_RUN_A_NUMBER: invocable
#ifdef RUNTIME_RUN_A_NUMBER
void f(weft::runtime& r) { r.run(42); }
#else
int f6(weft::runtime& r) {
  return r.run([] { return 42; });
}
#endif

// case COPY_A_RUNTIME: delete
#ifdef COPY_A_RUNTIME
void f(weft::runtime& r) { weft::runtime copy(r); }
#else
void f7(weft::runtime& r) { [[maybe_unused]] weft::runtime& same = r; }
#endif

// case WORKERS_AS_RUNTIME: conver|no matching|no suitable
#ifdef WORKERS_AS_RUNTIME
void f() { weft::runtime r(4); }
#else
void f8() { weft::runtime r({.workers = 4}); }
#endif

// case COPY_AN_EXIT_GUARD: delete
#ifdef COPY_AN_EXIT_GUARD
void f(weft::exit_guard& g) { weft::exit_guard copy(g); }
#else
void f9() { weft::exit_guard guard; }
#endif
