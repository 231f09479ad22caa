#include "plan/account.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

namespace ssh_runner {

account current_account() {
  account result;
  const passwd* entry = getpwuid(getuid());
  if (entry != nullptr) result.name = entry->pw_name;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    result.home = home;
  else if (entry != nullptr)
    result.home = entry->pw_dir;
  return result;
}

}  // namespace ssh_runner
