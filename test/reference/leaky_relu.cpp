#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered leaky_relu("leaky_relu", {
    [](double x, const parameters& p) { return x > 0 ? x : p[0] * x; },
    [](double x, const parameters& p) { return x > 0 ? 1 : p[0]; },
    [](const parameters& p) {
      const bool flat = p[0] == 0;
      // f(0) = 0 is the left one's.
      return std::vector<segment>{{-infinity, 0, 0, flat, false, true}, {0, infinity}};
    },
    {0.01f},
    {{0.25}, {1.5}, {0}}});

}  // namespace
