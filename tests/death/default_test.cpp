// When the default runtime cannot start.
#include "support/catch.hpp"
#include "support/child.hpp"

#include <weft/weft.hpp>

#include <iostream>
#include <memory>
#include <stdexcept>

using weft_test::run_child;

namespace {

template <class F>
void report(const char* what, F f) {
  auto token = std::make_shared<int>(1);
  try {
    f(token);
    std::cout << what << " started" << std::endl;
  } catch (const std::invalid_argument&) {
    std::cout << what << " refused, callable " << (token.use_count() == 1 ? "gone" : "kept")
              << std::endl;
  }
}

// WEFT_WORKERS says nonsense. Whoever is refused must leave nothing that somebody waits for.
WEFT_CHILD_CASE("default-runtime-refused") {
  report("go", [](auto token) { weft::go([t = std::move(token)] {}); });
  report("spawn", [](auto token) { weft::spawn([t = std::move(token)] { return 1; }).get(); });
  {
    weft::wait_group group;
    report("wait_group::go", [&](auto token) { group.go([t = std::move(token)] {}); });
    report("wait_group::go", [&](auto token) { group.go([t = std::move(token)] {}); });
    group.wait();
  }
  std::cout << "nobody waits" << std::endl;
  weft::run({.workers = 1}, [] {
    weft::wait_group group;
    group.go([] { std::cout << "a run of its own works" << std::endl; });
    group.wait();
  });
}

}  // namespace

TEST_CASE("a default runtime that cannot start leaves nobody waiting", "[death][process]") {
  auto child = run_child("default-runtime-refused", {.env = {"WEFT_WORKERS=many"}});
  CHECK(child.exit_code == 0);
  CHECK(child.out ==
        "go refused, callable gone\n"
        "spawn refused, callable gone\n"
        "wait_group::go refused, callable gone\n"
        "wait_group::go refused, callable gone\n"
        "nobody waits\n"
        "a run of its own works\n");
}
