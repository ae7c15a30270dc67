// How the device-wide kernels are launched: the tuning, and the launch itself.
#pragma once

#include <invact/config.hpp>

#include <cuda_runtime_api.h>

// Not shared between two shared objects in one process, whatever a linker makes of equal names.
#if defined(_MSC_VER)
#define INVACT_KERNEL __global__
#else
#define INVACT_KERNEL __attribute__((visibility("hidden"))) __global__
#endif

INVACT_NAMESPACE_BEGIN

namespace device {

// The tuning of one kernel. It changes speed alone, never a result.
struct launch_policy {
  int block_threads;  // threads of a block, a power of two from 32 to 1024
  int fragments;      // fragments, each up to 16 bytes, that a thread loads before it uses the first
  int long_fragments = fragments;  // the same in a run of at least long_elements elements
  int64 long_elements = 0;
};

}  // namespace device

namespace detail {

// `blocks` of `threads`; the launch's own status, an earlier sticky error among them. Nothing is queried
// and no earlier error is cleared.
template <class... Parameters, class... Arguments>
cudaError_t launch(dim3 blocks, dim3 threads, cudaStream_t stream, void (*kernel)(Parameters...),
                   const Arguments&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

}  // namespace detail

INVACT_NAMESPACE_END
