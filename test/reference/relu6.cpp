#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered relu6("relu6", {
    [](double x, const parameters&) { return x > 0 ? std::fmin(x, 6) : 0; },
    [](double x, const parameters&) { return x > 0 && x < 6 ? 1.0 : 0.0; },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, 0, 0, true}, {0, 6}, {6, infinity, 0, true}};
    },
    {}});

}  // namespace
