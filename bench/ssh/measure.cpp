// Runs a command and prints what it cost: its status, seconds of the clock, seconds of CPU with all
// processes that it has waited for, and the megabytes of the largest of them.
// usage: measure OUTPUT_FILE COMMAND...
//
// Small on purpose: to the kernel a child's memory was once as much as its parent's.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

double now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
}

void replace(int fd, const char* file, int flags) {
  const int opened = open(file, flags, 0644);
  if (opened < 0 || dup2(opened, fd) < 0) {
    std::perror(file);
    _exit(126);
  }
  close(opened);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  char errors[4096];
  std::snprintf(errors, sizeof errors, "%s.err", argv[1]);
  const double begin = now();
  const pid_t child = fork();
  if (child == 0) {
    replace(0, "/dev/null", O_RDONLY);
    replace(2, errors, O_WRONLY | O_CREAT | O_TRUNC);
    replace(1, argv[1], O_WRONLY | O_CREAT | O_TRUNC);
    execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    _exit(127);
  }
  int status = 0;
  rusage used{};
  if (child < 0 || wait4(child, &status, 0, &used) < 0) {
    std::perror("measure");
    return 1;
  }
  std::printf("%d %.3f %.3f %.1f\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
              now() - begin, seconds(used.ru_utime) + seconds(used.ru_stime),
              static_cast<double>(used.ru_maxrss) / 1024);
}
