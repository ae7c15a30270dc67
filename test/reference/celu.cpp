#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered celu("celu", {
    [](double x, const parameters& p) { return x > 0 ? x : p[0] * std::expm1(x / p[0]); },
    [](double x, const parameters& p) { return x > 0 ? 1 : std::exp(x / p[0]); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, infinity, 0}};
    },
    {1},
    {{0.3125}, {2.5}}});

}  // namespace
