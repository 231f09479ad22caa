// Descriptors as cases of a select: level semantics. See weft/detail/select.hpp for the order of calls.
// Proved by: tests/conformance/select_fd.cpp.
#include <poll.h>

#include <mutex>
#include <new>
#include <utility>

#include "io/epoll_poller.hpp"
#include "park/park.hpp"
#include "sched/current.hpp"
#include "weft/detail/select.hpp"

namespace weft::detail {

namespace {

struct descriptor_source final : case_source {
  explicit constexpr descriptor_source(bool write) noexcept : to_write(write) {}
  void prepare(select_case_core&) override { current_core(); }
  // One that is not open is ready: the next call on it says why.
  bool is_ready(select_case_core& c) override {
    pollfd p{c.descriptor, static_cast<short>(to_write ? POLLOUT : POLLIN | POLLRDHUP), 0};
    return ::poll(&p, 1, 0) > 0;
  }
  void arm(select_case_core& c) override {
    waiter* owner = c.node.owner;
    const std::uint32_t index = c.node.index;
    bool waits = false;
    c.source_state = nullptr;
    try {
      if (c.descriptor >= 0) {
        runtime_core& core = current_core();
        descriptor_entry& e = poller_of(core).entry_of(c.descriptor);
        c.source_state = &e;
        std::lock_guard guard(e.lock);
        waits = e.home->add_locked(e, to_write, c.node) == epoll_poller::armed::waits;
        if (current_worker() == nullptr) core.wake_monitor_if_asleep();  // somebody has to poll
      }
    } catch (const std::bad_alloc&) {  // the next call says so, too
    }
    if (!waits) end_wait(owner, index);
  }
  void disarm(select_case_core& c) override {
    auto* e = static_cast<descriptor_entry*>(std::exchange(c.source_state, nullptr));
    if (e == nullptr) return;
    std::lock_guard guard(e->lock);
    e->home->remove_locked(*e, to_write, c.node);
  }
  bool to_write;
};

}  // namespace

case_source& readable_source() noexcept {
  static constinit descriptor_source source(false);
  return source;
}
case_source& writable_source() noexcept {
  static constinit descriptor_source source(true);
  return source;
}

}  // namespace weft::detail
