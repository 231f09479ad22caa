// Value types that are hard on a channel.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

namespace weft_test {

struct no_default {
  explicit no_default(int v) : value(v) {}
  int value;
};

class move_only {
 public:
  explicit move_only(int v) : value_(std::make_unique<int>(v)) {}
  bool empty() const { return value_ == nullptr; }
  int value() const { return value_ ? *value_ : -1; }

 private:
  std::unique_ptr<int> value_;
};

struct alignas(256) over_aligned {
  int value = 0;
  bool in_place() const { return reinterpret_cast<std::uintptr_t>(this) % 256 == 0; }
};

struct nothing {};

// 64 KiB with a pattern that shows a torn or shifted copy. Give its goroutines a large stack.
struct large {
  explicit large(unsigned seed) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<unsigned char>(seed + i * 7);
    }
  }
  bool whole(unsigned seed) const {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] != static_cast<unsigned char>(seed + i * 7)) return false;
    }
    return true;
  }
  std::array<unsigned char, 64 * 1024> bytes;
};

// Counts how often it is copied and moved, and how many objects of it are alive.
struct counted {
  explicit counted(int v) : value(v) { ++alive; }
  counted(const counted& other) : value(other.value) {
    ++alive;
    ++copies;
  }
  counted(counted&& other) noexcept : value(std::exchange(other.value, -1)) {
    ++alive;
    ++moves;
  }
  counted& operator=(const counted&) = default;
  counted& operator=(counted&& other) noexcept {
    value = std::exchange(other.value, -1);
    ++moves;
    return *this;
  }
  ~counted() { --alive; }

  static void reset() { copies = moves = 0; }

  int value;
  static inline std::atomic<int> alive = 0;
  static inline std::atomic<int> copies = 0;
  static inline std::atomic<int> moves = 0;
};

struct value_error : std::runtime_error {
  value_error() : std::runtime_error("this value does not want to be copied") {}
};

// The fuse travels with the value: that many copies and moves succeed, the next one throws, those
// after it succeed again. A negative fuse never throws, and `always` throws every time.
class fused {
 public:
  explicit fused(int value, int fuse = -1)
      : value_(value), fuse_(std::make_shared<std::atomic<int>>(fuse)) {
    ++alive;
  }
  fused(const fused& other) : value_(other.value_), fuse_(other.fuse_) {
    burn();
    ++alive;
  }
  fused(fused&& other) : value_(other.value_), fuse_(other.fuse_) {  // NOLINT: may throw on purpose
    burn();
    ++alive;
  }
  fused& operator=(const fused&) = delete;
  ~fused() { --alive; }

  static constexpr int always = -1000;
  int value() const { return value_; }
  void arm(int fuse) { fuse_->store(fuse); }

  static inline std::atomic<int> alive = 0;

 private:
  void burn() {
    if (fuse_->load() == always) throw value_error();
    if (fuse_->load() >= 0 && fuse_->fetch_sub(1) == 0) throw value_error();
  }

  int value_;
  std::shared_ptr<std::atomic<int>> fuse_;
};

}  // namespace weft_test
