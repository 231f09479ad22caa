#include "fuzz/execute.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <thread>

#include "fuzz/judge.hpp"
#include "stress/chance.hpp"
#include "support/scale.hpp"
#include "weft/weft.hpp"

namespace weft_fuzz {

namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using weft::chan_status;
using weft_test::chance;

// How long nothing may move before somebody is asked whether it can; and how long somebody who could
// go on may take to do so. Only a failure waits that long.
constexpr auto quiet = 3ms;
constexpr auto patience = std::chrono::seconds(weft_test::under_asan || weft_test::under_tsan ? 100 : 20);

// A value that is counted while it lives.
class item {
 public:
  static std::atomic<long> alive;
  explicit item(int v) : value(v) { ++alive; }
  item(const item& other) : value(other.value) { ++alive; }
  item(item&& other) noexcept : value(std::exchange(other.value, -2)) { ++alive; }
  item& operator=(const item&) = default;
  item& operator=(item&& other) noexcept {
    value = std::exchange(other.value, -2);
    return *this;
  }
  ~item() { --alive; }
  int value;
};
std::atomic<long> item::alive{0};

class execution {
 public:
  execution(const program& p, std::uint64_t seed) : p_(p), seed_(seed), completed_(p.actors.size()) {
    for (const int capacity : p.channels) {
      if (capacity == nil_channel) {
        channels_.emplace_back(nullptr);
      } else {
        channels_.emplace_back(static_cast<std::size_t>(capacity));
      }
    }
    for (const int n : p.wait_groups) groups_.emplace_back().add(n);
    for (const actor& a : p.actors) records_.emplace_back(a.operations.size());
    handles_.resize(p.actors.size());
  }

  // Inside the runtime: starts everybody and waits until all have ended or nobody can go on.
  void run() {
    for (const context_shape& c : p_.contexts) {
      const weft::context parent =
          c.parent < 0 ? weft::background() : contexts_[std::size_t(c.parent)].first;
      contexts_.push_back(c.limit == no_limit ? weft::with_cancel(parent)
                                              : weft::with_timeout(parent, microseconds(c.limit)));
    }
    for (std::size_t a = 0; a < p_.actors.size(); ++a) {
      if (p_.actors[a].started_by_other) continue;
      switch (p_.actors[a].kind) {
        case actor_kind::goroutine: weft::go([this, a] { act(a); }); break;
        case actor_kind::coroutine: weft::go(act_as_coroutine(a)); break;
        case actor_kind::thread: threads_.emplace_back([this, a] { act(a); }); break;
      }
    }
    result_ = watch();
    for (std::thread& t : threads_) t.join();
  }

  verdict_of_run take_result() { return std::move(result_); }

 private:
  verdict_of_run watch() {
    verdict_of_run r;
    const auto give_up_at = weft::clock::now() + patience;
    std::size_t before = 0;
    auto moved_at = weft::clock::now();
    auto wait_before_judging = weft::clock::duration(quiet);
    for (;;) {
      const std::size_t now = progress();
      const auto time = weft::clock::now();
      if (now != before) {
        before = now;
        moved_at = time;
      }
      const bool all_ended = now == all_operations();
      if (!all_ended && time < moved_at + wait_before_judging) {
        weft::sleep_for(200us);
        continue;
      }
      r.seen = snapshot();
      const verdict v = judge(p_, r.seen);
      if (v == verdict::explained) return r;
      if (v == verdict::undecided) {
        r.undecided = true;
        return r;
      }
      // Something may still be under way, but not for ever; and not if all have ended.
      if (all_ended || time >= give_up_at) {
        r.failed = true;
        r.why = all_ended ? "no order of steps explains this"
                          : "no order of steps explains this, or somebody is stuck who could go on";
        return r;
      }
      moved_at = weft::clock::now();
      wait_before_judging *= 2;
    }
  }

  std::size_t all_operations() const {
    std::size_t n = 0;
    for (const actor& a : p_.actors) n += a.operations.size();
    return n;
  }
  std::size_t progress() const {
    std::size_t n = 0;
    for (const auto& c : completed_) n += c.load(std::memory_order_acquire);
    return n;
  }
  history snapshot() const {
    history h;
    for (std::size_t a = 0; a < records_.size(); ++a) {
      const std::size_t n = completed_[a].load(std::memory_order_acquire);
      auto& mine = h.emplace_back(records_[a].begin(), records_[a].begin() + std::ptrdiff_t(n));
      for (record& r : mine) {
        if (!p_.stamped) r.begin = 0, r.end = never;
      }
      mine.resize(records_[a].size());
      // When it began, if it did, is not known; then it may as well have been at once.
      for (std::size_t i = n; i < mine.size(); ++i) mine[i].begin = 0;
    }
    return h;
  }

  // ---- Acting ----------------------------------------------------------------------------------

  void delay(chance& pick) {
    switch (pick.below(8)) {
      case 0: weft::yield(); break;
      case 1:
        for (int n = pick.below(400); n > 0; --n) asm volatile("");
        break;
      default: break;
    }
  }
  chance chance_of(std::size_t a) const { return chance(seed_ * 1000 + a); }
  void begin(std::size_t a, std::size_t i) {
    if (p_.stamped) records_[a][i].begin = ticket_.fetch_add(1);
  }
  void end(std::size_t a, std::size_t i, const outcome& r) {
    records_[a][i].result = r;
    if (p_.stamped) records_[a][i].end = ticket_.fetch_add(1);
    completed_[a].store(i + 1, std::memory_order_release);
  }

  void act(std::size_t a) {
    chance pick = chance_of(a);
    const auto& operations = p_.actors[a].operations;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      delay(pick);
      begin(a, i);
      end(a, i, perform(operations[i], int(a), int(i), pick));
    }
  }

  weft::coro<> act_as_coroutine(std::size_t a) {
    chance pick = chance_of(a);
    const auto& operations = p_.actors[a].operations;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const operation& o = operations[i];
      delay(pick);
      begin(a, i);
      outcome r;
      switch (o.kind) {
        case op_kind::send: {
          bool closed = false;
          try {
            co_await channel(o).async_send(item(value_of(int(a), int(i), 0)));
          } catch (const weft::closed_channel&) {
            closed = true;
          }
          r = {closed ? code::threw_closed : code::ok};
          break;
        }
        case op_kind::receive: r = received(co_await channel(o).async_recv()); break;
        case op_kind::select: {
          std::optional<item> got;
          auto cases = make_cases(o, int(a), int(i), got);
          std::optional<std::size_t> which;
          try {
            which = co_await weft::async_select(cases);
          } catch (const weft::closed_channel&) {
          }
          r = selected(o, which, got);
          break;
        }
        case op_kind::wait:
          co_await groups_[std::size_t(o.object)].async_wait();
          r = {code::ok};
          break;
        case op_kind::join:
          co_await handles_[std::size_t(o.object)].async_wait();
          r = {code::ok};
          break;
        case op_kind::sleep:
          co_await weft::async_sleep_for(microseconds(o.limit));
          r = {code::ok};
          break;
        default: r = perform(o, int(a), int(i), pick);
      }
      end(a, i, r);
    }
  }

  const weft::chan<item>& channel(const operation& o) const {
    return channels_[std::size_t(o.object)];
  }
  static outcome received(const std::optional<item>& v) {
    return v ? outcome{code::ok, v->value} : outcome{code::closed};
  }
  static outcome of_status(chan_status s, const std::optional<item>* got = nullptr) {
    switch (s) {
      case chan_status::ok: return got != nullptr ? received(*got) : outcome{code::ok};
      case chan_status::full: return {code::full};
      case chan_status::empty: return {code::empty};
      case chan_status::closed: return {code::closed};
      case chan_status::timeout: return {code::timeout};
    }
    return {};
  }

  outcome perform(const operation& o, int a, int i, chance& pick) {
    const int value = value_of(a, i, 0);
    std::optional<item> got;
    switch (o.kind) {
      case op_kind::send:
        try {
          channel(o).send(item(value));
          return {code::ok};
        } catch (const weft::closed_channel&) {
          return {code::threw_closed};
        }
      case op_kind::try_send: return of_status(channel(o).try_send(item(value)));
      case op_kind::send_for:
        return of_status(channel(o).send_for(item(value), microseconds(o.limit)));
      case op_kind::receive: return received(channel(o).recv());
      case op_kind::try_receive: {
        const chan_status s = channel(o).try_recv(got);
        return of_status(s, &got);
      }
      case op_kind::receive_for: {
        const chan_status s = channel(o).recv_for(got, microseconds(o.limit));
        return of_status(s, &got);
      }
      case op_kind::close:
        try {
          channel(o).close();
          return {code::ok};
        } catch (const weft::closed_channel&) {
          return {code::threw_closed};
        } catch (const weft::nil_channel&) {
          return {code::threw_nil};
        }
      case op_kind::size: return {code::number, int(channel(o).size())};
      case op_kind::is_closed: return {code::number, channel(o).closed()};
      case op_kind::select: return perform_select(o, a, i, pick);
      case op_kind::cancel:
        contexts_[std::size_t(o.object)].second();
        return {code::ok};
      case op_kind::error_of:
        return {code::number, int(contexts_[std::size_t(o.object)].first.err())};
      case op_kind::done: groups_[std::size_t(o.object)].done(); return {code::ok};
      case op_kind::wait: groups_[std::size_t(o.object)].wait(); return {code::ok};
      case op_kind::wait_for:
        return {groups_[std::size_t(o.object)].wait_for(microseconds(o.limit)) ? code::ok
                                                                            : code::timeout};
      case op_kind::start: {
        const auto other = std::size_t(o.object);
        handles_[other] = p_.actors[other].kind == actor_kind::coroutine
                              ? weft::spawn(act_as_coroutine(other))
                              : weft::spawn([this, other] { act(other); });
        return {code::ok};
      }
      case op_kind::join: handles_[std::size_t(o.object)].wait(); return {code::ok};
      case op_kind::yield: weft::yield(); return {code::ok};
      case op_kind::sleep: weft::sleep_for(microseconds(o.limit)); return {code::ok};
    }
    return {};
  }

  std::vector<weft::select_case> make_cases(const operation& o, int a, int i,
                                            std::optional<item>& got) {
    std::vector<weft::select_case> cases;
    for (int k = 0; k < int(o.cases.size()); ++k) {
      const select_part& c = o.cases[std::size_t(k)];
      const auto object = std::size_t(c.object);
      switch (c.kind) {
        case case_kind::send:
          cases.push_back(weft::on_send(channels_[object], item(value_of(a, i, k))));
          break;
        case case_kind::receive: cases.push_back(weft::on_recv(channels_[object], got)); break;
        case case_kind::context_done: cases.push_back(weft::on_done(contexts_[object].first)); break;
        case case_kind::timeout: cases.push_back(weft::on_timeout(microseconds(c.limit))); break;
        case case_kind::by_default: cases.push_back(weft::on_default()); break;
      }
    }
    return cases;
  }

  // A select of one or two channel cases is also made in its other form, without a vector.
  outcome perform_select(const operation& o, int a, int i, chance& pick) {
    std::optional<item> got;
    std::optional<std::size_t> which;
    try {
      if (o.cases.size() == 2 && o.cases[0].kind == case_kind::receive && pick.one_in(2) &&
          (o.cases[1].kind == case_kind::receive || o.cases[1].kind == case_kind::send)) {
        const auto& first = channels_[std::size_t(o.cases[0].object)];
        const auto& second = channels_[std::size_t(o.cases[1].object)];
        which = o.cases[1].kind == case_kind::receive
                    ? weft::select(weft::on_recv(first, got), weft::on_recv(second, got))
                    : weft::select(weft::on_recv(first, got),
                                   weft::on_send(second, item(value_of(a, i, 1))));
      } else {
        auto cases = make_cases(o, a, i, got);
        which = weft::select(cases);
      }
    } catch (const weft::closed_channel&) {
    }
    return selected(o, which, got);
  }
  // Nothing: a send was chosen and threw; which one is not known if there are several.
  static outcome selected(const operation& o, std::optional<std::size_t> which,
                          const std::optional<item>& got) {
    if (which) {
      const bool receives = o.cases[*which].kind == case_kind::receive;
      return {code::chosen, receives && got ? got->value : no_value, int(*which)};
    }
    return {code::chosen_and_threw, no_value, -1};
  }

  const program& p_;
  const std::uint64_t seed_;
  std::vector<weft::chan<item>> channels_;
  std::vector<std::pair<weft::context, weft::cancel_function>> contexts_;
  std::deque<weft::wait_group> groups_;
  std::vector<weft::join_handle<>> handles_;
  std::vector<std::thread> threads_;
  history records_;
  std::vector<std::atomic<std::size_t>> completed_;
  std::atomic<std::uint64_t> ticket_{0};
  verdict_of_run result_;
};

}  // namespace

std::vector<verdict_of_run> run_together(std::span<const program> programs, unsigned workers,
                                         std::uint64_t seed) {
  std::vector<verdict_of_run> results;
  {
    std::deque<execution> all;
    for (const program& p : programs) all.emplace_back(p, seed++);
    weft::run({.workers = workers, .seed = seed}, [&] {
      weft::wait_group through;
      for (execution& e : all) through.go([&e] { e.run(); });
      through.wait();
    });
    for (execution& e : all) results.push_back(e.take_result());
  }
  if (const long left = item::alive.load(); left != 0) {
    results.front().failed = true;
    results.front().why = std::to_string(left) + " values too many or too few are left; ";
    item::alive = 0;
  }
  return results;
}

}  // namespace weft_fuzz
