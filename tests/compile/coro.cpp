// Read by check.sh.
#include <weft/blocking.hpp>
#include <weft/chan.hpp>
#include <weft/coro.hpp>
#include <weft/go.hpp>
#include <weft/goroutine_local.hpp>

#include <string>

// case COPY_A_CORO: delete
#ifdef COPY_A_CORO
weft::coro<int> f(weft::coro<int>& c) { return c; }
#else
weft::coro<int> f1(weft::coro<int>& c) { return std::move(c); }
#endif

// case CORO_OF_ARRAYS: R must be void, a reference or a move-constructible object type
#ifdef CORO_OF_ARRAYS
using type = int[3];
void f(weft::coro<type>& c) { (void)bool(c); }
#else
using type = int*;
void f2(weft::coro<type>& c) { (void)bool(c); }
#endif

// case AWAIT_WHAT_WAITS: await
#ifdef AWAIT_WHAT_WAITS
weft::coro<> f(weft::chan<int> c) { co_await c.recv(); }
#else
weft::coro<> f3(weft::chan<int> c) { co_await c.async_recv(); }
#endif

// case AWAIT_SEND_ON_RECEIVE_END: async_send
#ifdef AWAIT_SEND_ON_RECEIVE_END
weft::coro<> f(weft::recv_chan<int> c) { co_await c.async_send(1); }
#else
weft::coro<> f4(weft::send_chan<int> c) { co_await c.async_send(1); }
#endif

// case RETURN_ANOTHER_TYPE: constructible_from|is_constructible
#ifdef RETURN_ANOTHER_TYPE
weft::coro<int> f() { co_return std::string(); }
#else
weft::coro<int> f5() { co_return 1; }
#endif

// case BLOCKING_A_NUMBER: invocable|invoke_result<int>
#ifdef BLOCKING_A_NUMBER
void f() { weft::blocking(5); }
#else
int f6() {
  return weft::blocking([] { return 5; });
}
#endif

// case COPY_A_PIN: delete
#ifdef COPY_A_PIN
void f(weft::pinned& p) { weft::pinned copy(p); }
#else
void f7() { weft::pinned here; }
#endif

// case LOCAL_FROM_ANOTHER_TYPE: goroutine_local
#ifdef LOCAL_FROM_ANOTHER_TYPE
void f() {
  weft::goroutine_local<int> l([] { return std::string(); });
}
#else
void f8() {
  weft::goroutine_local<std::string> l([] { return std::string(); });
}
#endif
