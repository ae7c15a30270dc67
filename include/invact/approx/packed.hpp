// `packed`: two elements at once, in half precision, for epilogues whose instructions are exposed. Storage is bfloat16,
// whose own steps are eight times as large.
//
// A pair of evaluators' results is two floats and a word of pieces, all ones in the half of an element on piece 1, else 0.
// A pair for an approximant is a word of bfloat16 codes and one of which bit 15 and bit 31 are the pieces; it takes several.
#pragma once

#include <invact/approx/polynomial.hpp>
#include <invact/core/fragment.hpp>
#include <invact/core/half_pair.hpp>

INVACT_NAMESPACE_BEGIN

// N coefficients of x^i, each as its half in both halves of a word.
template <int N>
struct half_coefficients {
  static constexpr int size = N;
  uint32 c[N];
};

struct value_pair {
  float first, second;
  uint32 pieces;
};

namespace detail {

// sum[k] * x[k] + p.c[I] and on, step by step for all k: M chains of instructions that need not wait for each other.
template <int I, int N, int M>
INVACT_FUNCTION void horner_halves_from(const half_coefficients<N>& p, const fragment<uint32, M>& x,
                                        fragment<uint32, M>& sum) {
  if constexpr (I >= 0) {
    INVACT_UNROLL
    for (int k = 0; k < M; ++k) sum[k] = multiply_add_halves(sum[k], x[k], p.c[I]);
    horner_halves_from<I - 1>(p, x, sum);
  }
}
template <int N, int M>
INVACT_FUNCTION fragment<uint32, M> horner_halves(const half_coefficients<N>& p,
                                                  const fragment<uint32, M>& x) {
  fragment<uint32, M> sum;
  INVACT_UNROLL
  for (int k = 0; k < M; ++k) sum[k] = p.c[N - 1];
  horner_halves_from<N - 2>(p, x, sum);
  return sum;
}

inline constexpr uint32 half_of_halves = 0x38003800u, one_of_halves = 0x3c003c00u;

}  // namespace detail

// f(x) = x * (1/2 + tanh(x * P(x^2)) / 2), P being Table::polynomial(), whose last coefficient is positive.
//
// Domain         all of float. The piece is that of x rounded to half precision: Table::bound has, in
//                both halves, the smallest half that is not below the stationary point.
// Storage        bfloat16.
// Cost           five instructions an element and one for the pieces of two; one special function for two.
// Largest error  1e-3 |x|; for x > -1 1.2 ULP of bfloat16, the last rounding's 0.5 included. Farther left y keeps its
//                order of magnitude down to 2^-11, and vanishes below.
// NaN/inf/0      NaN; +inf; NaN for -inf, as the product of infinity and 0 is; the zero of x's sign. -0 where the
//                hyperbolic tangent has reached -1.
template <class Table>
struct packed_tanh_evaluator {
  template <class Activation>
  INVACT_FUNCTION static value_pair evaluate_pair(const Activation&, float first, float second) {
    const uint32 x = half_pair(first, second);
    const uint32 u = multiply_halves(x, inner(x));
    const uint32 factor =
        multiply_add_halves(tanh_halves(u), detail::half_of_halves, detail::half_of_halves);
    return {first * first_of_halves(factor), second * second_of_halves(factor),
            less_halves(x, Table::bound)};
  }
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float x) {
    return evaluate_pair(activation, x, x).first;
  }

 private:
  INVACT_FUNCTION static uint32 inner(uint32 x) {
    const fragment<uint32, 1> square{{multiply_halves(x, x)}};
    return detail::horner_halves(Table::polynomial(), square)[0];
  }
};

// One polynomial for both pieces, as signed_root_approximant has it, in w = +-t * stretch + shift, which is within [-1, 1]
// or so: there its coefficients are about 1, and half precision costs nothing that bfloat16 would show.
//
//   t = min(sqrt(max(y * scale + offset, 0)), 1)
//
// Every member of Table is a word with the number in both halves: scale and offset as bfloat16, the others as halves.
//
// Storage        bfloat16.
// Cost           for two elements 11 instructions and Table's degree, 6 to 11; two special functions.
// Largest error  1.4 times the floor, RMS 1.3 times (N(0, 1)) and 1.5 times (N(0, 2)), and at either end of x's range 4e-3:
//                see the tables in coefficients/.
// NaN/inf/0      NaN; the limit of g for +inf.
template <class Table>
struct packed_root_approximant {
  // g of pairs of codes, as halves.
  template <class Activation, int M>
  INVACT_FUNCTION static fragment<uint32, M> evaluate_pairs(const Activation&,
                                                            const fragment<uint32, M>& codes,
                                                            const fragment<uint32, M>& pieces) {
    fragment<uint32, M> w;
    INVACT_UNROLL
    for (int k = 0; k < M; ++k) {
      const uint32 u = multiply_add_positive_bfloat16(codes[k], Table::scale, Table::offset);
      const float first = bfloat16_format::load(static_cast<uint16>(u & 0xffffu));
      const float second = float_from_bits(u & 0xffff0000u);
      const uint32 root = half_pair(restore_nan(native_math::sqrt(first), first),
                                    restore_nan(native_math::sqrt(second), second));
      const uint32 t = min_halves(root, detail::one_of_halves) ^ (pieces[k] & 0x80008000u);
      w[k] = multiply_add_halves(t, Table::stretch, Table::shift);
    }
    return detail::horner_halves(Table::polynomial(), w);
  }
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float y, uint32 piece) {
    const uint32 code = float_bits(y) >> 16;
    const fragment<uint32, 1> codes{{code | code << 16}}, pieces{{piece << 15}};
    return first_of_halves(evaluate_pairs(activation, codes, pieces)[0]);
  }
};

INVACT_NAMESPACE_END
