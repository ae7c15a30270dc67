#include "c_interface.h"
#include "c_interface_names.hpp"

#include <invact/invact.cuh>

namespace {

using bench::in;
using bench::out;

struct ops {
  template <class Activation, class Run>
  static cudaError_t with_packing(const Run& run, const char* packing) {
    using invact::inverted;
    if (std::strcmp(packing, "bitmask") == 0) return run(inverted<Activation, bench::element>{});
    if (std::strcmp(packing, "mantissa_bit") == 0)
      return run(inverted<Activation, bench::element, invact::mantissa_bit>{});
    return cudaErrorInvalidValue;
  }
};

}  // namespace

int invact_bench_forward_with_bias(const char* activation, const char* packing, long long rows,
                                   long long cols, const void* x, const void* bias, void* y, void* mask,
                                   void* stream_pointer) {
  const auto stream = static_cast<cudaStream_t>(stream_pointer);
  return bench::with_op<ops>(
      [&](auto op) {
        const invact::matrix_shape shape = invact::device::dense_shape(op, rows, cols);
        if constexpr (decltype(op)::mask_bits > 0) {
          return invact::device::forward_with_bias(op, shape, in(x), in(bias), out(y),
                                                   static_cast<invact::uint8*>(mask), stream);
        } else {
          return invact::device::forward_with_bias(op, shape, in(x), in(bias), out(y), stream);
        }
      },
      activation, packing);
}

long long invact_bench_bias_workspace_bytes(long long rows, long long cols) {
  using op = invact::inverted<invact::gelu, bench::element>;
  return static_cast<long long>(
      invact::device::bias_gradient_workspace_bytes(invact::device::dense_shape(op{}, rows, cols)));
}

int invact_bench_backward_with_bias_gradient(const char* activation, const char* packing, long long rows,
                                             long long cols, const void* dy, const void* y,
                                             const void* mask, void* dx, float* bias_gradient,
                                             void* workspace, void* stream_pointer) {
  const auto stream = static_cast<cudaStream_t>(stream_pointer);
  return bench::with_op<ops>(
      [&](auto op) {
        const invact::matrix_shape shape = invact::device::dense_shape(op, rows, cols);
        const std::size_t bytes = invact::device::bias_gradient_workspace_bytes(shape);
        if constexpr (decltype(op)::mask_bits > 0) {
          return invact::device::backward_with_bias_gradient(
              op, shape, in(dy), in(y), static_cast<const invact::uint8*>(mask), out(dx), bias_gradient,
              workspace, bytes, stream);
        } else {
          return invact::device::backward_with_bias_gradient(op, shape, in(dy), in(y), out(dx),
                                                             bias_gradient, workspace, bytes, stream);
        }
      },
      activation, packing);
}
