// The main function of every test program.

#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "support/child.hpp"
#include "support/watchdog.hpp"

int main(int argc, char** argv) {
  weft_test::start_watchdog();
  if (weft_test::run_as_child(argc, argv)) return 0;
  return Catch::Session().run(argc, argv);
}
