// expect: invact::inverted: Storage is not a storage type: use float, __half, __nv_bfloat16
#include <invact/invact.hpp>

struct my_half {
  unsigned short bits;
};
#if defined(INVACT_TEST_CORRECTED)
template <>
struct invact::storage_traits<my_half> : invact::binary16_storage<my_half> {};
#endif

my_half use(float x) { return invact::inverted<invact::silu, my_half>{}.forward(x).y; }
