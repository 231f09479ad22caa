// Waiting for descriptors in a coroutine: as wait_descriptor and until_done, in parts. See
// park/coroutine.hpp for the order of things.
//
// An operation is tried by the coroutine first, and after that by the worker that is about to resume
// it, before it does.
// Proved by: tests/conformance/coro_io.cpp, tests/stress/io_stress.cpp.
#include <cerrno>
#include <new>
#include <optional>

#include "io/descriptor_use.hpp"
#include "io/wait.hpp"
#include "park/coroutine.hpp"
#include "weft/io.hpp"

namespace weft::detail {

namespace {

// What lies in `parts` while it is suspended.
struct wait_parts {
  explicit wait_parts(const async_descriptor_state& s) noexcept : wait(s.fd, s.to_write) {}
  descriptor_wait wait;
  timer_node timer{};
};
static_assert(sizeof(wait_parts) <= sizeof(async_descriptor_state::parts));

wait_parts& parts_of(async_descriptor_state& state) noexcept {
  return *std::launder(reinterpret_cast<wait_parts*>(state.parts));
}

void remove_timer(async_descriptor_state& state) noexcept {
  tsan_blind blind;
  timer_wheel::remove(parts_of(state).timer);
}

// Registers. True: suspended, the state may be gone. False: there is a status, or an outcome.
bool start(async_descriptor_state& state, coroutine_wait& wait, const owned_descriptor* owned) {
  if (wait.must_exit()) {
    state.outcome = async_outcome::exit;
    return false;
  }
  auto* parts = ::new (static_cast<void*>(state.parts)) wait_parts(state);
  if (const auto status = parts->wait.begin(wait.core(), wait.who(), state.limit, owned)) {
    state.status = *status;
    return false;
  }
  const deadline limit = state.limit.get();
  parts->timer.at = limit.at;
  parts->timer.sleeper = wait.who();
  wait.commit(&descriptor_wait::unlock, &parts->wait, limit.is_never() ? nullptr : &parts->timer);
  return true;
}

void note_end(async_descriptor_state& state, std::uint32_t won) noexcept {
  remove_timer(state);
  state.status = parts_of(state).wait.end(won);
  if (won == claim_exit) state.outcome = async_outcome::exit;
}

void withdraw(suspension& s) noexcept {
  auto& state = state_of<async_descriptor_state>(s);
  remove_timer(state);
  parts_of(state).wait.unlink(claim_none);
}

bool finish_wait(suspension& s, std::uint32_t won) noexcept {
  note_end(state_of<async_descriptor_state>(s), won);
  return true;
}

constexpr suspension_type to_be_readable{"descriptor to be readable", &finish_wait, &withdraw};
constexpr suspension_type to_be_writable{"descriptor to be writable", &finish_wait, &withdraw};

}  // namespace

// ---- Readiness -----------------------------------------------------------------------------

bool async_readiness::await_ready() {
  std::optional<wait_status> over = wait_status::ready;
  if (!is_ready_now(state_.fd, state_.to_write)) over = has_passed(state_.limit);
  if (over) state_.status = *over;
  return over.has_value();
}

bool async_readiness::await_suspend(std::coroutine_handle<> who) noexcept {
  return start_async(state_, [&] {
    coroutine_wait wait(state_, who, state_.to_write ? to_be_writable : to_be_readable);
    return start(state_, wait, nullptr);
  });
}

wait_status async_readiness::await_resume() {
  rethrow_async(state_);
  return state_.status;
}

// ---- Operations on what weft owns ----------------------------------------------------------

struct async_operation_access {
  static descriptor_use& use(async_operation& op) noexcept {
    return *std::launder(reinterpret_cast<descriptor_use*>(op.use_));
  }
  static void enter(async_operation& op) {
    static_assert(sizeof(descriptor_use) <= sizeof op.use_);
    op.fd = (::new (static_cast<void*>(op.use_)) descriptor_use(*op.of_, op.what_))->fd;
    op.inside_ = true;
  }
  // False: it would block.
  static bool attempt(async_operation& op) {
    for (;;) {
      const ssize_t n = op.attempt_(op, use(op));
      if (n >= 0) {
        op.result_ = static_cast<std::size_t>(n);
        return true;
      }
      if (n == -EAGAIN) {
        use(op).note_exhausted(op.to_write);
        return false;
      }
      if (n != -EINTR) use(op).fail(static_cast<int>(-n));
    }
  }
  // As descriptor_use::until_done, up to the wait. `over`: how the limit has passed.
  static bool look_and_attempt(async_operation& op, std::optional<wait_status>& over) {
    if (!use(op).look(op.to_write) && !op.asks_nothing_ && !over && !(over = has_passed(op.limit))) {
      return false;
    }
    if (attempt(op)) return true;
    if (over || (over = has_passed(op.limit))) use(op).check(*over);
    return false;
  }
  // After that. True: suspended.
  static bool wait(async_operation& op, coroutine_wait& wait) {
    std::optional<wait_status> over;
    do {
      const owned_descriptor owned = use(op).after_attempt();
      if (use(op).in_its_name([&] { return start(op, wait, &owned); })) return true;
      if (op.outcome != async_outcome::done) return false;
      over = how_over(op);
    } while (!look_and_attempt(op, over));
    return false;
  }
  static std::optional<wait_status> how_over(async_operation& op) {
    if (op.status == wait_status::ready) return {};
    if (use(op).is_closing()) use(op).fail(EBADF);
    return op.status;
  }
  static bool finish(suspension& s, std::uint32_t won) noexcept {
    auto& op = static_cast<async_operation&>(state_of<async_descriptor_state>(s));
    note_end(op, won);
    if (op.outcome != async_outcome::done) return true;
    return !start_async(op, [&] {
      std::optional<wait_status> over = how_over(op);
      if (look_and_attempt(op, over)) return false;
      coroutine_wait again(op);
      return wait(op, again);
    });
  }
};

namespace {

constexpr suspension_type reading{"descriptor to be readable", &async_operation_access::finish,
                                  &withdraw};
constexpr suspension_type writing{"descriptor to be writable", &async_operation_access::finish,
                                  &withdraw};

}  // namespace

bool async_operation::await_ready() {
  async_operation_access::enter(*this);
  std::optional<wait_status> over;
  return async_operation_access::look_and_attempt(*this, over);
}

bool async_operation::await_suspend(std::coroutine_handle<> who) noexcept {
  return start_async(*this, [&] {
    coroutine_wait wait(*this, who, to_write ? writing : reading);
    return async_operation_access::wait(*this, wait);
  });
}

std::size_t async_operation::take_result() {
  rethrow_async(*this);
  return result_;
}

void async_operation::leave() noexcept {
  if (!inside_) return;
  inside_ = false;
  async_operation_access::use(*this).~descriptor_use();
}

async_operation::~async_operation() {
  // Takes its nodes back first: until then the number must not be closed.
  if (suspended) withdraw_async(*this);
  suspended = false;
  leave();
}

void async_operation::put_back(std::span<const std::byte> bytes) {
  of_->held_.insert(0, reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// ---- Reading and writing -------------------------------------------------------------------

ssize_t async_read_some::attempt(async_operation& op, descriptor_use& use) {
  return use.read_now(static_cast<async_read_some&>(op).into_);
}

ssize_t async_read_filling::attempt(async_operation& op, descriptor_use& use) {
  auto& self = static_cast<async_read_filling&>(op);
  while (self.done_ < self.into_.size()) {
    const ssize_t n = use.read_now(self.into_.subspan(self.done_));
    if (n < 0) return n;
    if (n == 0) break;
    self.done_ += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(self.done_);
}

std::size_t async_read_filling::await_resume() {
  const std::size_t n = take_result();
  done_ = 0;  // returned, so not to be put back
  return n;
}

// Not awaited to a good end: what was read stays for the next call.
async_read_filling::~async_read_filling() {
  if (done_ == 0) return;
  if (suspended) withdraw_async(*this);
  suspended = false;
  try {
    put_back(into_.first(done_));
  } catch (const std::bad_alloc&) {  // lost
  }
}

ssize_t async_write_all::attempt(async_operation& op, descriptor_use& use) {
  auto& self = static_cast<async_write_all&>(op);
  while (!self.from_.empty()) {
    const ssize_t n = use.write_now(self.from_);
    if (n < 0) return n;
    self.from_ = self.from_.subspan(static_cast<std::size_t>(n));
  }
  return 0;
}

}  // namespace weft::detail
