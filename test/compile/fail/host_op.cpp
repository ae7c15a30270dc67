// expect: invact: Op is not an op: it needs `storage_type`, `mask_bits`
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using op = invact::inverted<invact::gelu, float>;
#else
struct op {};
#endif

void use(const float* x, float* y, unsigned char* mask) { invact::host::forward(op{}, 1, x, y, mask); }
