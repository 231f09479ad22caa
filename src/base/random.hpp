// A small fast generator (xorshift64*, Vigna 2016), for choices that need to be fair, not secret.
#pragma once

#include <cstdint>

namespace weft::detail {

class small_random {
 public:
  explicit constexpr small_random(std::uint64_t seed = 1) noexcept { set(seed); }
  constexpr void set(std::uint64_t seed) noexcept {
    // splitmix64, so that neighbouring seeds give unrelated streams
    seed += 0x9e3779b97f4a7c15;
    seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
    seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb;
    state_ = (seed ^ (seed >> 31)) | 1;
  }
  // Uniform in [0, n), n > 0 (Lemire's multiplication; its bias is below 2^-32 * n).
  constexpr std::uint32_t below(std::uint32_t n) noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    const std::uint64_t high = (state_ * 0x2545f4914f6cdd1d) >> 32;
    return static_cast<std::uint32_t>((high * n) >> 32);
  }

 private:
  std::uint64_t state_ = 1;
};

}  // namespace weft::detail
