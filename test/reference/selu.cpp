#include "reference/activation.hpp"

namespace {

using namespace reference;

constexpr double alpha = 1.6732632423543772848170429916717;
constexpr double scale = 1.0507009873554804934193349852946;

const registered selu("selu", {
    [](double x, const parameters&) { return scale * (x > 0 ? x : alpha * std::expm1(x)); },
    [](double x, const parameters&) { return scale * (x > 0 ? 1 : alpha * std::exp(x)); },
    [](const parameters&) {
      return std::vector<segment>{{-infinity, 0, 0, false, false, true}, {0, infinity, 0}};
    },
    {}});

}  // namespace
