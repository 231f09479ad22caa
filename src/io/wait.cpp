// Proved by: tests/conformance/readiness_test.cpp, context_limit_test.cpp, tests/stress/io_stress.cpp.
#include "io/wait.hpp"

#include <poll.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <system_error>

#include "base/futex.hpp"
#include "context/context.hpp"
#include "io/epoll_poller.hpp"
#include "park/park.hpp"
#include "sched/current.hpp"
#include "switch/thread_local.hpp"
#include "weft/io.hpp"

namespace weft {
namespace detail {

namespace {

constexpr std::uint32_t ended = claim_case + 1;  // claim: the wait's context is done

[[noreturn]] void fail(int error, bool to_write, int fd) {
  throw std::system_error(error, std::generic_category(),
                          std::string(to_write ? "weft::wait_writable" : "weft::wait_readable") +
                              " (descriptor " + std::to_string(fd) + ")");
}

wait_status status_of(context_error error) noexcept {
  return error == context_error::deadline_exceeded ? wait_status::timeout : wait_status::cancelled;
}

}  // namespace

std::optional<wait_status> has_passed(const wait_limit& given) noexcept {
  const deadline limit = given.get();
  if (limit.is_none() || (!limit.is_never() && steady_now() >= limit.at)) return wait_status::timeout;
  const cancelable_state* ends_with = context_access::canceler(given.ends_with());
  if (ends_with != nullptr && ends_with->error() != context_error::none) {
    return status_of(ends_with->error());
  }
  return {};
}

bool is_ready_now(int fd, bool to_write) {
  pollfd p{fd, static_cast<short>(to_write ? POLLOUT : POLLIN | POLLRDHUP), 0};
  const int n = fd < 0 ? 0 : ::poll(&p, 1, 0);
  if (fd < 0 || (n > 0 && (p.revents & POLLNVAL) != 0)) fail(EBADF, to_write, fd);
  return n > 0;
}

// Whatever the entry says is said under its lock, which is held; see counted_events.
std::optional<wait_status> descriptor_wait::link_locked(const owned_descriptor* owned) {
  descriptor_entry& e = *entry_;
  // Who closes sets the flag and then takes this lock to cancel.
  if (owned != nullptr && (owned->users.load(std::memory_order_acquire) & closing_bit) != 0) {
    return wait_status::cancelled;
  }
  auto result = epoll_poller::armed::waits;
  if (owned == nullptr || !owned->edge_triggered) {
    result = e.home->add_locked(e, to_write_, node_);
  } else if (!e.registered.load(std::memory_order_relaxed)) {
    result = e.home->register_locked(e);
    if (result == epoll_poller::armed::waits) e.home->link_locked(e, to_write_, node_);
  } else if (!owned->seen) {
    result = e.home->add_locked(e, to_write_, node_);
  } else if (*owned->seen == e.side(to_write_).events.load(std::memory_order_relaxed)) {
    e.home->link_locked(e, to_write_, node_);
  } else {
    return wait_status::ready;
  }
  switch (result) {
    case epoll_poller::armed::waits: return {};
    case epoll_poller::armed::always_ready: return wait_status::ready;
    case epoll_poller::armed::failed: break;
  }
  fail(last_error(), to_write_, fd_);
}

std::optional<wait_status> descriptor_wait::begin(runtime_core& core, waiter* who,
                                                  const wait_limit& limit,
                                                  const owned_descriptor* owned) {
  entry_ = &poller_of(core).entry_of(fd_);
  ends_with_ = context_access::canceler(limit.ends_with());
  node_.owner = end_node_.owner = who;
  end_node_.index = ended - claim_case;
  std::unique_lock lock(entry_->lock);
  if (const auto status = link_locked(owned)) return status;
  if (ends_with_ != nullptr) {
    if (!lock_unless_done(*ends_with_)) {
      entry_->home->remove_locked(*entry_, to_write_, node_);
      return status_of(ends_with_->error());
    }
    ends_with_->waits.push_back(&end_node_);
  }
  if (current_worker() == nullptr) core.wake_monitor_if_asleep();  // somebody has to poll
  lock.release();
  return {};
}

// It may be gone as soon as the first lock is.
void descriptor_wait::unlock(void* argument) noexcept {
  auto* self = static_cast<descriptor_wait*>(argument);
  descriptor_entry* const e = self->entry_;
  cancelable_state* const ends_with = self->ends_with_;
  if (ends_with != nullptr) ends_with->lock.unlock();
  e->lock.unlock();
}

void descriptor_wait::unlink(std::uint32_t won) noexcept {
  // Who polls is blind for TSan: what others have written into these nodes, under the lock, it cannot
  // know to be over.
  order_after(&entry_->lock);
  if (won != claim_case && won != claim_cancelled) {
    std::lock_guard guard(entry_->lock);
    entry_->home->remove_locked(*entry_, to_write_, node_);
  }
  if (ends_with_ != nullptr && won != ended) unlink_wait(*ends_with_, end_node_);
}

wait_status descriptor_wait::end(std::uint32_t won) noexcept {
  unlink(won);
  switch (won) {
    case claim_case: return wait_status::ready;
    case claim_cancelled: return wait_status::cancelled;
    case ended: return status_of(ends_with_->error());
    default: return wait_status::timeout;
  }
}

wait_status wait_descriptor(int fd, bool to_write, const wait_limit& limit,
                            const owned_descriptor* owned) {
  descriptor_wait w(fd, to_write);
  wait_scope scope(w.what());
  scope.check_exit();
  if (const auto status = w.begin(current_core(), scope.who(), limit, owned)) return *status;
  const std::uint32_t won = scope.park(&descriptor_wait::unlock, &w, limit.get());
  const wait_status status = w.end(won);
  wait_scope::rethrow(won);
  return status;
}

namespace {

wait_status wait_for(int fd, bool to_write, const wait_limit& limit) {
  if (is_ready_now(fd, to_write)) return wait_status::ready;
  if (const auto status = has_passed(limit)) return *status;
  return wait_descriptor(fd, to_write, limit, nullptr);
}

}  // namespace
}  // namespace detail

wait_status wait_readable(int fd, wait_limit limit) { return detail::wait_for(fd, false, limit); }
wait_status wait_writable(int fd, wait_limit limit) { return detail::wait_for(fd, true, limit); }

void cancel_waits(int fd) {
  if (fd >= 0) detail::epoll_poller::cancel_everywhere(fd);
}

}  // namespace weft
