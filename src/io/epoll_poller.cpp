// See epoll_poller.hpp for the invariants.
#include "io/epoll_poller.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <mutex>
#include <new>
#include <system_error>

#include "base/futex.hpp"
#include "base/sanitizer.hpp"
#include "io/poller_list.hpp"
#include "switch/thread_local.hpp"

namespace weft::detail {

namespace {

constinit poller_list<epoll_poller> all_pollers;

// Counts how often this process was forked off. A child has its parent's epoll instances by the
// same open file: what it took out of one would be out for its parent, too.
constinit std::atomic<std::uint32_t> generation{0};

std::uint32_t this_generation() noexcept {
  static const int installed = pthread_atfork(nullptr, nullptr, [] {
    generation.store(generation.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  });
  (void)installed;
  return generation.load(std::memory_order_relaxed);
}

constexpr std::uint32_t to_read = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t to_write = EPOLLOUT | EPOLLHUP | EPOLLERR;
// What is reported once and holds on, or ends a read early (urgent data).
constexpr std::uint32_t for_good = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;

std::uint64_t key_of(const descriptor_entry& e) noexcept {
  return (std::uint64_t{e.epoch} << 32) | static_cast<std::uint32_t>(e.fd);
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(last_error(), std::generic_category(), std::string("weft: ") + what);
}

}  // namespace

epoll_poller::epoll_poller() : generation_(this_generation()), has_pwait2_(!on_valgrind()) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) fail("epoll_create1");
  wakeup_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.u64 = wakeup_key;
  if (wakeup_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wakeup_, &e) != 0) {
    const int error = last_error();
    ::close(epoll_);
    if (wakeup_ >= 0) ::close(wakeup_);
    *thread_errno() = error;
    fail("eventfd");
  }
  all_pollers.add(*this);
}

epoll_poller::~epoll_poller() {
  all_pollers.remove(*this);
  for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
  ::close(wakeup_);
  ::close(epoll_);
}

void epoll_poller::poll(std::int64_t until) noexcept {
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

void epoll_poller::interrupt() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto r = ::write(wakeup_, &one, sizeof one);
}

int epoll_poller::wait(epoll_event* events, int most, std::int64_t until) noexcept {
  if (until == INT64_MIN) return epoll_wait(epoll_, events, most, 0);
#if WEFT_TSAN
  // TSan does not know epoll_pwait2. Before it, not after: what it brings is not to grow old.
  take_signals();
  until = not_for_ever(until);
#endif
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

// ---- Entries -------------------------------------------------------------------------------

descriptor_entry* epoll_poller::find_entry(int fd) noexcept {
  const auto chunk = static_cast<std::size_t>(fd) / chunk_size;
  if (chunk >= most_chunks) return nullptr;
  descriptor_entry* first = chunks_[chunk].load(std::memory_order_acquire);
  return first != nullptr ? &first[static_cast<std::size_t>(fd) % chunk_size] : nullptr;
}

descriptor_entry& epoll_poller::entry_of(int fd) {
  if (descriptor_entry* e = find_entry(fd)) return *e;
  const auto chunk = static_cast<std::size_t>(fd) / chunk_size;
  if (chunk >= most_chunks) throw std::bad_alloc();
  auto fresh = std::make_unique<descriptor_entry[]>(chunk_size);
  for (std::size_t i = 0; i < chunk_size; ++i) {
    fresh[i].fd = static_cast<int>(chunk * chunk_size + i);
    fresh[i].home = this;
  }
  descriptor_entry* first = nullptr;
  if (chunks_[chunk].compare_exchange_strong(first, fresh.get(), std::memory_order_acq_rel)) {
    first = fresh.release();
  }
  return first[static_cast<std::size_t>(fd) % chunk_size];
}

void epoll_poller::link_locked(descriptor_entry& e, bool writes, wait_node& node) noexcept {
  e.side(writes).waits.push_back(&node);
  waiting_.fetch_add(1, std::memory_order_seq_cst);
}

void epoll_poller::remove_locked(descriptor_entry& e, bool writes, wait_node& node) noexcept {
  if (node.where != wait_node::place::linked) return;
  e.side(writes).waits.remove(&node);
  waiting_.fetch_sub(1, std::memory_order_seq_cst);
}

epoll_poller::armed epoll_poller::add_locked(descriptor_entry& e, bool writes,
                                             wait_node& node) noexcept {
  link_locked(e, writes, node);
  const armed result = arm_locked(e);
  if (result != armed::waits) remove_locked(e, writes, node);
  return result;
}

bool epoll_poller::control(int what, int fd, epoll_event* event) noexcept {
  if (generation_ != generation.load(std::memory_order_relaxed)) {
    *thread_errno() = EBADF;
    return false;
  }
  return epoll_ctl(epoll_, what, fd, event) == 0;
}

// A number that was closed and used again is not known by what it was.
bool epoll_poller::modify_or_add(int fd, epoll_event& event) noexcept {
  return control(EPOLL_CTL_MOD, fd, &event) ||
         (last_error() == ENOENT && control(EPOLL_CTL_ADD, fd, &event));
}

epoll_poller::armed epoll_poller::register_locked(descriptor_entry& e) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  ++e.epoch;
  event.data.u64 = key_of(e);
  if (!control(EPOLL_CTL_ADD, e.fd, &event) &&
      !(last_error() == EEXIST && control(EPOLL_CTL_MOD, e.fd, &event))) {
    return last_error() == EPERM ? armed::always_ready : armed::failed;
  }
  e.known = true;
  e.hung_up.store(false, std::memory_order_relaxed);
  for (descriptor_side* s : {&e.reading, &e.writing}) {
    s->exhausted.store(s->events.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  }
  // Who reads this without the lock looks at what it says again, with it.
  e.registered.store(true, std::memory_order_relaxed);
  return armed::waits;
}

// For those that wait with level semantics.
epoll_poller::armed epoll_poller::arm_locked(descriptor_entry& e) noexcept {
  epoll_event event{};
  if (e.registered.load(std::memory_order_relaxed)) {
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    ++e.epoch;  // what is on its way may be over; what is there comes again
    event.data.u64 = key_of(e);
    if (control(EPOLL_CTL_MOD, e.fd, &event)) return armed::waits;
    // Closed behind weft's back: it is what its number is now.
    e.registered.store(false, std::memory_order_relaxed);
  }
  event.events = EPOLLONESHOT |
                 (e.reading.waits.empty() ? 0u : unsigned{EPOLLIN | EPOLLRDHUP}) |
                 (e.writing.waits.empty() ? 0u : unsigned{EPOLLOUT});
  ++e.epoch;
  event.data.u64 = key_of(e);
  if (!modify_or_add(e.fd, event)) return last_error() == EPERM ? armed::always_ready : armed::failed;
  e.known = true;
  return armed::waits;
}

// ---- Waking --------------------------------------------------------------------------------

void epoll_poller::claim_all_locked(descriptor_entry& e, bool writes, std::uint32_t value,
                                    wake_list& wakes, std::size_t* claimed) noexcept {
  node_list& list = e.side(writes).waits;
  while (wait_node* n = list.first) {
    list.remove(n);
    waiter* owner = n->owner;
    ++*claimed;
    // A select has no word for «cancelled»: the case is ready, and the next call says why.
    const bool as_case = value == claim_case || n->shares_owner;
    if (owner->word.claim(as_case ? claim_case + n->index : value)) wakes.add(owner);
  }
}

void epoll_poller::dispatch(int fd, std::uint32_t epoch, std::uint32_t events, wake_list& wakes,
                            std::size_t* claimed) noexcept {
  descriptor_entry& e = *find_entry(fd);
  std::lock_guard guard(e.lock);
  if (epoch != e.epoch) return;
  if ((events & for_good) != 0) e.hung_up.store(true, std::memory_order_relaxed);
  for (const bool writes : {false, true}) {
    if ((events & (writes ? to_write : to_read)) == 0) continue;
    descriptor_side& side = e.side(writes);
    side.events.store(side.events.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    claim_all_locked(e, writes, claim_case, wakes, claimed);
  }
  if (e.registered.load(std::memory_order_relaxed)) return;
  if (e.reading.waits.empty() && e.writing.waits.empty()) return;
  if (arm_locked(e) == armed::waits) return;
  // The descriptor is gone: the next call on it says so.
  claim_all_locked(e, false, claim_case, wakes, claimed);
  claim_all_locked(e, true, claim_case, wakes, claimed);
}

void epoll_poller::cancel(int fd) noexcept {
  descriptor_entry* e = find_entry(fd);
  if (e == nullptr) return;
  wake_list wakes;
  std::size_t claimed = 0;
  {
    std::lock_guard guard(e->lock);
    ++e->epoch;
    claim_all_locked(*e, false, claim_cancelled, wakes, &claimed);
    claim_all_locked(*e, true, claim_cancelled, wakes, &claimed);
    e->registered.store(false, std::memory_order_relaxed);
    // Another descriptor for the same file would keep the registration alive. A library's number may
    // have gone already.
    if (e->known) control(EPOLL_CTL_DEL, fd, nullptr);
    e->known = false;
  }
  wakes.wake_all();
  if (claimed != 0) waiting_.fetch_sub(claimed, std::memory_order_seq_cst);
}

void epoll_poller::cancel_everywhere(int fd) noexcept {
  // Of its parent's a forked child touches nothing: who held their locks is not there.
  const std::uint32_t now = generation.load(std::memory_order_relaxed);
  all_pollers.for_each([fd, now](epoll_poller& p) {
    if (p.generation_ == now) p.cancel(fd);
  });
}

std::unique_ptr<poller> make_poller() { return std::make_unique<epoll_poller>(); }

}  // namespace weft::detail
