// expect: invact: this op keeps no mask (its packing stores the piece inside y
#include <invact/invact.cuh>

void use(const invact::matrix_shape& shape, const float* x, float* y, unsigned char* mask) {
  static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::mantissa_bit> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::device::forward_with_bias(op, shape, x, x, y);
#else
  invact::device::forward_with_bias(op, shape, x, x, y, mask);
#endif
}
