// Forward evaluators of x * sigmoid(...) and its relatives.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

template <class Math>
INVACT_FUNCTION float mish_narrow(float x) {
  const float kept = max_propagate_nan(x, -100.0f);
  const float e = Math::ex2(multiply_add(minimum(kept, 20.0f), log2e, 8.0f));
  const float n = e * (e + 0x1p+9f);
  return (kept * 0x1p-8f) * (n * Math::rcp(multiply_add(n, 0x1p-8f, 0x1p+9f)));
}

template <class Math>
INVACT_FUNCTION float gelu_tanh_narrow(float x) {
  // sqrt(8/pi) * log2(e), and that times 0.044715.
  constexpr float linear = 0x1.26aec2p+1f, cubic = 0x1.a5a7d0p-4f;
  const float kept = max_propagate_nan(x, -10.6f);
  const float factor = multiply_add(kept * kept, -cubic, -linear);
  const float e = Math::ex2(multiply_add(kept, factor, -8.0f));
  return (kept * 0x1p-8f) * Math::rcp(0x1p-8f + e);
}

template <class Math>
INVACT_FUNCTION float swish_narrow(float x, float beta) {
  const float kept = max_propagate_nan(x, -100.0f * Math::rcp(beta));
  const float e = Math::ex2(multiply_add(kept, -log2e * beta, -8.0f));
  return (kept * 0x1p-8f) * Math::rcp(0x1p-8f + e);
}

}  // namespace detail

INVACT_NAMESPACE_END
