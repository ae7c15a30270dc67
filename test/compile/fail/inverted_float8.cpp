// expect: invact::inverted: Storage is an FP8 type, in which y is kept scaled: use invact::scaled
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using op = invact::scaled<invact::gelu, invact::float8_e4m3>;
#else
using op = invact::inverted<invact::gelu, invact::float8_e4m3>;
#endif

op::encoded use(const op& of, float x) { return of.forward(x); }
