// The network on the GPU, and its optimiser.
//
// What is saved for the backward is what cpu/network.hpp saves. Operands of products are bfloat16, weights
// and gradients among them; products, sums and the residual stream are float.
#pragma once

#include "../parameter_layout.hpp"
#include "activation_layer.cuh"

#include <memory>
#include <utility>
#include <vector>

namespace char_lm::gpu {

// The parameters, and the same rounded, as products take them.
struct parameter_tensors {
  tensor<float> values;
  tensor<bf16> rounded;

  const float* at(const slice& s) const { return values.data() + s.offset; }
  operand operand_at(const slice& s) const { return {rounded.data() + s.offset, s.rows, s.cols, s.cols}; }
};

class network;

class adam {
 public:
  explicit adam(network& of);

  // Done by the time it returns.
  void step(const tensor<float>& gradient, float rate, parameter_tensors& parameters);

 private:
  const device& on_;
  tensor<float> mean_;
  tensor<float> square_;
  float steps_ = 0;
};

class network {
 public:
  using parameters = parameter_tensors;
  using gradient = tensor<float>;
  using optimizer = adam;

  network(std::shared_ptr<const device> on, const network_shape& shape,
          const layer_factory& make_activation)
      : on_(std::move(on)), layout_(shape), blocks_(static_cast<std::size_t>(shape.blocks)) {
    for (block& b : blocks_) b.activation = make_activation();
  }

  const counting_resource& memory() const { return memory_; }
  const device& on() const { return *on_; }

  // Memory that is not counted: what there is one of, whatever is saved for the backward.
  tensor<float> new_gradient() { return {1, layout_.size(), pool_}; }

  parameter_tensors upload(const std::vector<float>& values) {
    parameter_tensors p{gpu::upload(values, pool_, *on_), {1, layout_.size(), pool_}};
    launch(*on_, "round_to_bf16", round_to_bf16, blocks(p.values.size()), block_threads, p.values.size(),
           p.values.data(), p.rounded.data());
    return p;
  }
  std::vector<float> download(const tensor<float>& values) const { return gpu::download(values, *on_); }
  std::vector<float> download(const parameter_tensors& p) const { return gpu::download(p.values, *on_); }

  // The probabilities of the token that follows each window. What backward() needs stays live.
  const tensor<float>& forward(const parameter_tensors& p, const batch& data) {
    windows_ = gpu::upload(data.windows(), pool_, *on_);
    targets_ = gpu::upload(data.targets(), pool_, *on_);
    tensor<float> stream(data.size(), layout_.input.weight.cols, memory_);
    linear(p, layout_.input, embedded(p), stream, into::overwrite);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      block& kept = blocks_[b];
      kept.input = rounded(*on_, stream);
      tensor<float> x(stream.rows(), layout_.up[b].weight.cols, memory_);
      product(*on_, operand_of(kept.input), p.operand_at(layout_.up[b].weight), x.data(), into::overwrite);
      kept.y = kept.activation->forward(*on_, std::move(x), p.at(layout_.up[b].bias));
      linear(p, layout_.down[b], kept.y, stream, into::add);
      if (kept.activation->recomputes()) kept.y = {};
    }
    head_input_ = rounded(*on_, stream);
    probabilities_ = {stream.rows(), layout_.output.weight.cols, memory_};
    linear(p, layout_.output, head_input_, probabilities_, into::overwrite);
    launch(*on_, "softmax", softmax, blocks(probabilities_.rows(), softmax_rows),
           dim3(softmax_lanes, softmax_rows), probabilities_.rows(), probabilities_.cols(),
           probabilities_.data());
    return probabilities_;
  }

  // Overwrites `gradient` with that of the mean loss of the batch last given to forward(). Frees each
  // saved tensor once it has been used.
  void backward(const parameter_tensors& p, const batch& data, tensor<float>& gradient) {
    tensor<float> d_stream(data.size(), layout_.output.weight.rows, memory_);
    {
      const tensor<float> probabilities = std::move(probabilities_);
      tensor<bf16> d_logits(probabilities.rows(), probabilities.cols(), memory_);
      launch_sum_columns(*on_, "cross_entropy_gradient", d_logits.rows(), d_logits.cols(),
                         cross_entropy_gradient{probabilities.data(), targets_.data(), d_logits.data(),
                                                d_logits.cols(), 1.0f / static_cast<float>(data.size())},
                         gradient.data() + layout_.output.bias.offset);
      weight_gradient(layout_.output, head_input_, d_logits, gradient);
      head_input_ = {};
      input_gradient(p, layout_.output, d_logits, d_stream, into::overwrite);
    }

    for (std::size_t b = blocks_.size(); b-- > 0;) {
      block& kept = blocks_[b];
      const bool waits_for_y = kept.activation->recomputes();
      tensor<float> d_hidden(data.size(), layout_.down[b].weight.rows, memory_);
      tensor<bf16> d_output = rounded_with_bias_gradient(layout_.down[b], d_stream, gradient);
      if (!waits_for_y) weight_gradient(layout_.down[b], kept.y, d_output, gradient);
      input_gradient(p, layout_.down[b], d_output, d_hidden, into::overwrite);
      if (!waits_for_y) d_output = {};
      const tensor<bf16> dx = kept.activation->backward(*on_, kept.y, std::move(d_hidden),
                                                        gradient.data() + layout_.up[b].bias.offset);
      if (waits_for_y) weight_gradient(layout_.down[b], kept.y, d_output, gradient);
      d_output = {};
      kept.y = {};
      weight_gradient(layout_.up[b], kept.input, dx, gradient);
      kept.input = {};
      input_gradient(p, layout_.up[b], dx, d_stream, into::add);
    }

    // The embeddings are looked up again: saving them would take more memory than the windows.
    const tensor<bf16> d_output = rounded_with_bias_gradient(layout_.input, d_stream, gradient);
    weight_gradient(layout_.input, embedded(p), d_output, gradient);
    tensor<float> d_embedded(data.size(), layout_.input.weight.rows, memory_);
    input_gradient(p, layout_.input, d_output, d_embedded, into::overwrite);
    const slice& table = layout_.embedding;
    launch_sum_columns(*on_, "gradient_of_token", windows_.size(), table.cols,
                       gradient_of_token{windows_.data(), d_embedded.data(), table.cols},
                       gradient.data() + table.offset, table.rows);
  }

 private:
  struct block {
    tensor<bf16> input;
    tensor<bf16> y;  // and, where it is kept in one matrix with y, what the activation keeps
    std::unique_ptr<activation_layer> activation;
  };

  // The concatenated embeddings of each window.
  tensor<bf16> embedded(const parameter_tensors& p) {
    tensor<bf16> out(targets_.size(), layout_.input.weight.rows, memory_);
    const operand table = p.operand_at(layout_.embedding);
    launch(*on_, "look_up", look_up, blocks(out.size()), block_threads, out.size(), table.cols, table.data,
           windows_.data(), out.data());
    return out;
  }

  tensor<bf16> rounded_with_bias_gradient(const linear_slices& layer, const tensor<float>& d_output,
                                          tensor<float>& gradient) const {
    tensor<bf16> to(d_output.rows(), d_output.cols(), d_output.memory());
    launch_sum_columns(*on_, "rounding", to.rows(), to.cols(),
                       rounding{d_output.data(), to.data(), to.cols()},
                       gradient.data() + layer.bias.offset);
    return to;
  }

  // The columns of a tensor that a layer takes.
  static operand input_of(const linear_slices& layer, const tensor<bf16>& input) {
    return operand_of(input, layer.weight.rows);
  }

  void linear(const parameter_tensors& p, const linear_slices& layer, const tensor<bf16>& input,
              tensor<float>& out, into how) const {
    product(*on_, input_of(layer, input), p.operand_at(layer.weight), out.data(), how);
    launch(*on_, "add_bias", add_bias, blocks(out.size()), block_threads, out.size(), out.cols(),
           p.at(layer.bias), out.data());
  }

  void input_gradient(const parameter_tensors& p, const linear_slices& layer, const tensor<bf16>& d_output,
                      tensor<float>& d_input, into how) const {
    product(*on_, operand_of(d_output), p.operand_at(layer.weight).transpose(), d_input.data(), how);
  }

  void weight_gradient(const linear_slices& layer, const tensor<bf16>& input, const tensor<bf16>& d_output,
                       tensor<float>& gradient) const {
    product(*on_, input_of(layer, input).transpose(), operand_of(d_output),
            gradient.data() + layer.weight.offset, into::overwrite);
  }

  std::shared_ptr<const device> on_;
  parameter_layout layout_;
  // Before the tensors, which they must outlive.
  device_pool pool_;
  counting_resource memory_{pool_};
  tensor<token> windows_;  // of the batch last given to forward()
  tensor<token> targets_;
  std::vector<block> blocks_;
  tensor<bf16> head_input_;
  tensor<float> probabilities_;
};

inline adam::adam(network& of) : on_(of.on()), mean_(of.new_gradient()), square_(of.new_gradient()) {
  for (tensor<float>* const t : {&mean_, &square_}) {
    check(cudaMemsetAsync(t->data(), 0, t->bytes(), on_.stream()), "cudaMemsetAsync");
  }
}

inline void adam::step(const tensor<float>& gradient, float rate, parameter_tensors& p) {
  launch(on_, "adam_update", adam_update, blocks(gradient.size()), block_threads, gradient.size(),
         adam_step(rate, ++steps_), gradient.data(), mean_.data(), square_.data(), p.values.data(),
         p.rounded.data());
  on_.wait();
}

}  // namespace char_lm::gpu
