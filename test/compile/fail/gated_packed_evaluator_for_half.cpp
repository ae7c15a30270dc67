// expect: invact::gated: invact::packed is shipped for gelu, gelu_tanh and silu in bfloat16 only: use invact::default_evaluator
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = invact::bfloat16;
#else
using storage = invact::binary16;
#endif
using op = invact::gated<invact::silu, storage, invact::bitmask, invact::accurate, invact::packed>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
