// inverted<...> with refined_bitmask, in 16-bit storage. For FP8 it is a packing of scaled.
//
//   using act = invact::inverted<invact::gelu, invact::bfloat16, invact::refined_bitmask<2>>;
//
// The calls are those of every inverted<...>, and `piece` is the element's mask bits. f and g are computed
// as for float storage: half and bfloat16's own ways are right to a fraction of their ULP, not of a part of
// it.
#pragma once

#include <invact/op/cell_op.hpp>
#include <invact/op/inverted.hpp>
#include <invact/packing/refined_bitmask.hpp>

INVACT_NAMESPACE_BEGIN

template <class Activation, class Storage, int Bits, class Approximant, class Evaluator>
class inverted<Activation, Storage, refined_bitmask<Bits>, Approximant, Evaluator>
    : public detail::cell_op<Activation, Storage, refined_bitmask<Bits>, Approximant, Evaluator,
                             detail::unit_scale> {
  using base = detail::cell_op<Activation, Storage, refined_bitmask<Bits>, Approximant, Evaluator,
                               detail::unit_scale>;

  static_assert(!detail::is_float8<Storage>,
                "invact::inverted: Storage is an FP8 type, in which y is kept scaled: use invact::scaled");

 public:
  INVACT_HOST_DEVICE constexpr inverted() : inverted(Activation{}) {}
  INVACT_HOST_DEVICE constexpr explicit inverted(const Activation& a) : base(a, {}) {}
};

INVACT_NAMESPACE_END
