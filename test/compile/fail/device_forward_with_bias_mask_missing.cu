// expect: invact: this op keeps a mask beside y: pass it, after y
#include <invact/invact.cuh>

void use(const invact::matrix_shape& shape, const float* x, float* y, unsigned char* mask) {
  static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::bitmask> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::device::forward_with_bias(op, shape, x, x, y, mask);
#else
  invact::device::forward_with_bias(op, shape, x, x, y);
#endif
}
