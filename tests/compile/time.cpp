// Read by check.sh.
#include <weft/time.hpp>



// case SLEEP_FOR_A_NUMBER: duration
#ifdef SLEEP_FOR_A_NUMBER
void f() { weft::sleep_for(5); }
#else
void f1() { weft::sleep_for(std::chrono::seconds(5)); }
#endif

// case SLEEP_FOR_A_TIME_POINT: duration
#ifdef SLEEP_FOR_A_TIME_POINT
void f() { weft::sleep_for(weft::clock::now()); }
#else
void f2() { weft::sleep_until(weft::clock::now()); }
#endif

// case SLEEP_UNTIL_A_DURATION: time_point
#ifdef SLEEP_UNTIL_A_DURATION
void f() { weft::sleep_until(std::chrono::seconds(5)); }
#else
void f3() { weft::sleep_until(std::chrono::system_clock::now()); }
#endif

// case TIMER_OF_A_NUMBER: duration
#ifdef TIMER_OF_A_NUMBER
void f() { weft::timer t(5); }
#else
void f4() { weft::timer t(std::chrono::seconds(5)); }
#endif

// case TIMER_BY_ASSIGNMENT: conver
#ifdef TIMER_BY_ASSIGNMENT
weft::timer f() { return std::chrono::seconds(5); }
#else
weft::timer f5() { return weft::timer(std::chrono::seconds(5)); }
#endif

// case COPY_A_TIMER: delete
#ifdef COPY_A_TIMER
void f(weft::timer& t) { weft::timer copy(t); }
#else
void f6(weft::timer& t) { weft::timer moved(std::move(t)); }
#endif

// case AFTER_A_NUMBER: duration
#ifdef AFTER_A_NUMBER
auto f() { return weft::after(5); }
#else
auto f7() { return weft::after(std::chrono::seconds(5)); }
#endif

// case SEND_A_TICK: no member named .?.?.?send
#ifdef SEND_A_TICK
void f(weft::timer& t) { t.channel().send(weft::clock::now()); }
#else
void f8(weft::timer& t) { (void)t.channel().recv(); }
#endif
