// Nobody starves: goroutines that hand each other the turn for ever, and a quiet one that wants it too.
#include "support/catch.hpp"

#include <weft/weft.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>

using namespace std::chrono_literals;

namespace {

// More pairs than workers, so each worker has one that never lets it come to rest.
class hot_pairs {
 public:
  hot_pairs() {
    for (unsigned i = 0; i < 2 * weft::workers(); ++i) {
      weft::chan<int> there;
      weft::chan<int> back;
      both_.go([this, there, back] {
        while (!stop_) {
          there.send(1);
          back.recv();
          ++rounds_;
        }
        there.close();
      });
      both_.go([there, back] {
        while (there.recv()) back.send(2);
      });
    }
    while (rounds_ < 1000) weft::yield();  // they are hot
  }
  hot_pairs(const hot_pairs&) = delete;
  hot_pairs& operator=(const hot_pairs&) = delete;
  ~hot_pairs() {
    stop_ = true;
    both_.wait();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<long> rounds_{0};
  weft::wait_group both_;
};

}  // namespace

// Each of these hangs where the turn is only ever handed on.

TEST_CASE("hot pairs do not keep a goroutine from its start", "[fairness]") {
  weft::run([] {
    const hot_pairs pairs;
    for (int i = 0; i < 20; ++i) weft::spawn([] {}).wait();
  });
}

TEST_CASE("hot pairs do not keep out who is woken", "[fairness]") {
  weft::run([] {
    const hot_pairs pairs;
    weft::chan<int> values;
    weft::wait_group quiet;
    quiet.go([&] {
      while (values.recv()) {
      }
    });
    for (int i = 0; i < 20; ++i) {
      values.send(i);
      weft::yield();
    }
    values.close();
    quiet.wait();
  });
}

TEST_CASE("hot pairs do not keep a timer from being seen", "[fairness]") {
  weft::run([] {
    const hot_pairs pairs;
    for (int i = 0; i < 5; ++i) weft::sleep_for(1ms);
  });
}

TEST_CASE("hot pairs do not keep a descriptor from being polled", "[fairness]") {
  weft::run([] {
    const hot_pairs pairs;
    auto [reader, writer] = weft::pipe();
    weft::wait_group quiet;
    quiet.go([&] {
      std::array<std::byte, 1> byte{};
      while (reader.read(byte) != 0) {
      }
    });
    for (int i = 0; i < 5; ++i) {
      writer.write(std::array{std::byte{1}});
      weft::yield();
    }
    writer.close();
    quiet.wait();
  });
}
