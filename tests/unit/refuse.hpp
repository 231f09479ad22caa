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

// With `third_argument`: only calls with that one.
inline void refuse(long call, int error, std::optional<std::uint32_t> third_argument = {}) {
  constexpr std::uint16_t load = BPF_LD | BPF_W | BPF_ABS;
  constexpr std::uint16_t if_equal = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr std::uint16_t give = BPF_RET | BPF_K;
  // The lower half of the argument, on a little-endian machine.
  constexpr std::uint32_t argument = offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t);
  const auto refusal = SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(error) & SECCOMP_RET_DATA);
  std::array<sock_filter, 6> program{{
      BPF_STMT(load, offsetof(seccomp_data, nr)),
      BPF_JUMP(if_equal, static_cast<std::uint32_t>(call), 0, 3),
      BPF_STMT(load, argument),
      BPF_JUMP(if_equal, third_argument.value_or(0), 0, 1),
      BPF_STMT(give, refusal),
      BPF_STMT(give, SECCOMP_RET_ALLOW),
  }};
  if (!third_argument) program[3] = BPF_STMT(load, argument);  // whatever it is
  const sock_fprog whole{program.size(), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole) != 0) {
    throw std::system_error(errno, std::generic_category(), "seccomp");
  }
}

}  // namespace weft_test
