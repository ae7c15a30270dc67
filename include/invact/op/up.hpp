// What a gated unit multiplies the activation of its gate with: h = f(g) * multiplier(u).
#pragma once

#include <invact/core/order.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

template <class T, class = void>
inline constexpr bool has_up = false;
template <class T>
inline constexpr bool has_up<T, void_t<decltype(static_cast<float>(declval<const T&>().multiplier(0.0f))),
                                       decltype(static_cast<bool>(declval<const T&>().is_clamped(0.0f)))>> =
    true;

}  // namespace detail

// T has `float multiplier(float u) const`, of slope 1 in u or constant, and `bool is_clamped(float u) const`, whether
// it is constant there. It may have `bool is_valid() const`.
template <class T>
inline constexpr bool is_up_v = detail::has_up<T>;

// h = f(g) * u.
struct plain_up {
  INVACT_FUNCTION float multiplier(float u) const { return u; }
  INVACT_FUNCTION bool is_clamped(float) const { return false; }
};
static_assert(is_up_v<plain_up>);

// h = f(g) * (clamp(u, -limit, limit) + offset). With `clamped_swish` it is the SwiGLU of gpt-oss (limit 7, offset 1).
// As in PyTorch's clamp, u = limit and u = -limit are not clamped, and the gradient of a u beyond is 0 whatever dh is.
struct clamped_up {
  float limit = 7.0f;   // in (0, 2^126)
  float offset = 1.0f;  // |offset| < 2^126

  INVACT_FUNCTION bool is_valid() const {
    const bool is_positive = is_less(0.0f, limit), is_finite = is_less(limit, 0x1p+126f);
    const bool has_offset = is_less(absolute(offset), 0x1p+126f);
    return is_positive & is_finite & has_offset;
  }
  INVACT_FUNCTION float multiplier(float u) const {
    return smaller(larger(u, -limit), limit) + offset;
  }
  INVACT_FUNCTION bool is_clamped(float u) const {
    const bool is_inside = is_at_most(absolute(u), limit), is_number = !is_nan(u);
    return !is_inside & is_number;
  }
};
static_assert(is_up_v<clamped_up>);

INVACT_NAMESPACE_END
