// Level semantics for every descriptor, since a library may read only part of what is there: each
// wait asks poll(2) first and then arms the descriptor for one event. A number may be closed and
// used again between waits; the event carries the entry's epoch, which every arming changes, so
// that an old one wakes nobody.
//
// An entry belongs to a number in one poller and is never freed while the poller lives. Its lock
// guards the waiters; events are dispatched under it, so a wait that has armed but not yet switched
// away cannot be woken: its commit lets the lock go.
// A wait that ends with a context stands in two queues, linked under both locks, which the commit
// lets go; the claim word decides between readiness, the context's end, a time-out and a close.
// Order of locks: a select's channels, then an entry, then a context.
// Proved by: tests/conformance/readiness_test.cpp, tests/stress/io_stress.cpp.
#include "io/epoll_poller.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <mutex>
#include <new>
#include <string>
#include <system_error>

#include "base/futex.hpp"
#include "base/sanitizer.hpp"
#include "context/context.hpp"
#include "io/wait.hpp"
#include "park/park.hpp"
#include "sched/current.hpp"
#include "weft/detail/select.hpp"
#include "weft/io.hpp"

namespace weft {
namespace detail {

namespace {

enum class event : std::uint8_t { read, write };

constexpr std::uint32_t ended = claim_case + 1;  // claim: the wait's context is done

class epoll_poller;

}  // namespace

struct descriptor_entry {
  spin_lock lock;
  int fd = -1;
  std::uint32_t epoch = 0;
  epoll_poller* home = nullptr;
  node_list readers;
  node_list writers;
  node_list& list(event e) noexcept { return e == event::read ? readers : writers; }
};
using entry = descriptor_entry;

namespace {

[[noreturn]] void fail(const char* what, int fd) {
  throw std::system_error(last_error(), std::generic_category(),
                          std::string("weft: ") + what + " (descriptor " + std::to_string(fd) + ")");
}

constinit spin_lock pollers_lock;
constinit epoll_poller* pollers = nullptr;

class epoll_poller final : public poller {
 public:
  epoll_poller() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1", -1);
    wakeup_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = wakeup_key;
    if (wakeup_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wakeup_, &e) != 0) {
      const int error = last_error();
      ::close(epoll_);
      if (wakeup_ >= 0) ::close(wakeup_);
      *thread_errno() = error;
      fail("eventfd", -1);
    }
    std::lock_guard guard(pollers_lock);
    next_poller = pollers;
    pollers = this;
  }
  ~epoll_poller() override {
    {
      std::lock_guard guard(pollers_lock);
      epoll_poller** at = &pollers;
      while (*at != this) at = &(*at)->next_poller;
      *at = next_poller;
    }
    for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
    ::close(wakeup_);
    ::close(epoll_);
  }

  void poll(std::int64_t until) noexcept override {
    epoll_event events[128];
    const int n = wait(events, 128, until);
    wake_list wakes;
    std::size_t claimed = 0;
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == wakeup_key) {
        // Only who may block takes it in: the interrupt is for that one.
        if (until != INT64_MIN) {
          std::uint64_t count = 0;
          [[maybe_unused]] const auto r = ::read(wakeup_, &count, sizeof count);
        }
        continue;
      }
      dispatch(static_cast<int>(events[i].data.u64 & 0xffffffff),
               static_cast<std::uint32_t>(events[i].data.u64 >> 32), events[i].events, wakes,
               &claimed);
    }
    wakes.wake_all();
    // Only now: who finds nobody waiting may conclude that nobody is being woken.
    if (claimed != 0) waiting_.fetch_sub(claimed, std::memory_order_seq_cst);
  }

  void interrupt() noexcept override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto r = ::write(wakeup_, &one, sizeof one);
  }

  std::size_t waiting() const noexcept override { return waiting_.load(std::memory_order_seq_cst); }

  // Throws std::bad_alloc.
  entry& entry_of(int fd) {
    const auto chunk = static_cast<std::size_t>(fd) / chunk_size;
    if (chunk >= most_chunks) throw std::bad_alloc();
    entry* first = chunks_[chunk].load(std::memory_order_acquire);
    if (first == nullptr) {
      auto fresh = std::make_unique<entry[]>(chunk_size);
      for (std::size_t i = 0; i < chunk_size; ++i) {
        fresh[i].fd = static_cast<int>(chunk * chunk_size + i);
        fresh[i].home = this;
      }
      if (chunks_[chunk].compare_exchange_strong(first, fresh.get(), std::memory_order_acq_rel)) {
        first = fresh.release();
      }
    }
    return first[static_cast<std::size_t>(fd) % chunk_size];
  }

  // What arming has found out.
  enum class armed { waits, always_ready, failed };

  // Under the entry's lock: adds the node and asks the kernel. Unless it waits, the node is out.
  armed add_locked(entry& e, event what, wait_node& node) noexcept {
    e.list(what).push_back(&node);
    waiting_.fetch_add(1, std::memory_order_seq_cst);
    const armed result = arm_locked(e);
    if (result != armed::waits) remove_locked(e, what, node);
    return result;
  }
  void remove_locked(entry& e, event what, wait_node& node) noexcept {
    if (node.where != wait_node::place::linked) return;
    e.list(what).remove(&node);
    waiting_.fetch_sub(1, std::memory_order_seq_cst);
  }

  // What it claims still counts as waiting until `forget`.
  void cancel(int fd, wake_list& wakes, std::size_t* claimed) noexcept {
    const auto chunk = static_cast<std::size_t>(fd) / chunk_size;
    if (chunk >= most_chunks) return;
    entry* first = chunks_[chunk].load(std::memory_order_acquire);
    if (first == nullptr) return;
    entry& e = first[static_cast<std::size_t>(fd) % chunk_size];
    std::lock_guard guard(e.lock);
    ++e.epoch;
    claim_all_locked(e, event::read, claim_cancelled, wakes, claimed);
    claim_all_locked(e, event::write, claim_cancelled, wakes, claimed);
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);  // fine if it is not there
  }

  void forget(std::size_t claimed) noexcept {
    waiting_.fetch_sub(claimed, std::memory_order_seq_cst);
  }

  epoll_poller* next_poller = nullptr;

 private:
  static constexpr std::uint64_t wakeup_key = ~std::uint64_t{0};
  static constexpr std::size_t chunk_size = 256;
  static constexpr std::size_t most_chunks = 16384;  // four million descriptors

  int wait(epoll_event* events, int most, std::int64_t until) noexcept {
    if (until == INT64_MIN) return epoll_wait(epoll_, events, most, 0);
    timespec limit{};
    timespec* at = nullptr;
    std::int64_t left = 0;
    if (until != INT64_MAX) {
      left = until - steady_now();
      if (left <= 0) return epoll_wait(epoll_, events, most, 0);
      limit = {static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
      at = &limit;
    }
#ifdef SYS_epoll_pwait2
    if (has_pwait2_.load(std::memory_order_relaxed)) {
      const auto n = syscall(SYS_epoll_pwait2, epoll_, events, most, at, nullptr, 0);
      if (n >= 0 || last_error() == EINTR) return static_cast<int>(n);
      has_pwait2_.store(false, std::memory_order_relaxed);  // a kernel before 5.11, or seccomp
    }
#endif
    const std::int64_t ms = (left + 999'999) / 1'000'000;
    return epoll_wait(epoll_, events, most,
                      at == nullptr ? -1 : static_cast<int>(ms < INT_MAX ? ms : INT_MAX));
  }

  armed arm_locked(entry& e) noexcept {
    epoll_event event{};
    event.events = EPOLLONESHOT | (e.readers.empty() ? 0u : unsigned{EPOLLIN | EPOLLRDHUP}) |
                   (e.writers.empty() ? 0u : unsigned{EPOLLOUT});
    event.data.u64 = (std::uint64_t{++e.epoch} << 32) | static_cast<std::uint32_t>(e.fd);
    if (epoll_ctl(epoll_, EPOLL_CTL_MOD, e.fd, &event) == 0) return armed::waits;
    if (last_error() == ENOENT && epoll_ctl(epoll_, EPOLL_CTL_ADD, e.fd, &event) == 0) return armed::waits;
    return last_error() == EPERM ? armed::always_ready : armed::failed;
  }

  void claim_all_locked(entry& e, event what, std::uint32_t value, wake_list& wakes,
                        std::size_t* claimed) noexcept {
    node_list& list = e.list(what);
    while (wait_node* n = list.first) {
      list.remove(n);
      waiter* owner = n->owner;
      ++*claimed;
      // A select has no word for «cancelled»: the case is ready, and the next call says why.
      const bool as_case = value == claim_case || n->shares_owner;
      if (owner->word.claim(as_case ? claim_case + n->index : value)) wakes.add(owner);
    }
  }

  void dispatch(int fd, std::uint32_t epoch, std::uint32_t events, wake_list& wakes,
                std::size_t* claimed) noexcept {
    entry& e = chunks_[static_cast<std::size_t>(fd) / chunk_size].load(
        std::memory_order_acquire)[static_cast<std::size_t>(fd) % chunk_size];
    std::lock_guard guard(e.lock);
    if (epoch != e.epoch) return;
    constexpr std::uint32_t both = EPOLLHUP | EPOLLERR;
    if ((events & (EPOLLIN | EPOLLRDHUP | both)) != 0) {
      claim_all_locked(e, event::read, claim_case, wakes, claimed);
    }
    if ((events & (EPOLLOUT | both)) != 0) claim_all_locked(e, event::write, claim_case, wakes, claimed);
    if (e.readers.empty() && e.writers.empty()) return;
    if (arm_locked(e) == armed::waits) return;
    // The descriptor is gone: the next call on it says so.
    claim_all_locked(e, event::read, claim_case, wakes, claimed);
    claim_all_locked(e, event::write, claim_case, wakes, claimed);
  }

  int epoll_ = -1;
  int wakeup_ = -1;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<bool> has_pwait2_{!on_valgrind()};
  std::atomic<entry*> chunks_[most_chunks] = {};
};

epoll_poller& poller_of(runtime_core& core) noexcept {
  return static_cast<epoll_poller&>(*core.descriptors());
}

wait_status status_of(context_error error) noexcept {
  return error == context_error::deadline_exceeded ? wait_status::timeout : wait_status::cancelled;
}

// Without waiting; negative: not open.
int poll_now(int fd, event what) noexcept {
  pollfd p{fd, static_cast<short>(what == event::read ? POLLIN | POLLRDHUP : POLLOUT), 0};
  const int n = ::poll(&p, 1, 0);
  if (n > 0 && (p.revents & POLLNVAL) != 0) return -1;
  return n > 0 ? 1 : 0;
}

// A descriptor as a case of a select.
struct descriptor_source final : case_source {
  explicit constexpr descriptor_source(event e) noexcept : what(e) {}
  void prepare(select_case_core&) override { current_core(); }
  bool is_ready(select_case_core& c) override { return poll_now(c.descriptor, what) != 0; }
  void arm(select_case_core& c) override {
    epoll_poller& poller = poller_of(current_core());
    waiter* owner = c.node.owner;
    entry* e = nullptr;
    try {
      e = &poller.entry_of(c.descriptor);
    } catch (const std::bad_alloc&) {
      c.source_state = nullptr;
      if (owner->word.claim(claim_case + c.node.index)) wake(owner);  // the next call says why
      return;
    }
    c.source_state = e;
    bool waits = false;
    const std::uint32_t index = c.node.index;
    {
      std::lock_guard guard(e->lock);
      waits = poller.add_locked(*e, what, c.node) == epoll_poller::armed::waits;
    }
    if (!waits && owner->word.claim(claim_case + index)) wake(owner);
  }
  void disarm(select_case_core& c) override {
    auto* e = static_cast<entry*>(std::exchange(c.source_state, nullptr));
    if (e == nullptr) return;
    std::lock_guard guard(e->lock);
    e->home->remove_locked(*e, what, c.node);
  }
  event what;
};

}  // namespace

std::unique_ptr<poller> make_poller() { return std::make_unique<epoll_poller>(); }

case_source& readable_source() noexcept {
  static constinit descriptor_source source(event::read);
  return source;
}
case_source& writable_source() noexcept {
  static constinit descriptor_source source(event::write);
  return source;
}

std::optional<wait_status> descriptor_wait::without_waiting(const wait_limit& given) const {
  const event what = to_write_ ? event::write : event::read;
  const int ready = fd_ < 0 ? -1 : poll_now(fd_, what);
  if (ready > 0) return wait_status::ready;
  if (ready < 0) {
    *thread_errno() = EBADF;
    fail(to_write_ ? "wait_writable" : "wait_readable", fd_);
  }
  const deadline limit = given.get();
  if (limit.is_none() || (!limit.is_never() && steady_now() >= limit.at)) return wait_status::timeout;
  const cancelable_state* ends_with = context_access::canceler(given.ends_with());
  if (ends_with != nullptr && ends_with->error() != context_error::none) {
    return status_of(ends_with->error());
  }
  return {};
}

std::optional<wait_status> descriptor_wait::begin(runtime_core& core, waiter* who,
                                                  const wait_limit& limit,
                                                  const std::atomic<std::uint32_t>* closing) {
  const event what = to_write_ ? event::write : event::read;
  epoll_poller& poller = poller_of(core);
  entry& e = poller.entry_of(fd_);
  entry_ = &e;
  ends_with_ = context_access::canceler(limit.ends_with());
  node_.owner = end_node_.owner = who;
  end_node_.index = ended - claim_case;
  e.lock.lock();
  // Who closes sets the flag and then takes this lock to cancel.
  if (closing != nullptr && (closing->load(std::memory_order_acquire) & closing_bit) != 0) {
    e.lock.unlock();
    return wait_status::cancelled;
  }
  switch (poller.add_locked(e, what, node_)) {
    case epoll_poller::armed::waits: break;
    case epoll_poller::armed::always_ready: e.lock.unlock(); return wait_status::ready;
    case epoll_poller::armed::failed:
      const int error = last_error();
      e.lock.unlock();
      *thread_errno() = error;
      fail(to_write_ ? "wait_writable" : "wait_readable", fd_);
  }
  if (ends_with_ != nullptr) {
    if (!lock_unless_done(*ends_with_)) {
      poller.remove_locked(e, what, node_);
      e.lock.unlock();
      return status_of(ends_with_->error());
    }
    ends_with_->waits.push_back(&end_node_);
  }
  return {};
}

// It may be gone as soon as the first lock is.
void descriptor_wait::unlock(void* argument) noexcept {
  auto* self = static_cast<descriptor_wait*>(argument);
  descriptor_entry* const e = self->entry_;
  cancelable_state* const ends_with = self->ends_with_;
  order_before(self);  // who polls is blind for TSan, so the lock does not say it
  if (ends_with != nullptr) ends_with->lock.unlock();
  e->lock.unlock();
}

void descriptor_wait::unlink(std::uint32_t won) noexcept {
  order_after(this);
  order_after(&entry_->lock);  // who was linked behind this one wrote to its node
  if (won != claim_case && won != claim_cancelled) {
    std::lock_guard guard(entry_->lock);
    entry_->home->remove_locked(*entry_, to_write_ ? event::write : event::read, node_);
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
                            const std::atomic<std::uint32_t>* closing) {
  descriptor_wait w(fd, to_write);
  if (const auto status = w.without_waiting(limit)) return *status;
  wait_scope scope(w.what());
  scope.check_exit();
  if (const auto status = w.begin(current_core(), scope.who(), limit, closing)) return *status;
  const std::uint32_t won = scope.park(&descriptor_wait::unlock, &w, limit.get());
  const wait_status status = w.end(won);
  wait_scope::rethrow(won);
  return status;
}

}  // namespace detail

wait_status wait_readable(int fd, wait_limit limit) {
  return detail::wait_descriptor(fd, false, limit, nullptr);
}
wait_status wait_writable(int fd, wait_limit limit) {
  return detail::wait_descriptor(fd, true, limit, nullptr);
}

void cancel_waits(int fd) {
  if (fd < 0) return;
  // Woken under the lock, which keeps the pollers: a woken goroutine takes no such lock at once.
  std::lock_guard guard(detail::pollers_lock);
  for (detail::epoll_poller* p = detail::pollers; p != nullptr; p = p->next_poller) {
    detail::wake_list wakes;
    std::size_t claimed = 0;
    p->cancel(fd, wakes, &claimed);
    wakes.wake_all();
    if (claimed != 0) p->forget(claimed);
  }
}

}  // namespace weft
