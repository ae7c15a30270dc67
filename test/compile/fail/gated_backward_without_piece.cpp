// expect: invact::gated::backward(dh, h, u): this packing keeps the piece outside h: pass backward(dh, h, u, piece)
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::mantissa_bit;
#else
using packing = invact::bitmask;
#endif

float use(invact::bfloat16 h, float u) { return invact::swiglu<invact::bfloat16, packing>{}.backward(1.0f, h, u).dg; }
