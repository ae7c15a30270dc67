// GEMMs with their epilogues as contestants of gemm_bench: D = epilogue(A * B^T), all tensors row-major and bfloat16,
// A of M x K and B of N x K.
#pragma once

#include "contestant.hpp"

#include <cuda_bf16.h>

#include <cstddef>
#include <string>

namespace bench {

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

using gemm_kernel = contestant<gemm_tensors>;
using gemm_kernels = contestants<gemm_tensors>;

// By name.
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
