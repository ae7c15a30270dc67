#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered threshold("threshold", {
    [](double x, const parameters& p) { return x > p[0] ? x : p[1]; },
    [](double x, const parameters& p) { return x > p[0] ? 1.0 : 0.0; },
    [](const parameters& p) { return std::vector<segment>{{-infinity, p[0], 0, true}, {p[0], infinity}}; },
    {0, 0},
    {{0.125, 20}, {-1, -2}, {-1, 0.5}}});

}  // namespace
