// expect: invact::gated: Up does not say what f(g) is multiplied with: it needs `float multiplier(float u) const` and
#include <invact/invact.hpp>

struct almost_an_up {
  float multiplier(float u) const { return u; }
#if defined(INVACT_TEST_CORRECTED)
  bool is_clamped(float) const { return false; }
#endif
};
using op =
    invact::gated<invact::silu, float, invact::bitmask, invact::accurate, invact::default_evaluator, almost_an_up>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
