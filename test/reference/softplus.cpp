#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered softplus("softplus", {
    [](double x, const parameters& p) {
      return std::fmax(x, 0) + std::log1p(std::exp(-p[0] * std::fabs(x))) / p[0];
    },
    [](double x, const parameters& p) { return sigmoid(p[0] * x); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, infinity, 0}};
    },
    {1},
    {{0.625}, {3}}});

}  // namespace
