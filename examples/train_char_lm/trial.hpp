// One seed: every variant trained from the same weights on the same batches.
//
// The variants go step by step side by side, not one after the other. So their times are taken under
// the same load, and at some steps each inverted variant also computes its gradient at the standard
// variant's weights, where it can be compared with the standard variant's.
#pragma once

#include "network.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <string>

namespace char_lm {

struct schedule {
  int steps = 2000;
  int batch = 256;
  float learning_rate = 3e-3f;  // of Adam, after the warm-up; falls to 0 along a half cosine
  int warm_up = 50;             // steps
  int check_interval = 50;      // steps between comparisons of gradients
};

struct variant_result {
  double training_loss = 0;  // nats a token, after training
  double held_out_loss = 0;
  double gradient_error = 0;  // gradient_comparison::relative_error
  double held_bytes = 0;  // live when the backward begins, a token
  double peak_bytes = 0;  // the most that was live at once, a token
  double step_seconds = 0;  // median
  Eigen::VectorXf parameters;
};

template <class Storage>
struct variant {
  std::string name;
  layer_factory<Storage> make_activation;
};

class adam {
 public:
  explicit adam(index size)
      : mean_(Eigen::ArrayXf::Zero(size)), square_(Eigen::ArrayXf::Zero(size)) {}

  void step(const Eigen::VectorXf& gradient, float rate, Eigen::VectorXf& parameters) {
    constexpr float mean_decay = 0.9f;
    constexpr float square_decay = 0.99f;
    ++steps_;
    mean_ += (1.0f - mean_decay) * (gradient.array() - mean_);
    square_ += (1.0f - square_decay) * (gradient.array().square() - square_);
    const float mean_scale = 1.0f / (1.0f - std::pow(mean_decay, steps_));
    const float square_scale = 1.0f / (1.0f - std::pow(square_decay, steps_));
    parameters.array() -= rate * mean_scale * mean_ / ((square_scale * square_).sqrt() + 1e-8f);
  }

 private:
  Eigen::ArrayXf mean_;
  Eigen::ArrayXf square_;
  float steps_ = 0;
};

inline float learning_rate(const schedule& plan, int step) {
  constexpr float pi = 3.14159265f;
  if (step < plan.warm_up) {
    return plan.learning_rate * static_cast<float>(step + 1) / static_cast<float>(plan.warm_up);
  }
  const float done = static_cast<float>(step - plan.warm_up) /
                     static_cast<float>(std::max(1, plan.steps - plan.warm_up));
  return plan.learning_rate * 0.5f * (1.0f + std::cos(pi * done));
}

// About `count` of the positions, evenly spaced.
inline std::vector<std::size_t> every_nth(const std::vector<std::size_t>& positions, std::size_t count) {
  const std::size_t stride = std::max<std::size_t>(1, positions.size() / count);
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < positions.size(); i += stride) kept.push_back(positions[i]);
  return kept;
}

// Nats a token over the positions.
template <class Storage>
double mean_loss(const corpus& text, const std::vector<std::size_t>& positions,
                 const network_shape& shape, const variant<Storage>& v,
                 const Eigen::VectorXf& parameters) {
  constexpr std::size_t windows = 512;
  network<Storage> net(shape, v.make_activation);
  double sum = 0;
  for (std::size_t i = 0; i < positions.size(); i += windows) {
    const auto first = positions.begin() + static_cast<std::ptrdiff_t>(i);
    const auto count = static_cast<std::ptrdiff_t>(std::min(windows, positions.size() - i));
    const batch data(text, {first, first + count});
    const const_matrix_view p = net.forward(parameters, data);
    for (int r = 0; r < data.size(); ++r) sum -= std::log(std::max(p(r, data.target(r)), 1e-30f));
  }
  return sum / static_cast<double>(positions.size());
}

// How far gradients are from those of the standard variant on the same weights and batches.
class gradient_comparison {
 public:
  void add(const Eigen::VectorXf& gradient, const Eigen::VectorXf& standard) {
    difference_ += (gradient - standard).cast<double>().squaredNorm();
    norm_ += standard.cast<double>().squaredNorm();
  }
  // Root mean square of the difference over that of the standard gradient.
  double relative_error() const { return std::sqrt(difference_ / norm_); }

 private:
  double difference_ = 0;
  double norm_ = 0;
};

// A variant in training.
template <class Storage>
class contestant {
 public:
  contestant(const network_shape& shape, const variant<Storage>& v, const Eigen::VectorXf& initial)
      : net_(shape, v.make_activation),
        parameters_(initial),
        gradient_(initial.size()),
        optimizer_(initial.size()) {}

  const Eigen::VectorXf& parameters() const { return parameters_; }

  // The gradient at any weights, those of another variant among them.
  const Eigen::VectorXf& gradient_at(const Eigen::VectorXf& parameters, const batch& data) {
    net_.forward(parameters, data);
    held_bytes_ = std::max(held_bytes_, net_.memory().live());
    net_.backward(parameters, data, gradient_);
    return gradient_;
  }

  void step(const batch& data, float rate) {
    using clock = std::chrono::steady_clock;
    const clock::time_point start = clock::now();
    gradient_at(parameters_, data);
    optimizer_.step(gradient_, rate, parameters_);
    seconds_.push_back(std::chrono::duration<double>(clock::now() - start).count());
  }

  std::size_t held_bytes() const { return held_bytes_; }
  std::size_t peak_bytes() const { return net_.memory().peak(); }

  // The median, which another process's turn on the core does not move.
  double step_seconds() {
    const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
    std::nth_element(seconds_.begin(), middle, seconds_.end());
    return *middle;
  }

 private:
  network<Storage> net_;
  Eigen::VectorXf parameters_;
  Eigen::VectorXf gradient_;
  adam optimizer_;
  std::size_t held_bytes_ = 0;
  std::vector<double> seconds_;
};

// Trains all variants, the first of which is the standard one; calls tick() after each step.
template <class Storage>
std::vector<variant_result> run_trial(const corpus& text, const network_shape& shape,
                                      const schedule& plan, const std::vector<variant<Storage>>& variants,
                                      unsigned seed, const std::function<void()>& tick) {
  std::mt19937_64 random(seed);
  const Eigen::VectorXf initial = parameter_layout(shape).initial(random);
  std::deque<contestant<Storage>> contestants;  // they hold what cannot be moved
  for (const variant<Storage>& v : variants) contestants.emplace_back(shape, v, initial);
  std::vector<gradient_comparison> comparisons(variants.size());
  contestant<Storage>& standard = contestants.front();

  for (int step = 0; step < plan.steps; ++step) {
    const batch data = draw(text, plan.batch, random);
    if (step % plan.check_interval == plan.check_interval - 1) {
      const Eigen::VectorXf weights = standard.parameters();
      const Eigen::VectorXf expected = standard.gradient_at(weights, data);
      for (std::size_t v = 1; v < variants.size(); ++v) {
        comparisons[v].add(contestants[v].gradient_at(weights, data), expected);
      }
    }
    for (contestant<Storage>& c : contestants) c.step(data, learning_rate(plan, step));
    tick();
  }

  const std::vector<std::size_t> seen = every_nth(text.training(), text.held_out().size());
  std::vector<variant_result> results;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    contestant<Storage>& c = contestants[v];
    variant_result r;
    r.training_loss = mean_loss(text, seen, shape, variants[v], c.parameters());
    r.held_out_loss = mean_loss(text, text.held_out(), shape, variants[v], c.parameters());
    r.gradient_error = comparisons[v].relative_error();
    r.held_bytes = static_cast<double>(c.held_bytes()) / plan.batch;
    r.peak_bytes = static_cast<double>(c.peak_bytes()) / plan.batch;
    r.step_seconds = c.step_seconds();
    r.parameters = c.parameters();
    results.push_back(std::move(r));
  }
  return results;
}

}  // namespace char_lm
