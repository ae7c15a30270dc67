// expect: invact::gated: Evaluator is not a forward evaluator for this activation: it needs `static float evaluate
#include <invact/invact.hpp>

struct evaluator {
#if defined(INVACT_TEST_CORRECTED)
  static float evaluate(const invact::silu&, float x) { return x; }
#endif
};
using op = invact::gated<invact::silu, float, invact::bitmask, invact::accurate, evaluator>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
