#include "fuzz/judge.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>

namespace weft_fuzz {

namespace {

constexpr std::size_t most_states = 300'000;

enum : std::uint8_t { undone, cancelled, deadline_exceeded };

struct waiting {
  int actor;
  int part;
};

struct channel_state {
  std::vector<int> buffer;
  bool closed = false;
  std::vector<waiting> senders;
  std::vector<waiting> receivers;
};

struct actor_state {
  int next = 0;  // operation
  bool started = false;
  bool waits = false;  // in the queues of channels
};

struct state {
  std::vector<channel_state> channels;
  std::vector<int> groups;
  std::vector<std::uint8_t> contexts;
  std::vector<bool> cancels;  // under way or done, by context
  std::vector<actor_state> actors;

  std::string key() const {
    std::string k;
    for (const auto& c : channels) {
      k += c.closed ? '!' : '.';
      for (const int v : c.buffer) k.append(reinterpret_cast<const char*>(&v), sizeof v);
      for (const auto* queue : {&c.senders, &c.receivers}) {
        k += '|';
        for (const waiting& w : *queue) k += {char('A' + w.actor), char('a' + w.part)};
      }
    }
    for (std::size_t i = 0; i < contexts.size(); ++i) k += char(contexts[i] + (cancels[i] ? 8 : 0));
    for (const int g : groups) k += char('0' + g);
    for (const auto& a : actors) k += char(a.next * 4 + (a.started ? 1 : 0) + (a.waits ? 2 : 0));
    return k;
  }
};

class search {
 public:
  search(const program& p, const history& h) : p_(p), h_(h) {}

  verdict run() {
    state first;
    for (std::size_t i = 0; i < p_.channels.size(); ++i) first.channels.emplace_back();
    first.groups = p_.wait_groups;
    first.contexts.assign(p_.contexts.size(), undone);
    first.cancels.assign(p_.contexts.size(), false);
    for (const actor& a : p_.actors) first.actors.push_back({0, !a.started_by_other, false});
    std::vector<state> open{std::move(first)};
    while (!open.empty()) {
      const state s = std::move(open.back());
      open.pop_back();
      if (!seen_.insert(s.key()).second) continue;
      if (is_at_rest(s)) return verdict::explained;
      if (seen_.size() > most_states) return verdict::undecided;
      next_.clear();
      expand(s);
      // Last in, first out: so the ones to try first come last.
      for (state& n : next_) open.push_back(std::move(n));
    }
    return verdict::impossible;
  }

 private:
  const operation& op(int a, int i) const {
    return p_.actors[std::size_t(a)].operations[std::size_t(i)];
  }
  const operation& op(const state& s, int a) const { return op(a, s.actors[std::size_t(a)].next); }
  const record& seen(int a, int i) const { return h_[std::size_t(a)][std::size_t(i)]; }
  const record& seen(const state& s, int a) const {
    return seen(a, s.actors[std::size_t(a)].next);
  }
  int length(int a) const { return int(p_.actors[std::size_t(a)].operations.size()); }
  int count() const { return int(p_.actors.size()); }
  bool ended(const state& s, int a) const { return s.actors[std::size_t(a)].next == length(a); }
  bool is_nil(int c) const { return p_.channels[std::size_t(c)] == nil_channel; }

  // ---- What every wait has in common ---------------------------------------------------------

  static bool has_limit(const operation& o) {
    if (o.kind == op_kind::select) {
      return std::any_of(o.cases.begin(), o.cases.end(), [](const select_part& c) {
        return c.kind == case_kind::timeout;
      });
    }
    return o.kind == op_kind::send_for || o.kind == op_kind::receive_for ||
           o.kind == op_kind::wait_for;
  }

  // It returns with this, if that is what was seen.
  bool complete(state& s, int a, const outcome& r) const {
    if (seen(s, a).result != r) return false;
    actor_state& me = s.actors[std::size_t(a)];
    ++me.next;
    if (!me.waits) return true;
    me.waits = false;
    for (channel_state& c : s.channels) {
      for (auto* queue : {&c.senders, &c.receivers}) {
        std::erase_if(*queue, [&](const waiting& w) { return w.actor == a; });
      }
    }
    return true;
  }
  void add(state&& s) { next_.push_back(std::move(s)); }
  void add_completed(const state& s, int a, const outcome& r) {
    state n = s;
    if (complete(n, a, r)) add(std::move(n));
  }

  // An operation that ended before this one began is through.
  bool may_begin(const state& s, int a) const {
    for (int other = 0; other < count(); ++other) {
      if (other == a || ended(s, other)) continue;
      if (seen(s, other).end < seen(s, a).begin) return false;
    }
    return true;
  }

  bool has_passed_deadline(int x) const {
    for (; x >= 0; x = p_.contexts[std::size_t(x)].parent) {
      if (p_.contexts[std::size_t(x)].limit != no_limit) return true;
    }
    return false;
  }
  bool is_cancelled_from_above(const state& s, int x) const {
    for (; x >= 0; x = p_.contexts[std::size_t(x)].parent) {
      if (s.cancels[std::size_t(x)]) return true;
    }
    return false;
  }
  bool is_below(int x, int above) const {
    for (; x >= 0; x = p_.contexts[std::size_t(x)].parent) {
      if (x == above) return true;
    }
    return false;
  }
  bool all_below_done(const state& s, int x) const {
    for (int i = 0; i < int(s.contexts.size()); ++i) {
      if (is_below(i, x) && s.contexts[std::size_t(i)] == undone) return false;
    }
    return true;
  }

  // Everybody has ended or waits, and no time-out or deadline is still to come.
  bool is_at_rest(const state& s) const {
    for (int x = 0; x < int(s.contexts.size()); ++x) {
      if (s.contexts[std::size_t(x)] == undone &&
          (has_passed_deadline(x) || is_cancelled_from_above(s, x))) {
        return false;
      }
    }
    for (int a = 0; a < count(); ++a) {
      const actor_state& me = s.actors[std::size_t(a)];
      if (ended(s, a) || !me.started) continue;
      const operation& o = op(s, a);
      if (seen(s, a).result.what != code::pending || has_limit(o)) return false;
      switch (o.kind) {
        case op_kind::wait:
          if (s.groups[std::size_t(o.object)] == 0) return false;
          break;
        case op_kind::join:
          if (ended(s, o.object)) return false;
          break;
        default:
          if (!me.waits) return false;
      }
    }
    return true;
  }

  // ---- Steps -----------------------------------------------------------------------------------

  void expand(const state& s) {
    for (int x = 0; x < int(s.contexts.size()); ++x) {
      if (s.contexts[std::size_t(x)] != undone) continue;
      if (is_cancelled_from_above(s, x)) end_context(s, x, cancelled);
      if (has_passed_deadline(x)) end_context(s, x, deadline_exceeded);
    }
    // The earliest end is tried first.
    std::vector<int> order;
    for (int a = 0; a < count(); ++a) {
      if (!ended(s, a) && s.actors[std::size_t(a)].started) order.push_back(a);
    }
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return seen(s, a).end > seen(s, b).end;
    });
    for (const int a : order) {
      if (s.actors[std::size_t(a)].waits) {
        time_out(s, a);
      } else if (may_begin(s, a)) {
        begin(s, a);
      }
    }
  }

  void end_context(const state& s, int x, std::uint8_t how) {
    state n = s;
    n.contexts[std::size_t(x)] = how;
    tell_of_context(std::move(n), x, 0);
  }
  // Every select that waits for it has that case; which, if it has several, is open.
  void tell_of_context(state&& s, int x, int from) {
    for (int a = from; a < count(); ++a) {
      if (!s.actors[std::size_t(a)].waits || op(s, a).kind != op_kind::select) continue;
      const auto& cases = op(s, a).cases;
      bool any = false;
      for (int i = 0; i < int(cases.size()); ++i) {
        const select_part& c = cases[std::size_t(i)];
        if (c.kind != case_kind::context_done || c.object != x) continue;
        any = true;
        state n = s;
        if (complete(n, a, {code::chosen, no_value, i})) tell_of_context(std::move(n), x, a + 1);
      }
      if (any) return;
    }
    add(std::move(s));
  }

  void time_out(const state& s, int a) {
    const operation& o = op(s, a);
    if (!has_limit(o)) return;
    if (o.kind != op_kind::select) return add_completed(s, a, {code::timeout});
    for (int i = 0; i < int(o.cases.size()); ++i) {
      if (o.cases[std::size_t(i)].kind == case_kind::timeout) {
        add_completed(s, a, {code::chosen, no_value, i});
      }
    }
  }

  void begin(const state& s, int a) {
    const operation& o = op(s, a);
    switch (o.kind) {
      case op_kind::send: case op_kind::try_send: case op_kind::send_for: return begin_send(s, a);
      case op_kind::receive: case op_kind::try_receive: case op_kind::receive_for:
        return begin_receive(s, a);
      case op_kind::select: return begin_select(s, a);
      case op_kind::close: return close(s, a);
      case op_kind::size: {
        const int n = is_nil(o.object) ? 0 : int(s.channels[std::size_t(o.object)].buffer.size());
        return add_completed(s, a, {code::number, n});
      }
      case op_kind::is_closed:
        return add_completed(s, a, {code::number, s.channels[std::size_t(o.object)].closed});
      case op_kind::cancel:
        if (!s.cancels[std::size_t(o.object)]) {
          state n = s;
          n.cancels[std::size_t(o.object)] = true;
          return add(std::move(n));
        }
        if (all_below_done(s, o.object)) add_completed(s, a, {code::ok});
        return;
      case op_kind::error_of:
        return add_completed(s, a, {code::number, s.contexts[std::size_t(o.object)]});
      case op_kind::done: {
        state n = s;
        --n.groups[std::size_t(o.object)];
        if (complete(n, a, {code::ok})) add(std::move(n));
        return;
      }
      case op_kind::wait:
      case op_kind::wait_for:
        if (s.groups[std::size_t(o.object)] == 0) {
          add_completed(s, a, {code::ok});
        } else if (o.kind == op_kind::wait_for) {
          add_completed(s, a, {code::timeout});
        }
        return;
      case op_kind::start: {
        state n = s;
        n.actors[std::size_t(o.object)].started = true;
        if (complete(n, a, {code::ok})) add(std::move(n));
        return;
      }
      case op_kind::join:
        if (s.actors[std::size_t(o.object)].started && ended(s, o.object)) {
          add_completed(s, a, {code::ok});
        }
        return;
      case op_kind::yield:
      case op_kind::sleep: return add_completed(s, a, {code::ok});
    }
  }

  // ---- Channels --------------------------------------------------------------------------------

  outcome sent(const operation& o, int part) const {
    return o.kind == op_kind::select ? outcome{code::chosen, no_value, part} : outcome{code::ok};
  }
  outcome received(const operation& o, int part, int value) const {
    if (o.kind == op_kind::select) return {code::chosen, value, part};
    return value == no_value ? outcome{code::closed} : outcome{code::ok, value};
  }
  outcome met_closed(const operation& o) const {
    if (o.kind == op_kind::select) return {code::chosen_and_threw, no_value, -1};  // which is not known
    return o.kind == op_kind::send ? outcome{code::threw_closed} : outcome{code::closed};
  }

  // The first that waits there; of several nodes of one select any may come first.
  template <class F>
  void with_first(const std::vector<waiting>& queue, F f) {
    for (const waiting& w : queue) {
      if (w.actor == queue.front().actor) f(w);
    }
  }

  bool can_send(const state& s, int c) const {
    if (is_nil(c)) return false;
    const channel_state& ch = s.channels[std::size_t(c)];
    return ch.closed || !ch.receivers.empty() ||
           int(ch.buffer.size()) < p_.channels[std::size_t(c)];
  }
  bool can_receive(const state& s, int c) const {
    if (is_nil(c)) return false;
    const channel_state& ch = s.channels[std::size_t(c)];
    return ch.closed || !ch.senders.empty() || !ch.buffer.empty();
  }

  void do_send(const state& s, int a, int c, int part) {
    const operation& o = op(s, a);
    const int value = value_of(a, s.actors[std::size_t(a)].next, part);
    const channel_state& ch = s.channels[std::size_t(c)];
    if (ch.closed) return add_completed(s, a, met_closed(o));
    if (ch.receivers.empty()) {
      state n = s;
      n.channels[std::size_t(c)].buffer.push_back(value);
      if (complete(n, a, sent(o, part))) add(std::move(n));
      return;
    }
    with_first(ch.receivers, [&](waiting w) {
      state n = s;
      if (complete(n, w.actor, received(op(s, w.actor), w.part, value)) &&
          complete(n, a, sent(o, part))) {
        add(std::move(n));
      }
    });
  }

  void do_receive(const state& s, int a, int c, int part) {
    const operation& o = op(s, a);
    const channel_state& ch = s.channels[std::size_t(c)];
    if (ch.senders.empty()) {
      state n = s;
      auto& buffer = n.channels[std::size_t(c)].buffer;
      int value = no_value;
      if (!buffer.empty()) {
        value = buffer.front();
        buffer.erase(buffer.begin());
      }
      if (complete(n, a, received(o, part, value))) add(std::move(n));
      return;
    }
    with_first(ch.senders, [&](waiting w) {
      state n = s;
      auto& buffer = n.channels[std::size_t(c)].buffer;
      buffer.push_back(value_of(w.actor, s.actors[std::size_t(w.actor)].next, w.part));
      const int value = buffer.front();
      buffer.erase(buffer.begin());
      if (complete(n, w.actor, sent(op(s, w.actor), w.part)) &&
          complete(n, a, received(o, part, value))) {
        add(std::move(n));
      }
    });
  }

  // It is the last thing that was seen of it, or it is woken.
  void wait_there(const state& s, int a, int c, int part, bool sends) {
    state n = s;
    n.actors[std::size_t(a)].waits = true;
    if (!is_nil(c)) {
      auto& ch = n.channels[std::size_t(c)];
      (sends ? ch.senders : ch.receivers).push_back({a, part});
    }
    add(std::move(n));
  }

  void begin_send(const state& s, int a) {
    const operation& o = op(s, a);
    if (can_send(s, o.object)) return do_send(s, a, o.object, 0);
    if (o.kind == op_kind::try_send) return add_completed(s, a, {code::full});
    wait_there(s, a, o.object, 0, true);
  }
  void begin_receive(const state& s, int a) {
    const operation& o = op(s, a);
    if (can_receive(s, o.object)) return do_receive(s, a, o.object, 0);
    if (o.kind == op_kind::try_receive) return add_completed(s, a, {code::empty});
    wait_there(s, a, o.object, 0, false);
  }

  void begin_select(const state& s, int a) {
    const auto& cases = op(s, a).cases;
    bool any = false;
    int by_default = -1;
    for (int i = 0; i < int(cases.size()); ++i) {
      const select_part& c = cases[std::size_t(i)];
      switch (c.kind) {
        case case_kind::send:
          if (!can_send(s, c.object)) break;
          any = true;
          do_send(s, a, c.object, i);
          break;
        case case_kind::receive:
          if (!can_receive(s, c.object)) break;
          any = true;
          do_receive(s, a, c.object, i);
          break;
        case case_kind::context_done:
          if (s.contexts[std::size_t(c.object)] == undone) break;
          any = true;
          add_completed(s, a, {code::chosen, no_value, i});
          break;
        case case_kind::timeout: break;
        case case_kind::by_default: by_default = i; break;
      }
    }
    if (any) return;
    if (by_default >= 0) return add_completed(s, a, {code::chosen, no_value, by_default});
    state n = s;
    n.actors[std::size_t(a)].waits = true;
    for (int i = 0; i < int(cases.size()); ++i) {
      const select_part& c = cases[std::size_t(i)];
      if ((c.kind != case_kind::send && c.kind != case_kind::receive) || is_nil(c.object)) continue;
      auto& ch = n.channels[std::size_t(c.object)];
      (c.kind == case_kind::send ? ch.senders : ch.receivers).push_back({a, i});
    }
    add(std::move(n));
  }

  void close(const state& s, int a) {
    const int c = op(s, a).object;
    if (is_nil(c)) return add_completed(s, a, {code::threw_nil});
    if (s.channels[std::size_t(c)].closed) return add_completed(s, a, {code::threw_closed});
    state n = s;
    n.channels[std::size_t(c)].closed = true;
    if (complete(n, a, {code::ok})) close_waiting(std::move(n), c);
  }
  // Everybody who waits there is told; a select with several nodes there by any of them.
  void close_waiting(state&& s, int c) {
    const channel_state& ch = s.channels[std::size_t(c)];
    const bool sends = ch.receivers.empty();
    const auto& queue = sends ? ch.senders : ch.receivers;
    if (queue.empty()) return add(std::move(s));
    const int first = queue.front().actor;
    for (const bool its_send : {false, true}) {
      for (const waiting& w : its_send ? ch.senders : ch.receivers) {
        if (w.actor != first) continue;
        const operation& o = op(s, first);
        state n = s;
        if (complete(n, first, its_send ? met_closed(o) : received(o, w.part, no_value))) {
          close_waiting(std::move(n), c);
        }
      }
    }
  }

  const program& p_;
  const history& h_;
  std::unordered_set<std::string> seen_;
  std::vector<state> next_;
};

}  // namespace

verdict judge(const program& p, const history& h) { return search(p, h).run(); }

}  // namespace weft_fuzz
