// Hardswish: f(x) = x * min(max(x + 3, 0), 6) / 6; between -3 and 3 g = x/3 + 1/2 = +-sqrt(2/3 (y + 3/8)).
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// -0 up to x = -3, falls to y_min = -3/8 at the stationary point T = -3/2, then rises; x from 3 on. The
// derivative is 0 for x <= -3, jumps to -1/2 there, and from 3/2 to 1 at x = 3.
//
// Domain         all of float; x is held above -4, where y is -0.
// Storage        any; a y of the parabola that would be stored as -0 on the left piece, with the mantissa
//                bit as the smallest odd code that stands for it, or as 3, is stored as the number beside
//                it.
// Cost           forward 7 instructions, in float 4, and 2 for the piece; gradient one special function and
//                7, in float 9, with the mantissa bit 2 more.
// Largest error  forward 0.51 ULP, 1.01 with the mantissa bit, in float 2.5 and 3.2, next to 3 one;
//                gradient 1.00 times the floor.
// NaN/inf/0      NaN; +inf, and -0 for -inf, with g = 0; the zero of x's sign, where g = 1/2.
// Source         the definition (arXiv 1905.02244, PyTorch's Hardswish).
struct hardswish {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;
  static constexpr forward_weight weight = forward_weight::light;

  static constexpr float stationary_point = -1.5f;

  INVACT_FUNCTION y_minimum lowest() const { return {-0.375f, 0.0f}; }

  // 1 on the left piece, x < T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(x, stationary_point));
  }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    // The smallest y of the left slope is 2^-23 - 2^-46/3, at the float next to -3: in half almost the
    // second code, which the mantissa bit takes down to the first, the constant's own. A hair more goes to
    // the third.
    constexpr bool is_half = detail::least<Format> == 0x1p-24f;
    constexpr float sixth = is_half ? (1.0f + 0x1p-21f) / 6.0f : 1.0f / 6.0f;
    const float kept = max_propagate_nan(x, -4.0f);
    // x + 3 is exact near -3; from 3 on q is 1, whichever way 1/6 is rounded.
    float q = saturated_multiply(kept + 3.0f, sixth);
    if constexpr (detail::least<Format> > 0x1p-23f)  // in eight bits
      q = select(is_less(-3.0f, kept), at_least(q, detail::least<Format> / 3.0f), q);
    const float y = kept * q;
    if constexpr (detail::is_narrow<Format>) {
      return select(is_less(x, 3.0f), minimum(y, 3.0f - 2.0f * detail::epsilon<Format>), y);
    } else {
      return y;
    }
  }

  static constexpr int owned_values = 2;
  INVACT_FUNCTION owned_value owned(int i) const {
    if (i == 0) return {float_from_bits(float_sign_mask), 1, beside::below};
    return {3.0f, 0, beside::below};
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32 piece) const {
    const float root = Math::sqrt(above_minimum<Format, SpentBits>(y, piece));
    const float left = select(vanished<Format, SpentBits>(y), 0.0f, negated(root));
    const float right = select(is_less(0x1.7ffffep+1f, y), 1.0f, root);
    return restore_nan(select_by_bit(piece, left, right), y);
  }

 private:
  // 2/3 (y - y_min), the square of g.
  //
  // y_min is a number of every format. A stored y decodes to itself but next to y_min, where it decodes to
  // the middle of sqrt(y - y_min) over the cell it stands for: [0, 1/2] ULP for y_min as rounding stores
  // it; with the mantissa bit, [0, 1] for y_min on the right and [0, 2] for the odd code above it on the
  // left. In float, whose ties go to codes with a clear second bit, these are [0, 3/2] for y_min and
  // [0, 1/2] for the odd code below it. The middle of [0, a] is at a/4: so g's largest error is exactly the
  // floor, half the range of f' over the cell.
  template <class Format, int SpentBits>
  INVACT_FUNCTION static float above_minimum(float y, uint32 piece) {
    constexpr float ulp = 0.25f * detail::epsilon<Format>;
    constexpr float two_thirds = 2.0f / 3.0f;
    float square;
    if constexpr (detail::is_narrow<Format>) {
      square = multiply_add(y, two_thirds, 0.25f);
    } else {
      // Exact near y_min, but for the product; the mask, which changes nothing there, keeps -ffast-math
      // from making it y * 2/3 + 1/4.
      square = float_from_bits(float_bits(y + 0.375f) & ~1u) * two_thirds;
    }
    if constexpr (SpentBits == 0) {
      static_cast<void>(piece);
      return max_propagate_nan(square, 0.125f * ulp * two_thirds);
    } else {
      constexpr bool narrow = detail::is_narrow<Format>;
      constexpr float left = (narrow ? 0.5f : 0.125f) * ulp, right = (narrow ? 0.25f : 0.375f) * ulp;
      constexpr float edge = (narrow ? 1.5f : 0.5f) * ulp;
      const float middle = select_by_bit(piece, left * two_thirds, right * two_thirds);
      return select(is_less(square, edge * two_thirds), middle, square);
    }
  }

  // Whether a y of the left piece is what the constant is stored as: -0, with the mantissa bit the smallest
  // odd code that is kept. As signed integers, the codes from -0 on rise with the magnitude, and no
  // positive value is below.
  template <class Format, int SpentBits>
  INVACT_FUNCTION static bool vanished(float y) {
    float last = 0.0f;
    if constexpr (SpentBits > 0) {
      constexpr bool keeps_subnormals = Format::min_kept < Format::min_normal;
      constexpr float normal = detail::power_of_two(detail::min_exponent<Format>());
      last = keeps_subnormals ? detail::least<Format> : normal * (1.0f + detail::epsilon<Format>);
    }
    return static_cast<int32>(float_bits(y)) <= static_cast<int32>(float_bits(last) | float_sign_mask);
  }
};
static_assert(is_activation_v<hardswish>);

INVACT_NAMESPACE_END
