#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered hardswish("hardswish", {
    [](double x, const parameters&) { return x * std::fmin(std::fmax(x + 3, 0), 6) / 6; },
    [](double x, const parameters&) { return x <= -3 ? 0.0 : x < 3 ? x / 3 + 0.5 : 1.0; },
    [](const parameters&) {
      return std::vector<segment>{
          {-infinity, -3, 1, true}, {-3, -1.5, 1}, {-1.5, 3, 0}, {3, infinity, 0, false, true}};
    },
    {}});

}  // namespace
