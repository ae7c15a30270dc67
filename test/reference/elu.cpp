#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered elu("elu", {
    [](double x, const parameters& p) { return x > 0 ? x : p[0] * std::expm1(x); },
    [](double x, const parameters& p) { return x > 0 ? 1 : p[0] * std::exp(x); },
    [](const parameters& p) {
      if (p[0] == 0) return std::vector<segment>{{-infinity, 0, 0, true}, {0, infinity, 0}};
      if (p[0] == 1) return std::vector<segment>{{-infinity, infinity, 0}};
      return std::vector<segment>{{-infinity, 0, 0, false, false, true}, {0, infinity, 0}};
    },
    {1},
    {{0.5}, {0}}});

}  // namespace
