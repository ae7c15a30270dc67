// Softsign: f(x) = x / (1 + |x|); g = (1 - |y|)^2.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -1 at -inf to 1 at +inf.
//
// Domain         all of float; |x| is held at 2^40, where y has long rounded to 1.
// Storage        any.
// Cost           forward one special function and 4 instructions, in float 6; gradient 2.
// Largest error  forward 0.51 ULP, in float 1.5; gradient 1.00 times the floor.
// NaN/inf/0      NaN; 1 and -1, where g = 0; the zero of x's sign.
// Source         the definition, PyTorch's Softsign.
struct softsign {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    // -|x|, as the maximum keeps a NaN.
    const float kept = max_propagate_nan(negated(absolute(x)), -0x1p+40f);
    const float divisor = 1.0f - kept;
    float y;
    if constexpr (detail::is_narrow<Format>) {
      y = negated(kept) * Math::rcp(divisor);
    } else {
      y = detail::divide<Math>(negated(kept), divisor);
    }
    return copy_sign(y, float_bits(x) & float_sign_mask);
  }

  INVACT_FUNCTION y_range range() const { return {-1.0f, 1.0f, -1.0f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    const float rest = 1.0f - absolute(y);
    return rest * rest;
  }
};
static_assert(is_activation_v<softsign>);

INVACT_NAMESPACE_END
