// Objects kept for use again.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/detail/wait_queue.hpp>
#include <weft/sync/mutex.hpp>

namespace weft {

/// Keeps objects that are dear to make: get() gives one that was put back, or a new one. It keeps
/// at most 256 (8 places of 32), and prefers one that was put back on the same worker; what is too
/// much is destroyed. Members never wait and may be called at once from anywhere; the factory runs
/// without a lock, several at once if need be. What happened before put() happens before the get()
/// that gives the object. An object that was put back is not reset.
template <class T>
class pool {
  static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                "weft::pool: T must be a movable object type");

 public:
  /// The factory makes new objects; it may be move-only.
  template <class F>
    requires std::is_invocable_r_v<T, std::decay_t<F>&>
  explicit pool(F&& factory) {
    if constexpr (std::is_copy_constructible_v<std::decay_t<F>>) {
      factory_ = std::forward<F>(factory);
    } else {
      factory_ = [f = std::make_shared<std::decay_t<F>>(std::forward<F>(factory))]() -> T {
        return std::invoke(*f);
      };
    }
  }
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  /// One that was put back, the last one first, or a new one. @throws what the factory throws.
  [[nodiscard]] T get() {
    const std::size_t start = detail::place_of_caller();
    for (std::size_t i = 0; i < places; ++i) {
      place& p = places_[(start + i) % places];
      if (p.count.load(std::memory_order_relaxed) == 0 || !p.m.try_lock()) continue;
      section held{p};
      if (!p.kept.empty()) {
        struct removing {
          place& p;
          ~removing() { p.kept.pop_back(); }
        } after{p};
        return std::move(p.kept.back());
      }
    }
    return factory_();
  }
  /// Gives one back. Destroys it if enough are kept.
  void put(T object) {
    const std::size_t start = detail::place_of_caller();
    for (std::size_t i = 0; i < places; ++i) {
      place& p = places_[(start + i) % places];
      if (p.count.load(std::memory_order_relaxed) == place_size || !p.m.try_lock()) continue;
      section held{p};
      if (p.kept.size() == place_size) continue;
      p.kept.push_back(std::move(object));
      return;
    }
  }

 private:
  static constexpr std::size_t places = 8;
  static constexpr std::size_t place_size = 32;

  struct alignas(64) place {
    mutex m;
    std::atomic<std::size_t> count{0};  // to see without the lock whether a look is worth it
    std::vector<T> kept;                // guarded by m
  };
  struct section {
    place& p;
    ~section() {
      p.count.store(p.kept.size(), std::memory_order_relaxed);
      p.m.unlock();
    }
  };

  std::function<T()> factory_;
  std::array<place, places> places_;
};

/// `pool p(factory)` holds what the factory makes.
template <class F>
pool(F) -> pool<std::invoke_result_t<F&>>;

}  // namespace weft
