// What the interfaces in bfloat16 share: ops of GELU and SiLU by name, and tensors.
#pragma once

#include <invact/invact.hpp>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstring>

namespace bench {

using element = __nv_bfloat16;

// run(op) of the op with these names. Ops::with_packing says which ops there are of an activation.
template <class Ops, class Run>
cudaError_t with_op(const Run& run, const char* activation, const char* packing) {
  if (std::strcmp(activation, "gelu") == 0) return Ops::template with_packing<invact::gelu>(run, packing);
  if (std::strcmp(activation, "silu") == 0) return Ops::template with_packing<invact::silu>(run, packing);
  return cudaErrorInvalidValue;
}

inline const element* in(const void* tensor) { return static_cast<const element*>(tensor); }
inline element* out(void* tensor) { return static_cast<element*>(tensor); }

}  // namespace bench
