#include "model/explorer.hpp"

#include <cstdlib>

#include "model/engine.hpp"

namespace weft_model {

namespace {
engine* inside() noexcept {
  return engine::active != nullptr && engine::active->is_inside() ? engine::active : nullptr;
}
}  // namespace

outcome explore(const limits& l, const std::function<void(scenario&)>& make) {
  engine e(l, make);
  engine::active = &e;
  outcome result = e.run();
  engine::active = nullptr;
  return result;
}

void scenario::thread(std::function<void()> body) {
  engine::active->start_thread(std::move(body), false);
}
void scenario::resident(std::function<void()> body) {
  engine::active->start_thread(std::move(body), true);
}
void scenario::at_end(std::function<void()> check) { engine::active->set_end(std::move(check)); }

void require(bool condition, const char* what) {
  if (!condition) engine::active->fail(what);
}

void before_operation(const char* what, const void* address, bool empties_buffer) {
  if (engine* e = inside()) e->step(what, address, empties_buffer, __builtin_return_address(0));
}
std::uint64_t load_word(const std::uint64_t* address, std::memory_order order) {
  return engine::active != nullptr ? engine::active->load(address, order) : *address;
}
void store_word(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
  if (engine::active != nullptr) {
    engine::active->store(address, value, order);
  } else {
    *address = value;
  }
}
std::uint64_t peek_word(const std::uint64_t* address) {
  return engine::active != nullptr ? engine::active->peek(address) : *address;
}
void read_locked(const std::uint64_t* address, std::memory_order order) {
  if (engine* e = inside()) e->read_locked(address, order);
}
void write_locked(std::uint64_t* address, std::uint64_t value, std::memory_order order) {
  if (engine::active != nullptr) {
    engine::active->write_locked(address, value, order);
  } else {
    *address = value;
  }
}
void write_elsewhere(const std::uint64_t* address, std::memory_order order) {
  if (engine* e = inside()) e->write_elsewhere(address, order);
}
void begin_life(const void* address) {
  if (engine* e = inside()) e->begin_life(address);
}
void end_life(const void* address) {
  if (engine* e = inside()) {
    e->step("end", address, false, __builtin_return_address(0));
    e->end_life(address);
  }
}
void plain_access(const void* address) {
  if (engine* e = inside()) e->plain_access(address);
}
void spin() {
  if (engine* e = inside()) e->spin();
}
unsigned choose(unsigned n) {
  engine* e = inside();
  return e != nullptr ? e->choose(n) : 0;
}
std::int64_t now() { return engine::active != nullptr ? engine::active->now() : 0; }
void heavy_barrier() {
  if (engine* e = inside()) {
    e->step("heavy barrier", nullptr, false, __builtin_return_address(0));
    e->heavy_barrier();
  }
}
void full_fence() {
  if (engine* e = inside()) {
    e->step("fence", nullptr, true, __builtin_return_address(0));
    e->full_fence();
  }
}
bool block_while(const std::uint64_t* address, std::uint64_t expected, bool may_time_out) {
  engine* e = inside();
  if (e == nullptr) return true;
  e->step("wait", address, true, __builtin_return_address(0));
  return e->block(address, expected, may_time_out);
}
void unblock(const void* address, int count) {
  if (engine* e = inside()) {
    e->step(waking, address, true, __builtin_return_address(0));
    e->unblock(address, count);
  }
}
unsigned thread_number() {
  engine* e = inside();
  return e != nullptr ? e->current() : most_threads;
}
void name(const void* address, std::size_t size, const char* what) {
  if (engine::active != nullptr) engine::active->name(address, size, what);
}

unsigned thread::start(std::function<void()> body) {
  engine* e = engine::active;
  if (e == nullptr) std::abort();
  return e->start_thread(std::move(body), true);
}
void thread::join() {
  if (engine* e = inside()) e->join(number_);
  number_ = most_threads;
}

}  // namespace weft_model
