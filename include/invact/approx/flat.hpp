// Constant pieces, whose gradient is constant too: y alone must tell them from the sloped pieces beside
// them. So a y on a sloped piece is never stored as the value of a constant one, but as the value of the
// storage format next to it. Else 1e-9 would become 0 in half, and ReLU's gradient 0 with it.
//
// In float most need no care, as y differs from the constant already.
#pragma once

#include <invact/core/format.hpp>
#include <invact/core/math.hpp>
#include <invact/core/order.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// What x is stored as.
template <class Format>
INVACT_FUNCTION float stored_value(float x) {
  return Format::load(Format::round(x));
}

// The numbers of Format next to what x is stored as.
template <class Format>
struct neighbours {
  float below, above;

  INVACT_FUNCTION explicit neighbours(float x) {
    const uint32 code = Format::round(x);
    const uint32 magnitude = code & (Format::sign - 1u);
    const uint32 ordinal = select((code & Format::sign) != 0, 0u - magnitude, magnitude);
    below = at(ordinal - 1u);
    above = at(ordinal + 1u);
  }

 private:
  INVACT_FUNCTION static float at(uint32 ordinal) {
    const bool negative = static_cast<int32>(ordinal) < 0;
    return Format::load(
        static_cast<typename Format::code>(select(negative, (0u - ordinal) | Format::sign, ordinal)));
  }
};

// y, or where it would be stored as `flat` is the number of Format next to that on y's side; above where y
// is equal to it. A NaN y stays. `flat` must be finite in Format; what depends on it alone is the same for
// all elements.
template <class Format>
INVACT_FUNCTION float apart_from(float y, float flat) {
  const neighbours<Format> beside(flat);
  return select(is_at_least(y, flat), larger(y, beside.above), smaller(y, beside.below));
}

// The same of a y > 0 and the constant 0. In float a y > 0 is not 0.
template <class Format>
INVACT_FUNCTION float apart_from_zero(float y) {
  if constexpr (is_narrow<Format>) {
    return larger(y, least<Format>);
  } else {
    return y;
  }
}

// The gradient of a sloped piece, `slope` >= 0, or of a constant one, 0; a NaN where y is.
INVACT_FUNCTION float slope_if(bool is_sloped, float slope, float y) {
  return restore_nan(carry_nan(select(is_sloped, slope, 0.0f), y), y);
}

// slope * x for x <= 0, a zero for -inf where the slope is 0; a NaN too.
INVACT_FUNCTION float scaled(float x, float slope) {
  const uint32 lowest = select(float_bits(slope) << 1 == 0, 0xff7fffffu, 0xff800000u);
  return max_propagate_nan(x, float_from_bits(lowest)) * slope;
}

// The x <= 0 with scaled(x, slope) = y, and 0 where y is not scaled or the slope is 0 or subnormal; a NaN
// where y is.
INVACT_FUNCTION float unscaled(float y, float slope, bool is_scaled) {
  const bool lost = is_less(absolute(slope), 0x1p-126f);
  const float inverse = 1.0f / select(lost, 1.0f, slope);
  return select((is_scaled & !lost) | is_nan(y), y * inverse, 0.0f);
}

INVACT_FUNCTION bool is_zero(float y) { return (float_bits(y) & ~float_sign_mask) == 0; }

}  // namespace detail

INVACT_NAMESPACE_END
