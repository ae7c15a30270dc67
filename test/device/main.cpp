// Catch2's main for the GPU tests. Exit status 77: skipped, because there is no GPU.
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include <cuda_runtime_api.h>

#include <cstdio>

int main(int argc, char** argv) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::printf("skipped: there is no GPU here\n");
    return 77;
  }
  return Catch::Session().run(argc, argv);
}
