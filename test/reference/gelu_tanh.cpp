#include "reference/activation.hpp"

namespace {

using namespace reference;

constexpr double stationary_point = -0.7524614220710162584879544432889160906054;
constexpr double root_of_8_over_pi = 1.5957691216057307117597842397375274738, cubic = 0.044715;

// x/2 (1 + tanh(u)) = x * sigmoid(2u)
double twice_u(double x) { return root_of_8_over_pi * x * (1 + cubic * x * x); }

const registered gelu_tanh("gelu_tanh", {
    [](double x, const parameters&) { return x * sigmoid(twice_u(x)); },
    [](double x, const parameters&) {
      const double slope = root_of_8_over_pi * (1 + 3 * cubic * x * x), z = twice_u(x);
      return sigmoid(z) * (1 + x * slope * sigmoid(-z));
    },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, stationary_point, 1}, {stationary_point, infinity, 0}};
    },
    {}});

}  // namespace
