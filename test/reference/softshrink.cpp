#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered softshrink("softshrink", {
    [](double x, const parameters& p) { return x > p[0] ? x - p[0] : x < -p[0] ? x + p[0] : 0; },
    [](double x, const parameters& p) { return std::fabs(x) > p[0] ? 1.0 : 0.0; },
    [](const parameters& p) {
      return std::vector<segment>{{-infinity, -p[0]}, {-p[0], p[0], 0, true}, {p[0], infinity}};
    },
    {0.5},
    {{0.125}, {2}}});

}  // namespace
