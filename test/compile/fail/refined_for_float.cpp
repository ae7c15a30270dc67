// expect: invact::refined_bitmask: Storage must have 16 or 8 bits: float has no use for more bits
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = invact::bfloat16;
#else
using storage = float;
#endif
using op = invact::inverted<invact::gelu, storage, invact::refined_bitmask<2>>;

op::encoded use(float x) { return op{}.forward(x); }
