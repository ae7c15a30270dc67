// An op behind c_interface.h, its types erased: where its kernels are compiled is not where it is looked up.
#pragma once

#include <cuda_runtime.h>

namespace bench {

struct c_op {
  int mask_bits;
  cudaError_t (*forward)(long long n, const void* x, void* y, void* mask, cudaStream_t stream);
  cudaError_t (*backward)(long long n, const void* dy, const void* y, const void* mask, void* dx,
                          cudaStream_t stream);
  cudaError_t (*gradient_factor)(long long n, const void* y, const void* mask, float* g,
                                 cudaStream_t stream);
};

// The activation's op with these names, null where there is none.
template <class Activation>
const c_op* find_op(const char* storage, const char* packing);

}  // namespace bench
