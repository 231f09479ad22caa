// Bytes that were read and not given yet, cut into lines.
//
// They lie in [begin_, end_); no newline stands before searched_. What is read goes behind them.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace weft::detail {

class line_buffer {
 public:
  std::size_t size() const noexcept { return end_ - begin_; }

  // The length of the first line, if its newline is there.
  std::optional<std::size_t> find_line() noexcept {
    const void* newline = searched_ == end_
                              ? nullptr
                              : std::memchr(bytes_.get() + searched_, '\n', end_ - searched_);
    if (newline == nullptr) {
      searched_ = end_;
      return {};
    }
    searched_ = static_cast<std::size_t>(static_cast<const char*>(newline) - bytes_.get());
    return searched_ - begin_;
  }

  // The next n bytes; then `skip` more are gone.
  std::string take(std::size_t n, std::size_t skip = 0) {
    std::string taken(bytes_.get() + begin_, n);
    begin_ += n + skip;
    if (begin_ == end_) begin_ = end_ = 0;
    if (searched_ < begin_ || end_ == 0) searched_ = begin_;
    return taken;
  }

  // Room behind what is there, at least one byte. It grows while lines need it or reads fill it.
  std::span<std::byte> room() {
    if (capacity_ - end_ < smallest_room && begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, size());
      searched_ -= begin_;
      end_ -= begin_;
      begin_ = 0;
    }
    if (capacity_ - end_ < smallest_room || (was_filled_ && capacity_ < large)) {
      const std::size_t more = capacity_ == 0 ? first : 2 * capacity_;
      auto fresh = std::make_unique_for_overwrite<char[]>(more);
      if (size() != 0) std::memcpy(fresh.get(), bytes_.get() + begin_, size());
      searched_ -= begin_;
      end_ -= begin_;
      begin_ = 0;
      bytes_ = std::move(fresh);
      capacity_ = more;
    }
    return std::as_writable_bytes(std::span(bytes_.get() + end_, capacity_ - end_));
  }
  void add(std::size_t n) noexcept {
    end_ += n;
    was_filled_ = end_ == capacity_;
  }

 private:
  static constexpr std::size_t first = 4096;
  static constexpr std::size_t smallest_room = 2048;
  static constexpr std::size_t large = 65536;  // what a pipe holds

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t searched_ = 0;
  std::size_t end_ = 0;
  bool was_filled_ = false;  // by the last read: there is more
};

}  // namespace weft::detail
