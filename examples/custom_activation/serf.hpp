// Serf, x * erf(log(1 + e^x)): an activation that the library does not have.
#pragma once

#include <invact/invact.hpp>

#include "serf_coefficients.hpp"  // written by fit.cpp

struct serf {
  static constexpr int pieces = 2;
  static constexpr auto ambiguous = invact::ambiguous_range::negative;

  // On the left of the minimum?
  INVACT_FUNCTION invact::uint32 piece_index(float x) const { return invact::is_less(x, -0x1.316c60p+0f); }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    const float kept = invact::max_propagate_nan(x, -100.0f);  // -infinity times 0 would be a NaN
    return kept * erff(log1pf(expf(kept)));
  }
};

template <class Format, int SpentBits>
struct invact::select_approximant<invact::accurate, serf, Format, SpentBits> {
  using type = invact::signed_root_approximant<invact::coefficients_for::serf_accurate<Format, SpentBits>>;
};
