// Catch2's main for the GPU tests. Exit status 77: skipped, because there is no GPU, or none of the compute capability
// INVACT_TEST_CAPABILITY (its major number) that alone can run the program.
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
#ifdef INVACT_TEST_CAPABILITY
  int capability = 0;
  cudaDeviceGetAttribute(&capability, cudaDevAttrComputeCapabilityMajor, 0);
  if (capability != INVACT_TEST_CAPABILITY) {
    std::printf("skipped: the GPU's compute capability is %d.x, not %d.x\n", capability, INVACT_TEST_CAPABILITY);
    return 77;
  }
#endif
  return Catch::Session().run(argc, argv);
}
