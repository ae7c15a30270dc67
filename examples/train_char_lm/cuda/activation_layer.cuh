// The layer under test, bias + activation, as cpu/activation_layer.hpp has it, on the GPU.
#pragma once

#include "kernels.cuh"

#include <invact/invact.cuh>

#include <functional>
#include <memory>

namespace char_lm::gpu {

class activation_layer {
 public:
  virtual ~activation_layer() = default;

  // y = f(x + bias), in the first columns of what it returns. x is the layer's to keep or to free.
  virtual tensor<bf16> forward(const device& on, tensor<float> x, const float* bias) = 0;

  // Whether y is to be freed after its use in the forward; backward() then computes it again.
  virtual bool recomputes() const { return false; }

  // dx, rounded, as products take it; writes the sum of the unrounded dx over the rows, and frees what
  // forward() kept. `y` is what forward() returned, and may be overwritten, or, of a layer that recomputes,
  // takes the same again.
  virtual tensor<bf16> backward(const device& on, tensor<bf16>& y, tensor<float> dy,
                                float* bias_gradient) = 0;
};

// f and f' as one writes them with CUDA's functions. Nothing of invact is in them, so that the comparison
// with the inverted layers is between independent implementations.
template <class Activation>
struct reference;

template <>
struct reference<invact::gelu> {
  __device__ static float forward(float x) { return 0.5f * x * (1.0f + erff(x * inverse_root_two)); }
  __device__ static float derivative(float x) {
    return 0.5f * (1.0f + erff(x * inverse_root_two)) + x * expf(-0.5f * x * x) * normal_peak;
  }
  static constexpr float inverse_root_two = 0.70710678f;
  static constexpr float normal_peak = 0.39894228f;
};

template <>
struct reference<invact::silu> {
  __device__ static float forward(float x) { return x / (1.0f + expf(-x)); }
  __device__ static float derivative(float x) { return (1.0f + x / (1.0f + expf(x))) / (1.0f + expf(-x)); }
};

template <class Activation>
__global__ void reference_forward(index n, index cols, const float* x, const float* bias, bf16* saved,
                                  bf16* y) {
  const index i = thread_of_grid();
  if (i >= n) return;
  const float v = x[i] + bias[i % cols];
  saved[i] = __float2bfloat16_rn(v);
  y[i] = __float2bfloat16_rn(reference<Activation>::forward(v));
}

template <class Activation>
struct reference_gradient {
  const float* dy;
  const bf16* saved;
  bf16* dx;
  index cols;

  __device__ float operator()(index r, index c) const {
    const index i = r * cols + c;
    const float d = dy[i] * reference<Activation>::derivative(__bfloat162float(saved[i]));
    dx[i] = __float2bfloat16_rn(d);
    return d;
  }
};

// The usual implementation: x is saved, in bfloat16.
template <class Activation>
class saved_input : public activation_layer {
 public:
  tensor<bf16> forward(const device& on, tensor<float> x, const float* bias) override {
    x_ = {x.rows(), x.cols(), x.memory()};
    tensor<bf16> y(x.rows(), x.cols(), x.memory());
    launch(on, "reference_forward", reference_forward<Activation>, blocks(x.size()), block_threads,
           x.size(), x.cols(), x.data(), bias, x_.data(), y.data());
    return y;
  }

  tensor<bf16> backward(const device& on, tensor<bf16>&, tensor<float> dy,
                        float* bias_gradient) override {
    tensor<bf16> dx(dy.rows(), dy.cols(), dy.memory());
    launch_sum_columns(on, "reference_backward", dy.rows(), dy.cols(),
                       reference_gradient<Activation>{dy.data(), x_.data(), dx.data(), dy.cols()},
                       bias_gradient);
    x_ = {};
    return dx;
  }

 private:
  tensor<bf16> x_;
};

// The layer made of an invact op: x is freed by the time forward() returns.
template <class Op>
class inverted_layer : public activation_layer {
 public:
  tensor<bf16> forward(const device& on, tensor<float> x, const float* bias) override {
    const auto shape = invact::device::dense_shape(Op{}, x.rows(), x.cols());
    tensor<bf16> y(x.rows(), x.cols(), x.memory());
    cudaError_t status;
    if constexpr (Op::mask_bits > 0) {
      mask_ = {x.rows(), static_cast<index>(shape.mask_stride_bits / 8), x.memory()};
      status = invact::device::forward_with_bias(Op{}, shape, x.data(), bias, y.data(), mask_.data(),
                                                 on.stream());
    } else {
      status = invact::device::forward_with_bias(Op{}, shape, x.data(), bias, y.data(), on.stream());
    }
    check(status, "invact::device::forward_with_bias");
    return y;
  }

  tensor<bf16> backward(const device& on, tensor<bf16>& y, tensor<float> dy,
                        float* bias_gradient) override {
    const auto shape = invact::device::dense_shape(Op{}, y.rows(), y.cols());
    tensor<bf16> dx(y.rows(), y.cols(), y.memory());
    tensor<invact::uint8> workspace(
        1, static_cast<index>(invact::device::bias_gradient_workspace_bytes(shape)), y.memory());
    cudaError_t status;
    if constexpr (Op::mask_bits > 0) {
      status = invact::device::backward_with_bias_gradient(Op{}, shape, dy.data(), y.data(), mask_.data(),
                                                           dx.data(), bias_gradient, workspace.data(),
                                                           workspace.bytes(), on.stream());
      mask_ = {};
    } else {
      status = invact::device::backward_with_bias_gradient(Op{}, shape, dy.data(), y.data(), dx.data(),
                                                           bias_gradient, workspace.data(),
                                                           workspace.bytes(), on.stream());
    }
    check(status, "invact::device::backward_with_bias_gradient");
    return dx;
  }

 private:
  tensor<invact::uint8> mask_;  // stays empty where the piece is a bit of y
};

using layer_factory = std::function<std::unique_ptr<activation_layer>()>;

}  // namespace char_lm::gpu
