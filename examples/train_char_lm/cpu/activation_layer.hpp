// The layer under test, bias + activation, in two ways that differ in what they keep for the backward:
// saved_input keeps x, inverted_layer keeps the piece of each element. Neither keeps y: the next
// linear layer does, because y is its input, and hands it back to backward(). gated_layer.hpp has those of
// a gated block.
#pragma once

#include "memory.hpp"

#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#include <unsupported/Eigen/SpecialFunctions>

#include <functional>
#include <memory>

namespace char_lm::cpu {

template <class Storage>
class activation_layer {
 public:
  virtual ~activation_layer() = default;

  // y = f(x + bias), in the first columns of what it returns. x is the layer's to keep or to free.
  virtual tensor<Storage> forward(tensor<float> x, const float* bias) = 0;

  // Whether y is to be freed after its use in the forward; backward() then computes it again.
  virtual bool recomputes() const { return false; }

  // dx; writes the sum of dx over the rows, and frees what forward() kept. `y` is what forward() returned,
  // or, of a layer that recomputes, takes the same again.
  virtual tensor<float> backward(tensor<Storage>& y, tensor<float> dy, float* bias_gradient) = 0;
};

// f and f' as one writes them with Eigen. Nothing of invact is in them, so that the comparison with
// the inverted layers is between independent implementations.
template <class Activation>
struct reference;

template <>
struct reference<invact::gelu> {
  template <class X>
  static auto forward(const X& x) {
    return 0.5f * x * (1.0f + (x * inverse_root_two).erf());
  }
  template <class X>
  static auto derivative(const X& x) {
    return 0.5f * (1.0f + (x * inverse_root_two).erf()) + x * (-0.5f * x.square()).exp() * normal_peak;
  }
  static constexpr float inverse_root_two = 0.70710678f;
  static constexpr float normal_peak = 0.39894228f;
};

template <>
struct reference<invact::silu> {
  template <class X>
  static auto forward(const X& x) {
    return x / (1.0f + (-x).exp());
  }
  template <class X>
  static auto derivative(const X& x) {
    return (1.0f + x / (1.0f + x.exp())) / (1.0f + (-x).exp());
  }
};

// The usual implementation: x is saved, in Storage.
template <class Activation, class Storage>
class saved_input : public activation_layer<Storage> {
 public:
  tensor<Storage> forward(tensor<float> x, const float* bias) override {
    matrix_view values = view(x);
    values.rowwise() += Eigen::Map<const Eigen::RowVectorXf>(bias, x.cols());
    x_ = rounded<Storage>(x);
    values = reference<Activation>::forward(values.array()).matrix().eval();
    return rounded<Storage>(x);
  }

  tensor<float> backward(tensor<Storage>&, tensor<float> dy, float* bias_gradient) override {
    const tensor<float> x = widened(x_);
    x_ = {};
    view(dy).array() *= reference<Activation>::derivative(view(x).array());
    Eigen::Map<Eigen::RowVectorXf>(bias_gradient, dy.cols()) = view(dy).colwise().sum();
    return dy;
  }

 private:
  tensor<Storage> x_;
};

// The layer made of an invact op: x is freed by the time forward() returns.
template <class Op>
class inverted_layer : public activation_layer<typename Op::storage_type> {
  using storage = typename Op::storage_type;

 public:
  tensor<storage> forward(tensor<float> x, const float* bias) override {
    const auto shape = invact::host::dense_shape(Op{}, x.rows(), x.cols());
    tensor<storage> y(x.rows(), x.cols(), x.memory());
    if constexpr (Op::mask_bits > 0) {
      mask_ = {x.rows(), static_cast<index>(shape.mask_stride_bits / 8), x.memory()};
      invact::host::forward_with_bias(Op{}, shape, x.data(), bias, y.data(), mask_.data());
    } else {
      invact::host::forward_with_bias(Op{}, shape, x.data(), bias, y.data());
    }
    return y;
  }

  tensor<float> backward(tensor<storage>& y, tensor<float> dy, float* bias_gradient) override {
    const auto shape = invact::host::dense_shape(Op{}, y.rows(), y.cols());
    if constexpr (Op::mask_bits > 0) {
      invact::host::backward_with_bias_gradient(Op{}, shape, dy.data(), y.data(), mask_.data(),
                                                dy.data(), bias_gradient);
      mask_ = {};
    } else {
      invact::host::backward_with_bias_gradient(Op{}, shape, dy.data(), y.data(), dy.data(),
                                                bias_gradient);
    }
    return dy;
  }

 private:
  tensor<invact::uint8> mask_;  // stays empty where the piece is a bit of y
};

template <class Storage>
using layer_factory = std::function<std::unique_ptr<activation_layer<Storage>>()>;

template <class Layer>
auto make_factory() {
  return [] { return std::make_unique<Layer>(); };
}

}  // namespace char_lm::cpu
