// The layer under test of a gated block, as cpu/gated_layer.hpp has it, on the GPU. Every gradient [dg | du] is
// written over what the backward reads for the last time.
#pragma once

#include "../halves.hpp"
#include "activation_layer.cuh"

#include <invact/device/gated.cuh>

#include <utility>

namespace char_lm::gpu {

template <class Activation>
__global__ void reference_gated_forward(index n, index hidden, const bf16* gu, bf16* h) {
  const index i = thread_of_grid();
  if (i >= n) return;
  const bf16* const g = gu + i / hidden * 2 * hidden + i % hidden;
  h[i] = __float2bfloat16_rn(reference<Activation>::forward(__bfloat162float(g[0])) *
                             __bfloat162float(g[hidden]));
}

// [dg | du] over [g | u].
template <class Activation>
__global__ void reference_gated_backward(index n, index hidden, const float* dh, bf16* gu) {
  const index i = thread_of_grid();
  if (i >= n) return;
  bf16* const at = gu + i / hidden * 2 * hidden + i % hidden;
  const float g = __bfloat162float(at[0]), u = __bfloat162float(at[hidden]);
  at[0] = __float2bfloat16_rn(dh[i] * u * reference<Activation>::derivative(g));
  at[hidden] = __float2bfloat16_rn(dh[i] * reference<Activation>::forward(g));
}

// The usual implementation: [g | u] is saved, and h by the next layer.
template <class Activation>
class saved_gate : public activation_layer {
 public:
  tensor<bf16> forward(const device& on, tensor<float> x, const float*) override {
    gu_ = rounded(on, x);
    tensor<bf16> h(x.rows(), x.cols() / 2, x.memory());
    launch(on, "reference_gated_forward", reference_gated_forward<Activation>, blocks(h.size()),
           block_threads, h.size(), h.cols(), gu_.data(), h.data());
    return h;
  }

  tensor<bf16> backward(const device& on, tensor<bf16>&, tensor<float> dh, float*) override {
    launch(on, "reference_gated_backward", reference_gated_backward<Activation>, blocks(dh.size()),
           block_threads, dh.size(), dh.cols(), dh.data(), gu_.data());
    return std::move(gu_);
  }

 private:
  tensor<bf16> gu_;
};

// The layer made of an invact::gated: g is gone by the time forward() returns.
template <class Op>
class gated_layer : public activation_layer {
 public:
  tensor<bf16> forward(const device& on, tensor<float> x, const float*) override {
    tensor<bf16> hu = rounded(on, x);
    const auto shape = halves<Op>(x.rows(), x.cols() / 2);
    bf16* const g = hu.data();
    bf16* const u = g + shape.cols;
    cudaError_t status;
    if constexpr (Op::mask_bits > 0) {
      mask_ = {x.rows(), static_cast<index>(shape.mask_stride_bits / 8), x.memory()};
      status = invact::device::forward_gated(Op{}, shape, g, u, g, mask_.data(), on.stream());
    } else {
      status = invact::device::forward_gated(Op{}, shape, g, u, g, on.stream());
    }
    check(status, "invact::device::forward_gated");
    return hu;
  }

  tensor<bf16> backward(const device& on, tensor<bf16>& hu, tensor<float> dh, float*) override {
    const auto shape = halves<Op>(dh.rows(), dh.cols());
    bf16* const h = hu.data();
    bf16* const u = h + shape.cols;
    cudaError_t status;
    if constexpr (Op::mask_bits > 0) {
      status =
          invact::device::backward_gated(Op{}, shape, dh.data(), h, u, mask_.data(), h, u, on.stream());
      mask_ = {};
    } else {
      status = invact::device::backward_gated(Op{}, shape, dh.data(), h, u, h, u, on.stream());
    }
    check(status, "invact::device::backward_gated");
    return std::move(hu);
  }

 private:
  tensor<invact::uint8> mask_;  // stays empty where the piece is a bit of h
};

// The layer made of an invact::gated_recompute: h is freed once the next layer has used it.
template <class Op>
class recomputing_layer : public activation_layer {
 public:
  bool recomputes() const override { return true; }

  tensor<bf16> forward(const device& on, tensor<float> x, const float*) override {
    gu_ = rounded(on, x);
    const auto shape = halves<Op>(x.rows(), x.cols() / 2);
    tensor<bf16> h(x.rows(), x.cols() / 2, x.memory());
    check(invact::device::forward_gated(Op{}, shape, gu_.data(), gu_.data() + shape.cols, h.data(),
                                        on.stream()),
          "invact::device::forward_gated");
    return h;
  }

  tensor<bf16> backward(const device& on, tensor<bf16>& h, tensor<float> dh, float*) override {
    const auto shape = halves<Op>(dh.rows(), dh.cols());
    h = {dh.rows(), dh.cols(), dh.memory()};
    bf16* const g = gu_.data();
    bf16* const u = g + shape.cols;
    check(invact::device::backward_gated(Op{}, shape, dh.data(), g, u, g, u, h.data(), on.stream()),
          "invact::device::backward_gated");
    return std::move(gu_);
  }

 private:
  tensor<bf16> gu_;
};

}  // namespace char_lm::gpu
