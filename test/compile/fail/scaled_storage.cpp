// expect: invact::scaled: Storage is not an FP8 type: use invact::inverted
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = invact::float8_e5m2;
#else
using storage = invact::bfloat16;
#endif
using op = invact::scaled<invact::gelu, storage>;

op::encoded use(const float* scale, float x) { return op(scale).forward(x); }
