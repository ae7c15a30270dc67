#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered logistic("sigmoid", {
    [](double x, const parameters&) { return sigmoid(x); },
    [](double x, const parameters&) { return sigmoid(x) * sigmoid(-x); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, infinity, 0}};
    },
    {}});

}  // namespace
