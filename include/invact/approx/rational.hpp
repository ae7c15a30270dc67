// Rational functions in float.
#pragma once

#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

// p(x) / q(x) by two Horner schemes and one reciprocal, so within about 3 ULP of the quotient of the
// two polynomials. q must not vanish, nor exceed 2^126, where rcp flushes to zero.
template <class Math = native_math, int P, int Q>
INVACT_FUNCTION float rational(const coefficients<P>& p, const coefficients<Q>& q, float x) {
  return horner(p, x) * Math::rcp(horner(q, x));
}

INVACT_NAMESPACE_END
