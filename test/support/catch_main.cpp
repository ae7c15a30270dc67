// Catch2's own code and main: compiled once for all variants of the tests, as it is the slowest part.
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"
#include "support/start.hpp"

int main(int argc, char** argv) {
  invact_test_start();
  return Catch::Session().run(argc, argv);
}
