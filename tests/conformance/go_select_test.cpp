// What Go's reflect/all_test.go tests of select, where the cases are known at run time only, under
// its names. The code is ours.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using weft::on_default;
using weft::on_recv;
using weft::on_send;
using weft::select;

namespace {

// All sequences of choices, one after the other.
class exhaustive {
 public:
  // False: that was the last sequence.
  bool next() {
    if (!begun_) return begun_ = true;
    while (!taken_.empty() && taken_.back().first + 1 == taken_.back().second) taken_.pop_back();
    if (taken_.empty()) return false;
    ++taken_.back().first;
    at_ = 0;
    return true;
  }
  int choose(int n) {
    if (at_ == taken_.size()) taken_.emplace_back(0, n);
    return taken_[at_++].first;
  }
  bool maybe() { return choose(2) == 1; }

 private:
  bool begun_ = false;
  std::size_t at_ = 0;
  std::vector<std::pair<int, int>> taken_;
};

// What is known of a case: may it be chosen, and what would it give.
struct info {
  const char* what;
  bool can_go_on = false;
  bool throws = false;
  bool closed = false;
  bool receives = false;
  int value = 0;
  weft::chan<int> helper_receives = nullptr;  // a partner that comes later
  weft::chan<int> helper_sends = nullptr;
};

struct all_cases {
  std::vector<weft::select_case> cases;
  std::vector<info> infos;
  void add(weft::select_case c, info i) {
    cases.push_back(std::move(c));
    infos.push_back(std::move(i));
  }
};

}  // namespace

TEST_CASE("TestSelect", "[go-test]") {
  // Every mixture of cases that can go on, that wait, that are nil or closed, with and without a
  // default: only what can go on is chosen, and gives what it should.
  const int most = int(weft_test::scaled(20000));
  std::string wrong;
  int done = 0;
  weft::run([&] {
    exhaustive x;
    for (int n = 0; n < most && wrong.empty() && x.next(); ++n, ++done) {
      all_cases a;
      std::optional<int> got;
      bool closed = false;
      auto receives = [&](const weft::chan<int>& c) {
        return on_recv(c, [&](std::optional<int> v) {
          got = v;
          closed = !v;
        });
      };
      if (x.maybe()) {
        a.add(on_send(weft::chan<int>(1), 10), {.what = "ready send", .can_go_on = true});
      }
      if (x.maybe()) {
        weft::chan<int> c(1);
        c.send(11);
        a.add(receives(c),
              {.what = "ready receive", .can_go_on = true, .receives = true, .value = 11});
      }
      if (x.maybe()) {
        weft::chan<int> c;
        info i{.what = "send that waits"};
        if (x.maybe()) i.helper_receives = c;
        a.add(on_send(c, 12), i);
      }
      if (x.maybe()) {
        weft::chan<int> c;
        info i{.what = "receive that waits", .receives = true, .value = 13};
        if (x.maybe()) i.helper_sends = c;
        a.add(receives(c), i);
      }
      if (x.maybe()) a.add(on_send(weft::chan<int>(nullptr), 14), {.what = "send to nil"});
      if (x.maybe()) a.add(receives(weft::chan<int>(nullptr)), {.what = "receive from nil"});
      if (x.maybe()) {
        weft::chan<int> c;
        c.close();
        a.add(on_send(c, 15), {.what = "send to a closed one", .can_go_on = true, .throws = true});
      }
      if (x.maybe()) {
        weft::chan<int> c;
        c.close();
        a.add(receives(c), {.what = "receive from a closed one",
                            .can_go_on = true,
                            .closed = true,
                            .receives = true});
      }
      bool at_once = false;
      bool can_throw = false;
      int can = 0;
      std::vector<std::size_t> helpers;
      for (std::size_t i = 0; i < a.infos.size(); ++i) {
        at_once = at_once || a.infos[i].can_go_on;
        can_throw = can_throw || a.infos[i].throws;
        can += a.infos[i].can_go_on;
        if (a.infos[i].helper_receives || a.infos[i].helper_sends) helpers.push_back(i);
      }
      weft::chan<int> to_receive = nullptr;
      weft::chan<int> to_send = nullptr;
      if ((!at_once && helpers.empty()) || x.maybe()) {
        a.add(on_default([] {}), {.what = "default", .can_go_on = !at_once});
        can += !at_once;
      } else if (!at_once) {
        info& i = a.infos[helpers[std::size_t(x.choose(int(helpers.size())))]];
        to_receive = i.helper_receives;
        to_send = i.helper_sends;
        i.can_go_on = true;
        ++can;
      }
      const auto first = std::size_t(x.choose(int(a.cases.size())));
      std::swap(a.cases[first], a.cases[0]);
      std::swap(a.infos[first], a.infos[0]);

      auto helper = weft::spawn([&] {
        if (!to_receive && !to_send) return;
        weft_test::until_parked(1);
        if (to_receive) to_receive.recv();
        if (to_send) to_send.send(13);
      });
      std::optional<std::size_t> chosen;
      bool threw = false;
      try {
        chosen = select(a.cases);
      } catch (const weft::closed_channel&) {
        threw = true;
      }
      helper.wait();
      std::string text;
      for (const info& i : a.infos) text += std::string(i.what) + ", ";
      if (threw) {
        if (!can_throw) wrong = text + "threw";
        continue;
      }
      const info& i = a.infos[*chosen];
      if (can_throw && can == 1) wrong = text + "did not throw";
      if (!i.can_go_on || i.throws) wrong = text + "chose wrongly: " + i.what;
      if (i.receives && i.closed != closed) wrong = text + "closed or not";
      if (i.receives && !i.closed && got != i.value) wrong = text + "another value";
      if (!i.receives && (got || closed)) wrong = text + "a value from nowhere";
    }
  });
  CHECK(wrong == "");
  CHECK(done > 0);
}

TEST_CASE("TestSelectNop", "[go-test]") {
  CHECK(select(on_default([] {})) == 0);
  std::vector<weft::select_case> cases;
  cases.push_back(on_default([] {}));
  CHECK(select(cases) == 0);
}

TEST_CASE("TestSelectMaxCases", "[go-test]") {
  // Go has a bound, 65536; weft has none.
  weft::chan<int> closed;
  closed.close();
  weft::chan<int> open;
  std::vector<weft::select_case> cases;
  const std::size_t count = weft_test::scaled(70000);
  for (std::size_t i = 0; i + 1 < count; ++i) cases.push_back(on_recv(open));
  cases.push_back(on_recv(closed));
  CHECK(select(cases) == count - 1);
}
