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
#include <memory>
#include <optional>
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

// What is open, by number, with what it is. Nothing where a filter forbids that look.
std::map<std::string, std::string> open_descriptors() {
  std::map<std::string, std::string> all;
  std::error_code refused;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", refused)) {
    std::error_code gone;  // closed meanwhile by another thread
    const auto what = std::filesystem::read_symlink(entry.path(), gone);
    // The directory that is being read has a number, too.
    if (!gone && !what.string().ends_with("/fd")) all[entry.path().filename()] = what;
  }
  return all;
}

class counted final : public weft_test::what_is_left {
 public:
  // A process for one case may refuse itself what a runtime starts with: it has none yet.
  explicit counted(bool has_runtime) : has_runtime_(has_runtime) {
    if (has_runtime) weft::spawn([] {}).wait();  // the default runtime has what it keeps
    before_ = open_descriptors();
  }
  std::string text() const override {
    // A thread that ends and a look at /proc have one for a moment.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    std::string left = now();
    while (!left.empty() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      left = now();
    }
    return left;
  }

 private:
  std::string now() const {
    std::string left = weft_test::has_children() ? " a child;" : "";
    for (const auto& [number, what] : open_descriptors()) {
      if (number.size() == 1 && number <= "2") continue;  // a case may have streams of its own
      if (!has_runtime_ && what.starts_with("anon_inode:[event")) continue;  // of the default one
      const auto at = before_.find(number);
      if (at == before_.end() || at->second != what) left += ' ' + number + " -> " + what + ';';
    }
    return left;
  }

  const bool has_runtime_;
  std::map<std::string, std::string> before_;
};

[[maybe_unused]] const bool for_children = [] {
  weft_test::count_what_is_left = [] {
    return std::unique_ptr<weft_test::what_is_left>(std::make_unique<counted>(false));
  };
  return true;
}();

class left_behind : public listener_base {
 public:
  using listener_base::listener_base;

  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    listener_base::testCaseStarting(test);
    name_ = test.name;
    since_.emplace(true);
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    listener_base::testCaseEnded(stats);
    const std::string left = since_->text();
    if (left.empty()) return;
    ++weft_test::cases_that_left_something;
    std::cerr << "LEFT BEHIND by \"" << name_ << "\":" << left << std::endl;
  }

 private:
  std::string name_;
  std::optional<counted> since_;
};

CATCH_REGISTER_LISTENER(left_behind)

}  // namespace
