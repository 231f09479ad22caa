// A channel as a result: a function starts its work, gives back the receiving end at once, and
// the caller receives when it needs the value. Both halves of the work run meanwhile.
#include <weft/weft.hpp>

#include <cstdint>
#include <iostream>

// Room for one value lets the goroutine end even if the caller never receives.
weft::recv_chan<std::int64_t> sum_of_squares(std::int64_t first, std::int64_t last) {
  weft::chan<std::int64_t> result(1);
  weft::go([=] {
    std::int64_t sum = 0;
    for (std::int64_t n = first; n <= last; ++n) {
      sum += n * n;
    }
    result.send(sum);
  });
  return result;
}

int main() {
  weft::run([] {
    auto low = sum_of_squares(1, 500);
    auto high = sum_of_squares(501, 1000);
    std::cout << "the squares from 1 to 1000 add up to " << *low.recv() + *high.recv() << '\n';
  });
}
