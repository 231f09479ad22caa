// Random programs from a seed, against invariants that every correct run keeps: each value arrives
// once, those of one producer in order, and everybody comes to an end.
#include "conformance/collect.hpp"
#include "stress/chance.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using weft::chan_status;
using weft_test::chance;

namespace {

struct item {
  int producer;
  int channel;  // it was first sent to
  int number;   // grows with each value of that producer
};

// A layer of channels. It closes itself when all who send to it have ended.
struct layer {
  std::vector<weft::chan<item>> channels;
  std::atomic<int> senders = 0;

  void sender_ends() {
    if (--senders == 0) {
      for (auto& c : channels) c.close();
    }
  }
};

// The whole program: producers -> first layer -> forwarders -> second layer -> consumers, some
// consumers also on the first.
class program {
 public:
  explicit program(std::uint64_t seed) : seed_(seed), shape_(seed) {}

  void run() {
    make_channels(first_);
    make_channels(second_);
    const int producers = 1 + shape_.below(5);
    const int forwarders = 1 + shape_.below(3);
    const int consumers = 1 + shape_.below(4);
    each_ = int(weft_test::scaled(300));
    expected_ = producers * each_;
    std::vector<std::function<void()>> parts;
    first_.senders = producers;
    second_.senders = forwarders;
    for (int i = 0; i < producers; ++i) parts.push_back([this, i] { produce(i); });
    for (int i = 0; i < forwarders; ++i) parts.push_back([this, i] { forward(i); });
    for (int i = 0; i < consumers; ++i) {
      parts.push_back([this, i] { consume(i, second_); });
    }
    if (shape_.one_in(2)) parts.push_back([this] { consume(77, first_); });
    for (int i = shape_.below(3); i > 0; --i) parts.push_back([this, i] { disturb(i); });
    std::vector<std::thread> threads;
    weft::run([&] {
      std::vector<weft::join_handle<void>> handles;
      for (auto& part : parts) {
        if (shape_.one_in(5)) {
          threads.emplace_back(part);
        } else {
          handles.push_back(weft::spawn(part));
        }
      }
      for (auto& h : handles) h.get();
      for (auto& t : threads) t.join();
    });
  }

  std::string verdict() {
    std::string text = notes_.text();
    if (int(seen_.size()) != expected_) {
      text += std::to_string(seen_.size()) + " values instead of " + std::to_string(expected_);
    }
    for (auto& [what, times] : seen_) {
      if (times != 1) text += "a value " + std::to_string(times) + " times\n";
    }
    return text;
  }

 private:
  void make_channels(layer& l) {
    const int n = 1 + shape_.below(4);
    for (int i = 0; i < n; ++i) l.channels.emplace_back(std::size_t(shape_.below(5)));
  }

  std::chrono::microseconds moment(chance& pick) {
    return std::chrono::microseconds(pick.below(60));
  }

  // Sends to one of the layer's channels, in one of many ways.
  void give(layer& to, item v, chance& pick) {
    const int n = int(to.channels.size());
    const int at = pick.below(n);
    auto mark = [&](int channel) {
      if (v.channel < 0) v.channel = channel;
    };
    auto& c = to.channels[std::size_t(at)];
    const item before = v;
    mark(at);
    switch (pick.below(4)) {
      case 0: c.send(v); return;
      case 1:
        while (c.send_for(v, moment(pick)) == chan_status::timeout) {
        }
        return;
      case 2:
        while (c.try_send(v) == chan_status::full) weft::yield();
        return;
      default: {
        // All channels of the layer in one select, in a random order, one of them twice.
        std::vector<int> order;
        for (int i = 0; i < n; ++i) order.push_back(i);
        order.push_back(at);
        for (int i = n; i > 0; --i) std::swap(order[i], order[pick.below(i + 1)]);
        std::vector<weft::select_case> cases;
        for (int i : order) {
          item copy = before;
          if (copy.channel < 0) copy.channel = i;
          cases.push_back(weft::on_send(to.channels[std::size_t(i)], copy));
        }
        // Not 0: this would only spin until somebody waits there.
        if (pick.one_in(2)) cases.push_back(weft::on_timeout(1us + moment(pick)));
        while (weft::select(cases) == order.size()) {
        }
      }
    }
  }

  // Takes from any channel of the layer until all are closed and drained.
  template <class F>
  void take_all(layer& from, chance& pick, F handle) {
    auto open = from.channels;
    while (!open.empty()) {
      const auto at = std::size_t(pick.below(int(open.size())));
      std::optional<item> v;
      auto status = chan_status::ok;
      std::size_t which = at;
      switch (pick.below(4)) {
        case 0: status = open[at].recv_for(v, moment(pick)); break;
        case 1: status = open[at].try_recv(v); break;
        case 2:
          if (open.size() == 1) {
            v = open[at].recv();
            status = v ? chan_status::ok : chan_status::closed;
            break;
          }
          [[fallthrough]];
        default: {
          std::vector<weft::select_case> cases;
          for (auto& c : open) cases.push_back(weft::on_recv(c, v));
          if (pick.one_in(3)) cases.push_back(weft::on_timeout(moment(pick)));
          if (pick.one_in(3)) cases.push_back(weft::on_default([] {}));
          which = weft::select(cases);
          status = which >= open.size() ? chan_status::timeout
                   : v                  ? chan_status::ok
                                        : chan_status::closed;
        }
      }
      if (status == chan_status::ok) handle(*v);
      if (status == chan_status::closed) open.erase(open.begin() + std::ptrdiff_t(which));
      if (status == chan_status::empty) weft::yield();
    }
  }

  void produce(int who) {
    chance pick(seed_ + 1000 + std::uint64_t(who));
    for (int i = 0; i < each_; ++i) give(first_, {who, -1, i}, pick);
    first_.sender_ends();
  }

  void forward(int who) {
    chance pick(seed_ + 2000 + std::uint64_t(who));
    in_order check{*this};
    take_all(first_, pick, [&](item v) {
      check(v);
      give(second_, v, pick);
    });
    second_.sender_ends();
  }

  void consume(int who, layer& from) {
    chance pick(seed_ + 3000 + std::uint64_t(who));
    in_order check{*this};
    take_all(from, pick, [&](item v) {
      // Those that were forwarded by several goroutines may overtake each other.
      if (&from == &first_) check(v);
      std::lock_guard lock(mutex_);
      ++seen_[{v.producer, v.number}];
    });
  }

  // Takes part in everything and changes nothing.
  void disturb(int who) {
    chance pick(seed_ + 4000 + std::uint64_t(who));
    weft::chan<item> nil = nullptr;
    for (int i = 0; i < each_; ++i) {
      auto& c = first_.channels[0];
      weft::select(weft::on_recv(nil), weft::on_send(nil, item{0, 0, 0}),
                   weft::on_timeout(moment(pick)));
      if (c.size() > c.capacity()) notes_.add("more values than room");
      if (pick.one_in(4)) weft::sleep_for(moment(pick));
      if (pick.one_in(4)) weft::spawn([] { weft::yield(); }).get();
    }
  }

  // Of one producer through one channel, each receiver sees growing numbers.
  struct in_order {
    program& in;
    std::map<std::pair<int, int>, int> last{};
    void operator()(item v) {
      auto [at, fresh] = last.insert({{v.producer, v.channel}, v.number});
      if (!fresh && at->second >= v.number) in.notes_.add("out of order");
      at->second = v.number;
    }
  };

  std::uint64_t seed_;
  chance shape_;
  layer first_;
  layer second_;
  int each_ = 0;
  int expected_ = 0;
  std::mutex mutex_;
  std::map<std::pair<int, int>, int> seen_;
  weft_test::notes notes_;
};

}  // namespace

TEST_CASE("random programs", "[stress][program]") {
  const std::uint64_t base = weft_test::first_seed();
  const int programs = std::max(3, int(weft_test::scaled(60)));
  for (int i = 0; i < programs; ++i) {
    const std::uint64_t seed = base + std::uint64_t(i) * 10000;
    CAPTURE(seed);
    program p(seed);
    p.run();
    REQUIRE(p.verdict() == "");
  }
}
