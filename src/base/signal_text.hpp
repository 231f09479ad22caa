// Text for a signal handler: a buffer of fixed size, written by write(2). Allocates nothing and takes
// no lock. What does not fit is left out.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::detail {

class signal_text {
 public:
  signal_text& operator<<(std::string_view text) noexcept {
    const std::size_t n = text.size() < sizeof text_ - size_ ? text.size() : sizeof text_ - size_;
    std::memcpy(text_ + size_, text.data(), n);
    size_ += n;
    return *this;
  }
  signal_text& operator<<(std::uint64_t number) noexcept { return digits(number, 10); }
  signal_text& hex(std::uint64_t number) noexcept { return (*this << "0x").digits(number, 16); }

  // To standard error, after which it is empty.
  void flush() noexcept {
    int failures = 0;  // EINTR, or a pipe that is full for the moment; more are for good
    for (std::size_t done = 0; done < size_ && failures < 8;) {
      const ssize_t n = ::write(STDERR_FILENO, text_ + done, size_ - done);
      if (n > 0) {
        done += static_cast<std::size_t>(n);
      } else {
        ++failures;
      }
    }
    size_ = 0;
  }

 private:
  signal_text& digits(std::uint64_t number, unsigned base) noexcept {
    char reversed[20];
    std::size_t n = 0;
    do {
      reversed[n++] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    while (n > 0) *this << std::string_view(&reversed[--n], 1);
    return *this;
  }

  char text_[1024];
  std::size_t size_ = 0;
};

}  // namespace weft::detail
