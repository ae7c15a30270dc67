// One seed: every variant trained from the same weights on the same batches.
//
// The variants go step by step side by side, not one after the other. So their times are taken under
// the same load, and at some steps each inverted variant also computes its gradient at the standard
// variant's weights, where it can be compared with the standard variant's.
#pragma once

#include "schedule.hpp"
#include "trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace char_lm {

struct variant_result {
  double training_loss = 0;  // nats a token, after training
  double held_out_loss = 0;
  double gradient_error = 0;  // gradient_comparison::relative_error
  double held_bytes = 0;  // live when the backward begins, a token
  double peak_bytes = 0;  // the most that was live at once, a token
  double step_seconds = 0;  // median
  std::vector<float> parameters;
};

// About `count` of the positions, evenly spaced.
inline std::vector<std::size_t> every_nth(const std::vector<std::size_t>& positions, std::size_t count) {
  const std::size_t stride = std::max<std::size_t>(1, positions.size() / count);
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < positions.size(); i += stride) kept.push_back(positions[i]);
  return kept;
}

// Nats a token over the positions.
inline double mean_loss(const corpus& text, const std::vector<std::size_t>& positions, trainer& net) {
  constexpr std::size_t windows = 512;
  double sum = 0;
  for (std::size_t i = 0; i < positions.size(); i += windows) {
    const auto first = positions.begin() + static_cast<std::ptrdiff_t>(i);
    const auto count = static_cast<std::ptrdiff_t>(std::min(windows, positions.size() - i));
    const batch data(text, {first, first + count});
    const std::vector<float> p = net.probabilities(data);
    const std::size_t vocabulary = p.size() / static_cast<std::size_t>(data.size());
    for (int r = 0; r < data.size(); ++r) {
      sum -= std::log(std::max(p[static_cast<std::size_t>(r) * vocabulary + data.target(r)], 1e-30f));
    }
  }
  return sum / static_cast<double>(positions.size());
}

// How far gradients are from those of the standard variant on the same weights and batches.
class gradient_comparison {
 public:
  void add(const std::vector<float>& gradient, const std::vector<float>& standard) {
    for (std::size_t i = 0; i < standard.size(); ++i) {
      const double difference = gradient[i] - standard[i];
      difference_ += difference * difference;
      norm_ += static_cast<double>(standard[i]) * standard[i];
    }
  }
  // Root mean square of the difference over that of the standard gradient.
  double relative_error() const { return std::sqrt(difference_ / norm_); }

 private:
  double difference_ = 0;
  double norm_ = 0;
};

// A variant in training, timed.
class contestant {
 public:
  explicit contestant(std::unique_ptr<trainer> net) : net_(std::move(net)) {}

  trainer& net() const { return *net_; }

  void step(const batch& data, float rate) {
    using clock = std::chrono::steady_clock;
    const clock::time_point start = clock::now();
    net_->step(data, rate);
    seconds_.push_back(std::chrono::duration<double>(clock::now() - start).count());
  }

  // The median, which another process's turn on the core does not move.
  double step_seconds() {
    const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
    std::nth_element(seconds_.begin(), middle, seconds_.end());
    return *middle;
  }

 private:
  std::unique_ptr<trainer> net_;
  std::vector<double> seconds_;
};

// Trains all variants, the first of which is the standard one; calls tick() after each step.
inline std::vector<variant_result> run_trial(const corpus& text, const network_shape& shape,
                                             const schedule& plan, const std::vector<variant>& variants,
                                             unsigned seed, const std::function<void()>& tick) {
  std::mt19937_64 random(seed);
  const std::vector<float> initial = parameter_layout(shape).initial(random);
  std::vector<contestant> contestants;
  for (const variant& v : variants) contestants.emplace_back(v.make(shape, initial));
  std::vector<gradient_comparison> comparisons(variants.size());
  trainer& standard = contestants.front().net();

  for (int step = 0; step < plan.steps; ++step) {
    const batch data = draw(text, plan.batch, random);
    if (step % plan.check_interval == plan.check_interval - 1) {
      const std::vector<float> weights = standard.parameters();
      const std::vector<float> expected = standard.gradient_at(weights, data);
      for (std::size_t v = 1; v < variants.size(); ++v) {
        comparisons[v].add(contestants[v].net().gradient_at(weights, data), expected);
      }
    }
    for (contestant& c : contestants) c.step(data, learning_rate(plan, step));
    tick();
  }

  const std::vector<std::size_t> seen = every_nth(text.training(), text.held_out().size());
  std::vector<variant_result> results;
  for (std::size_t v = 0; v < variants.size(); ++v) {
    trainer& net = contestants[v].net();
    variant_result r;
    // Before the losses, whose batches are larger than those of training.
    r.held_bytes = static_cast<double>(net.held_bytes()) / plan.batch;
    r.peak_bytes = static_cast<double>(net.peak_bytes()) / plan.batch;
    r.training_loss = mean_loss(text, seen, net);
    r.held_out_loss = mean_loss(text, text.held_out(), net);
    r.gradient_error = comparisons[v].relative_error();
    r.step_seconds = contestants[v].step_seconds();
    r.parameters = net.parameters();
    results.push_back(std::move(r));
  }
  return results;
}

}  // namespace char_lm
