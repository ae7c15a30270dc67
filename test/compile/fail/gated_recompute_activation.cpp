// expect: invact::gated_recompute: Activation is not an activation: it needs `pieces`, `ambiguous`
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using activation = invact::silu;
#else
struct activation {};
#endif
using op = invact::gated_recompute<activation, invact::bfloat16>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
