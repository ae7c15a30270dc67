// What the interfaces in bfloat16 share: GELU and SiLU by name, and tensors.
#pragma once

#include <invact/activation/gelu.hpp>
#include <invact/activation/silu.hpp>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstring>

namespace bench {

using element = __nv_bfloat16;

// run(Activation{}) of the activation with this name.
template <class Run>
cudaError_t with_activation(const Run& run, const char* name) {
  if (std::strcmp(name, "gelu") == 0) return run(invact::gelu{});
  if (std::strcmp(name, "silu") == 0) return run(invact::silu{});
  return cudaErrorInvalidValue;
}

inline const element* in(const void* tensor) { return static_cast<const element*>(tensor); }
inline element* out(void* tensor) { return static_cast<element*>(tensor); }

}  // namespace bench
