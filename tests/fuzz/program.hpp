// A random program: some goroutines, each with a few operations on channels, selects, contexts and
// wait groups, and what came of each operation.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <vector>

namespace weft_fuzz {

constexpr int nil_channel = -1;  // as a capacity
constexpr int no_limit = -1;     // microseconds otherwise

enum class op_kind : std::uint8_t {
  send, try_send, send_for, receive, try_receive, receive_for, close, size, is_closed,
  select,
  cancel, error_of,           // of a context
  done, wait, wait_for,       // of a wait group
  start, join,                // another actor
  yield, sleep,
};

enum class case_kind : std::uint8_t { send, receive, context_done, timeout, by_default };

struct select_part {
  case_kind kind;
  int object = 0;  // channel or context
  int limit = 0;   // of a timeout
};

struct operation {
  op_kind kind;
  int object = 0;
  int limit = 0;
  std::vector<select_part> cases{};
};

enum class actor_kind : std::uint8_t { goroutine, thread, coroutine };

struct actor {
  actor_kind kind = actor_kind::goroutine;
  bool started_by_other = false;
  std::vector<operation> operations{};
};

struct context_shape {
  int parent;  // -1: none
  int limit;
};

struct program {
  std::vector<int> channels{};     // capacities
  std::vector<int> wait_groups{};  // counts to begin with
  std::vector<context_shape> contexts{};
  std::vector<actor> actors{};
  // Whether the order of operations that do not overlap is known, by tickets before and after each.
  // These are locked instructions, so without them other things can go wrong.
  bool stamped = false;
};

enum class code : std::uint8_t {
  pending,  // it has not returned
  ok, full, empty, closed, timeout,
  threw_closed, threw_nil,
  number,   // `value` is the result
  chosen,   // a select: `which` case
  chosen_and_threw,  // its send met a closed channel
};

// Values that are sent name their sender and are all different.
constexpr int no_value = -1;
constexpr int value_of(int actor, int operation, int part) {
  return (actor * 100 + operation) * 10 + part;
}

struct outcome {
  code what = code::pending;
  int value = no_value;  // received; no_value: closed and drained
  int which = 0;
  friend bool operator==(const outcome&, const outcome&) = default;
};

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

struct record {
  outcome result{};
  std::uint64_t begin = never;  // tickets
  std::uint64_t end = never;
};
using history = std::vector<std::vector<record>>;  // by actor and operation

program generate(std::uint64_t seed);
void print(std::ostream&, const program&, const history* = nullptr);

}  // namespace weft_fuzz
