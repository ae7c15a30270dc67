// The device-wide kernels, for cost.py to count: one set of calls an op, which instantiates every kernel that
// its host entry points can launch. Compiled, never run.
#include <cstddef>

#include <invact/invact.cuh>

namespace device = invact::device;

template <class Op, class T, class... Mask>
cudaError_t call(Op op, const invact::matrix_shape& shape, T* x, typename Op::storage_type* y, T* dx,
                 float* sums, void* workspace, Mask*... mask) {
  const std::size_t bytes = device::bias_gradient_workspace_bytes(shape);
  for (const cudaError_t status : {
           device::forward(op, shape.rows, x, y, mask...),
           device::forward(op, shape, x, y, mask...),
           device::forward_with_bias(op, shape, x, x, y, mask...),
           device::backward(op, shape.rows, x, y, mask..., dx),
           device::backward(op, shape, x, y, mask..., dx),
           device::backward_with_bias_gradient(op, shape, x, y, mask..., dx, sums, workspace, bytes),
       }) {
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}

// x, bias, dy and dx are of type T.
template <class Op, class T>
cudaError_t call_all(const invact::matrix_shape& shape, T* x, typename Op::storage_type* y, T* dx,
                     float* sums, void* workspace, invact::uint8* mask) {
  if constexpr (Op::mask_bits > 0) {
    return call(Op{}, shape, x, y, dx, sums, workspace, mask);
  } else {
    return call(Op{}, shape, x, y, dx, sums, workspace);
  }
}

#define INVACT_COST_OP(type, storage, ...)                      \
  template cudaError_t call_all<invact::inverted<__VA_ARGS__>>( \
      const invact::matrix_shape&, type*, storage*, type*, float*, void*, invact::uint8*);
#define INVACT_COST_STORAGE(type, storage)                                   \
  INVACT_COST_OP(type, storage, invact::gelu, storage, invact::bitmask)      \
  INVACT_COST_OP(type, storage, invact::gelu, storage, invact::mantissa_bit) \
  INVACT_COST_OP(type, storage, invact::silu, storage, invact::bitmask)      \
  INVACT_COST_OP(type, storage, invact::silu, storage, invact::mantissa_bit)

// T, then the type of y.
INVACT_COST_STORAGE(float, float)
INVACT_COST_STORAGE(invact::binary16, invact::binary16)
INVACT_COST_STORAGE(invact::bfloat16, invact::bfloat16)
// The other approximant, and an x and dy wider than y.
INVACT_COST_OP(invact::bfloat16, invact::bfloat16, invact::gelu, invact::bfloat16, invact::bitmask, invact::fast)
INVACT_COST_OP(invact::bfloat16, invact::bfloat16, invact::silu, invact::bfloat16, invact::mantissa_bit, invact::fast)
INVACT_COST_OP(float, invact::bfloat16, invact::gelu, invact::bfloat16, invact::bitmask)
INVACT_COST_OP(float, invact::bfloat16, invact::silu, invact::bfloat16, invact::mantissa_bit)
// What keeps no piece has launches of its own, over one run: of what computes little in float, more, and most.
template <class Op, class T>
cudaError_t call_run(invact::int64 n, T* x, T* dx) {
  const cudaError_t status = device::forward(Op{}, n, x, x);
  return status == cudaSuccess ? device::backward(Op{}, n, x, x, dx) : status;
}
#define INVACT_COST_RUN(activation, storage) \
  template cudaError_t call_run<invact::inverted<invact::activation, storage>>(invact::int64, storage*, storage*);
INVACT_COST_RUN(relu, float)
INVACT_COST_RUN(tanh, float)
INVACT_COST_RUN(softplus, float)
INVACT_COST_RUN(relu, invact::bfloat16)
INVACT_COST_RUN(softplus, invact::bfloat16)
INVACT_COST_RUN(hardtanh, invact::binary16)
// A bias of float beside tensors of 16 bits.
template cudaError_t invact::device::forward_with_bias(
    const invact::inverted<invact::gelu, invact::bfloat16>&, const invact::matrix_shape&, const invact::bfloat16*,
    const float*, invact::bfloat16*, invact::detail::mask_out<invact::inverted<invact::gelu, invact::bfloat16>>,
    cudaStream_t);
template cudaError_t invact::device::forward_with_bias(
    const invact::inverted<invact::gelu, invact::binary16, invact::mantissa_bit>&, const invact::matrix_shape&,
    const invact::binary16*, const float*, invact::binary16*,
    invact::detail::maskless_stream<invact::inverted<invact::gelu, invact::binary16, invact::mantissa_bit>>);

// Gated units: every kernel that the calls of one can launch.
template <class Op, class T, class... Mask>
cudaError_t call_gated(Op op, const invact::gated_shape& shape, T* t, Mask*... mask) {
  for (const cudaError_t status : {
           device::forward_gated(op, shape, t, t, t, mask...),
           device::backward_gated(op, shape, t, t, t, mask..., t, t),
           device::forward_interleaved(op, shape, t, t, t, mask...),
           device::backward_interleaved(op, shape, t, t, t, mask..., t),
       }) {
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}
template <class T, class Op>
cudaError_t call_recompute(Op op, const invact::gated_shape& shape, T* t) {
  for (const cudaError_t status : {
           device::forward_gated(op, shape, t, t, t),
           device::backward_gated(op, shape, t, t, t, t, t, t),
           device::forward_interleaved(op, shape, t, t),
           device::backward_interleaved(op, shape, t, t, t, t),
       }) {
    if (status != cudaSuccess) return status;
  }
  return cudaSuccess;
}
#define INVACT_COST_GATED(unit, storage)                                                                  \
  template cudaError_t call_gated(invact::unit<storage>, const invact::gated_shape&, storage*, invact::uint8*); \
  template cudaError_t call_gated(invact::unit<storage, invact::mantissa_bit>, const invact::gated_shape&, storage*);
INVACT_COST_GATED(swiglu, invact::bfloat16)
INVACT_COST_GATED(geglu, invact::bfloat16)
template cudaError_t call_recompute(invact::gated_recompute<invact::silu, invact::bfloat16>, const invact::gated_shape&,
                                    invact::bfloat16*);
