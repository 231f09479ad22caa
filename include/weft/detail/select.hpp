// The untyped half of select.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include <weft/detail/async.hpp>
#include <weft/detail/channel.hpp>
#include <weft/detail/clock.hpp>
#include <weft/detail/wait_node.hpp>

namespace weft::detail {

enum class case_kind : std::uint8_t { receive, send, timeout, otherwise, source };

struct select_case_core;
struct callable_seed;

// Something beside channels that a select can wait for: a descriptor, a join, a stop token. But for
// a descriptor it can only become ready; see src/chan/select.cpp for the order of calls.
struct case_source {
  // Before a wait: starts what arm needs. May throw.
  virtual void prepare(select_case_core&) {}
  // Never waits. For the first look.
  virtual bool is_ready(select_case_core&) = 0;
  // From the commit, after the owner's claim word is open: from here on the source may claim and
  // claim (claim_case and the node's index) and wake the node's owner. May do so before it returns.
  virtual void arm(select_case_core&) = 0;
  // After the wait: when it returns, nothing of the source refers to the case.
  virtual void disarm(select_case_core&) = 0;

 protected:
  ~case_source() = default;
};

// One case of a select as the library sees it, with the node that stands in the wait queue.
struct select_case_core {
  case_kind kind = case_kind::otherwise;
  bool maybe_ready = false;       // of the peek, for the random choice
  bool lost_by_close = false;     // a chosen send that found its channel closed
  std::int32_t descriptor = -1;   // of a descriptor's source
  std::uint32_t position = 0;     // among the cases
  channel* on = nullptr;          // of receive and send; null: nil, never ready
  deadline limit{};               // of timeout
  case_source* source = nullptr;  // of source
  void* source_state = nullptr;   // for the source's own use between arm and disarm
  wait_node node{};
  select_case_core* next_to_lock = nullptr;
};

// A case of a channel, for a look that does not wait. A null channel is never ready.
struct channel_look {
  const channel* on;
  bool is_send;
};
// True: at one instant since the call none of them was ready. False: one may be. At most 16.
bool nothing_is_ready(const channel_look* looks, std::size_t count) noexcept;

// Room for the core of a case, which is made only where it is needed: a select with a default
// mostly does without.
class late_core {
 public:
  select_case_core& make(case_kind kind) noexcept {
    auto* core = ::new (static_cast<void*>(room_)) select_case_core;
    core->kind = kind;
    return *core;
  }
  select_case_core& get() noexcept {
    return *std::launder(reinterpret_cast<select_case_core*>(room_));
  }

 private:
  alignas(select_case_core) std::byte room_[sizeof(select_case_core)];
};
static_assert(std::is_trivially_destructible_v<select_case_core>);

// Waits until one of the cases can go on, does its transfer and returns its position. With a case
// of kind otherwise it never waits. Throws goroutine_exit, or what a copy or move of T throws.
std::size_t select_among(select_case_core* const* cases, std::size_t count);

// The same in a coroutine. The cases must live as long as the state.
struct async_select_state : async_state {
  async_select_state() noexcept {}
  ~async_select_state() {
    if (suspended) withdraw_async(*this);
  }
  alignas(void*) std::byte parts[160];  // see src/chan/select.cpp; raw until async_select_ready
};
bool async_select_ready(async_select_state&, select_case_core* const* cases, std::size_t count);
bool async_select_suspend(async_select_state&, std::coroutine_handle<>) noexcept;
std::size_t async_select_resume(async_select_state&);

// The sources of descriptors.
case_source& readable_source() noexcept;
case_source& writable_source() noexcept;

// By a source that has become ready: ends the wait of the node's owner, if nobody else has.
void end_wait(waiter* owner, std::uint32_t index) noexcept;

// The end of a goroutine that a join_handle joins. The handle may be moved into and out of.
class join_source final : public case_source {
 public:
  explicit join_source(callable_seed* const& joined) noexcept : joined_(&joined) {}
  bool is_ready(select_case_core&) override;
  void arm(select_case_core&) override;
  void disarm(select_case_core&) override;

 private:
  callable_seed* const* joined_;
};

[[noreturn]] void throw_closed_send();
[[noreturn]] void throw_select_misuse(const char* what);

}  // namespace weft::detail
