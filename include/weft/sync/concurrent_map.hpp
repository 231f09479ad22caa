// A map that many use at once.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weft/sync/shared_mutex.hpp>

namespace weft {
namespace detail {

// For weft's own short sections: never leaves by goroutine_exit.
void lock_through_exit(shared_mutex&);
void lock_shared_through_exit(shared_mutex&);

struct exclusive_section {
  shared_mutex& m;
  explicit exclusive_section(shared_mutex& mutex) : m(mutex) {
    if (!m.try_lock()) lock_through_exit(m);
  }
  ~exclusive_section() { m.unlock(); }
};
struct shared_section {
  shared_mutex& m;
  explicit shared_section(shared_mutex& mutex) : m(mutex) {
    if (!m.try_lock_shared()) lock_shared_through_exit(m);
  }
  ~shared_section() { m.unlock_shared(); }
};

// A key with its hash, so that the user's hash function never runs under a lock.
template <class K>
struct hashed_key {
  K key;
  std::size_t hash;
};
template <class K>
struct key_view {
  const K& key;
  std::size_t hash;
};
struct stored_hash {
  using is_transparent = void;
  template <class Key>
  std::size_t operator()(const Key& k) const noexcept {
    return k.hash;
  }
};
template <class Equal>
struct equal_keys {
  using is_transparent = void;
  [[no_unique_address]] Equal equal;
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return a.hash == b.hash && equal(a.key, b.key);
  }
};

}  // namespace detail

/// A hash map whose members may all be called at once, from goroutines and plain threads: Go's
/// sync.Map with types. It gives copies of its values, never references. A store happens before
/// each load that sees it. An operation waits only while another works on the same of its 32
/// parts. K and V are copied, compared and moved under the lock of that part, and must not use the
/// same map meanwhile; Hash, destructors of values and for_each's function run without a lock.
template <class K, class V, class Hash = std::hash<K>, class Equal = std::equal_to<K>>
class concurrent_map {
  static_assert(std::is_object_v<K> && std::is_copy_constructible_v<K>,
                "weft::concurrent_map: K must be copyable, for_each copies it");
  static_assert(std::is_object_v<V> && std::is_copy_constructible_v<V>,
                "weft::concurrent_map: V must be copyable, load() returns a copy; for values that "
                "are not, store std::shared_ptr");

 public:
  /// An empty map. @throws std::bad_alloc
  explicit concurrent_map(Hash hash = Hash(), Equal equal = Equal())
      : hash_(std::move(hash)), parts_(make_parts(equal)) {}
  concurrent_map(const concurrent_map&) = delete;
  concurrent_map& operator=(const concurrent_map&) = delete;

  /// The value, or nothing.
  std::optional<V> load(const K& k) const {
    const view key = hashed(k);
    const part& p = part_of(key);
    detail::shared_section section(p.m);
    const auto at = p.entries.find(key);
    if (at == p.entries.end()) return std::nullopt;
    return std::optional<V>(std::in_place, at->second);
  }
  /// Sets the value, whatever was there.
  void store(const K& k, V v) {
    const view key = hashed(k);
    part& p = part_of(key);
    // What was there is swapped into v, and so destroyed after the lock is dropped.
    detail::exclusive_section section(p.m);
    const auto at = p.entries.find(key);
    if (at == p.entries.end()) {
      p.entries.emplace(owned{k, key.hash}, std::move(v));
    } else {
      exchange(at->second, v);
    }
  }
  /// The value that is there, and true; or stores v, and gives it back with false.
  std::pair<V, bool> load_or_store(const K& k, V v) {
    const view key = hashed(k);
    part& p = part_of(key);
    {
      detail::shared_section section(p.m);
      const auto at = p.entries.find(key);
      if (at != p.entries.end()) return {at->second, true};
    }
    detail::exclusive_section section(p.m);
    const auto at = p.entries.find(key);
    if (at != p.entries.end()) return {at->second, true};
    const auto made = p.entries.emplace(owned{k, key.hash}, std::move(v)).first;
    return {made->second, false};
  }
  /// Takes the value out; nothing if there was none.
  std::optional<V> load_and_delete(const K& k) {
    node taken = extract(k);
    if (taken.empty()) return std::nullopt;
    return std::optional<V>(std::in_place, std::move(taken.mapped()));
  }
  /// Whether there was one.
  bool erase(const K& k) { return !extract(k).empty(); }
  /// Replaces the value if it is there and equals `old`.
  bool compare_and_swap(const K& k, const V& old, V v)
    requires std::equality_comparable<V>
  {
    const view key = hashed(k);
    part& p = part_of(key);
    detail::exclusive_section section(p.m);
    const auto at = p.entries.find(key);
    if (at == p.entries.end() || !(at->second == old)) return false;
    exchange(at->second, v);
    return true;
  }
  /// Calls f(const K&, const V&) for every entry, in no order, until it returns false (it may also
  /// return nothing). No key comes twice. The entries are no snapshot of one instant: each part is
  /// copied when its turn comes. No lock is held while f runs, so it may use the map and wait.
  template <class F>
    requires std::invocable<F&, const K&, const V&>
  void for_each(F f) const {
    for (const part& p : parts_) {
      std::vector<std::pair<K, V>> copies;
      {
        detail::shared_section section(p.m);
        copies.reserve(p.entries.size());
        for (const auto& [key, value] : p.entries) copies.emplace_back(key.key, value);
      }
      for (const auto& [key, value] : copies) {
        if constexpr (std::convertible_to<std::invoke_result_t<F&, const K&, const V&>, bool>) {
          if (!std::invoke(f, key, value)) return;
        } else {
          std::invoke(f, key, value);
        }
      }
    }
  }

 private:
  using owned = detail::hashed_key<K>;
  using view = detail::key_view<K>;
  using table = std::unordered_map<owned, V, detail::stored_hash, detail::equal_keys<Equal>>;
  using node = typename table::node_type;
  static constexpr unsigned part_bits = 5;

  struct alignas(64) part {
    mutable shared_mutex m;
    table entries;  // guarded by m
    part(const Equal& equal, std::size_t) : entries(0, detail::stored_hash(), {equal}) {}
  };
  using part_array = std::array<part, std::size_t{1} << part_bits>;

  static part_array make_parts(const Equal& equal) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return part_array{part(equal, I)...};
    }(std::make_index_sequence<std::size_t{1} << part_bits>());
  }
  view hashed(const K& k) const { return {k, static_cast<std::size_t>(std::invoke(hash_, k))}; }
  // By the upper bits of the multiplied hash: std::hash of a number is often that number.
  template <class Parts>
  static auto& at_hash(Parts& parts, std::size_t hash) noexcept {
    return parts[(std::uint64_t{hash} * 0x9e3779b97f4a7c15) >> (64 - part_bits)];
  }
  part& part_of(const view& key) noexcept { return at_hash(parts_, key.hash); }
  const part& part_of(const view& key) const noexcept { return at_hash(parts_, key.hash); }
  static void exchange(V& there, V& v) {
    if constexpr (std::is_swappable_v<V>) {
      using std::swap;
      swap(there, v);
    } else {
      there = std::move(v);
    }
  }
  // The entry, to be destroyed without a lock.
  node extract(const K& k) {
    const view key = hashed(k);
    part& p = part_of(key);
    detail::exclusive_section section(p.m);
    const auto at = p.entries.find(key);
    return at == p.entries.end() ? node() : p.entries.extract(at);
  }

  [[no_unique_address]] Hash hash_;
  part_array parts_;
};

}  // namespace weft
