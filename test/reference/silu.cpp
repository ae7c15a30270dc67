#include "reference/activation.hpp"

namespace {

using namespace reference;

constexpr double stationary_point = -1.2784645427610737951094;

const registered silu("silu", {
    [](double x, const parameters&) { return x * sigmoid(x); },
    [](double x, const parameters&) { return sigmoid(x) * (1 + x * sigmoid(-x)); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, stationary_point, 1}, {stationary_point, infinity, 0}};
    },
    {}});

}  // namespace
