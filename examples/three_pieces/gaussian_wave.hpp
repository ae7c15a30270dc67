// x * exp(-x^2 / 2), which falls to a minimum at -1, rises to a maximum at 1 and falls again: three monotone pieces,
// whose index takes two bits, of a mask or of y itself.
#pragma once

#include <invact/invact.hpp>

#include "gaussian_wave_coefficients.hpp"  // written by fit.cpp

struct gaussian_wave {
  static constexpr int pieces = 3;
  static constexpr auto ambiguous = invact::ambiguous_range::any;

  // 0 between the two extrema and for NaN, 1 on the left of them and 2 on the right.
  INVACT_FUNCTION invact::uint32 piece_index(float x) const {
    return invact::select(invact::is_less(x, -1.0f), 1u,
                          invact::select(invact::is_less(-x, -1.0f), 2u, 0u));
  }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    // An infinity times 0 would be a NaN; beyond 20 f is less than the smallest float.
    const float kept = -invact::max_propagate_nan(-invact::max_propagate_nan(x, -20.0f), -20.0f);
    return kept * expf(-0.5f * kept * kept);
  }
};

// f is odd, so that g is even: the outer pieces are the left one of a table for negative y, the inner one is its
// right one.
template <class Table>
struct gaussian_wave_approximant {
  INVACT_FUNCTION static float evaluate(const gaussian_wave& f, float y, invact::uint32 piece) {
    const float negative = invact::float_from_bits(invact::float_bits(y) | invact::float_sign_mask);
    return invact::signed_root_approximant<Table>::evaluate(f, negative, (piece | piece >> 1) & 1u);
  }
};

template <class Format, int SpentBits>
struct invact::select_approximant<invact::accurate, gaussian_wave, Format, SpentBits> {
  using type =
      gaussian_wave_approximant<invact::coefficients_for::gaussian_wave_accurate<Format, SpentBits>>;
};
