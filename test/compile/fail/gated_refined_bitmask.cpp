// expect: invact::gated: Packing is not a packing: use invact::bitmask or invact::mantissa_bit
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::bitmask;
#else
using packing = invact::refined_bitmask<2>;
#endif
using op = invact::gated<invact::silu, invact::bfloat16, packing>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
