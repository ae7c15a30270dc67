// scaled: an op with FP8 storage, which keeps y * scale, with the scale in memory.
//
//   using act = invact::scaled<invact::gelu, invact::float8_e4m3>;
//   invact::device::forward(act(scale, amax), n, x, y, mask, stream);
//   invact::device::backward(act(scale), n, dy, y, mask, dx, stream);
//
// scale   points to a float that the op reads when it runs: of the device's global memory in device code,
//         else of the host. It must not change while a kernel runs, and a backward must find what its
//         forward read: where scales are updated in between (delayed scaling), keep the value with y.
//         From 2^-100 to 2^100, a power of two or not. y is stored as f(x) * scale, rounded to nearest,
//         ties to even, and saturated at the largest number of the format. The entry points refuse a null
//         pointer; the calls on registers do not check.
// amax    points to a float that the forwards of the host executor and of the device-wide kernels raise
//         to the largest |f(x)| of their elements, before scaling and rounding (as computed: to 2^-9 of
//         itself). It starts from 0, or from any number >= 0, and stays where that is larger; an infinity
//         or a NaN among the f(x) makes it one. Null: nothing is recorded. In a kernel of your own take
//         `value` of what forward() returns.
//
// Of a gradient factor, the largest error is that of the best possible decoder of the scaled codes within 5 %
// in e4m3 and 7 % in e5m2, for the whole catalogue: measured over scales in [1, 2), from which others differ
// by a power of two, and so only by which codes are subnormal. The RMS error is as near to the least one,
// but where many x share the code of a limit (sigmoid, tanh, celu: up to 1.5 times): what stands for it has
// the middle of g's range over it, for the largest error, and not the mean. Those of constant pieces and
// slopes are exact as long as the format has a number for each constant, times the scale, and one between two
// (relu6 at a scale of 2^-10 has not).
//
// y must stay as stored. There is no mantissa bit to spare: Packing is bitmask or refined_bitmask.
#pragma once

#include <invact/op/cell_op.hpp>
#include <invact/op/inverted.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Where scaled has its scale, and where a forward records.
class scale_in_memory {
 public:
  INVACT_HOST_DEVICE constexpr scale_in_memory(const float* scale, float* amax)
      : scale_(scale), amax_(amax) {}

  INVACT_FUNCTION const float* scale() const { return scale_; }
  INVACT_FUNCTION float* amax() const { return amax_; }

 protected:
  INVACT_FUNCTION float factor() const { return load_unchanging(scale_); }
  INVACT_FUNCTION float inverse() const { return native_math::rcp(factor()); }

 private:
  const float* scale_;
  float* amax_;
};

}  // namespace detail

// Activation   what f is.
// Storage      an FP8 type: float8_e4m3, float8_e5m2, __nv_fp8_e4m3, __nv_fp8_e5m2, or one of your own.
// Packing      bitmask or refined_bitmask.
// Approximant  how g is computed from y: accurate, fast, or a class of your own; select_approximant's for half storage.
// Evaluator    how f is computed: select_evaluator's for bfloat16 storage, or a class of yours. Of an
//              activation of straight lines, and where two bits or more number parts, both are float's.
template <class Activation, class Storage, class Packing = bitmask, class Approximant = accurate,
          class Evaluator = default_evaluator>
class scaled : public detail::cell_op<Activation, Storage, Packing, Approximant, Evaluator,
                                      detail::scale_in_memory> {
  static_assert(is_activation_v<Activation>,
                "invact::scaled: Activation is not an activation: it needs `pieces`, `ambiguous` and "
                "`piece_index(float) const`, as invact::gelu has");
  static_assert(detail::is_float8<Storage>,
                "invact::scaled: Storage is not an FP8 type: use invact::inverted");
  static_assert(
      detail::is_mask<Packing>,
      "invact::scaled: FP8 storage has no mantissa bit to spare: Packing must be invact::bitmask or "
      "invact::refined_bitmask");
  using base =
      detail::cell_op<Activation, Storage, Packing, Approximant, Evaluator, detail::scale_in_memory>;

 public:
  // Null pointers until it is given others.
  INVACT_HOST_DEVICE constexpr scaled() : scaled(nullptr) {}
  INVACT_HOST_DEVICE constexpr explicit scaled(const float* scale, float* amax = nullptr,
                                               const Activation& a = Activation{})
      : base(a, detail::scale_in_memory(scale, amax)) {}

  using detail::scale_in_memory::amax;
  using detail::scale_in_memory::scale;
};

INVACT_NAMESPACE_END
