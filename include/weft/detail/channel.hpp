// The untyped half of a channel: chan<T> adds types to this and nothing else.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <weft/detail/clock.hpp>

namespace weft {

/// What a channel operation that does not throw has done.
enum class chan_status { ok, full, empty, closed, timeout };

/// A send on a closed channel, or closing one twice.
class closed_channel : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Closing the nil channel.
class nil_channel : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {

// How a channel moves what it holds. A slot is raw memory in the ring, a box a std::optional<T>.
struct element_type {
  std::size_t size;
  std::size_t align;
  void (*take)(void* box, void* slot);  // may throw; leaves the slot raw all the same
  void (*drop)(void* slot) noexcept;
};

// How a sender's value gets there: by a copy, a move, or a conversion. Both may throw.
struct sender_type {
  bool is_word;  // trivial and 8 bytes: no call for a slot
  void (*put)(void* slot, void* value);
  void (*give)(void* box, void* value);
};

template <class T>
struct element_functions {
  static void take(void* box, void* slot) {
    struct destroy {
      T* value;
      ~destroy() { value->~T(); }
    } from{std::launder(static_cast<T*>(slot))};
    static_cast<std::optional<T>*>(box)->emplace(std::move(*from.value));
  }
  static void drop(void* slot) noexcept { std::launder(static_cast<T*>(slot))->~T(); }
};

// From is const T& to copy, T&& to move, or a reference to something that makes a T.
template <class T, class From>
struct sender_functions {
  using source = std::remove_reference_t<From>;
  static From&& value_of(void* value) noexcept {
    return static_cast<From&&>(*static_cast<source*>(value));
  }
  static void put(void* slot, void* value) { ::new (slot) T(value_of(value)); }
  static void give(void* box, void* value) {
    static_cast<std::optional<T>*>(box)->emplace(value_of(value));
  }
};

template <class T, class From>
inline constexpr sender_type sender_type_of = {
    std::is_same_v<std::remove_cvref_t<From>, T> && std::is_trivially_copyable_v<T> &&
        sizeof(T) == 8,
    &sender_functions<T, From>::put, &sender_functions<T, From>::give};

template <class T>
inline constexpr element_type element_type_of = {
    sizeof(T), alignof(T), &element_functions<T>::take, &element_functions<T>::drop};

// What a chan<void> carries.
struct no_value {};

class channel;

channel* make_channel(const element_type&, std::size_t capacity);
void retain_channel(channel*) noexcept;
void release_channel(channel*) noexcept;
// A null channel is the nil channel. The deadline says how long the call may wait: none is try_,
// never is the plain operation. The box is a std::optional<T>.
chan_status send_to(channel*, void* value, const sender_type&, deadline);
chan_status receive_from(channel*, void* box, deadline);
void send_or_throw(channel*, void* value, const sender_type&);
void close_channel(channel*);
bool is_channel_closed(const channel*) noexcept;
std::size_t channel_size(const channel*) noexcept;
std::size_t channel_capacity(const channel*) noexcept;

// The counted reference that chan, send_chan and recv_chan are made of.
class channel_ref {
 public:
  channel_ref() noexcept = default;
  explicit channel_ref(channel* owned) noexcept : channel_(owned) {}
  channel_ref(const channel_ref& other) noexcept : channel_(other.channel_) {
    if (channel_ != nullptr) retain_channel(channel_);
  }
  channel_ref(channel_ref&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  channel_ref& operator=(channel_ref other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~channel_ref() {
    if (channel_ != nullptr) release_channel(channel_);
  }
  channel* get() const noexcept { return channel_; }

 private:
  channel* channel_ = nullptr;
};

}  // namespace detail
}  // namespace weft
