#pragma once

#include <dirent.h>

#include <cstddef>

namespace weft_test {

// Open descriptors of this process.
inline std::size_t fd_count() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  std::size_t n = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++n;
  }
  closedir(dir);
  return n - 1;  // without the directory's own
}

}  // namespace weft_test
