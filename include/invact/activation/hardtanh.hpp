// Hardtanh: f(x) = min(max(x, min), max).
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any that has a number between `min` and `max`; these are stored rounded, and an x between
//                them that would be stored as either is stored as the number beside it.
// Cost           forward 5 instructions, in float 2; gradient 4; and about 20 for what depends on min and
//                max alone.
// Largest error  forward 0.5 ULP, next to min and max one; gradient 0.
// NaN/inf/0      NaN; max and min; zeros keep their sign. g = 0 at min and max, as autograd has it.
// Source         the definition, PyTorch's Hardtanh.
struct hardtanh {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  float min = -1.0f;
  float max = 1.0f;

  // min < max.
  INVACT_FUNCTION bool is_valid() const { return is_less(min, max) && !is_nan(max); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      const detail::neighbours<Format> beside_min(min), beside_max(max);
      const float sloped = smaller(larger(x, beside_min.above), beside_max.below);
      return select(is_at_most(x, min), min, select(is_at_least(x, max), max, sloped));
    } else {
      return smaller(larger(x, min), max);
    }
  }

  static constexpr int owned_values = 2;
  INVACT_FUNCTION owned_value owned(int i) const {
    if (i == 0) return {min, 0, beside::above};
    return {max, 0, beside::below};
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    const float low = detail::stored_value<Format>(min), high = detail::stored_value<Format>(max);
    return detail::slope_if(is_between(y, low, high), 1.0f, y);
  }
};
static_assert(is_activation_v<hardtanh>);

INVACT_NAMESPACE_END
