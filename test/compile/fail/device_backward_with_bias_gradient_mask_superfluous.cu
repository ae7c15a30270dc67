// expect: invact: this op keeps no mask (its packing stores the piece inside y
#include <invact/invact.cuh>

void use(const invact::matrix_shape& shape, const float* x, float* y, unsigned char* mask, void* workspace, std::size_t bytes) {
  static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::mantissa_bit> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::device::backward_with_bias_gradient(op, shape, x, y, y, y, workspace, bytes);
#else
  invact::device::backward_with_bias_gradient(op, shape, x, y, mask, y, y, workspace, bytes);
#endif
}
