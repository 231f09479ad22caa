// A wait group waits for many goroutines at once: `go` starts one and counts it, `wait` returns
// when all have ended. Each writes to a place of its own, so nothing needs a lock.
#include <weft/weft.hpp>

#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

int main() {
  weft::run([] {
    const std::vector<std::string> words{"warp", "weft", "heddle", "shuttle"};
    std::vector<std::size_t> lengths(words.size());

    weft::wait_group all;
    for (std::size_t i = 0; i < words.size(); ++i) {
      all.go([&, i] { lengths[i] = words[i].size(); });
    }
    all.wait();

    for (std::size_t i = 0; i < words.size(); ++i) {
      std::cout << words[i] << " has " << lengths[i] << " letters\n";
    }
  });
}
