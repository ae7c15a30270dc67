// Threshold: f(x) = x > limit ? x : constant.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any in which `constant` is finite; it is stored rounded, and an x above the limit that
//                would be stored as it is, or in float is equal to it, is stored as the number beside it.
// Cost           forward 6 instructions; gradient 4; and about 15 for what depends on the constant alone.
// Largest error  forward 0.5 ULP, next to the constant one; gradient 0.
// NaN/inf        NaN; +inf, and the constant for -inf. g = 0 at x = limit, as autograd has it.
// Source         the definition, PyTorch's Threshold.
struct threshold {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  // PyTorch's `threshold` and `value`, which are the names of this class and of a function that it must
  // have. There they have no default.
  float limit = 0.0f;
  float constant = 0.0f;

  // The constant is finite, and the limit a number or infinite.
  INVACT_FUNCTION bool is_valid() const { return !is_nan(limit) && is_less(absolute(constant), 0x1p+127f); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return select(is_at_most(x, limit), constant, detail::apart_from<Format>(x, constant));
  }

  static constexpr int owned_values = 1;
  INVACT_FUNCTION owned_value owned(int) const { return {constant}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    const float flat = detail::stored_value<Format>(constant);
    const bool is_above = !is_at_most(y, flat), is_below = !is_at_least(y, flat);
    return detail::slope_if(is_above | is_below, 1.0f, y);
  }
};
static_assert(is_activation_v<threshold>);

INVACT_NAMESPACE_END
