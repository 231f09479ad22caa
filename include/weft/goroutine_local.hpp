// A variable of which every goroutine has its own.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

// One value of one goroutine or thread; see src/sched/locals.cpp.
struct local_value {
  local_value* older = nullptr;
  void (*destroy)(local_value*) noexcept = nullptr;
  std::uint32_t slot = 0;
};
struct local_key {
  std::uint32_t slot;
  std::uint64_t id;  // no other key of the process has it
};
local_key make_local_key();
void drop_local_key(local_key) noexcept;
local_value* find_local(const local_key&) noexcept;  // the caller's, or null
void keep_local(const local_key&, local_value*);

}  // namespace detail

/// A value per goroutine; outside of goroutines, per thread. Use it where thread_local would be
/// used: a goroutine may go on on another thread after any wait, and many share a thread.
///
/// The value is made at the first get() in its goroutine, by `T()` or by the function that the
/// constructor was given, which may wait. It is destroyed when its goroutine ends, on that
/// goroutine's stack and before its join_handle says done (a wait group's or a task group's done
/// comes before), the newest value first. Its destructor may wait and may use other
/// goroutine_locals: one that is gone already is made anew and destroyed after that. A thread's
/// values are destroyed when the thread exits.
///
/// A C++20 coroutine uses the values of the goroutine that it is resumed on: another one, maybe, after
/// each co_await.
///
/// Destroying the goroutine_local itself is safe at any time when no get() is running: the values
/// that goroutines still have stay where they are, and references to them valid, until their
/// goroutines end.
///
/// All members may be called from any number of goroutines and threads at once, and so is the init
/// function. get() costs about 3 ns when the value is there; a goroutine that uses none pays nothing.
template <class T>
class goroutine_local {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "weft::goroutine_local<T>: T must be an object type that is not const");

 public:
  /// Each value is T(). @throws std::bad_alloc
  goroutine_local()
    requires std::default_initializable<T>
      : key_(detail::make_local_key()) {}
  /// Each value is what init() returns then. @throws std::bad_alloc
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, goroutine_local> &&
             std::is_invocable_r_v<T, std::decay_t<F>&>)
  explicit goroutine_local(F&& init) : init_(std::forward<F>(init)), key_(detail::make_local_key()) {}
  /// The values that are there stay until their goroutines end.
  ~goroutine_local() { detail::drop_local_key(key_); }
  goroutine_local(const goroutine_local&) = delete;
  goroutine_local& operator=(const goroutine_local&) = delete;

  /// The caller's value. Not to be kept across goroutines: it dies with its own.
  /// @throws std::bad_alloc, and what T's constructor or the init function throws; then there is no
  ///         value, and the next get() tries again.
  T& get() const {
    if (detail::local_value* v = detail::find_local(key_)) return static_cast<holder*>(v)->value;
    auto made = std::make_unique<holder>(init_);
    made->destroy = [](detail::local_value* v) noexcept { delete static_cast<holder*>(v); };
    detail::keep_local(key_, made.get());
    return made.release()->value;
  }
  /// As get().
  T& operator*() const { return get(); }
  /// As get().
  T* operator->() const { return std::addressof(get()); }

 private:
  struct holder : detail::local_value {
    explicit holder(const std::function<T()>& init) : value(make(init)) {}
    static T make(const std::function<T()>& init) {
      if constexpr (std::default_initializable<T>) {
        if (!init) return T();
      }
      return init();
    }
    T value;
  };

  std::function<T()> init_;
  detail::local_key key_;
};

}  // namespace weft
