// A shared object that launches every kernel of an op. Two of them in one process may be built for other GPUs or with
// other flags: neither may run the other's kernels, so nothing of the library may be a symbol that they share.
#include <invact/invact.cuh>

using op = invact::inverted<invact::gelu, float, invact::bitmask>;

extern "C" cudaError_t plugin_run(const invact::matrix_shape* shape, const float* x, float* y, invact::uint8* mask,
                                  void* workspace, cudaStream_t stream) {
  namespace device = invact::device;
  for (const cudaError_t status :
       {device::forward(op{}, shape->cols, x, y, mask, stream), device::forward(op{}, *shape, x, y, mask, stream),
        device::forward_with_bias(op{}, *shape, x, x, y, mask, stream),
        device::backward(op{}, shape->cols, x, x, mask, y, stream),
        device::backward(op{}, *shape, x, x, mask, y, stream),
        device::backward_with_bias_gradient(op{}, *shape, x, x, mask, y, y, workspace,
                                            device::bias_gradient_workspace_bytes(*shape), stream)}) {
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}
