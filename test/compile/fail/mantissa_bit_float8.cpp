// expect: invact::mantissa_bit: FP8 storage has no mantissa bit to spare: use invact::bitmask
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::bitmask;
#else
using packing = invact::mantissa_bit;
#endif
using op = invact::inverted<invact::gelu, invact::float8_e4m3, packing>;

op::encoded use(float x) { return op{}.forward(x); }
