// Channels and select (src/chan), between plain threads: every value once, nobody left waiting,
// closing against everything, judged at one instant.
#include <array>
#include <memory>
#include <optional>

#include "chan/channel.hpp"
#include "model/arena.hpp"
#include "model/check.hpp"
#include "weft/chan.hpp"
#include "weft/select.hpp"

namespace m = weft_model;
using weft::chan_status;

namespace {

// Passes when the model's clock jumps.
const weft::clock::time_point soon{std::chrono::hours(1) + std::chrono::nanoseconds(1)};

struct counts {
  std::array<int, 4> sent{};
  std::array<int, 4> received{};
  void take(const std::optional<int>& v) {
    if (v) ++received[static_cast<unsigned>(*v)];
  }
};

// What was sent is received once, or still there; what was not sent is not.
void balance(weft::chan<int> c, counts& n) {
  for (std::optional<int> v; c.try_recv(v) == chan_status::ok;) n.take(v);
  m::require(n.sent == n.received, "lost, or delivered twice");
}

template <class... Threads>
void run(m::limits l, std::size_t capacity, Threads... threads) {
  m::check(l, [=](m::scenario& s) {
    auto n = std::make_shared<counts>();
    weft::chan<int> c(capacity);
    (s.thread([=] { threads(c, *n); }), ...);
    s.at_end([=] { balance(c, *n); });
  });
}

auto sender(int value) {
  return [value](weft::chan<int> c, counts& n) {
    if (c.send_for(value, weft::clock::duration::max()) == chan_status::ok) {
      ++n.sent[static_cast<unsigned>(value)];
    }
  };
}
auto impatient_sender(int value) {
  return [value](weft::chan<int> c, counts& n) {
    if (c.send_until(value, soon) == chan_status::ok) ++n.sent[static_cast<unsigned>(value)];
  };
}
auto receiver(int times) {
  return [times](weft::chan<int> c, counts& n) {
    for (int i = 0; i < times; ++i) n.take(c.recv());
  };
}
void impatient_receiver(weft::chan<int> c, counts& n) {
  std::optional<int> v;
  c.recv_until(v, soon);
  n.take(v);
}
void closer(weft::chan<int> c, counts&) { c.close(); }

}  // namespace

TEST_CASE("model: channel, one sends and one receives", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  run({.preemptions = 3}, capacity, sender(0), receiver(1));
}

TEST_CASE("model: channel, two send and one receives", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  run({.preemptions = 2}, capacity, sender(0), sender(1), receiver(2));
}

TEST_CASE("model: channel, a sender and a receiver that give up", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  run({.preemptions = 2}, capacity, impatient_sender(0), impatient_receiver);
}

TEST_CASE("model: channel, closed while one sends and one receives", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  run({.preemptions = 2}, capacity, sender(0), receiver(1), closer);
}

TEST_CASE("model: channel, a full one is closed beside a parked sender", "[model]") {
  m::check({.preemptions = 2}, [](m::scenario& s) {
    auto n = std::make_shared<counts>();
    weft::chan<int> c(1);
    c.send(0);
    n->sent[0] = 1;
    s.thread([=] { sender(1)(c, *n); });
    s.thread([=] { c.close(); });
    s.thread([=] { n->take(c.recv()); });
    s.at_end([=] { balance(c, *n); });
  });
}

// ---- Select --------------------------------------------------------------------------------

namespace {

struct two_channels {
  weft::chan<int> a, b;
  counts n;
  std::size_t chosen[2] = {9, 9};
  two_channels(std::size_t capacity) : a(capacity), b(capacity) {
    // Select locks by address: in the same order in each execution.
    using weft::detail::channel_access;
    if (channel_access::core(b) < channel_access::core(a)) std::swap(a, b);
  }
  void balance_both() {
    for (weft::chan<int> c : {a, b}) {
      for (std::optional<int> v; c.try_recv(v) == chan_status::ok;) n.take(v);
    }
    m::require(n.sent == n.received, "lost, or delivered twice");
  }
};

}  // namespace

TEST_CASE("model: select, a receive from either of two", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  m::check({.preemptions = 1}, [=](m::scenario& s) {
    auto w = std::make_shared<two_channels>(capacity);
    s.thread([w] {
      std::optional<int> v;
      for (int i = 0; i < 2; ++i) {
        weft::select(weft::on_recv(w->a, v), weft::on_recv(w->b, v));
        w->n.take(v);
      }
    });
    s.thread([w] { sender(0)(w->a, w->n); });
    s.thread([w] { sender(1)(w->b, w->n); });
    s.at_end([w] { w->balance_both(); });
  });
}

TEST_CASE("model: select, two that could meet in both directions meet once", "[model]") {
  m::check({.preemptions = 2}, [](m::scenario& s) {
    auto w = std::make_shared<two_channels>(0);
    s.thread([w] {
      std::optional<int> v;
      w->chosen[0] = weft::select(weft::on_send(w->a, 0), weft::on_recv(w->b, v));
      if (w->chosen[0] == 0) ++w->n.sent[0];
      w->n.take(v);
    });
    s.thread([w] {
      std::optional<int> v;
      w->chosen[1] = weft::select(weft::on_send(w->b, 1), weft::on_recv(w->a, v));
      if (w->chosen[1] == 0) ++w->n.sent[1];
      w->n.take(v);
    });
    s.at_end([w] {
      w->balance_both();
      m::require(w->chosen[0] + w->chosen[1] == 1, "both sent, or both received");
    });
  });
}

TEST_CASE("model: select, a time-out races with a sender", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  m::check({.preemptions = 2}, [=](m::scenario& s) {
    auto w = std::make_shared<two_channels>(capacity);
    s.thread([w] {
      std::optional<int> v;
      weft::select(weft::on_recv(w->a, v), weft::on_recv(w->b, v), weft::on_timeout(soon));
      w->n.take(v);
    });
    s.thread([w] { impatient_sender(0)(w->a, w->n); });
    s.at_end([w] { w->balance_both(); });
  });
}

TEST_CASE("model: select, default is judged at one instant", "[model]") {
  // Each sends on its own channel and then looks at the other's first: not both find nothing.
  m::check({.preemptions = 3, .delayed_stores = 2}, [](m::scenario& s) {
    auto w = std::make_shared<two_channels>(1);
    for (const int i : {0, 1}) {
      s.thread([w, i] {
        (i == 0 ? w->a : w->b).try_send(i);
        w->chosen[i] = weft::select(weft::on_recv(i == 0 ? w->b : w->a), weft::on_default());
      });
    }
    s.at_end([w] { m::require(w->chosen[0] == 0 || w->chosen[1] == 0, "both took default"); });
  });
}

TEST_CASE("model: select, closed while it waits", "[model]") {
  m::check({.preemptions = 1}, [](m::scenario& s) {
    auto w = std::make_shared<two_channels>(0);
    s.thread([w] {
      std::optional<int> v;
      w->chosen[0] = weft::select(weft::on_recv(w->a, v), weft::on_recv(w->b, v));
      m::require(!v || *v == 1, "a value out of nowhere");
      w->n.take(v);
    });
    s.thread([w] { w->a.close(); });
    s.thread([w] {
      if (w->b.send_until(1, soon) == chan_status::ok) ++w->n.sent[1];
    });
    s.at_end([w] { w->balance_both(); });
  });
}

// ---- Closing against everything, and the last handle -------------------------------------------

TEST_CASE("model: channel, two close it while one sends", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  m::check({.preemptions = 2}, [=](m::scenario& s) {
    auto n = std::make_shared<counts>();
    auto closes = std::make_shared<int>(0);
    weft::chan<int> c(capacity);
    for (int i = 0; i < 2; ++i) {
      s.thread([=] {
        try {
          c.close();
          ++*closes;
        } catch (const weft::closed_channel&) {
        }
      });
    }
    s.thread([=] { sender(0)(c, *n); });
    s.at_end([=] {
      m::require(*closes == 1, "closed twice, or never");
      balance(c, *n);
    });
  });
}

TEST_CASE("model: channel, closed against a time-out", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  run({.preemptions = 2}, capacity, impatient_receiver, closer);
  run({.preemptions = 2}, capacity, impatient_sender(0), impatient_receiver, closer);
}

TEST_CASE("model: channel, closed against those that do not wait", "[model]") {
  const std::size_t capacity = GENERATE(0, 1);
  const auto tries_to_send = [](weft::chan<int> c, counts& n) {
    if (c.try_send(1) == chan_status::ok) ++n.sent[1];
  };
  const auto tries_to_receive = [](weft::chan<int> c, counts& n) {
    std::optional<int> v;
    const chan_status first = c.try_recv(v);
    n.take(v);
    std::optional<int> next;
    const chan_status second = c.try_recv(next);
    n.take(next);
    m::require(first != chan_status::closed || second == chan_status::closed,
               "a value after the end");
  };
  const auto takes_the_default = [](weft::chan<int> c, counts& n) {
    std::optional<int> v;
    weft::select(weft::on_recv(c, v), weft::on_default());
    n.take(v);
  };
  run({.preemptions = 2}, capacity, tries_to_send, tries_to_receive, closer);
  run({.preemptions = 2}, capacity, sender(0), tries_to_receive, closer);
  run({.preemptions = 2}, capacity, tries_to_send, receiver(1), closer);
  run({.preemptions = 2}, capacity, sender(0), takes_the_default, closer);
}

TEST_CASE("model: select, its send and its receive meet a close", "[model]") {
  m::check({.preemptions = 2, .delayed_stores = 0}, [](m::scenario& s) {
    auto w = std::make_shared<two_channels>(0);
    s.thread([w] {
      std::optional<int> v;
      try {
        w->chosen[0] = weft::select(weft::on_send(w->a, 0), weft::on_recv(w->b, v));
        if (w->chosen[0] == 0) ++w->n.sent[0];
        w->n.take(v);
      } catch (const weft::closed_channel&) {
        w->chosen[0] = 2;
      }
    });
    s.thread([w] { w->a.close(); });
    s.thread([w] { impatient_receiver(w->a, w->n); });
    s.at_end([w] {
      m::require(w->chosen[0] == 0 || w->chosen[0] == 2, "the select still waits");
      w->balance_both();
    });
  });
}

// A receiver waits that has no handle of its own, while one partner sends and both handles go: the
// channel is freed by whoever comes last, and nobody touches it after that.
TEST_CASE("model: channel, the last handle goes beside a wait", "[model]") {
  struct state {
    weft::chan<int>* handles[2];
    weft::detail::channel* channel;
    m::atomic<bool> through{false};
    counts n;
    state() {
      handles[0] = new weft::chan<int>(0);
      handles[1] = new weft::chan<int>(*handles[0]);
      channel = weft::detail::channel_access::core(*handles[0]);
    }
    void wait_until_it_waits() {
      while (!through.load() && !channel->may_be_ready(weft::detail::direction::send)) m::spin();
    }
  };
  m::check({.preemptions = 2}, [](m::scenario& s) {
    auto w = std::make_shared<state>();
    s.thread([=] {
      std::optional<int> v;
      weft::detail::receive_from(w->channel, &v, {soon.time_since_epoch().count()});
      w->through.store(true);
      w->n.take(v);
    });
    for (const int i : {0, 1}) {
      s.thread([=] {
        w->wait_until_it_waits();
        if (i == 0 && w->handles[i]->try_send(0) == chan_status::ok) ++w->n.sent[0];
        delete w->handles[i];
      });
    }
    s.at_end([=] {
      m::require(m::arena::is_freed(w->channel), "the channel is not freed");
      m::require(w->n.sent == w->n.received, "lost, or delivered twice");
    });
  });
}
