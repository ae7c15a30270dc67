// The network on the CPU, and its optimiser.
//
// Products and the residual stream are float; what is saved for the backward is Storage, as in training
// with autocast. A linear layer saves its input, once: the second one of a block saves the activation's y.
#pragma once

#include "../parameter_layout.hpp"
#include "../schedule.hpp"
#include "../text.hpp"
#include "activation_layer.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace char_lm::cpu {

inline matrix_view view(const slice& s, Eigen::VectorXf& v) { return {v.data() + s.offset, s.rows, s.cols}; }
inline const_matrix_view view(const slice& s, const Eigen::VectorXf& v) {
  return {v.data() + s.offset, s.rows, s.cols};
}

class adam {
 public:
  template <class Network>
  explicit adam(const Network& of)
      : mean_(Eigen::ArrayXf::Zero(of.layout().size())), square_(Eigen::ArrayXf::Zero(of.layout().size())) {}

  void step(const Eigen::VectorXf& gradient, float rate, Eigen::VectorXf& parameters) {
    const adam_step now(rate, ++steps_);
    mean_ += (1.0f - adam_step::mean_decay) * (gradient.array() - mean_);
    square_ += (1.0f - adam_step::square_decay) * (gradient.array().square() - square_);
    parameters.array() -=
        now.rate * now.mean_scale * mean_ / ((now.square_scale * square_).sqrt() + adam_step::epsilon);
  }

 private:
  Eigen::ArrayXf mean_;
  Eigen::ArrayXf square_;
  float steps_ = 0;
};

template <class Storage>
class network {
 public:
  using parameters = Eigen::VectorXf;
  using gradient = Eigen::VectorXf;
  using optimizer = adam;

  network(const network_shape& shape, const layer_factory<Storage>& make_activation)
      : layout_(shape), blocks_(static_cast<std::size_t>(shape.blocks)) {
    for (block& b : blocks_) b.activation = make_activation();
  }

  const counting_resource& memory() const { return memory_; }
  const parameter_layout& layout() const { return layout_; }

  static Eigen::VectorXf upload(const std::vector<float>& values) {
    return Eigen::Map<const Eigen::VectorXf>(values.data(), static_cast<index>(values.size()));
  }
  template <class Matrix>
  static std::vector<float> download(const Matrix& values) {
    return {values.data(), values.data() + values.size()};
  }
  Eigen::VectorXf new_gradient() const { return Eigen::VectorXf(layout_.size()); }

  // The probabilities of the token that follows each window. What backward() needs stays live.
  const_matrix_view forward(const Eigen::VectorXf& parameters, const batch& data) {
    tensor<float> stream = linear(parameters, layout_.input, embedded(parameters, data));
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      block& kept = blocks_[b];
      kept.input = rounded<Storage>(stream);
      kept.y = kept.activation->forward(product(parameters, layout_.up[b], widened(kept.input)),
                                        view(layout_.up[b].bias, parameters).data());
      view(stream) += view(linear(parameters, layout_.down[b], widened_y(b)));
      if (kept.activation->recomputes()) kept.y = {};
    }
    head_input_ = rounded<Storage>(stream);
    probabilities_ = linear(parameters, layout_.output, widened(head_input_));
    for (index r = 0; r < probabilities_.rows(); ++r) {
      auto p = view(probabilities_).row(r).array();
      p = (p - p.maxCoeff()).exp();
      p /= p.sum();
    }
    return view(std::as_const(probabilities_));
  }

  // Overwrites `gradient` with that of the mean loss of the batch last given to forward(). Frees each
  // saved tensor once it has been used.
  void backward(const Eigen::VectorXf& parameters, const batch& data, Eigen::VectorXf& gradient) {
    tensor<float> d_logits = std::move(probabilities_);
    for (int r = 0; r < data.size(); ++r) view(d_logits)(r, data.target(r)) -= 1.0f;
    view(d_logits) /= static_cast<float>(data.size());

    weight_gradient(layout_.output, widened(head_input_), d_logits, gradient);
    bias_gradient(layout_.output, d_logits, gradient);
    head_input_ = {};
    tensor<float> d_stream = input_gradient(parameters, layout_.output, d_logits);
    d_logits = {};

    for (std::size_t b = blocks_.size(); b-- > 0;) {
      block& kept = blocks_[b];
      const bool waits_for_y = kept.activation->recomputes();
      if (!waits_for_y) weight_gradient(layout_.down[b], widened_y(b), d_stream, gradient);
      bias_gradient(layout_.down[b], d_stream, gradient);
      const tensor<float> dx =
          kept.activation->backward(kept.y, input_gradient(parameters, layout_.down[b], d_stream),
                                    view(layout_.up[b].bias, gradient).data());
      if (waits_for_y) weight_gradient(layout_.down[b], widened_y(b), d_stream, gradient);
      kept.y = {};
      weight_gradient(layout_.up[b], widened(kept.input), dx, gradient);
      kept.input = {};
      view(d_stream) += view(input_gradient(parameters, layout_.up[b], dx));
    }

    // The embeddings are looked up again: saving them would take more memory than the windows.
    weight_gradient(layout_.input, embedded(parameters, data), d_stream, gradient);
    bias_gradient(layout_.input, d_stream, gradient);
    add_embedding_gradient(data, input_gradient(parameters, layout_.input, d_stream), gradient);
  }

 private:
  struct block {
    tensor<Storage> input;
    tensor<Storage> y;  // and, where it is kept in one matrix with y, what the activation keeps
    std::unique_ptr<activation_layer<Storage>> activation;
  };

  tensor<float> widened_y(std::size_t b) const {
    return widened(blocks_[b].y, layout_.down[b].weight.rows);
  }

  // The concatenated embeddings of each window.
  tensor<float> embedded(const Eigen::VectorXf& parameters, const batch& data) {
    const const_matrix_view table = view(layout_.embedding, parameters);
    tensor<float> out(data.size(), layout_.input.weight.rows, memory_);
    for (int r = 0; r < data.size(); ++r) {
      for (index c = 0; c * table.cols() < out.cols(); ++c) {
        view(out).row(r).segment(c * table.cols(), table.cols()) = table.row(data.window(r)[c]);
      }
    }
    return out;
  }

  void add_embedding_gradient(const batch& data, const tensor<float>& d_embedded,
                              Eigen::VectorXf& gradient) const {
    matrix_view table = view(layout_.embedding, gradient);
    table.setZero();
    for (int r = 0; r < data.size(); ++r) {
      for (index c = 0; c * table.cols() < d_embedded.cols(); ++c) {
        table.row(data.window(r)[c]) += view(d_embedded).row(r).segment(c * table.cols(), table.cols());
      }
    }
  }

  tensor<float> product(const Eigen::VectorXf& parameters, const linear_slices& layer,
                        const tensor<float>& input) {
    tensor<float> out(input.rows(), layer.weight.cols, memory_);
    view(out).noalias() = view(input) * view(layer.weight, parameters);
    return out;
  }

  tensor<float> linear(const Eigen::VectorXf& parameters, const linear_slices& layer,
                       const tensor<float>& input) {
    tensor<float> out = product(parameters, layer, input);
    view(out).rowwise() += view(layer.bias, parameters).row(0);
    return out;
  }

  tensor<float> input_gradient(const Eigen::VectorXf& parameters, const linear_slices& layer,
                               const tensor<float>& d_output) {
    tensor<float> d_input(d_output.rows(), layer.weight.rows, memory_);
    view(d_input).noalias() = view(d_output) * view(layer.weight, parameters).transpose();
    return d_input;
  }

  static void weight_gradient(const linear_slices& layer, const tensor<float>& input,
                              const tensor<float>& d_output, Eigen::VectorXf& gradient) {
    view(layer.weight, gradient).noalias() = view(input).transpose() * view(d_output);
  }

  static void bias_gradient(const linear_slices& layer, const tensor<float>& d_output,
                            Eigen::VectorXf& gradient) {
    view(layer.bias, gradient) = view(d_output).colwise().sum();
  }

  parameter_layout layout_;
  buffer_pool pool_;
  counting_resource memory_{pool_};  // before the tensors, which it must outlive
  std::vector<block> blocks_;
  tensor<Storage> head_input_;
  tensor<float> probabilities_;
};

}  // namespace char_lm::cpu
