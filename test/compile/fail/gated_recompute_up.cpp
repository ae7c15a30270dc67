// expect: invact::gated_recompute: Up needs `multiplier` and `is_clamped`, as invact::plain_up has
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using up = invact::plain_up;
#else
struct up {};
#endif
using op = invact::gated_recompute<invact::silu, invact::bfloat16, invact::default_evaluator, up>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
