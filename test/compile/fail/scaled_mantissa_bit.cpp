// expect: invact::scaled: FP8 storage has no mantissa bit to spare: Packing must be invact::bitmask or invact::refined_bitmask
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::bitmask;
#else
using packing = invact::mantissa_bit;
#endif
using op = invact::scaled<invact::gelu, invact::float8_e4m3, packing>;

op::encoded use(const float* scale, float x) { return op(scale).forward(x); }
