// The same work asked for by several is done once.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <weft/runtime.hpp>
#include <weft/sync/concurrent_map.hpp>
#include <weft/sync/latch.hpp>

namespace weft {

/// Merges calls that run at the same time for the same key: the first runs its function, the others
/// wait and get a copy of its result, or its exception. Go's singleflight. Nothing is kept
/// afterwards: a later call runs its function anew. For goroutines and plain threads.
template <class K, class V, class Hash = std::hash<K>, class Equal = std::equal_to<K>>
class single_flight {
  static_assert(std::is_object_v<V> && std::is_copy_constructible_v<V>,
                "weft::single_flight: V must be copyable, every caller gets a copy");

 public:
  /// What a call gives.
  struct result {
    V value;      ///< what the function returned
    bool shared;  ///< more than one caller got it
  };

  /// Nothing runs. @throws std::bad_alloc
  explicit single_flight(Hash hash = Hash(), Equal equal = Equal())
      : flights_(0, std::move(hash), std::move(equal)) {}
  single_flight(const single_flight&) = delete;
  single_flight& operator=(const single_flight&) = delete;

  /// The result of f(), or of the call for this key that runs already. @throws what f throws, to
  /// every caller; goroutine_exit when the run ends while it waits. A call that is left by
  /// goroutine_exit or exit_goroutine() is nobody's result: one that waits runs its own f then.
  /// @throws
  /// std::logic_error if f itself calls it for the same key.
  template <class F>
    requires std::is_invocable_r_v<V, F&>
  result run(const K& key, F&& f) {
    for (;;) {
      std::shared_ptr<flight> fresh = std::make_shared<flight>();
      std::shared_ptr<flight> current = join(key, fresh);
      if (current == fresh) return lead(key, *current, f);
      wait_for(*current);
      if (current->error) std::rethrow_exception(current->error);
      if (current->value) return {*current->value, true};
    }
  }
  /// The next call for this key runs its function, even if one runs already.
  void forget(const K& key) {
    std::shared_ptr<flight> dropped;  // destroyed after the lock is dropped
    detail::exclusive_section section(m_);
    const auto at = flights_.find(key);
    if (at == flights_.end()) return;
    dropped = std::move(at->second);
    flights_.erase(at);
  }

 private:
  struct flight {
    const void* leader = detail::caller_identity();
    std::size_t others = 0;  // wait for it; guarded by m_
    std::optional<V> value;  // these are written before `landed` opens
    std::exception_ptr error;
    latch landed{1};
  };

  // The flight for the key: the one under way, or `fresh`.
  std::shared_ptr<flight> join(const K& key, const std::shared_ptr<flight>& fresh) {
    detail::exclusive_section section(m_);
    const auto [at, inserted] = flights_.try_emplace(key, fresh);
    if (!inserted) {
      if (at->second->leader == fresh->leader) {
        throw std::logic_error("weft::single_flight::run: called for a key from its own function");
      }
      ++at->second->others;
    }
    return at->second;
  }

  void wait_for(flight& current) {
    struct leaving {
      single_flight& self;
      flight& current;
      bool waited = false;
      ~leaving() {
        if (waited) return;
        detail::exclusive_section section(self.m_);
        --current.others;
      }
    } at_end{*this, current};
    current.landed.wait();
    at_end.waited = true;
  }

  template <class F>
  result lead(const K& key, flight& own, F& f) {
    // Opens the flight however f is left. The last touch of *this is before that: who waits may
    // destroy it.
    bool shared = false;
    {
      struct landing {
        single_flight& self;
        const K& key;
        flight& own;
        bool& shared;
        ~landing() {
          shared = self.remove(key, own);
          own.landed.count_down();
        }
      } at_end{*this, key, own, shared};
      try {
        own.value.emplace(std::invoke(f));
      } catch (const goroutine_exit&) {
        throw;
      } catch (...) {
        own.error = std::current_exception();
      }
    }
    if (own.error) std::rethrow_exception(own.error);
    // Nobody else has seen it unless it is shared.
    if (shared) return {std::as_const(*own.value), true};
    return {std::move(*own.value), false};
  }

  // Whether others wait for it. Nobody can join it from then on.
  bool remove(const K& key, flight& own) {
    std::shared_ptr<flight> dropped;
    detail::exclusive_section section(m_);
    const auto at = flights_.find(key);
    if (at != flights_.end() && at->second.get() == &own) {
      dropped = std::move(at->second);
      flights_.erase(at);
    }
    return own.others > 0;
  }

  shared_mutex m_;
  std::unordered_map<K, std::shared_ptr<flight>, Hash, Equal> flights_;  // guarded by m_
};

}  // namespace weft
