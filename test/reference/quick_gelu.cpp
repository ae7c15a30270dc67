#include "reference/activation.hpp"

namespace {

using namespace reference;

// 1.702 as float arithmetic has it.
constexpr double beta = static_cast<double>(1.702f);
constexpr double stationary_point = -1.27846454276107379510935873902298 / beta;

const registered quick_gelu("quick_gelu", {
    [](double x, const parameters&) { return x * sigmoid(beta * x); },
    [](double x, const parameters&) { return sigmoid(beta * x) * (1 + beta * x * sigmoid(-beta * x)); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, stationary_point, 1}, {stationary_point, infinity, 0}};
    },
    {}});

}  // namespace
