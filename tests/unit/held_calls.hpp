#pragma once

// Makes the kernel hold system calls of this process until the test has seen them: which thread made
// one is seen, and everything else can go on meanwhile, for as long as it likes. For children only,
// before they have a second thread: there is no way back.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <vector>

namespace weft_test {

class held_calls {
 public:
  // Of calls with this number and these 32 bits in one argument.
  struct rule {
    long call;
    unsigned argument;
    std::uint32_t value;
    int error;  // the call fails with it; 0: it is held
  };
  struct one {
    std::uint64_t id;
    pid_t thread;  // that made the call
  };

  explicit held_calls(const std::vector<rule>& rules) {
    std::vector<sock_filter> program;
    for (const rule& r : rules) {
      const auto at = static_cast<std::uint32_t>(offsetof(seccomp_data, args) + r.argument * 8);
      const std::uint32_t verdict =
          r.error == 0
              ? SECCOMP_RET_USER_NOTIF
              : SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(r.error) & SECCOMP_RET_DATA);
      program.push_back(BPF_STMT(load, offsetof(seccomp_data, nr)));
      program.push_back(BPF_JUMP(if_equal, static_cast<std::uint32_t>(r.call), 0, 3));
      program.push_back(BPF_STMT(load, at));
      program.push_back(BPF_JUMP(if_equal, r.value, 0, 1));
      program.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog whole{static_cast<unsigned short>(program.size()), program.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) {
      listener_ = static_cast<int>(
          syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &whole));
    }
    if (listener_ < 0) throw std::system_error(errno, std::generic_category(), "seccomp");
  }
  held_calls(const held_calls&) = delete;
  ~held_calls() { ::close(listener_); }

  // Blocks its thread until there is one.
  one next() {
    seccomp_notif n{};
    if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &n) != 0) fail("the next call that is held");
    return {n.id, static_cast<pid_t>(n.pid)};
  }
  // The kernel performs it.
  void let_go(const one& call) { respond(call, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }
  // It fails.
  void refuse(const one& call, int error) { respond(call, -error, 0); }

 private:
  static constexpr std::uint16_t load = BPF_LD | BPF_W | BPF_ABS;
  static constexpr std::uint16_t if_equal = BPF_JMP | BPF_JEQ | BPF_K;

  [[noreturn]] static void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  void respond(const one& call, int error, std::uint32_t flags) {
    seccomp_notif_resp r{};
    r.id = call.id;
    r.error = error;
    r.flags = flags;
    if (ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &r) != 0) fail("the answer to a call");
  }

  int listener_ = -1;
};

}  // namespace weft_test
