// Polynomials in float, by Horner's and by Estrin's scheme.
#pragma once

#include <invact/core/math.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// N coefficients, c[i] of x^i. A table returns it from a constexpr function, so that the values become
// immediates of the instructions.
template <int N>
struct coefficients {
  static constexpr int size = N;
  float c[N];
};

namespace detail {

// The next step of Horner's scheme takes c[I]. Recursion and no loop, because g++ -O2 would keep the loop
// and then not vectorise the one around it: 10 times slower on the host.
template <int I, int N>
INVACT_FUNCTION float horner_from(const coefficients<N>& p, float x, float sum) {
  if constexpr (I < 0) {
    return sum;
  } else {
    return horner_from<I - 1>(p, x, multiply_add(sum, x, p.c[I]));
  }
}

template <int From, int Count, int N>
INVACT_FUNCTION float estrin_range(const coefficients<N>& p, const float* powers) {
  if constexpr (Count == 1) {
    static_cast<void>(powers);
    return p.c[From];
  } else if constexpr (Count == 2) {
    return multiply_add(p.c[From + 1], powers[0], p.c[From]);
  } else {
    // Split at the largest power of two below Count: powers[k] is x^(2^k).
    constexpr int k = ceil_log2(Count) - 1;
    constexpr int low = 1 << k;
    return multiply_add(estrin_range<From + low, Count - low>(p, powers), powers[k],
                        estrin_range<From, low>(p, powers));
  }
}

}  // namespace detail

// p(x): degree N-1 in N-1 dependent multiply-adds. The fewest instructions, and within about 1 ULP of
// the largest partial sum for the degrees used here; above degree 12 monomials lose to round-off.
template <int N>
INVACT_FUNCTION float horner(const coefficients<N>& p, float x) {
  return detail::horner_from<N - 2>(p, x, p.c[N - 1]);
}

// p(x) with a dependency chain of about log2 N multiply-adds, for log2 N more instructions.
template <int N>
INVACT_FUNCTION float estrin(const coefficients<N>& p, float x) {
  constexpr int levels = N > 2 ? detail::ceil_log2(N) : 1;
  float powers[levels];
  powers[0] = x;
  INVACT_UNROLL
  for (int k = 1; k < levels; ++k) powers[k] = powers[k - 1] * powers[k - 1];
  return detail::estrin_range<0, N>(p, powers);
}

INVACT_NAMESPACE_END
