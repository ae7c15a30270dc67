#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered hyperbolic_tangent("tanh", {
    [](double x, const parameters&) { return std::tanh(x); },
    [](double x, const parameters&) {
      const double c = std::cosh(x);
      return 1 / c / c;
    },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, infinity, 0}};
    },
    {}});

}  // namespace
