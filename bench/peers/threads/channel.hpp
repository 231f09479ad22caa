// A channel as one writes it with the standard library: a mutex, two condition variables, a ring.
// Without room, a send waits until its value was taken.
#ifndef WEFT_BENCH_THREADS_CHANNEL_HPP
#define WEFT_BENCH_THREADS_CHANNEL_HPP

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

template <class T>
class channel {
 public:
  explicit channel(std::size_t capacity = 0) : capacity_(capacity) {}

  void send(T value) {
    std::unique_lock guard(mutex_);
    const std::size_t room = capacity_ == 0 ? 1 : capacity_;
    not_full_.wait(guard, [&] { return values_.size() < room; });
    values_.push_back(std::move(value));
    const std::uint64_t mine = ++sent_;
    not_empty_.notify_one();
    if (capacity_ == 0) {
      taken_.wait(guard, [&] { return received_ >= mine; });
    }
  }

  std::optional<T> recv() {
    std::unique_lock guard(mutex_);
    not_empty_.wait(guard, [this] { return !values_.empty() || closed_; });
    if (values_.empty()) {
      return std::nullopt;
    }
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    ++received_;
    not_full_.notify_one();
    if (capacity_ == 0) {
      taken_.notify_all();
    }
    return value;
  }

  void close() {
    const std::lock_guard guard(mutex_);
    closed_ = true;
    not_empty_.notify_all();
  }

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable not_full_, not_empty_, taken_;
  std::deque<T> values_;
  std::uint64_t sent_ = 0, received_ = 0;
  bool closed_ = false;
};

#endif
