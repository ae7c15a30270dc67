// How the device-wide kernels are launched: the tuning, and the launch itself.
#pragma once

#include <invact/config.hpp>

#include <cuda_runtime.h>

// A kernel, and a function that launches one: not shared between two shared objects in one process, which may
// be built for other GPUs or with other flags.
#if defined(_MSC_VER)
#define INVACT_HIDDEN
#else
#define INVACT_HIDDEN __attribute__((visibility("hidden")))
#endif
#define INVACT_KERNEL INVACT_HIDDEN __global__

INVACT_NAMESPACE_BEGIN

namespace device {

// The tuning of one kernel. It changes speed alone, and of a bias gradient the order of its sums.
struct launch_policy {
  int block_threads;            // threads of a block, a power of two from 32 to 1024
  int fragments;                // fragments, each up to 16 bytes, that a thread loads before it uses the first
  int resident_threads = 1536;  // threads that registers leave room for on a multiprocessor, where accesses are vectors
};

// That of a kernel over one run, which has another in runs of at least long_elements elements.
struct run_policy {
  launch_policy short_run, long_run;
  int64 long_elements;
};

}  // namespace device

namespace detail {

// Threads that a multiprocessor has room for (CUDA Programming Guide, "Compute Capabilities"), beyond which
// __launch_bounds__ may not ask for registers.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ == 800 || __CUDA_ARCH__ == 900 || __CUDA_ARCH__ / 100 == 10
inline constexpr int multiprocessor_threads = 2048;
#else
inline constexpr int multiprocessor_threads = 1536;
#endif

// What __launch_bounds__ asks for, for room for `resident` threads in blocks of `block_threads`.
template <int resident, int block_threads>
inline constexpr int resident_blocks =
    (resident < multiprocessor_threads ? resident : multiprocessor_threads) / block_threads;

// The place of a block in its grid, of which the first to run have the last place, and so the end of the tensors. What ran
// before in the stream, as a rule a product of matrices whose blocks go from the beginning on, has left the end of its
// result in L2; what runs after reads from the beginning, which is then what these kernels leave there.
__device__ __forceinline__ uint32 block_index() { return gridDim.x - 1 - blockIdx.x; }

// `blocks` of `threads`; the launch's own status, an earlier sticky error among them. Nothing is queried
// and no earlier error is cleared.
template <class... Parameters, class... Arguments>
INVACT_HIDDEN cudaError_t launch(dim3 blocks, dim3 threads, cudaStream_t stream,
                                 void (*kernel)(Parameters...), const Arguments&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

}  // namespace detail

INVACT_NAMESPACE_END
