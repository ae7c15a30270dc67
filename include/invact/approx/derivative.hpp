// f'(x) from x itself, for ops that keep x and compute f again: see gated_recompute.
//
// Accurate to half's last bit, for storage of 16 bits. NaN gives NaN; beyond the bounds, by which infinities do no
// harm, f' is its limit to less than 2^-100.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// x, held in [-bound, bound].
INVACT_FUNCTION float held(float x, float bound) {
  return negated(max_propagate_nan(negated(max_propagate_nan(x, -bound)), -bound));
}

// 1 / (1 + 2^-z).
template <class Math>
INVACT_FUNCTION float sigmoid_of_log2(float z) {
  return Math::rcp(1.0f + Math::ex2(negated(z)));
}

// Of x * sigmoid(beta * x): s + beta x s (1 - s), s = sigmoid(beta * x).
template <class Math>
INVACT_FUNCTION float swish_derivative(float x, float beta) {
  const float z = held(beta * x, 87.0f);
  const float s = sigmoid_of_log2<Math>(z * log2e);
  return restore_nan(multiply_add(z * s, 1.0f - s, s), x);
}

// Of GELU: Phi(x) + x phi(x). Phi(-|x|) is 2^q of Table, of half's forward (see tail_evaluator).
template <class Table, class Math>
INVACT_FUNCTION float gelu_derivative(float x) {
  constexpr float inverse_root = 0x1.988454p-2f;  // 1 / sqrt(2 pi)
  const float kept = held(x, 13.0f);
  const float a = saturated_multiply(absolute(kept), Table::scale);
  const float tail = Math::ex2(horner(Table::exponent(), a)) * Table::scale;
  const float density = Math::ex2(kept * kept * (-0.5f * log2e)) * inverse_root;
  const float distribution = select(is_less(kept, 0.0f), tail, 1.0f - tail);
  return restore_nan(multiply_add(kept, density, distribution), x);
}

// Of x * sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3): s + 2 x u' s (1 - s).
template <class Math>
INVACT_FUNCTION float gelu_tanh_derivative(float x) {
  constexpr float linear = 0x1.988454p+0f;             // sqrt(8 / pi)
  constexpr float cubic = 0.044715f * 0x1.988454p+0f;  // and the cubic term's factor
  const float kept = held(x, 10.0f);
  const float square = kept * kept;
  const float s = sigmoid_of_log2<Math>(kept * multiply_add(square, cubic, linear) * log2e);
  const float slope = kept * multiply_add(square, 3.0f * cubic, linear);
  return restore_nan(multiply_add(slope * s, 1.0f - s, s), x);
}

// Of Mish: w + x (1 - w^2) sigmoid(x), w = tanh(softplus(x)) = n / (n + 2), n = e^x (e^x + 2).
template <class Math>
INVACT_FUNCTION float mish_derivative(float x) {
  const float kept = held(x, 40.0f);
  const float e = Math::ex2(kept * log2e);
  const float n = e * (e + 2.0f);
  const float inverse = Math::rcp(n + 2.0f);
  const float w = n * inverse;
  // 1 - w^2 = 4 (n + 1) / (n + 2)^2, and n + 1 = (e + 1)^2.
  const float rest = 4.0f * e * (e + 1.0f) * inverse * inverse;
  return restore_nan(multiply_add(kept, rest, w), x);
}

}  // namespace detail

INVACT_NAMESPACE_END
