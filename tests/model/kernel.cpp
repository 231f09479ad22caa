#include "model/kernel.hpp"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdint>

#include "switch/thread_local.hpp"

namespace weft_model {

namespace {

constexpr int epoll_number = 1000;
constexpr int event_number = 1001;
constexpr int files = 6;
constexpr int most_registered = 4;

struct registration {
  int number = -1;
  int file = -1;
  bool armed = false;
  epoll_event wanted{};
};

struct state {
  int file_of[8];  // by number; -1: not open
  bool readable[files] = {};
  int next_file = 0;
  bool event_signalled = false;
  epoll_event event_wanted{};
  registration registered[most_registered];
  // Every call is one step here, and who waits for events waits for a change of it.
  atomic<std::uint32_t> changes{0};
};
state* now_running = nullptr;

state& enter() {
  now_running->changes.fetch_add(1);
  return *now_running;
}
// For a call that others may wait for: what it changes is there before they are woken, and without a
// switch after its step.
class change {
 public:
  change() : k_(enter()) {}
  ~change() { atomic<std::uint32_t>::futex_wake(&k_.changes, INT32_MAX); }
  state* operator->() const { return &k_; }
  state& operator*() const { return k_; }

 private:
  state& k_;
};

int failed(int error) {
  *weft::detail::thread_errno() = error;
  return -1;
}

bool is_open(const state& k, int number) {
  return number >= 0 && number < 8 && k.file_of[number] >= 0;
}

int collect(state& k, epoll_event* events, int most) {
  int n = 0;
  if (k.event_signalled && n < most) events[n++] = {EPOLLIN, k.event_wanted.data};
  for (registration& r : k.registered) {
    if (r.number < 0 || !r.armed || !k.readable[r.file] || (r.wanted.events & EPOLLIN) == 0) continue;
    if (n == most) break;
    events[n++] = {EPOLLIN, r.wanted.data};
    // An edge is told once, and one that asks for one event has that.
    if ((r.wanted.events & (EPOLLONESHOT | EPOLLET)) != 0) r.armed = false;
  }
  return n;
}

}  // namespace

kernel::kernel() {
  now_running = new state;
  for (int& f : now_running->file_of) f = -1;
}
void kernel::open(int number) {
  state& k = enter();
  require(k.next_file < files, "the model's kernel has no file left");
  k.file_of[number] = k.next_file++;
}
// The last close of a file takes its registration away.
void kernel::close(int number) {
  state& k = enter();
  for (registration& r : k.registered) {
    if (r.number == number && r.file == k.file_of[number]) r = {};
  }
  k.file_of[number] = -1;
}
void kernel::make_readable(int number) {
  const change k;
  k->readable[k->file_of[number]] = true;
  for (registration& r : k->registered) {
    if (r.file == k->file_of[number] && (r.wanted.events & EPOLLET) != 0) r.armed = true;
  }
}
void kernel::read_all(int number) {
  state& k = enter();
  k.readable[k.file_of[number]] = false;
}
bool kernel::is_readable(int number) const {
  const state& k = *now_running;
  return is_open(k, number) && k.readable[k.file_of[number]];
}

}  // namespace weft_model

using namespace weft_model;

extern "C" {

int __wrap_epoll_create1(int) { return epoll_number; }
int __wrap_eventfd(unsigned, int) { return event_number; }

int __wrap_epoll_ctl(int, int what, int number, epoll_event* wanted) {
  if (number == event_number) {
    now_running->event_wanted = *wanted;
    return 0;
  }
  const change now;
  state& k = *now;
  if (!is_open(k, number)) return failed(EBADF);
  registration* free = nullptr;
  registration* known = nullptr;
  for (registration& r : k.registered) {
    if (r.number == number && r.file == k.file_of[number]) known = &r;
    if (r.number < 0) free = &r;
  }
  if (what == EPOLL_CTL_ADD) {
    if (known != nullptr) return failed(EEXIST);
    require(free != nullptr, "the model's kernel has no room left");
    *free = {number, k.file_of[number], true, *wanted};
    return 0;
  }
  if (known == nullptr) return failed(ENOENT);
  if (what == EPOLL_CTL_DEL) {
    *known = {};
  } else {
    *known = {number, k.file_of[number], true, *wanted};
  }
  return 0;
}

int __wrap_epoll_wait(int, epoll_event* events, int most, int limit) {
  for (;;) {
    const std::uint32_t seen = now_running->changes.fetch_add(1) + 1;
    const int n = collect(*now_running, events, most);
    if (n != 0 || limit == 0) return n;
    // Any other call changes the word: then it looks again.
    if (!now_running->changes.futex_wait(seen, limit > 0)) return 0;
  }
}

int __wrap_poll(pollfd* p, nfds_t, int) {
  state& k = enter();
  p->revents = 0;
  if (!is_open(k, p->fd)) {
    p->revents = POLLNVAL;
  } else if (k.readable[k.file_of[p->fd]]) {
    p->revents = POLLIN;
  }
  return p->revents != 0 ? 1 : 0;
}

ssize_t __wrap_read(int, void*, std::size_t) {
  enter().event_signalled = false;
  return 8;
}
ssize_t __wrap_write(int, const void*, std::size_t) {
  const change k;
  k->event_signalled = true;
  return 8;
}
int __wrap_close(int) { return 0; }
long __wrap_syscall(long, ...) { return failed(ENOSYS); }  // epoll_pwait2

}
