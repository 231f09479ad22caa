#include "base/thread_state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace weft::detail {

bool is_asleep(int thread_id) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread_id);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[128];  // the name has at most 64 characters
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  if (size <= 0) return false;
  text[size] = 0;
  // The state follows the name, which stands in parentheses and may hold any character.
  const char* name_end = std::strrchr(text, ')');
  return name_end != nullptr && (name_end[1] == ' ') && (name_end[2] == 'S' || name_end[2] == 'D');
}

}  // namespace weft::detail
