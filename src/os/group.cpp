// The kernel tells whether a group is empty, but counts zombies; so /proc is asked.
// Proved by: tests/conformance/command_limit.cpp.
#include "os/group.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace weft::detail {

namespace {

// Of /proc/PID/stat: "pid (name) state ppid pgrp ...", where the name may hold anything.
bool lives_in_group(const char* pid, pid_t group) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%s/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[512];
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return false;
  text[size] = 0;
  const char* after_name = std::strrchr(text, ')');
  char state = 0;
  int parent = 0;
  int in = 0;
  if (after_name == nullptr || std::sscanf(after_name + 1, " %c %d %d", &state, &parent, &in) != 3) {
    return false;
  }
  return in == group && state != 'Z' && state != 'X';
}

}  // namespace

bool has_other_members(pid_t group) noexcept {
  DIR* all = opendir("/proc");
  if (all == nullptr) return false;
  bool found = false;
  while (const dirent* entry = readdir(all)) {
    const char* name = entry->d_name;
    if (*name < '1' || *name > '9' || std::atoi(name) == group) continue;
    if (lives_in_group(name, group)) {
      found = true;
      break;
    }
  }
  closedir(all);
  return found;
}

}  // namespace weft::detail
