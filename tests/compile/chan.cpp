// Read by check.sh.
#include <weft/chan.hpp>

#include <memory>
#include <string>

struct move_only {
  move_only() = default;
  move_only(move_only&&) = default;
};
struct pinned_down {
  pinned_down() = default;
  pinned_down(const pinned_down&) = delete;
};
// A struct may hold a channel of itself, as Go's request with its reply channel.
struct request {
  int question = 0;
  weft::chan<request> reply;
  weft::send_chan<request> answers;
  weft::recv_chan<request> questions;
};
void ask(request& r) { r.reply.send(request(r)); }

// case SEND_ON_RECEIVE_END: recv_chan<int>.* has no member named .?.?.?send|no member named 'send' in 'weft::recv_chan<int>'
#ifdef SEND_ON_RECEIVE_END
void f(weft::recv_chan<int> c) { c.send(1); }
#else
void f1(weft::send_chan<int> c) { c.send(1); }
#endif

// case TRY_SEND_ON_RECEIVE_END: no member named .?.?.?try_send
#ifdef TRY_SEND_ON_RECEIVE_END
void f(weft::recv_chan<int> c) { (void)c.try_send(1); }
#else
void f2(weft::send_chan<int> c) { (void)c.try_send(1); }
#endif

// case CLOSE_RECEIVE_END: no member named .?.?.?close
#ifdef CLOSE_RECEIVE_END
void f(weft::recv_chan<int> c) { c.close(); }
#else
void f3(weft::send_chan<int> c) { c.close(); }
#endif

// case RECEIVE_ON_SEND_END: no member named .?.?.?recv
#ifdef RECEIVE_ON_SEND_END
void f(weft::send_chan<int> c) { (void)c.recv(); }
#else
void f4(weft::recv_chan<int> c) { (void)c.recv(); }
#endif

// case RANGE_OVER_SEND_END: begin
#ifdef RANGE_OVER_SEND_END
void f(weft::send_chan<int> c) {
  for (int v : c) (void)v;
}
#else
void f5(weft::recv_chan<int> c) {
  for (int v : c) (void)v;
}
#endif

// case COPY_MOVE_ONLY_IN: Move what cannot be copied
#ifdef COPY_MOVE_ONLY_IN
void f(weft::chan<move_only> c, move_only& v) { c.send(v); }
#else
void f6(weft::chan<move_only> c, move_only& v) { c.send(std::move(v)); }
#endif

// case TRY_COPY_MOVE_ONLY_IN: Move what cannot be copied
#ifdef TRY_COPY_MOVE_ONLY_IN
void f(weft::send_chan<std::unique_ptr<int>> c, std::unique_ptr<int>& v) { (void)c.try_send(v); }
#else
void f7(weft::send_chan<std::unique_ptr<int>> c, std::unique_ptr<int>& v) {
  (void)c.try_send(std::move(v));
}
#endif

// case COPY_MOVE_ONLY_IN_FOR: copy_constructible
#ifdef COPY_MOVE_ONLY_IN_FOR
void f(weft::chan<move_only> c, move_only& v) { (void)c.send_for(v, std::chrono::seconds(1)); }
#else
void f8(weft::chan<move_only> c, move_only& v) {
  (void)c.send_for(std::move(v), std::chrono::seconds(1));
}
#endif

// case CHANNEL_OF_REFERENCES: neither const nor a reference nor an array
#ifdef CHANNEL_OF_REFERENCES
void f() { weft::chan<int&> c; }
#else
void f9() { weft::chan<int*> c; }
#endif

// case CHANNEL_OF_CONST: neither const nor a reference nor an array
#ifdef CHANNEL_OF_CONST
void f() { weft::chan<const int> c; }
#else
void f10() { weft::chan<int> c; }
#endif

// case CHANNEL_OF_ARRAYS: neither const nor a reference nor an array
#ifdef CHANNEL_OF_ARRAYS
void f() { weft::chan<int[3]> c; }
#else
void f11() { weft::chan<std::string> c; }
#endif

// case SEND_END_OF_REFERENCES: weft::send_chan<T>: T must be void or a move-constructible object type
#ifdef SEND_END_OF_REFERENCES
void f() { weft::send_chan<int&> c; }
#else
void f12() { weft::send_chan<void> c; }
#endif

// case RECEIVE_END_OF_REFERENCES: weft::recv_chan<T>: T must be void or a move-constructible object type
#ifdef RECEIVE_END_OF_REFERENCES
void f() { weft::recv_chan<int&> c; }
#else
void f13() { weft::recv_chan<void> c; }
#endif

// case CHANNEL_OF_IMMOVABLE: T must be move-constructible .*send a std::unique_ptr<T> instead
#ifdef CHANNEL_OF_IMMOVABLE
void f() { weft::chan<pinned_down> c; }
#else
void f14() { weft::chan<std::unique_ptr<pinned_down>> c; }
#endif

// case WHOLE_FROM_RECEIVE_END: recv_chan<int>.* to .*chan<int>
#ifdef WHOLE_FROM_RECEIVE_END
weft::chan<int> f(weft::recv_chan<int> c) { return c; }
#else
weft::recv_chan<int> f15(weft::chan<int> c) { return c; }
#endif

// case WHOLE_FROM_SEND_END: send_chan<int>.* to .*chan<int>
#ifdef WHOLE_FROM_SEND_END
weft::chan<int> f(weft::send_chan<int> c) { return c; }
#else
weft::send_chan<int> f16(weft::chan<int> c) { return c; }
#endif

// case SEND_END_FROM_RECEIVE_END: recv_chan<int>.* to .*send_chan<int>
#ifdef SEND_END_FROM_RECEIVE_END
weft::send_chan<int> f(weft::recv_chan<int> c) { return c; }
#else
weft::send_chan<int> f17(weft::send_chan<int> c) { return c; }
#endif

// case ANOTHER_ELEMENT: chan<int>.* to .*chan<long
#ifdef ANOTHER_ELEMENT
weft::chan<long> f(weft::chan<int> c) { return c; }
#else
weft::chan<long> f18(weft::chan<long> c) { return c; }
#endif

// case CAPACITY_BY_ASSIGNMENT: conver
#ifdef CAPACITY_BY_ASSIGNMENT
weft::chan<int> f() { return 3; }
#else
weft::chan<int> f19() { return weft::chan<int>(3); }
#endif

// case NULL_BY_ZERO: conver
#ifdef NULL_BY_ZERO
weft::chan<int> f() {
  weft::chan<int> c = 0;
  return c;
}
#else
weft::chan<int> f20() {
  weft::chan<int> c = nullptr;
  return c;
}
#endif

// case NUMBER_FOR_DURATION: duration
#ifdef NUMBER_FOR_DURATION
void f(weft::chan<int> c) { (void)c.send_for(1, 5); }
#else
void f21(weft::chan<int> c) { (void)c.send_for(1, std::chrono::seconds(5)); }
#endif

// case NUMBER_FOR_DURATION_RECEIVING: duration
#ifdef NUMBER_FOR_DURATION_RECEIVING
void f(weft::chan<int> c, std::optional<int>& v) { (void)c.recv_for(v, 5); }
#else
void f22(weft::chan<int> c, std::optional<int>& v) { (void)c.recv_for(v, std::chrono::seconds(5)); }
#endif

// case DURATION_FOR_TIME_POINT: time_point
#ifdef DURATION_FOR_TIME_POINT
void f(weft::chan<int> c) { (void)c.send_until(1, std::chrono::seconds(5)); }
#else
void f23(weft::chan<int> c) {
  (void)c.send_until(1, weft::clock::now() + std::chrono::seconds(5));
}
#endif

// case VALUE_INTO_EVENTS: candidate expects 0 arguments|too many arguments|expected 0
#ifdef VALUE_INTO_EVENTS
void f(weft::chan<void> c) { c.send(1); }
#else
void f24(weft::chan<void> c) { c.send(); }
#endif

// case RECEIVE_INTO_ANOTHER_TYPE: optional<(int|long)>
#ifdef RECEIVE_INTO_ANOTHER_TYPE
void f(weft::chan<int> c, std::optional<long>& v) { (void)c.try_recv(v); }
#else
void f25(weft::chan<int> c, std::optional<int>& v) { (void)c.try_recv(v); }
#endif

// case COMPARE_ENDS: operator==|invalid operands
#ifdef COMPARE_ENDS
bool f(weft::send_chan<int> a, weft::recv_chan<int> b) { return a == b; }
#else
bool f26(weft::send_chan<int> a, weft::send_chan<int> b) { return a == b; }
#endif
