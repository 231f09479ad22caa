// Read by check.sh.
#include <weft/go.hpp>

#include <memory>
#include <string>

struct move_only {
  move_only() = default;
  move_only(move_only&&) = default;
  void operator()() {}
};
struct pinned_down {
  pinned_down() = default;
  pinned_down(const pinned_down&) = delete;
  void operator()() {}
};
void take(move_only) {}

// case GO_A_NUMBER: startable|invocable
#ifdef GO_A_NUMBER
void f() { weft::go(42); }
#else
void f1() { weft::go([] {}); }
#endif

// case GO_WRONG_ARGUMENTS: startable|invocable
#ifdef GO_WRONG_ARGUMENTS
void f() { weft::go([](std::string) {}, 5); }
#else
void f2() { weft::go([](std::string) {}, "5"); }
#endif

// case GO_TOO_FEW_ARGUMENTS: startable|invocable
#ifdef GO_TOO_FEW_ARGUMENTS
void f() { weft::go([](int) {}); }
#else
void f3() { weft::go([](int) {}, 1); }
#endif

// case GO_REFERENCE_PARAMETER: startable|invocable
#ifdef GO_REFERENCE_PARAMETER
void f(int& n) { weft::go([](int& m) { ++m; }, n); }
#else
void f4(int& n) { weft::go([](int& m) { ++m; }, std::ref(n)); }
#endif

// case GO_COPIES_MOVE_ONLY: startable|constructible_from
#ifdef GO_COPIES_MOVE_ONLY
void f(move_only& m) { weft::go(m); }
#else
void f5(move_only& m) { weft::go(std::move(m)); }
#endif

// case GO_IMMOVABLE: startable|constructible_from
#ifdef GO_IMMOVABLE
void f() { weft::go(pinned_down()); }
#else
void f6() { weft::go(std::ref(*new pinned_down)); }
#endif

// case SPAWN_A_NUMBER: startable|invocable|invoke_result<int>
#ifdef SPAWN_A_NUMBER
void f() { weft::spawn(42); }
#else
void f7() { weft::spawn([] { return 42; }); }
#endif

// case SPAWN_COPIES_MOVE_ONLY: startable|constructible_from
#ifdef SPAWN_COPIES_MOVE_ONLY
void f(move_only& m) { weft::spawn(take, m); }
#else
void f8(move_only& m) { weft::spawn(take, std::move(m)); }
#endif

// case COPY_A_HANDLE: deleted|delete
#ifdef COPY_A_HANDLE
void f(weft::join_handle<int>& h) {
  auto copy = h;
  copy.wait();
}
#else
void f9(weft::join_handle<int>& h) {
  auto taken = std::move(h);
  taken.wait();
}
#endif

// case RESULT_OF_ANOTHER_TYPE: join_handle
#ifdef RESULT_OF_ANOTHER_TYPE
void f() { weft::join_handle<int> h = weft::spawn([] { return std::string(); }); }
#else
void f10() { weft::join_handle<std::string> h = weft::spawn([] { return std::string(); }); }
#endif

// case RESULT_OF_NOTHING: void
#ifdef RESULT_OF_NOTHING
int f() { return weft::spawn([] {}).get(); }
#else
int f11() { return weft::spawn([] { return 1; }).get(); }
#endif
