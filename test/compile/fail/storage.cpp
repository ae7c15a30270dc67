// expect: invact::inverted: Storage is not a storage type: use float, __half, __nv_bfloat16
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = float;
#else
using storage = double;
#endif

storage use(float x) { return invact::inverted<invact::gelu, storage>{}.forward(x).y; }
