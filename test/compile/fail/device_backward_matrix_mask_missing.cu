// expect: invact: this op keeps a mask beside y: pass it, after y
#include <invact/invact.cuh>

void use(const invact::matrix_shape& shape, const float* x, float* y, unsigned char* mask) {
  static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::bitmask> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::device::backward(op, shape, x, y, mask, y);
#else
  invact::device::backward(op, shape, x, y, y);
#endif
}
