// expect: invact::gated: Storage must have 16 or 32 bits
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = invact::bfloat16;
#else
using storage = invact::float8_e4m3;
#endif
using op = invact::gated<invact::silu, storage>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
