// One call of the C interface, and the ops by name: what the CPU's half and the GPU's half share.
#pragma once

#include <invact/invact.hpp>

#include <cstring>

namespace invact_torch {

// Beside CUDA's own numbers, of which 1 is an invalid value.
enum status : int { success = 0, invalid = 1, no_cuda = -1 };

enum class step { forward, backward, forward_with_bias, backward_with_bias, gated_forward, gated_backward };

// The pointers in the order of the interface, what a step has not is null.
struct call {
  step what;
  invact::int64 rows;  // n, where there are no rows
  invact::int64 cols;
  const void* in[3];
  void* out[2];
  void* mask;
  void* stream;
  void* workspace = nullptr;
};

// On the GPU. Defined in device.cu, or where there is no CUDA in no_device.cpp.
int run_on_gpu(const char* activation, const char* storage, const char* packing, const call& what);
bool has_cuda();
const char* cuda_message(int status);
long long workspace_bytes(long long rows, long long cols);

template <class Run, class Activation, class T>
int with_packing(const Run& run, const char* packing) {
  if (std::strcmp(packing, "bitmask") == 0) return run.template run<Activation, T, invact::bitmask>();
  if (std::strcmp(packing, "mantissa_bit") == 0) return run.template run<Activation, T, invact::mantissa_bit>();
  return invalid;
}

template <class Float, class Half, class BFloat16, class Activation, class Run>
int with_storage(const Run& run, const char* storage, const char* packing) {
  if (std::strcmp(storage, "float") == 0) return with_packing<Run, Activation, Float>(run, packing);
  if (std::strcmp(storage, "half") == 0) return with_packing<Run, Activation, Half>(run, packing);
  if (std::strcmp(storage, "bfloat16") == 0) return with_packing<Run, Activation, BFloat16>(run, packing);
  return invalid;
}

// run.run<Activation, Storage, Packing>() of these names, with the types that are Storage where it runs.
template <class Half, class BFloat16, class Run>
int with_names(const Run& run, const char* activation, const char* storage, const char* packing) {
#define INVACT_TORCH_WITH(name)                                                                     \
  if (std::strcmp(activation, #name) == 0) {                                                        \
    return with_storage<float, Half, BFloat16, invact::name>(run, storage, packing);                \
  }
  INVACT_TORCH_WITH(gelu)
  INVACT_TORCH_WITH(gelu_tanh)
  INVACT_TORCH_WITH(silu)
  INVACT_TORCH_WITH(quick_gelu)
  INVACT_TORCH_WITH(mish)
#undef INVACT_TORCH_WITH
  return invalid;
}

// Library::forward and the others take the mask of an op that has one.
template <class Library, class Op, class T>
auto run_plain(const call& c) {
  const auto* const first = static_cast<const T*>(c.in[0]);
  const auto* const second = static_cast<const T*>(c.in[1]);
  auto* const result = static_cast<T*>(c.out[0]);
  auto* const mask = static_cast<invact::uint8*>(c.mask);
  if constexpr (Op::mask_bits > 0) {
    return c.what == step::forward ? Library::forward(c, Op{}, c.rows, first, result, mask)
                                   : Library::backward(c, Op{}, c.rows, first, second, mask, result);
  } else {
    return c.what == step::forward ? Library::forward(c, Op{}, c.rows, first, result)
                                   : Library::backward(c, Op{}, c.rows, first, second, result);
  }
}
template <class Library, class Op, class T>
auto run_with_bias(const call& c) {
  const auto* const first = static_cast<const T*>(c.in[0]);
  const auto* const second = static_cast<const T*>(c.in[1]);
  auto* const result = static_cast<T*>(c.out[0]);
  auto* const sums = static_cast<float*>(c.out[1]);
  auto* const mask = static_cast<invact::uint8*>(c.mask);
  if constexpr (Op::mask_bits > 0) {
    return c.what == step::forward_with_bias
               ? Library::forward_with_bias(c, Op{}, first, second, result, mask)
               : Library::backward_with_bias_gradient(c, Op{}, first, second, mask, result, sums);
  } else {
    return c.what == step::forward_with_bias
               ? Library::forward_with_bias(c, Op{}, first, second, result)
               : Library::backward_with_bias_gradient(c, Op{}, first, second, result, sums);
  }
}
template <class Library, class Op, class T>
auto run_gated(const call& c) {
  const auto* const first = static_cast<const T*>(c.in[0]);
  const auto* const second = static_cast<const T*>(c.in[1]);
  const auto* const third = static_cast<const T*>(c.in[2]);
  auto* const result = static_cast<T*>(c.out[0]);
  auto* const other = static_cast<T*>(c.out[1]);
  auto* const mask = static_cast<invact::uint8*>(c.mask);
  if constexpr (Op::mask_bits > 0) {
    return c.what == step::gated_forward ? Library::forward_gated(c, Op{}, c.rows, first, second, result, mask)
                                         : Library::backward_gated(c, Op{}, c.rows, first, second, third, mask, result, other);
  } else {
    return c.what == step::gated_forward ? Library::forward_gated(c, Op{}, c.rows, first, second, result)
                                         : Library::backward_gated(c, Op{}, c.rows, first, second, third, result, other);
  }
}

template <class Library>
struct runner {
  const call& what;

  template <class Activation, class T, class Packing>
  int run() const {
    if (what.what == step::forward || what.what == step::backward) {
      return run_plain<Library, invact::inverted<Activation, T, Packing>, T>(what);
    }
    if (what.what == step::forward_with_bias || what.what == step::backward_with_bias) {
      return run_with_bias<Library, invact::inverted<Activation, T, Packing>, T>(what);
    }
    return run_gated<Library, invact::gated<Activation, T, Packing>, T>(what);
  }
};

}  // namespace invact_torch
