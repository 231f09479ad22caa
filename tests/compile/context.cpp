// Read by check.sh.
#include <weft/context.hpp>
#include <weft/task_group.hpp>

// case COPY_A_CANCEL: delete
#ifdef COPY_A_CANCEL
void f(weft::cancel_function& c) { weft::cancel_function copy(c); }
#else
void f1(weft::cancel_function& c) { weft::cancel_function moved(std::move(c)); }
#endif

// case TIMEOUT_OF_A_NUMBER: duration
#ifdef TIMEOUT_OF_A_NUMBER
void f(weft::context parent) { auto [ctx, cancel] = weft::with_timeout(parent, 5); }
#else
void f2(weft::context parent) {
  [[maybe_unused]] auto [ctx, cancel] = weft::with_timeout(parent, std::chrono::seconds(5));
}
#endif

// case DEADLINE_OF_A_DURATION: time_point
#ifdef DEADLINE_OF_A_DURATION
void f(weft::context parent) {
  auto [ctx, cancel] = weft::with_deadline(parent, std::chrono::seconds(5));
}
#else
void f3(weft::context parent) {
  [[maybe_unused]] auto [ctx, cancel] =
      weft::with_deadline(parent, weft::clock::now() + std::chrono::seconds(5));
}
#endif

// case SEND_ON_DONE: no member named .?.?.?send
#ifdef SEND_ON_DONE
void f(weft::context ctx) { ctx.done().send(); }
#else
void f4(weft::context ctx) { ctx.done().recv(); }
#endif

// case COPY_A_TASK_GROUP: delete
#ifdef COPY_A_TASK_GROUP
void f(weft::task_group& g) { weft::task_group copy(g); }
#else
void f5(weft::context ctx) { weft::task_group g(ctx); }
#endif

// case TASK_OF_A_NUMBER: invocable
#ifdef TASK_OF_A_NUMBER
void f(weft::task_group& g) { g.go(5); }
#else
void f6(weft::task_group& g) { g.go([] {}); }
#endif
