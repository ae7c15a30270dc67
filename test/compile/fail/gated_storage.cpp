// expect: invact::gated: Storage must have 16 or 32 bits: use float, __half, __nv_bfloat16
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = float;
#else
using storage = double;
#endif
using op = invact::gated<invact::silu, storage>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
