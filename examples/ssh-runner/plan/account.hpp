// Who runs this, and where their files are.
#pragma once

#include <filesystem>
#include <string>

namespace ssh_runner {

struct account {
  std::string name;
  std::filesystem::path home;  // empty: unknown

  std::filesystem::path ssh_dir() const { return home.empty() ? home : home / ".ssh"; }
};

account current_account();

}  // namespace ssh_runner
