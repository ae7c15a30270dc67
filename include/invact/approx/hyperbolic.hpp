// tanh and what is made of it.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

template <class Math>
INVACT_FUNCTION float tanh_magnitude_narrow(float x) {
  const float e = Math::ex2(minimum(absolute(x), 20.0f) * (2 * log2e));
  return (e - 1.0f) * Math::rcp(e + 1.0f);
}

template <class Math>
INVACT_FUNCTION float tanhshrink_narrow(float x) {
  return x - copy_sign(tanh_magnitude_narrow<Math>(x), float_bits(x) & float_sign_mask);
}

template <class Math>
INVACT_FUNCTION float lisht_narrow(float x) {
  return absolute(x) * tanh_magnitude_narrow<Math>(x);
}

}  // namespace detail

INVACT_NAMESPACE_END
