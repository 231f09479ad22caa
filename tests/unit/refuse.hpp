#pragma once

// Makes the kernel refuse system calls to all threads of this process, as an old kernel or a
// container does. For children only: there is no way back.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

namespace weft_test {

namespace detail {

inline void install(std::array<sock_filter, 6> program) {
  const sock_fprog whole{program.size(), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole) != 0) {
    throw std::system_error(errno, std::generic_category(), "seccomp");
  }
}

inline constexpr std::uint16_t load = BPF_LD | BPF_W | BPF_ABS;
inline constexpr std::uint16_t if_equal = BPF_JMP | BPF_JEQ | BPF_K;
inline constexpr std::uint16_t give = BPF_RET | BPF_K;

inline std::uint32_t refusal(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(error) & SECCOMP_RET_DATA);
}
// The lower half of the argument, on a little-endian machine.
constexpr std::uint32_t at_argument(std::size_t i) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + i * sizeof(std::uint64_t));
}

}  // namespace detail

// With `third_argument`: only calls with that one.
inline void refuse(long call, int error, std::optional<std::uint32_t> third_argument = {}) {
  using namespace detail;
  std::array<sock_filter, 6> program{{
      BPF_STMT(load, offsetof(seccomp_data, nr)),
      BPF_JUMP(if_equal, static_cast<std::uint32_t>(call), 0, 3),
      BPF_STMT(load, at_argument(2)),
      BPF_JUMP(if_equal, third_argument.value_or(0), 0, 1),
      BPF_STMT(give, refusal(error)),
      BPF_STMT(give, SECCOMP_RET_ALLOW),
  }};
  if (!third_argument) program[3] = BPF_STMT(load, at_argument(2));  // whatever it is
  install(program);
}

// Only calls whose first argument has one of these bits.
inline void refuse_bits(long call, int error, std::uint32_t bits_of_first_argument) {
  using namespace detail;
  constexpr std::uint16_t if_any = BPF_JMP | BPF_JSET | BPF_K;
  install({{
      BPF_STMT(load, offsetof(seccomp_data, nr)),
      BPF_JUMP(if_equal, static_cast<std::uint32_t>(call), 0, 3),
      BPF_STMT(load, at_argument(0)),
      BPF_JUMP(if_any, bits_of_first_argument, 0, 1),
      BPF_STMT(give, refusal(error)),
      BPF_STMT(give, SECCOMP_RET_ALLOW),
  }});
}

}  // namespace weft_test
