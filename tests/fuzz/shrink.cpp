#include "fuzz/shrink.hpp"

#include <algorithm>
#include <chrono>

namespace weft_fuzz {

namespace {

using steady = std::chrono::steady_clock;

constexpr auto longest = std::chrono::seconds(60);
constexpr unsigned copies = 8;   // run together
constexpr unsigned tries = 100;  // times `copies`, since a failure may be rare

// Without actor `a`; who would start or join it does not.
program without_actor(program p, std::size_t a) {
  const int gone = static_cast<int>(a);
  p.actors.erase(p.actors.begin() + gone);
  for (std::size_t i = 0; i < p.actors.size(); ++i) {
    auto& operations = p.actors[i].operations;
    std::erase_if(operations, [&](const operation& o) {
      return (o.kind == op_kind::start || o.kind == op_kind::join) && o.object == gone;
    });
    for (operation& o : operations) {
      if ((o.kind == op_kind::start || o.kind == op_kind::join) && o.object > gone) --o.object;
    }
  }
  return p;
}

// Whoever is started by nobody any more starts by itself, nobody joins what was not started, and the
// wait groups count what is left.
void repair(program& p) {
  for (int& n : p.wait_groups) n = 0;
  for (std::size_t k = 0; k < p.actors.size(); ++k) {
    p.actors[k].started_by_other = false;
  }
  for (actor& a : p.actors) {
    for (const operation& o : a.operations) {
      if (o.kind == op_kind::done) ++p.wait_groups[static_cast<std::size_t>(o.object)];
      if (o.kind == op_kind::start) p.actors[static_cast<std::size_t>(o.object)].started_by_other = true;
    }
    std::vector<int> started;
    std::erase_if(a.operations, [&](const operation& o) {
      if (o.kind == op_kind::start) started.push_back(o.object);
      return o.kind == op_kind::join &&
             std::find(started.begin(), started.end(), o.object) == started.end();
    });
  }
}

std::vector<program> smaller_ones(const program& p) {
  std::vector<program> all;
  const auto add = [&](program candidate) {
    repair(candidate);
    all.push_back(std::move(candidate));
  };
  for (std::size_t a = p.actors.size(); a-- > 0;) {
    if (p.actors.size() > 1) add(without_actor(p, a));
  }
  for (std::size_t a = 0; a < p.actors.size(); ++a) {
    for (std::size_t i = p.actors[a].operations.size(); i-- > 0;) {
      if (p.actors[a].operations.size() == 1) continue;
      program candidate = p;
      auto& operations = candidate.actors[a].operations;
      operations.erase(operations.begin() + static_cast<std::ptrdiff_t>(i));
      add(std::move(candidate));
    }
    for (std::size_t i = 0; i < p.actors[a].operations.size(); ++i) {
      for (std::size_t k = p.actors[a].operations[i].cases.size(); k-- > 0;) {
        if (p.actors[a].operations[i].cases.size() == 1) continue;
        program candidate = p;
        auto& cases = candidate.actors[a].operations[i].cases;
        cases.erase(cases.begin() + static_cast<std::ptrdiff_t>(k));
        add(std::move(candidate));
      }
    }
    if (p.actors[a].kind == actor_kind::coroutine) {
      program candidate = p;
      candidate.actors[a].kind = actor_kind::goroutine;
      add(std::move(candidate));
    }
  }
  return all;
}

}  // namespace

smaller shrink(const program& p, const verdict_of_run& r, unsigned workers, std::uint64_t seed) {
  smaller best{p, r};
  const auto end = steady::now() + longest;
  for (bool progress = true; progress;) {
    progress = false;
    for (program& candidate : smaller_ones(best.what)) {
      const std::vector<program> same(copies, candidate);
      for (unsigned n = 0; n < tries && !progress; ++n) {
        if (steady::now() > end) return best;
        ++best.attempts;
        for (verdict_of_run& v : run_together(same, workers, seed + n * copies)) {
          if (!v.failed) continue;
          best.what = candidate;
          best.result = std::move(v);
          progress = true;
          break;
        }
      }
      if (progress) break;
    }
  }
  return best;
}

}  // namespace weft_fuzz
