#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered hardtanh("hardtanh", {
    [](double x, const parameters& p) { return std::fmin(std::fmax(x, p[0]), p[1]); },
    [](double x, const parameters& p) { return x > p[0] && x < p[1] ? 1.0 : 0.0; },
    [](const parameters& p) {
      return std::vector<segment>{{-infinity, p[0], 0, true}, {p[0], p[1]}, {p[1], infinity, 0, true}};
    },
    {-1, 1},
    {{0, 20}, {-0.75, 2.5}}});

}  // namespace
