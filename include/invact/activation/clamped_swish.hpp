// Swish of a clamped x: f(x) = swish(min(x, limit)), the gate of clamped SwiGLU units.
#pragma once

#include <invact/activation/swish.hpp>
#include <invact/approx/flat.hpp>

INVACT_NAMESPACE_BEGIN

// Up to the limit swish, whose minimum is at T = -1.27846454 / beta, then constant. As in PyTorch's clamp, x = limit is
// not yet beyond it: there f' is swish's, and behind it 0.
//
// Domain         all of float; beta in [2^-100, 2^100), limit in [2^-100 / beta, 2^100). The defaults are gpt-oss's.
// Storage        any; a y of an x up to the limit that would be stored as f(limit) is stored as the number below.
// Cost           swish's and 4; gradient swish's and 3.
// Largest error  as of swish, next to f(limit) 1 ULP.
// NaN/inf/0      NaN; f(limit) for +inf, with g = 0, and -0 on the left piece for -inf; the zero of x's sign.
// Source         the definition; beta and limit from the model card of gpt-oss (arXiv 2508.10925).
class clamped_swish {
 public:
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;

  INVACT_HOST_DEVICE explicit clamped_swish(float beta = 1.702f, float limit = 7.0f)
      : unclamped_{beta}, limit_(limit), top_(unclamped_.value<binary32_format, native_math>(limit)) {}

  INVACT_FUNCTION const swish& unclamped() const { return unclamped_; }
  INVACT_FUNCTION float limit() const { return limit_; }
  // Whether f is constant at x: behind the limit, where a NaN is not.
  INVACT_FUNCTION bool is_beyond(float x) const { return is_at_least(x, float_from_bits(float_bits(limit_) + 1u)); }
  // f(limit), of which there is one whatever the storage.
  INVACT_FUNCTION float top() const { return top_; }

  INVACT_FUNCTION bool is_valid() const {
    const bool is_swish = unclamped_.is_valid(), is_small = is_less(unclamped_.beta * limit_, 0x1p-100f);
    const bool is_finite = is_less(limit_, 0x1p+100f);
    return is_swish & !is_small & is_finite;
  }
  INVACT_FUNCTION y_minimum lowest() const { return unclamped_.lowest(); }
  INVACT_FUNCTION uint32 piece_index(float x) const { return unclamped_.piece_index(x); }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    const float y = smaller(unclamped_.value<Format, Math>(x), detail::neighbours<Format>(top_).below);
    return select(is_beyond(x), top_, y);
  }

  static constexpr int owned_values = 1;
  static constexpr bool owns_top = true;
  INVACT_FUNCTION owned_value owned(int) const { return {top_, 0, beside::below}; }

  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return select(is_beyond(x), 0.0f, unclamped_.derivative<Math>(x));
  }

 private:
  swish unclamped_;
  float limit_, top_;
};
static_assert(is_activation_v<clamped_swish>);

// What Whole, an approximant of swish, gives, and 0 for f(limit) as it is stored. An op that tells cells tells that
// itself.
template <class Format, class Whole>
struct clamped_approximant {
  INVACT_FUNCTION static float evaluate(const clamped_swish& activation, float y, uint32 piece) {
    return select(float_bits(y) == float_bits(detail::stored_value<Format>(activation.top())), 0.0f,
                  Whole::evaluate(activation.unclamped(), y, piece));
  }
  INVACT_FUNCTION static float evaluate_cell(const clamped_swish& activation, float y, float spacing, float reach,
                                             uint32 piece) {
    return Whole::evaluate_cell(activation.unclamped(), y, spacing, reach, piece);
  }
};

template <class Format, int SpentBits>
struct select_approximant<accurate, clamped_swish, Format, SpentBits> {
  using type = clamped_approximant<Format, typename select_approximant<accurate, swish, Format, SpentBits>::type>;
};
template <class Format, int SpentBits>
struct select_approximant<fast, clamped_swish, Format, SpentBits>
    : select_approximant<accurate, clamped_swish, Format, SpentBits> {};

INVACT_NAMESPACE_END
