// expect: invact::mantissa_bit: FP8 storage has no mantissa bit to spare: use invact::bitmask
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::bitmask;
#else
using packing = invact::mantissa_bit;
#endif

invact::uint8 use(float y) { return packing::encode<invact::gelu, invact::e4m3_format>(y, 1u); }
