// GEMMs of gated units as contestants of gated_gemm_bench, row-major and bfloat16: [g u] = X * W^T with interleaved
// columns, X of M x K and W of 2N x K, and dh = dY * W2^T of M x N, as many products as half of the former. A problem's M
// are tokens, its N units.
#pragma once

#include "contestant.hpp"

#include <cuda_bf16.h>

#include <cstddef>

namespace bench {

// Device memory; rows follow each other without gaps, but those of h and u, and of the mask.
struct gated_tensors {
  const __nv_bfloat16 *a, *b;  // M x K; 2N x K, or N x K of a backward
  __nv_bfloat16 *h, *u;        // M x N, with rows of hu_stride elements
  long long hu_stride;
  unsigned char* mask;  // rows of N bits, rounded up to 128
  __nv_bfloat16*
      d;  // [g u] interleaved, dh, or the gradients: interleaved, or dg with du N elements behind it
  void* workspace;
  std::size_t workspace_bytes;
};

using gated_kernels = contestants<gated_tensors>;

// Plain GEMMs, whose D is [g u] or dh; forwards that write h, u and what their packing keeps; backwards that read
// those and write dg and du interleaved, or, `separate`, beside each other. SwiGLU with the library's defaults, or,
// `packed`, with the packed evaluator and the fast approximant.
#define INVACT_GATED_OPERATIONS(DO) \
  DO(plain_forward)                 \
  DO(plain_backward)                \
  DO(forward_bitmask)               \
  DO(forward_mantissa_bit)          \
  DO(forward_bitmask_packed)        \
  DO(forward_mantissa_bit_packed)   \
  DO(backward_bitmask)              \
  DO(backward_mantissa_bit)         \
  DO(backward_bitmask_fast)         \
  DO(backward_mantissa_bit_fast)    \
  DO(backward_mantissa_bit_separate)
#define INVACT_DECLARE(name) gated_kernels gated_##name();
INVACT_GATED_OPERATIONS(INVACT_DECLARE)
#undef INVACT_DECLARE

}  // namespace bench
