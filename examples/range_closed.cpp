// Range over a closed channel: the sender closes the channel after its last value, and the loop
// ends when it has taken them all. From then on `recv` gives nothing, at once.
#include <weft/weft.hpp>

#include <iostream>

int main() {
  weft::run([] {
    weft::chan<int> countdown(3);
    weft::go([=] {
      for (int n = 5; n > 0; --n) {
        countdown.send(n);
      }
      countdown.close();
    });

    for (int n : countdown) {
      std::cout << n << '\n';
    }
    if (!countdown.recv()) {
      std::cout << "closed\n";
    }
  });
}
