// Main ends first: nothing is printed, and that is no accident.
//
// `run` returns when its function returns, as a Go program ends with its main. Nobody waits for a
// goroutine that nobody waited for. This one is still asleep when main is through: its sleep ends
// with an exception, `goroutine_exit`, which unwinds it, so that its destructors run and the line
// after the sleep does not. To see the message, wait for it: see hello.cpp and wait_group.cpp.
#include <weft/weft.hpp>

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

int main() {
  weft::run([] {
    weft::go([] {
      weft::sleep_for(1h);
      std::cout << "nobody waited for this\n";
    });
  });
}
