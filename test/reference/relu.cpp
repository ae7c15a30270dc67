#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered relu("relu", {
    [](double x, const parameters&) { return x > 0 ? x : 0; },
    [](double x, const parameters&) { return x > 0 ? 1.0 : 0.0; },
    [](const parameters&) { return std::vector<segment>{{-infinity, 0, 0, true}, {0, infinity}}; },
    {}});

}  // namespace
