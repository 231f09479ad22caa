// Read by check.sh.
#include <weft/context.hpp>
#include <weft/select.hpp>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

struct move_only {
  move_only() = default;
  move_only(move_only&&) = default;
};

// What code can ask: the wrong ways are no errors inside of a requirement.
template <class C, class V>
concept can_send = requires(const C& c, V&& v) { weft::on_send(c, std::forward<V>(v)); };
template <class C, class F>
concept can_receive = requires(const C& c, F&& f) { weft::on_recv(c, std::forward<F>(f)); };
template <class C>
concept can_select = requires(C&& c) { weft::select(std::forward<C>(c)); };
using a_case = decltype(weft::on_recv(weft::chan<int>()));
static_assert(can_send<weft::chan<move_only>, move_only>);
static_assert(!can_send<weft::chan<move_only>, move_only&>);
static_assert(!can_send<weft::recv_chan<int>, int>);
static_assert(can_receive<weft::chan<int>, void (*)(std::optional<int>)>);
static_assert(!can_receive<weft::chan<int>, void (*)(std::string)>);
static_assert(!can_receive<weft::send_chan<int>, void (*)(std::optional<int>)>);
static_assert(can_select<a_case>);
static_assert(!can_select<a_case&>);
static_assert(!can_select<int>);

// case SELECT_RECEIVE_ON_SEND_END: receivable
#ifdef SELECT_RECEIVE_ON_SEND_END
void f(weft::send_chan<int> c) { weft::select(weft::on_recv(c)); }
#else
void f1(weft::recv_chan<int> c) { weft::select(weft::on_recv(c)); }
#endif

// case SELECT_SEND_ON_RECEIVE_END: sendable
#ifdef SELECT_SEND_ON_RECEIVE_END
void f(weft::recv_chan<int> c) { weft::select(weft::on_send(c, 1)); }
#else
void f2(weft::send_chan<int> c) { weft::select(weft::on_send(c, 1)); }
#endif

// case SELECT_A_NUMBER: temporary_case|any_case
#ifdef SELECT_A_NUMBER
void f() { weft::select(1, 2); }
#else
void f3(weft::chan<int> c) { weft::select(weft::on_recv(c), weft::on_default()); }
#endif

// case RECEIVE_FROM_A_NUMBER: receivable
#ifdef RECEIVE_FROM_A_NUMBER
void f() { weft::select(weft::on_recv(5)); }
#else
void f4() { weft::select(weft::on_recv(weft::chan<int>(5))); }
#endif

// case KEPT_CASE: Make the cases in the call, or use select_case
#ifdef KEPT_CASE
void f(weft::chan<int> c) {
  auto kept = weft::on_recv(c);
  weft::select(kept);
}
#else
void f5(weft::chan<int> c) {
  std::vector<weft::select_case> kept;
  kept.emplace_back(weft::on_recv(c));
  weft::select(kept);
}
#endif

// case KEPT_CASE_AMONG_OTHERS: Make the cases in the call, or use select_case
#ifdef KEPT_CASE_AMONG_OTHERS
void f(weft::chan<int> c) {
  auto kept = weft::on_recv(c);
  weft::select(weft::on_default(), kept);
}
#else
void f6(weft::chan<int> c) { weft::select(weft::on_default(), weft::on_recv(c)); }
#endif

// case COPY_OF_A_CASE: delete
#ifdef COPY_OF_A_CASE
void f(weft::chan<int> c) {
  auto kept = weft::on_recv(c);
  auto copy = kept;
}
#else
void f7(weft::chan<int> c) { [[maybe_unused]] weft::select_case kept = weft::on_recv(c); }
#endif

// case SELECT_COPIES_MOVE_ONLY: move what cannot be copied
#ifdef SELECT_COPIES_MOVE_ONLY
void f(weft::chan<move_only> c, move_only& v) { weft::select(weft::on_send(c, v)); }
#else
void f8(weft::chan<move_only> c, move_only& v) { weft::select(weft::on_send(c, std::move(v))); }
#endif

// case SELECT_COPIES_MOVE_ONLY_WITH_HANDLER: move what cannot be copied
#ifdef SELECT_COPIES_MOVE_ONLY_WITH_HANDLER
void f(weft::chan<move_only> c, move_only& v) { weft::select(weft::on_send(c, v, [] {})); }
#else
void f9(weft::chan<move_only> c, move_only& v) {
  weft::select(weft::on_send(c, std::move(v), [] {}));
}
#endif

// case SELECT_SENDS_ANOTHER_TYPE: No T from it
#ifdef SELECT_SENDS_ANOTHER_TYPE
void f(weft::chan<int> c) { weft::select(weft::on_send(c, std::string("1"))); }
#else
void f10(weft::chan<std::string> c) { weft::select(weft::on_send(c, "1")); }
#endif

// case HANDLER_OF_ANOTHER_TYPE: A handler takes a std::optional<T>
#ifdef HANDLER_OF_ANOTHER_TYPE
void f(weft::chan<int> c) {
  weft::select(weft::on_recv(c, [](std::string) {}));
}
#else
void f11(weft::chan<int> c) {
  weft::select(weft::on_recv(c, [](std::optional<int>) {}));
}
#endif

// case HANDLER_OF_THE_BARE_VALUE: A handler takes a std::optional<T>
#ifdef HANDLER_OF_THE_BARE_VALUE
void f(weft::chan<int> c) {
  weft::select(weft::on_recv(c, [](int) {}));
}
#else
void f12(weft::chan<int> c) {
  weft::select(weft::on_recv(c, [](auto value) { (void)*value; }));
}
#endif

// case FILLS_ANOTHER_TYPE: A handler takes a std::optional<T>
#ifdef FILLS_ANOTHER_TYPE
void f(weft::chan<int> c, std::optional<std::string>& v) { weft::select(weft::on_recv(c, v)); }
#else
void f13(weft::chan<int> c, std::optional<int>& v) { weft::select(weft::on_recv(c, v)); }
#endif

// case EVENT_HANDLER_OF_ANOTHER_TYPE: A handler takes a std::optional<T>
#ifdef EVENT_HANDLER_OF_ANOTHER_TYPE
void f(weft::chan<void> c) {
  weft::select(weft::on_recv(c, [](std::string) {}));
}
#else
void f14(weft::chan<void> c, bool& open) {
  weft::select(weft::on_recv(c, [](bool) {}), weft::on_recv(c, open));
}
#endif

// case SEND_HANDLER_WITH_PARAMETER: plain_handler
#ifdef SEND_HANDLER_WITH_PARAMETER
void f(weft::chan<int> c) {
  weft::select(weft::on_send(c, 1, [](int) {}));
}
#else
void f15(weft::chan<int> c) {
  weft::select(weft::on_send(c, 1, [] {}));
}
#endif

// case DEFAULT_HANDLER_WITH_PARAMETER: plain_handler
#ifdef DEFAULT_HANDLER_WITH_PARAMETER
void f() {
  weft::select(weft::on_default([](int) {}));
}
#else
void f16() {
  weft::select(weft::on_default([] {}));
}
#endif

// case TIMEOUT_OF_A_NUMBER: duration
#ifdef TIMEOUT_OF_A_NUMBER
void f() { weft::select(weft::on_timeout(5)); }
#else
void f17() { weft::select(weft::on_timeout(std::chrono::seconds(5))); }
#endif

// case TIMEOUT_HANDLER_WITH_PARAMETER: plain_handler
#ifdef TIMEOUT_HANDLER_WITH_PARAMETER
void f() {
  weft::select(weft::on_timeout(std::chrono::seconds(5), [](int) {}));
}
#else
void f18() {
  weft::select(weft::on_timeout(std::chrono::seconds(5), [] {}));
}
#endif

// case DESCRIPTOR_HANDLER_WITH_PARAMETER: plain_handler
#ifdef DESCRIPTOR_HANDLER_WITH_PARAMETER
void f() {
  weft::select(weft::on_readable(0, [](int) {}));
}
#else
void f19() {
  weft::select(weft::on_readable(0, [] {}));
}
#endif

// case KEPT_CASE_INTO_SELECT_CASE: select_case
#ifdef KEPT_CASE_INTO_SELECT_CASE
void f(weft::chan<int> c) {
  auto kept = weft::on_recv(c);
  weft::select_case again = kept;
}
#else
void f20(weft::chan<int> c) { [[maybe_unused]] weft::select_case again = weft::on_recv(c); }
#endif

// case COPY_OF_A_SELECT_CASE: delete
#ifdef COPY_OF_A_SELECT_CASE
void f(const weft::select_case& c) { weft::select_case copy(c); }
#else
void f21(weft::select_case& c) { weft::select_case moved(std::move(c)); }
#endif

// case DONE_HANDLER_WITH_PARAMETER: plain_handler
#ifdef DONE_HANDLER_WITH_PARAMETER
void f(weft::context ctx) {
  weft::select(weft::on_done(ctx, [](int) {}));
}
#else
void f22(weft::context ctx) {
  weft::select(weft::on_done(ctx, [] {}));
}
#endif

// case STOP_OF_A_SOURCE: on_stop
#ifdef STOP_OF_A_SOURCE
void f(std::stop_source& s) { weft::select(weft::on_stop(s)); }
#else
void f23(std::stop_source& s) { weft::select(weft::on_stop(s.get_token())); }
#endif
