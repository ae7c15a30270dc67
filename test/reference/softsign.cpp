#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered softsign("softsign", {
    [](double x, const parameters&) { return x / (1 + std::fabs(x)); },
    [](double x, const parameters&) { return 1 / ((1 + std::fabs(x)) * (1 + std::fabs(x))); },
    [](const parameters&) { return std::vector<segment>{{-infinity, infinity}}; },
    {}});

}  // namespace
