#include "reference/activation.hpp"

namespace {

using namespace reference;

constexpr double stationary_point = -1.19243121451549521213758834042073940560;

// tanh(softplus(x)) = n / (n + 2), n = e^x (e^x + 2); for x > 0 both over e^(2x), which may overflow.
double factor(double x) {
  const double e = std::exp(-std::fabs(x)), n = e * (e + 2);
  return x < 0 ? n / (n + 2) : (1 + 2 * e) / (1 + 2 * e + 2 * e * e);
}
// 1 - factor(x)^2 = 4 (n + 1) / (n + 2)^2.
double complement(double x) {
  const double e = std::exp(-std::fabs(x)), low = x < 0 ? 1 : e;
  const double q = (1 + e) * low / (x < 0 ? e * (e + 2) + 2 : 1 + 2 * e + 2 * e * e);
  return 4 * q * q;
}

const registered mish("mish", {
    [](double x, const parameters&) { return x * factor(x); },
    [](double x, const parameters&) { return factor(x) + x * sigmoid(x) * complement(x); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, stationary_point, 1}, {stationary_point, infinity, 0}};
    },
    {}});

}  // namespace
