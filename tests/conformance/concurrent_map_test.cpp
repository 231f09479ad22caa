// concurrent_map: Go's sync/map_test.go where it has one.
#include "collect.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"

#include <weft/weft.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using map_type = weft::concurrent_map<std::string, int>;
static_assert(std::same_as<decltype(std::declval<const map_type&>().load("")), std::optional<int>>);
static_assert(
    std::same_as<decltype(std::declval<map_type&>().load_or_store("", 1)), std::pair<int, bool>>);
static_assert(
    std::same_as<decltype(std::declval<map_type&>().load_and_delete("")), std::optional<int>>);
static_assert(std::same_as<decltype(std::declval<map_type&>().erase("")), bool>);

struct not_comparable {
  int n;
};
template <class V>
concept can_compare_and_swap = requires(weft::concurrent_map<int, V> m, V v) {
  m.compare_and_swap(1, v, v);
};
static_assert(can_compare_and_swap<int>);
static_assert(!can_compare_and_swap<not_comparable>);

}  // namespace

TEST_CASE("the members of a concurrent map", "[concurrent_map]") {
  map_type m;
  CHECK(m.load("a") == std::nullopt);
  m.store("a", 1);
  CHECK(m.load("a") == 1);
  m.store("a", 2);
  CHECK(m.load("a") == 2);
  CHECK(m.load_or_store("a", 9) == std::pair(2, true));
  CHECK(m.load_or_store("b", 3) == std::pair(3, false));
  CHECK(m.load("b") == 3);
  CHECK_FALSE(m.compare_and_swap("a", 1, 5));
  CHECK(m.compare_and_swap("a", 2, 5));
  CHECK_FALSE(m.compare_and_swap("none", 0, 5));
  CHECK(m.load("none") == std::nullopt);
  CHECK(m.load_and_delete("a") == 5);
  CHECK(m.load_and_delete("a") == std::nullopt);
  CHECK(m.erase("b"));
  CHECK_FALSE(m.erase("b"));
  int entries = 0;
  m.for_each([&](const std::string&, const int&) { ++entries; });
  CHECK(entries == 0);
}

TEST_CASE("TestMapRangeNestedCall: for_each's function may use the map", "[concurrent_map]") {
  const auto body = [] {
    weft::concurrent_map<int, std::string> m;
    const int n = 200;
    for (int i = 0; i < n; ++i) m.store(i, std::to_string(i));
    std::map<int, int> seen;
    m.for_each([&](const int& k, const std::string& v) {
      ++seen[k];
      CHECK(v == std::to_string(k));
      CHECK(m.load(k) == v);
      m.store(k, "changed");
      if (k % 2 == 0) m.erase(k);
      m.for_each([&](const int&, const std::string&) { return false; });
      weft::yield();
      return true;
    });
    CHECK(seen.size() == std::size_t(n));
    for (const auto& [k, times] : seen) CHECK(times == 1);
    int left = 0;
    m.for_each([&](const int& k, const std::string& v) {
      ++left;
      CHECK(k % 2 == 1);
      CHECK(v == "changed");
    });
    CHECK(left == n / 2);
    // false stops.
    int calls = 0;
    m.for_each([&](const int&, const std::string&) { return ++calls < 3; });
    CHECK(calls == 3);
  };
  body();
  weft::run(body);
}

TEST_CASE("own hash and equality", "[concurrent_map]") {
  struct no_case_hash {
    std::size_t operator()(const std::string& s) const {
      std::size_t h = 0;
      for (char c : s) h = h * 31 + std::size_t(c | 32);
      return h;
    }
  };
  struct no_case_equal {
    bool operator()(const std::string& a, const std::string& b) const {
      if (a.size() != b.size()) return false;
      for (std::size_t i = 0; i < a.size(); ++i) {
        if ((a[i] | 32) != (b[i] | 32)) return false;
      }
      return true;
    }
  };
  weft::concurrent_map<std::string, int, no_case_hash, no_case_equal> m;
  m.store("Abc", 1);
  CHECK(m.load("aBC") == 1);
  CHECK(m.load_or_store("ABC", 2).second);
  CHECK(m.load("abd") == std::nullopt);
  // Everything in one part, with one hash.
  struct same {
    std::size_t operator()(int) const { return 7; }
  };
  weft::concurrent_map<int, int, same> crowded;
  for (int i = 0; i < 100; ++i) crowded.store(i, i);
  for (int i = 0; i < 100; ++i) CHECK(crowded.load(i) == i);
}

TEST_CASE("TestConcurrentRange: every lasting key is visited", "[concurrent_map]") {
  const int keys = 64;
  const int rounds = weft_test::scaled(100);
  std::atomic<int> wrong = 0;
  weft::run([&] {
    weft::concurrent_map<int, int> m;
    for (int k = 0; k < keys; ++k) m.store(k, k);
    std::atomic<bool> stop = false;
    weft::wait_group writers;
    for (int w = 0; w < 3; ++w) {
      writers.go([&, w] {
        for (int i = 0; !stop; ++i) {
          const int k = (i * 7 + w) % keys;
          m.store(k, k + keys * i);
          m.store(keys + i % 50, 0);  // these come and go
          m.erase(keys + (i + 25) % 50);
          weft::yield();
        }
      });
    }
    for (int i = 0; i < rounds; ++i) {
      std::vector<int> seen(std::size_t(keys), 0);
      m.for_each([&](const int& k, const int& v) {
        if (k >= keys) return;
        ++seen[std::size_t(k)];
        if (v % keys != k) ++wrong;
      });
      for (int s : seen) wrong += s != 1;
      weft::yield();
    }
    stop = true;
    writers.wait();
  });
  CHECK(wrong == 0);
}

TEST_CASE("TestCompareAndSwap: counting with compare_and_swap loses nothing", "[concurrent_map]") {
  const int each = weft_test::scaled(2000);
  weft::concurrent_map<std::string, long> m;
  const auto count = [&] {
    for (int i = 0; i < each; ++i) {
      const std::string key = i % 2 == 0 ? "even" : "odd";
      long seen = m.load_or_store(key, 0).first;
      while (!m.compare_and_swap(key, seen, seen + 1)) seen = m.load(key).value();
    }
  };
  std::thread outside(count);
  weft::run([&] {
    weft::wait_group group;
    for (int g = 0; g < 4; ++g) group.go(count);
    group.wait();
  });
  outside.join();
  CHECK(m.load("even").value() + m.load("odd").value() == 5L * each);
}

TEST_CASE("load_or_store and load_and_delete have one winner", "[concurrent_map]") {
  const int rounds = weft_test::scaled(500);
  std::atomic<int> stored = 0;
  std::atomic<int> deleted = 0;
  weft::run([&] {
    weft::concurrent_map<int, int> m;
    for (int r = 0; r < rounds; ++r) {
      weft::wait_group group;
      for (int g = 0; g < 4; ++g) {
        group.go([&, g, r] { stored += !m.load_or_store(r, g).second; });
      }
      group.wait();
      for (int g = 0; g < 4; ++g) {
        group.go([&, r] { deleted += m.load_and_delete(r).has_value(); });
      }
      group.wait();
    }
  });
  CHECK(stored == rounds);
  CHECK(deleted == rounds);
}

TEST_CASE("values' destructors may use the map", "[concurrent_map]") {
  struct tracker {
    weft::concurrent_map<int, std::shared_ptr<void>>* map;
    std::atomic<int>* gone;
    ~tracker() {
      map->load(1);
      map->store(2, nullptr);
      map->erase(2);
      ++*gone;
    }
  };
  std::atomic<int> gone = 0;
  {
    weft::concurrent_map<int, std::shared_ptr<void>> m;
    m.store(1, std::make_shared<tracker>(&m, &gone));
    m.store(1, std::make_shared<tracker>(&m, &gone));
    CHECK(gone == 1);
    auto old = m.load(1).value();
    CHECK(m.compare_and_swap(1, old, std::make_shared<tracker>(&m, &gone)));
    old.reset();
    CHECK(gone == 2);
    CHECK(m.erase(1));
    CHECK(gone == 3);
    m.store(1, std::make_shared<tracker>(&m, &gone));
    m.load_and_delete(1);
    CHECK(gone == 4);
  }
}

TEST_CASE("a value without assignment, without equality, without default", "[concurrent_map]") {
  struct plain {
    explicit plain(int v) : n(v) {}
    int n;
  };
  weft::concurrent_map<int, plain> m;
  m.store(1, plain(1));
  m.store(1, plain(2));
  CHECK(m.load(1)->n == 2);
  CHECK(m.load_or_store(2, plain(3)).first.n == 3);
  CHECK(m.load_and_delete(2)->n == 3);
}

TEST_CASE("the map works while its goroutine's run ends", "[concurrent_map][end]") {
  weft::concurrent_map<int, int> m;
  const int n = weft_test::scaled(50) + 1;
  weft::run([&] {
    for (int g = 0; g < n; ++g) {
      weft::go([&, g] {
        weft_test::at_end store([&] { m.store(g, g); });
        weft::chan<int>().recv();
      });
    }
    weft_test::until_parked(std::size_t(n));
  });
  for (int g = 0; g < n; ++g) CHECK(m.load(g) == g);
}
