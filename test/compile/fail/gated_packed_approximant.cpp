// expect: invact::gated: invact::packed is no approximant of gated units
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using approximant = invact::fast;
#else
using approximant = invact::packed;
#endif
using op = invact::gated<invact::silu, invact::bfloat16, invact::bitmask, approximant>;

float use(invact::bfloat16 h, float u) { return op{}.backward(1.0f, h, u, 1u).dg; }
