#include <algorithm>
#include <ostream>
#include <string>

#include "fuzz/program.hpp"
#include "stress/chance.hpp"

namespace weft_fuzz {

namespace {

using weft_test::chance;

class generator {
 public:
  explicit generator(std::uint64_t seed) : pick_(seed) {}

  program make() {
    p_.stamped = pick_.one_in(2);
    const int channels = 1 + pick_.below(4);
    for (int i = 0; i < channels; ++i) {
      p_.channels.push_back(pick_.one_in(12) ? nil_channel : pick_.below(4));
    }
    const int contexts = pick_.one_in(2) ? 0 : 1 + pick_.below(3);
    for (int i = 0; i < contexts; ++i) {
      p_.contexts.push_back({pick_.below(i + 1) - 1, pick_.one_in(3) ? limit() : no_limit});
    }
    p_.wait_groups.assign(static_cast<std::size_t>(pick_.one_in(2) ? pick_.below(3) : 0), 0);
    const int actors = 2 + pick_.below(5);
    for (int i = 0; i < actors; ++i) add_actor(i);
    for (int i = 1; i < actors; ++i) {
      if (pick_.one_in(5)) start_by_another(i);
    }
    return p_;
  }

 private:
  int limit() { return pick_.one_in(3) ? 0 : pick_.below(pick_.one_in(3) ? 600 : 40); }
  int channel() { return pick_.below(static_cast<int>(p_.channels.size())); }
  int any_context() { return pick_.below(static_cast<int>(p_.contexts.size())); }

  void add_actor(int) {
    actor a;
    // A thread that waits for ever could not be ended.
    if (pick_.one_in(8)) {
      a.kind = actor_kind::thread;
    } else if (pick_.one_in(5)) {
      a.kind = actor_kind::coroutine;
    }
    const int n = 1 + pick_.below(7);
    const bool sends = pick_.one_in(2);  // most of what an actor does goes one way
    for (int i = 0; i < n; ++i) {
      const operation o = make_operation(sends, a.kind == actor_kind::thread);
      // Counted off by somebody, so counted up before.
      if (o.kind == op_kind::done) ++p_.wait_groups[static_cast<std::size_t>(o.object)];
      a.operations.push_back(o);
    }
    p_.actors.push_back(std::move(a));
  }

  operation make_operation(bool sends, bool limited) {
    for (;;) {
      switch (pick_.below(16)) {
        case 0: case 1: case 2: case 3: case 4: return exchange(sends != pick_.one_in(6), limited);
        case 5: case 6: case 7: case 8: return make_select(limited);
        case 9: return {pick_.one_in(3) ? op_kind::close : op_kind::size, channel()};
        case 10: return {op_kind::is_closed, channel()};
        case 11:
          if (p_.contexts.empty()) continue;
          return {pick_.one_in(2) ? op_kind::cancel : op_kind::error_of, any_context()};
        case 12: case 13: {
          if (p_.wait_groups.empty()) continue;
          const int group = pick_.below(static_cast<int>(p_.wait_groups.size()));
          if (pick_.one_in(2)) return {op_kind::done, group};
          if (limited || pick_.one_in(2)) return {op_kind::wait_for, group, limit()};
          return {op_kind::wait, group};
        }
        case 14: return {op_kind::yield};
        default: return {op_kind::sleep, 0, pick_.below(30)};
      }
    }
  }

  operation exchange(bool sends, bool limited) {
    const int c = channel();
    switch (pick_.below(limited ? 2 : 5)) {
      case 0: return {sends ? op_kind::try_send : op_kind::try_receive, c};
      case 1: return {sends ? op_kind::send_for : op_kind::receive_for, c, limit()};
      default: return {sends ? op_kind::send : op_kind::receive, c};
    }
  }

  operation make_select(bool limited) {
    operation o{op_kind::select};
    const int n = 1 + pick_.below(4);
    for (int i = 0; i < n; ++i) {
      if (!p_.contexts.empty() && pick_.one_in(5)) {
        o.cases.push_back({case_kind::context_done, any_context()});
      } else {
        o.cases.push_back({pick_.one_in(2) ? case_kind::send : case_kind::receive, channel()});
      }
    }
    const int last = pick_.below(4);
    if (last == 0) {
      o.cases.push_back({case_kind::by_default});
    } else if (last == 1 || limited) {
      o.cases.push_back({case_kind::timeout, 0, limit()});
    }
    return o;
  }

  // One of those before it starts it somewhere, and may join it later.
  void start_by_another(int which) {
    auto& a = p_.actors[static_cast<std::size_t>(which)];
    const auto by = static_cast<std::size_t>(pick_.below(which));
    if (a.kind == actor_kind::thread || p_.actors[by].kind == actor_kind::thread) return;
    a.started_by_other = true;
    auto& operations = p_.actors[by].operations;
    const int at = pick_.below(static_cast<int>(operations.size()) + 1);
    operations.insert(operations.begin() + at, {op_kind::start, which});
    if (pick_.one_in(2)) {
      const int later = at + 1 + pick_.below(static_cast<int>(operations.size()) - at);
      operations.insert(operations.begin() + later, {op_kind::join, which});
    }
  }

  chance pick_;
  program p_;
};

const char* name_of(op_kind k) {
  switch (k) {
    case op_kind::send: return "send";
    case op_kind::try_send: return "try_send";
    case op_kind::send_for: return "send_for";
    case op_kind::receive: return "recv";
    case op_kind::try_receive: return "try_recv";
    case op_kind::receive_for: return "recv_for";
    case op_kind::close: return "close";
    case op_kind::size: return "size";
    case op_kind::is_closed: return "closed";
    case op_kind::select: return "select";
    case op_kind::cancel: return "cancel";
    case op_kind::error_of: return "err";
    case op_kind::done: return "done";
    case op_kind::wait: return "wait";
    case op_kind::wait_for: return "wait_for";
    case op_kind::start: return "start";
    case op_kind::join: return "join";
    case op_kind::yield: return "yield";
    case op_kind::sleep: return "sleep";
  }
  return "?";
}

char letter_of(op_kind k) {
  switch (k) {
    case op_kind::cancel: case op_kind::error_of: return 'x';
    case op_kind::done: case op_kind::wait: case op_kind::wait_for: return 'w';
    case op_kind::start: case op_kind::join: return 'a';
    default: return 'c';
  }
}

std::string text_of(const outcome& r) {
  const std::string value = r.value == no_value ? "" : " " + std::to_string(r.value);
  switch (r.what) {
    case code::pending: return "still there";
    case code::ok: return "ok" + value;
    case code::full: return "full";
    case code::empty: return "empty";
    case code::closed: return "closed";
    case code::timeout: return "timeout";
    case code::threw_closed: return "threw closed_channel";
    case code::threw_nil: return "threw nil_channel";
    case code::number: return "=" + value;
    case code::chosen: return "case " + std::to_string(r.which) + value;
    case code::chosen_and_threw: return "threw closed_channel";
  }
  return "?";
}

void print_case(std::ostream& out, const select_part& c, int value) {
  switch (c.kind) {
    case case_kind::send: out << "c" << c.object << " <- " << value; break;
    case case_kind::receive: out << "<- c" << c.object; break;
    case case_kind::context_done: out << "done x" << c.object; break;
    case case_kind::timeout: out << "timeout " << c.limit << " us"; break;
    case case_kind::by_default: out << "default"; break;
  }
}

}  // namespace

program generate(std::uint64_t seed) { return generator(seed).make(); }

void print(std::ostream& out, const program& p, const history* h) {
  for (std::size_t i = 0; i < p.channels.size(); ++i) {
    out << "c" << i << ": ";
    p.channels[i] == nil_channel ? out << "nil\n" : out << "capacity " << p.channels[i] << "\n";
  }
  for (std::size_t i = 0; i < p.contexts.size(); ++i) {
    out << "x" << i << ": ";
    if (p.contexts[i].parent >= 0) out << "below x" << p.contexts[i].parent << ", ";
    p.contexts[i].limit == no_limit ? out << "with cancel\n"
                                    : out << "with timeout " << p.contexts[i].limit << " us\n";
  }
  for (std::size_t i = 0; i < p.wait_groups.size(); ++i) {
    out << "w" << i << ": " << p.wait_groups[i] << "\n";
  }
  for (std::size_t a = 0; a < p.actors.size(); ++a) {
    constexpr const char* kinds[] = {"goroutine", "thread", "coroutine"};
    out << "a" << a << ", " << kinds[static_cast<int>(p.actors[a].kind)]
        << (p.actors[a].started_by_other ? ", started by another:\n" : ":\n");
    for (std::size_t i = 0; i < p.actors[a].operations.size(); ++i) {
      const operation& o = p.actors[a].operations[i];
      out << "  " << name_of(o.kind);
      if (o.kind == op_kind::select) {
        for (std::size_t k = 0; k < o.cases.size(); ++k) {
          out << (k == 0 ? " {" : ", ");
          print_case(out, o.cases[k], value_of(int(a), int(i), int(k)));
        }
        out << "}";
      } else if (o.kind == op_kind::sleep) {
        out << " " << o.limit << " us";
      } else if (o.kind != op_kind::yield) {
        out << " " << letter_of(o.kind) << o.object;
        if (o.kind == op_kind::send || o.kind == op_kind::try_send || o.kind == op_kind::send_for) {
          out << " <- " << value_of(int(a), int(i), 0);
        }
        if (o.kind == op_kind::send_for || o.kind == op_kind::receive_for ||
            o.kind == op_kind::wait_for) {
          out << ", " << o.limit << " us";
        }
      }
      if (h != nullptr) {
        const record& r = (*h)[a][i];
        out << "    -> " << (r.begin == never && r.result.what == code::pending && p.stamped
                                 ? "not begun" : text_of(r.result));
        if (p.stamped && r.begin != never) {
          out << "    [" << r.begin << ", ";
          r.end == never ? out << "...]" : out << r.end << "]";
        }
      }
      out << "\n";
    }
  }
}

}  // namespace weft_fuzz
