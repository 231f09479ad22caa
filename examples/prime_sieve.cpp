// The prime sieve: a chain of goroutines, one for each prime found, that passes on what its prime
// does not divide. What comes out at the end of the chain is the next prime.
//
// The chain never ends by itself. When main has its primes it returns, and `run` unwinds the rest.
#include <weft/weft.hpp>

#include <iostream>

weft::recv_chan<int> from_two() {
  weft::chan<int> numbers;
  weft::go([=] {
    for (int n = 2;; ++n) {
      numbers.send(n);
    }
  });
  return numbers;
}

weft::recv_chan<int> without_multiples_of(int prime, weft::recv_chan<int> in) {
  weft::chan<int> out;
  weft::go([=] {
    for (int n : in) {
      if (n % prime != 0) {
        out.send(n);
      }
    }
  });
  return out;
}

int main() {
  weft::run([] {
    weft::recv_chan<int> numbers = from_two();
    for (int i = 0; i < 10; ++i) {
      const int prime = *numbers.recv();
      std::cout << prime << '\n';
      numbers = without_multiples_of(prime, numbers);
    }
  });
}
