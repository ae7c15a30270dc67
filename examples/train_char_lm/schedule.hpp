// How long and how fast a network is trained.
#pragma once

#include <algorithm>
#include <cmath>

namespace char_lm {

struct schedule {
  int steps = 2000;
  int batch = 256;
  float learning_rate = 3e-3f;  // of Adam, after the warm-up; falls to 0 along a half cosine
  int warm_up = 50;             // steps
  int check_interval = 50;      // steps between comparisons of gradients
};

inline float learning_rate(const schedule& plan, int step) {
  constexpr float pi = 3.14159265f;
  if (step < plan.warm_up) {
    return plan.learning_rate * static_cast<float>(step + 1) / static_cast<float>(plan.warm_up);
  }
  const float done =
      static_cast<float>(step - plan.warm_up) / static_cast<float>(std::max(1, plan.steps - plan.warm_up));
  return plan.learning_rate * 0.5f * (1.0f + std::cos(pi * done));
}

// What the update of each parameter in a step of Adam, counted from 1, takes.
struct adam_step {
  static constexpr float mean_decay = 0.9f;
  static constexpr float square_decay = 0.99f;
  static constexpr float epsilon = 1e-8f;

  adam_step(float learning_rate, float number)
      : rate(learning_rate),
        mean_scale(1.0f / (1.0f - std::pow(mean_decay, number))),
        square_scale(1.0f / (1.0f - std::pow(square_decay, number))) {}

  float rate;
  float mean_scale;  // of running means, which start at 0
  float square_scale;
};

}  // namespace char_lm
