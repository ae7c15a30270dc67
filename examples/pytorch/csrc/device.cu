#include "calls.hpp"

#include <invact/device/bias_gradient.cuh>
#include <invact/device/elementwise.cuh>
#include <invact/device/gated.cuh>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <utility>

namespace invact_torch {
namespace {

cudaStream_t stream_of(const call& c) { return static_cast<cudaStream_t>(c.stream); }

struct device {
  template <class... Arguments>
  static int forward(const call& c, Arguments&&... arguments) {
    return invact::device::forward(std::forward<Arguments>(arguments)..., stream_of(c));
  }
  template <class... Arguments>
  static int backward(const call& c, Arguments&&... arguments) {
    return invact::device::backward(std::forward<Arguments>(arguments)..., stream_of(c));
  }
  template <class Op, class... Arguments>
  static int forward_with_bias(const call& c, const Op& op, Arguments... arguments) {
    return invact::device::forward_with_bias(op, invact::device::dense_shape(op, c.rows, c.cols), arguments..., stream_of(c));
  }
  template <class Op, class... Arguments>
  static int backward_with_bias_gradient(const call& c, const Op& op, Arguments... arguments) {
    const invact::matrix_shape shape = invact::device::dense_shape(op, c.rows, c.cols);
    return invact::device::backward_with_bias_gradient(op, shape, arguments..., c.workspace,
                                                       invact::device::bias_gradient_workspace_bytes(shape), stream_of(c));
  }
  template <class... Arguments>
  static int forward_gated(const call& c, Arguments&&... arguments) {
    return invact::device::forward_gated(std::forward<Arguments>(arguments)..., stream_of(c));
  }
  template <class... Arguments>
  static int backward_gated(const call& c, Arguments&&... arguments) {
    return invact::device::backward_gated(std::forward<Arguments>(arguments)..., stream_of(c));
  }
};

}  // namespace

int run_on_gpu(const char* activation, const char* storage, const char* packing, const call& what) {
  return with_names<__half, __nv_bfloat16>(runner<device>{what}, activation, storage, packing);
}
bool has_cuda() { return true; }
long long workspace_bytes(long long rows, long long cols) {
  const invact::matrix_shape shape =
      invact::device::dense_shape(invact::inverted<invact::gelu, float>{}, rows, cols);
  return static_cast<long long>(invact::device::bias_gradient_workspace_bytes(shape));
}
const char* cuda_message(int status) { return cudaGetErrorString(static_cast<cudaError_t>(status)); }

}  // namespace invact_torch
