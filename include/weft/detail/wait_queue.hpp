// What most of weft's synchronisation consists of: a word of which bit 0 is a lock, and the queue
// of those who wait, which it guards.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/wait_node.hpp>

namespace weft::detail {

class wait_scope;
class wake_list;

struct wait_queue {
  wait_node* first = nullptr;
  wait_node* last = nullptr;
};

// A word whose holder alone may change it while bit 0 is set, so that the store that clears the
// bit publishes everything at once and is the last touch. See src/sync/locked_word.hpp.
using locked_word = std::atomic<std::uint64_t>;

// A small number that tends to be the same for callers on one processor.
std::uint32_t place_of_caller() noexcept;

}  // namespace weft::detail
