// The layer under test of a gated block, h = f(g) * u of x = [g | u], in three ways that differ in what they
// keep: saved_gate all of g, u and h, gated_layer [h | u], h in g's place, and the piece of each g,
// recomputing_layer [g | u]. All take g and u as a linear layer leaves them under autocast, in Storage, and
// none has a bias.
#pragma once

#include "../halves.hpp"
#include "activation_layer.hpp"

#include <invact/host/gated.hpp>

namespace char_lm::cpu {

// The usual implementation: [g | u] is saved, and h by the next layer.
template <class Activation, class Storage>
class saved_gate : public activation_layer<Storage> {
 public:
  tensor<Storage> forward(tensor<float> x, const float*) override {
    x_ = rounded<Storage>(x);
    x = widened(x_);
    tensor<float> h(x.rows(), x.cols() / 2, x.memory());
    view(h) = (reference<Activation>::forward(gate(x).array()) * up(x).array()).matrix();
    return rounded<Storage>(h);
  }

  tensor<float> backward(tensor<Storage>&, tensor<float> dh, float*) override {
    const tensor<float> x = widened(x_);
    x_ = {};
    tensor<float> dx(x.rows(), x.cols(), x.memory());
    const auto g = gate(x).array();
    gate(dx) = (view(dh).array() * up(x).array() * reference<Activation>::derivative(g)).matrix();
    up(dx) = (view(dh).array() * reference<Activation>::forward(g)).matrix();
    return dx;
  }

 private:
  template <class Tensor>
  static auto gate(Tensor& x) {
    return view(x).leftCols(x.cols() / 2);
  }
  template <class Tensor>
  static auto up(Tensor& x) {
    return view(x).rightCols(x.cols() / 2);
  }

  tensor<Storage> x_;
};

// The layer made of an invact::gated: g is gone by the time forward() returns.
template <class Op>
class gated_layer : public activation_layer<typename Op::storage_type> {
  using storage = typename Op::storage_type;

 public:
  tensor<storage> forward(tensor<float> x, const float*) override {
    tensor<storage> hu = rounded<storage>(x);
    const auto shape = halves<Op>(x.rows(), x.cols() / 2);
    storage* const g = hu.data();
    storage* const u = g + shape.cols;
    if constexpr (Op::mask_bits > 0) {
      mask_ = {x.rows(), static_cast<index>(shape.mask_stride_bits / 8), x.memory()};
      invact::host::forward_gated(Op{}, shape, g, u, g, mask_.data());
    } else {
      invact::host::forward_gated(Op{}, shape, g, u, g);
    }
    return hu;
  }

  tensor<float> backward(tensor<storage>& hu, tensor<float> dh, float*) override {
    const auto shape = halves<Op>(dh.rows(), dh.cols());
    tensor<float> dx(hu.rows(), hu.cols(), hu.memory());
    const storage* const h = hu.data();
    const storage* const u = h + shape.cols;
    float* const dg = dx.data();
    float* const du = dg + shape.cols;
    if constexpr (Op::mask_bits > 0) {
      invact::host::backward_gated(Op{}, shape, dh.data(), h, u, mask_.data(), dg, du);
      mask_ = {};
    } else {
      invact::host::backward_gated(Op{}, shape, dh.data(), h, u, dg, du);
    }
    return dx;
  }

 private:
  tensor<invact::uint8> mask_;  // stays empty where the piece is a bit of h
};

// The layer made of an invact::gated_recompute: h is freed once the next layer has used it.
template <class Op>
class recomputing_layer : public activation_layer<typename Op::storage_type> {
  using storage = typename Op::storage_type;

 public:
  bool recomputes() const override { return true; }

  tensor<storage> forward(tensor<float> x, const float*) override {
    gu_ = rounded<storage>(x);
    const auto shape = halves<Op>(x.rows(), x.cols() / 2);
    tensor<storage> h(x.rows(), x.cols() / 2, x.memory());
    invact::host::forward_gated(Op{}, shape, gu_.data(), gu_.data() + shape.cols, h.data());
    return h;
  }

  tensor<float> backward(tensor<storage>& h, tensor<float> dh, float*) override {
    const auto shape = halves<Op>(dh.rows(), dh.cols());
    h = {dh.rows(), dh.cols(), dh.memory()};
    tensor<float> dx(gu_.rows(), gu_.cols(), gu_.memory());
    invact::host::backward_gated(Op{}, shape, dh.data(), gu_.data(), gu_.data() + shape.cols, dx.data(),
                                 dx.data() + shape.cols, h.data());
    gu_ = {};
    return dx;
  }

 private:
  tensor<storage> gu_;
};

}  // namespace char_lm::cpu
