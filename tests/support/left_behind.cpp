// Counts descriptors and children after each test case. A case that leaves one behind is named on
// stderr and fails the program: see LEAVES_NOTHING in tests/CMakeLists.txt.
#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_case_info.hpp>
#include <catch2/interfaces/catch_interfaces_reporter.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
#else
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>
#endif

#include <weft/go.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <system_error>
#include <thread>

#include "support/child_count.hpp"
#include "support/left_behind.hpp"

namespace {

#if __has_include(<catch2/catch_test_macros.hpp>)
using listener_base = Catch::EventListenerBase;
#else
using listener_base = Catch::TestEventListenerBase;
#endif

// What is open, by number, with what it is.
std::map<std::string, std::string> open_descriptors() {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // closed meanwhile by another thread
    const auto what = std::filesystem::read_symlink(entry.path(), gone);
    // The directory that is being read has a number, too.
    if (!gone && !what.string().ends_with("/fd")) all[entry.path().filename()] = what;
  }
  return all;
}

class left_behind : public listener_base {
 public:
  using listener_base::listener_base;

  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    listener_base::testCaseStarting(test);
    name_ = test.name;
    weft::spawn([] {}).wait();  // the default runtime has what it keeps
    before_ = open_descriptors();
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    listener_base::testCaseEnded(stats);
    // A thread that ends and a look at /proc have one for a moment.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    std::string left = what_is_left();
    while (!left.empty() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      left = what_is_left();
    }
    if (left.empty()) return;
    ++weft_test::cases_that_left_something;
    std::cerr << "LEFT BEHIND by \"" << name_ << "\":" << left << std::endl;
  }

 private:
  std::string what_is_left() const {
    std::string left = weft_test::has_children() ? " a child;" : "";
    for (const auto& [number, what] : open_descriptors()) {
      const auto at = before_.find(number);
      if (at == before_.end() || at->second != what) left += ' ' + number + " -> " + what + ';';
    }
    return left;
  }

  std::string name_;
  std::map<std::string, std::string> before_;
};

CATCH_REGISTER_LISTENER(left_behind)

}  // namespace
