// chan: its last handle goes just after something was done to those who wait. What they wait on is
// freed with it, so they must not look at it again. (AddressSanitizer sees it if they do.)
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "values.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft_test::fused;
using weft_test::until_parked;
using weft_test::value_error;

namespace {

// A channel with one handle, which goroutines use while it lives.
template <class T>
std::unique_ptr<weft::chan<T>> lone(std::size_t capacity = 0) {
  return std::make_unique<weft::chan<T>>(capacity);
}

}  // namespace

TEST_CASE("a channel is closed, and gone before its receivers run", "[chan][handles][close]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 2u}) {
      auto c = lone<int>(capacity);
      weft::chan<int> other;
      std::vector<weft::join_handle<bool>> receivers;
      receivers.push_back(weft::spawn([p = c.get()] { return !p->recv().has_value(); }));
      receivers.push_back(weft::spawn([p = c.get()] {
        std::optional<int> out;
        return p->recv_for(out, 1h) == chan_status::closed;
      }));
      receivers.push_back(
          weft::spawn([p = c.get()] { return weft::select(weft::on_recv(*p)) == 0; }));
      receivers.push_back(weft::spawn([p = c.get(), other] {
        return weft::select(weft::on_recv(other), weft::on_recv(*p), weft::on_recv(*p)) != 0;
      }));
      until_parked(4);
      c->close();
      c.reset();
      for (auto& r : receivers) CHECK(r.get());
    }
  });
}

TEST_CASE("channels go while their receivers wake on other workers", "[chan][handles][close]") {
  // libtsan crashes if it is told of a channel whose memory is being freed, in some runs of this.
  constexpr std::size_t receivers = 6;
  const int rounds = weft_test::under_valgrind || weft_test::moves_by_force() ? 100 : 3000;
  weft::run([&] {
    for (int i = 0; i < rounds; ++i) {
      auto c = lone<int>();
      weft::wait_group all;
      std::atomic<std::size_t> ended = 0;
      for (std::size_t r = 0; r < receivers; ++r) {
        all.go([p = c.get(), &ended] { ended += !p->recv().has_value(); });
      }
      until_parked(receivers);
      c->close();
      c.reset();
      all.wait();
      REQUIRE(ended == receivers);
    }
  });
}

TEST_CASE("a channel is closed, and gone before its senders run", "[chan][handles][close]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 1u}) {
      auto c = lone<int>(capacity);
      if (capacity == 1) c->send(0);
      weft::chan<int> other;
      auto throws = [](auto send) {
        return weft::spawn([send] {
          try {
            send();
          } catch (const weft::closed_channel&) {
            return true;
          }
          return false;
        });
      };
      std::vector<weft::join_handle<bool>> senders;
      senders.push_back(throws([p = c.get()] { p->send(1); }));
      senders.push_back(throws([p = c.get()] {
        if (p->send_for(2, 1h) == chan_status::closed) throw weft::closed_channel("by status");
      }));
      senders.push_back(throws([p = c.get()] { weft::select(weft::on_send(*p, 3)); }));
      senders.push_back(throws([p = c.get(), other] {
        weft::select(weft::on_recv(other), weft::on_send(*p, 4));
      }));
      until_parked(4);
      c->close();
      c.reset();
      for (auto& s : senders) CHECK(s.get());
    }
  });
}

TEST_CASE("a value arrives, and its channel is gone before the receiver runs", "[chan][handles]") {
  weft::run([] {
    for (std::size_t capacity : {0u, 1u}) {
      auto c = lone<std::unique_ptr<int>>(capacity);
      weft::chan<int> other;
      auto alone = weft::spawn([p = c.get()] { return **p->recv(); });
      until_parked(1);
      auto chooses = weft::spawn([p = c.get(), other] {
        std::optional<std::unique_ptr<int>> out;
        weft::select(weft::on_recv(other), weft::on_recv(*p, out));
        return **out;
      });
      until_parked(2);
      c->send(std::make_unique<int>(1));
      c->send(std::make_unique<int>(2));
      c.reset();
      CHECK(alone.get() == 1);
      CHECK(chooses.get() == 2);
    }
  });
}

// One worker: whoever was told to look again has not done so when the handle goes. Unless the machine
// is so busy that a stand-in takes over, or that a time-out has passed; nothing here relies on that.
TEST_CASE("a send throws, and the channel is gone before its receiver has looked again",
          "[chan][handles][throws]") {
  const int before = fused::alive;
  for (std::size_t capacity : {0u, 1u}) {
    std::atomic<int> exits = 0;
    weft::run({.workers = 1}, [&] {
      auto c = lone<fused>(capacity);
      weft::go([&exits, p = c.get()] {
        try {
          p->recv();
        } catch (const weft::goroutine_exit&) {
          ++exits;
          throw;
        }
      });
      until_parked(1);
      auto limited = weft::spawn([p = c.get()] {
        std::optional<fused> out;
        return p->recv_for(out, 20ms);
      });
      weft::chan<int> other;
      auto chooses = weft::spawn([p = c.get(), other] {
        std::optional<int> out;
        return weft::select(weft::on_recv(*p), weft::on_recv(other, out));
      });
      while (weft::stats().parked < 3 && !limited.done()) weft::yield();
      until_parked(2);
      // They are told in turn: each throw meets the one that waits longest.
      int thrown = 0;
      for (int i = 0; i < 3; ++i) {
        fused bad(1, 0);
        try {
          c->try_send(std::move(bad));
        } catch (const value_error&) {
          ++thrown;
        }
      }
      c.reset();
      CHECK(thrown > 0);
      CHECK(limited.get() == chan_status::timeout);
      other.send(7);
      CHECK(chooses.get() == 1);
    });
    CHECK(exits == 1);
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a receive throws, and the channel is gone before its sender has looked again",
          "[chan][handles][throws]") {
  const int before = fused::alive;
  for (std::size_t capacity : {0u, 1u}) {
    std::atomic<int> ends = 0;
    weft::run({.workers = 1}, [&] {
      auto c = lone<fused>(capacity);
      if (capacity == 1) c->send(fused(0));
      weft::go([&ends, p = c.get()] {
        fused bad(1, fused::always);
        try {
          p->send(bad);
        } catch (const value_error&) {
          ++ends;  // it has looked again in time
        } catch (const weft::goroutine_exit&) {
          ++ends;
          throw;
        }
      });
      until_parked(1);
      auto limited = weft::spawn([p = c.get()] {
        fused bad(1, fused::always);
        try {
          return p->send_for(bad, 20ms);
        } catch (const value_error&) {
          return chan_status::timeout;
        }
      });
      weft::chan<int> other;
      auto chooses = weft::spawn([p = c.get(), other]() -> std::size_t {
        const fused bad(1, fused::always);
        try {
          return weft::select(weft::on_send(*p, bad), weft::on_recv(other));
        } catch (const value_error&) {
          return 1;
        }
      });
      while (weft::stats().parked < 3 && !limited.done()) weft::yield();
      until_parked(2);
      int thrown = 0;
      for (int i = 0; i < 3; ++i) {
        std::optional<fused> out;
        try {
          // With a buffer: the room that the first makes is offered to each of them.
          thrown += c->try_recv(out) == chan_status::ok;
        } catch (const value_error&) {
          ++thrown;
        }
      }
      c.reset();
      CHECK(thrown > 0);
      CHECK(limited.get() == chan_status::timeout);
      while (!chooses.done()) {
        other.try_send(7);
        weft::yield();
      }
      CHECK(chooses.get() == 1);
    });
    CHECK(ends == 1);
  }
  CHECK(fused::alive == before);
}

TEST_CASE("a channel goes while those who were told to look again do so",
          "[chan][handles][throws]") {
  // On several workers: at any moment between the throw and the next wait.
  const int before = fused::alive;
  const int rounds = weft_test::scaled(2000);
  weft::run([rounds] {
    for (int i = 0; i < rounds; ++i) {
      auto c = lone<fused>(std::size_t(i % 2));
      weft::chan<void> other;
      auto limited = weft::spawn([p = c.get()] {
        std::optional<fused> out;
        return p->recv_for(out, 1ms) == chan_status::timeout;
      });
      auto chooses = weft::spawn([p = c.get(), other] {
        return weft::select(weft::on_recv(*p), weft::on_recv(other)) == 1;
      });
      // Both wait, or one has given up already.
      while (weft::stats().parked < 2 && !limited.done()) weft::yield();
      until_parked(1);
      for (int k = 0; k < 2; ++k) {
        fused bad(1, 0);
        try {
          if (c->try_send(std::move(bad)) != chan_status::full) break;
        } catch (const value_error&) {
        }
      }
      for (int k = 0; k < i % 50; ++k) (void)c->size();
      c.reset();
      other.send();
      REQUIRE(chooses.get());
      REQUIRE(limited.get());
    }
  });
  CHECK(fused::alive == before);
}
