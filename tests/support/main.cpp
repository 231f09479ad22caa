// The main function of every test program.

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdlib>
#include <vector>

#include "support/child.hpp"
#include "support/left_behind.hpp"
#include "support/watchdog.hpp"

int main(int argc, char** argv) {
  weft_test::start_watchdog();
  if (weft_test::run_as_child(argc, argv)) return 0;
  std::vector<const char*> arguments(argv, argv + argc);
  // For tools/repeat, which goes through ctest: the cases in an order made from this number.
  if (const char* seed = std::getenv("WEFT_TEST_ORDER"); seed != nullptr && *seed != '\0') {
    arguments.insert(arguments.end(), {"--order", "rand", "--rng-seed", seed});
  }
  const int failed = Catch::Session().run(static_cast<int>(arguments.size()), arguments.data());
  return failed == 0 && weft_test::cases_that_left_something != 0 ? 1 : failed;
}
