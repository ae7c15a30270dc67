// ReLU6: f(x) = min(max(x, 0), 6).
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any; an x in (0, 6) that would be stored as 0 or 6 is stored as the number beside it.
// Cost           forward 6 instructions, in float 3; gradient 4.
// Largest error  forward 0.5 ULP, next to 0 and 6 one; gradient 0.
// NaN/inf/0      NaN; 6, and +0 for -inf; both zeros give +0; g = 0 at x = 0 and 6, as autograd has it.
// Source         the definition, PyTorch's ReLU6.
struct relu6 {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      constexpr float below_six = 6.0f - 4.0f * detail::epsilon<Format>;
      const float sloped = smaller(detail::apart_from_zero<Format>(x), below_six);
      return select(is_at_most(x, 0.0f), 0.0f, select(is_at_least(x, 6.0f), 6.0f, sloped));
    } else {
      return select(is_at_most(x, 0.0f), 0.0f, smaller(x, 6.0f));
    }
  }

  static constexpr int owned_values = 2;
  INVACT_FUNCTION owned_value owned(int i) const {
    if (i == 0) return {0.0f, 0, beside::above};
    return {6.0f, 0, beside::below};
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::slope_if(is_between(y, 0.0f, 6.0f), 1.0f, y);
  }
};
static_assert(is_activation_v<relu6>);

INVACT_NAMESPACE_END
