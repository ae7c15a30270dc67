// The language model: embeddings of a window of characters -> linear -> residual blocks
// (linear -> activation under test -> linear) -> linear -> softmax over the next character.
//
// Products and the residual stream are float; what is saved for the backward is Storage, as in training
// with autocast. A linear layer saves its input, once: the second one of a block saves the activation's y.
#pragma once

#include "activation_layer.hpp"
#include "text.hpp"

#include <cmath>
#include <memory>
#include <random>
#include <vector>

namespace char_lm {

struct network_shape {
  index vocabulary;
  index context = 16;    // characters of a window
  index embedding = 16;  // width of a character's embedding
  index width = 64;      // of the residual stream
  index hidden = 256;    // activations of a block
  index blocks = 3;
};

// Where a weight or bias lies in the one vector of parameters.
struct slice {
  index offset;
  index rows;
  index cols;

  matrix_view of(Eigen::VectorXf& v) const { return {v.data() + offset, rows, cols}; }
  const_matrix_view of(const Eigen::VectorXf& v) const { return {v.data() + offset, rows, cols}; }
};

struct linear_slices {
  slice weight;  // inputs x outputs
  slice bias;    // 1 x outputs
};

// The parameters of a network, all in one vector: what the optimiser, the comparison of gradients and
// the copies between variants work on.
class parameter_layout {
 public:
  explicit parameter_layout(const network_shape& shape) {
    embedding = add(shape.vocabulary, shape.embedding);
    input = add_linear(shape.context * shape.embedding, shape.width);
    for (index b = 0; b < shape.blocks; ++b) {
      up.push_back(add_linear(shape.width, shape.hidden));
      down.push_back(add_linear(shape.hidden, shape.width));
    }
    output = add_linear(shape.width, shape.vocabulary);
  }

  index size() const { return size_; }

  // Weights whose outputs have about the variance of their inputs, so that x covers both pieces of the
  // activation from the first step; biases of zero.
  Eigen::VectorXf initial(std::mt19937_64& random) const {
    Eigen::VectorXf values = Eigen::VectorXf::Zero(size_);
    const auto fill = [&](const slice& s, float deviation) {
      std::normal_distribution<float> normal(0.0f, deviation);
      matrix_view m = s.of(values);
      for (index i = 0; i < m.size(); ++i) m.data()[i] = normal(random);
    };
    const auto fill_linear = [&](const linear_slices& l) {
      fill(l.weight, 1.0f / std::sqrt(static_cast<float>(l.weight.rows)));
    };
    fill(embedding, 1.0f);
    fill_linear(input);
    for (const linear_slices& l : up) fill_linear(l);
    for (const linear_slices& l : down) fill_linear(l);
    fill_linear(output);
    return values;
  }

  slice embedding;
  linear_slices input;
  std::vector<linear_slices> up;
  std::vector<linear_slices> down;
  linear_slices output;

 private:
  slice add(index rows, index cols) {
    const slice s{size_, rows, cols};
    size_ += rows * cols;
    return s;
  }
  linear_slices add_linear(index inputs, index outputs) {
    const slice weight = add(inputs, outputs);
    return {weight, add(1, outputs)};
  }

  index size_ = 0;
};

template <class Storage>
class network {
 public:
  network(const network_shape& shape, const layer_factory<Storage>& make_activation)
      : layout_(shape), blocks_(static_cast<std::size_t>(shape.blocks)) {
    for (block& b : blocks_) b.activation = make_activation();
  }

  const counting_resource& memory() const { return memory_; }

  // The probabilities of the token that follows each window. What backward() needs stays live.
  const_matrix_view forward(const Eigen::VectorXf& parameters, const batch& data) {
    tensor<float> stream = linear(parameters, layout_.input, embedded(parameters, data));
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      block& kept = blocks_[b];
      kept.input = rounded<Storage>(stream);
      kept.y = kept.activation->forward(product(parameters, layout_.up[b], widened(kept.input)),
                                        layout_.up[b].bias.of(parameters).data());
      view(stream) += view(linear(parameters, layout_.down[b], widened(kept.y)));
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
      weight_gradient(layout_.down[b], widened(kept.y), d_stream, gradient);
      bias_gradient(layout_.down[b], d_stream, gradient);
      tensor<float> d_hidden = input_gradient(parameters, layout_.down[b], d_stream);
      kept.activation->backward(kept.y, d_hidden, layout_.up[b].bias.of(gradient).data());
      kept.y = {};
      weight_gradient(layout_.up[b], widened(kept.input), d_hidden, gradient);
      kept.input = {};
      view(d_stream) += view(input_gradient(parameters, layout_.up[b], d_hidden));
    }

    // The embeddings are looked up again: saving them would take more memory than the windows.
    weight_gradient(layout_.input, embedded(parameters, data), d_stream, gradient);
    bias_gradient(layout_.input, d_stream, gradient);
    add_embedding_gradient(data, input_gradient(parameters, layout_.input, d_stream), gradient);
  }

 private:
  struct block {
    tensor<Storage> input;
    tensor<Storage> y;
    std::unique_ptr<activation_layer<Storage>> activation;
  };

  // The concatenated embeddings of each window.
  tensor<float> embedded(const Eigen::VectorXf& parameters, const batch& data) {
    const const_matrix_view table = layout_.embedding.of(parameters);
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
    matrix_view table = layout_.embedding.of(gradient);
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
    view(out).noalias() = view(input) * layer.weight.of(parameters);
    return out;
  }

  tensor<float> linear(const Eigen::VectorXf& parameters, const linear_slices& layer,
                       const tensor<float>& input) {
    tensor<float> out = product(parameters, layer, input);
    view(out).rowwise() += layer.bias.of(parameters).row(0);
    return out;
  }

  tensor<float> input_gradient(const Eigen::VectorXf& parameters, const linear_slices& layer,
                               const tensor<float>& d_output) {
    tensor<float> d_input(d_output.rows(), layer.weight.rows, memory_);
    view(d_input).noalias() = view(d_output) * layer.weight.of(parameters).transpose();
    return d_input;
  }

  static void weight_gradient(const linear_slices& layer, const tensor<float>& input,
                              const tensor<float>& d_output, Eigen::VectorXf& gradient) {
    layer.weight.of(gradient).noalias() = view(input).transpose() * view(d_output);
  }

  static void bias_gradient(const linear_slices& layer, const tensor<float>& d_output,
                            Eigen::VectorXf& gradient) {
    layer.bias.of(gradient) = view(d_output).colwise().sum();
  }

  parameter_layout layout_;
  counting_resource memory_;  // before the tensors, which it must outlive
  std::vector<block> blocks_;
  tensor<Storage> head_input_;
  tensor<float> probabilities_;
};

}  // namespace char_lm
