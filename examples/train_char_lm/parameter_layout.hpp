// The language model: embeddings of a window of characters -> linear -> residual blocks
// (linear -> activation under test -> linear) -> linear -> softmax over the next character. In a gated block
// the first linear layer is one product to [g | u], without biases, and f(g) * u is under test.
//
// Here is what does not depend on where it runs: its sizes, its parameters and their initial values.
#pragma once

#include "tensor.hpp"

#include <cmath>
#include <random>
#include <vector>

namespace char_lm {

enum class block_kind { mlp, swiglu };

struct network_shape {
  index vocabulary;
  index context = 16;    // characters of a window
  index embedding = 16;  // width of a character's embedding
  index width = 64;      // of the residual stream
  index hidden = 256;    // activations of a block
  index blocks = 3;
  block_kind block = block_kind::mlp;
};

// The sizes of a network of such blocks. A gated one is two thirds as wide, for as many weights.
inline network_shape shape_with(block_kind block, index vocabulary) {
  network_shape shape{vocabulary};
  shape.block = block;
  if (block == block_kind::swiglu) shape.hidden = 168;
  return shape;
}

// Where a weight or bias lies in the one vector of parameters: a row-major matrix.
struct slice {
  index offset;
  index rows;
  index cols;
};

struct linear_slices {
  slice weight;  // inputs x outputs
  slice bias;    // 1 x outputs, or 1 x 0
};

// The parameters of a network, all in one vector: what the optimiser, the comparison of gradients and
// the copies between variants work on.
class parameter_layout {
 public:
  explicit parameter_layout(const network_shape& shape) {
    embedding = add(shape.vocabulary, shape.embedding);
    input = add_linear(shape.context * shape.embedding, shape.width);
    for (index b = 0; b < shape.blocks; ++b) {
      up.push_back(shape.block == block_kind::swiglu ? add_product(shape.width, 2 * shape.hidden)
                                                     : add_linear(shape.width, shape.hidden));
      down.push_back(add_linear(shape.hidden, shape.width));
    }
    output = add_linear(shape.width, shape.vocabulary);
  }

  index size() const { return size_; }

  // Weights whose outputs have about the variance of their inputs, so that x covers both pieces of the
  // activation from the first step; biases of zero.
  std::vector<float> initial(std::mt19937_64& random) const {
    std::vector<float> values(static_cast<std::size_t>(size_));
    const auto fill = [&](const slice& s, float deviation) {
      std::normal_distribution<float> normal(0.0f, deviation);
      for (index i = 0; i < s.rows * s.cols; ++i)
        values[static_cast<std::size_t>(s.offset + i)] = normal(random);
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
  linear_slices add_product(index inputs, index outputs) {
    const slice weight = add(inputs, outputs);
    return {weight, add(1, 0)};
  }

  index size_ = 0;
};

}  // namespace char_lm
