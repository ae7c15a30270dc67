// GEMMs with their epilogues as contestants of gemm_bench: D = epilogue(A * B^T), all tensors row-major and bfloat16,
// A of M x K and B of N x K.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <string>
#include <vector>

namespace bench {

struct gemm_problem {
  int m, n, k;
};

// Device memory; leading dimensions are the columns, the mask's rounded up to 128 bits.
struct gemm_tensors {
  const __nv_bfloat16 *a, *b;
  const __nv_bfloat16* bias;  // N, of a forward
  __nv_bfloat16* d;
  __nv_bfloat16* aux;  // x of peers that keep it; y or x of a backward
  unsigned char* mask;
  float* bias_gradient;  // M or N, of a backward with one
  void* workspace;
  std::size_t workspace_bytes;
};

// One kernel: an operation with a tile, a cluster and a schedule.
class gemm_kernel {
 public:
  virtual ~gemm_kernel() = default;
  // The settings that only run time knows, as rasters.
  virtual int settings() const = 0;
  virtual std::string name(int setting) const = 0;
  // Empty where it can run; else why it cannot.
  virtual std::string prepare(const gemm_problem&, const gemm_tensors&, int setting) = 0;
  virtual void run(cudaStream_t) = 0;
};
using gemm_kernels = std::vector<std::unique_ptr<gemm_kernel>>;

// Of one operation, by name: what the best of its kernels takes is its time.
struct gemm_operation {
  std::string name;
  gemm_kernels (*kernels)();
};

// Forwards: identity, gelu_taylor (nothing kept), gelu_aux (x kept), mantissa_bit, bitmask. Backwards: multiply (by aux),
// dgelu (aux = x), mantissa_bit, bitmask (aux = y); mantissa_bit_node is the library's node in place of CUTLASS's with a
// functor. Ours are `packed`, and the library's defaults where the name says accurate.
#define INVACT_GEMM_OPERATIONS(DO)        \
  DO(identity)                            \
  DO(forward_gelu_taylor)                 \
  DO(forward_gelu_aux)                    \
  DO(forward_mantissa_bit)                \
  DO(forward_bitmask)                     \
  DO(forward_mantissa_bit_accurate)       \
  DO(forward_bitmask_accurate)            \
  DO(backward_multiply)                   \
  DO(backward_dgelu)                      \
  DO(backward_mantissa_bit)               \
  DO(backward_mantissa_bit_node)          \
  DO(backward_mantissa_bit_bias_gradient) \
  DO(backward_bitmask) DO(backward_mantissa_bit_accurate) DO(backward_bitmask_accurate)
#define INVACT_DECLARE(name) gemm_kernels name();
INVACT_GEMM_OPERATIONS(INVACT_DECLARE)
#undef INVACT_DECLARE

}  // namespace bench
