#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered logsigmoid("logsigmoid", {
    [](double x, const parameters&) { return std::fmin(x, 0) - std::log1p(std::exp(-std::fabs(x))); },
    [](double x, const parameters&) { return sigmoid(-x); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, infinity, 0}};
    },
    {}});

}  // namespace
