// expect: invact: Op is not an op: it needs
#include <invact/invact.cuh>

#if defined(INVACT_TEST_CORRECTED)
using op = invact::inverted<invact::gelu, float>;
#else
struct op {};
#endif

void use(const float* x, float* y, unsigned char* mask) { invact::device::forward(op{}, 1, x, y, mask); }
