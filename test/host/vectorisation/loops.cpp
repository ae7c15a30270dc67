// The host executor's loops for one op: what check.cmake compiles.
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

namespace {

using namespace invact;

template <class Op>
struct use {
  using storage = typename Op::storage_type;

  static void all(const host::matrix_shape& shape, const float* in, const float* bias, storage* y, uint8* mask,
                  float* dx, float* bias_gradient) {
    if constexpr (Op::mask_bits > 0) {
      host::forward(Op{}, shape, in, y, mask);
      host::forward_with_bias(Op{}, shape, in, bias, y, mask);
      host::backward(Op{}, shape, in, y, mask, dx);
      host::backward_with_bias_gradient(Op{}, shape, in, y, mask, dx, bias_gradient);
    } else {
      host::forward(Op{}, shape, in, y);
      host::forward_with_bias(Op{}, shape, in, bias, y);
      host::backward(Op{}, shape, in, y, dx);
      host::backward_with_bias_gradient(Op{}, shape, in, y, dx, bias_gradient);
    }
  }
};

}  // namespace

extern const auto instance = &use<inverted<ACTIVATION, STORAGE, PACKING>>::all;
