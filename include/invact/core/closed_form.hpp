// Activations that compute themselves: f and the gradient factor as members, in place of an evaluator and
// an approximant.
//
//   template <class Format, class Math> float value(float x) const;                       f(x)
//   template <class Format, int SpentBits, class Math>
//   float gradient_factor(float y, uint32 piece) const;                                   f'(f^-1(y))
//
// and, where there are such, df/dslope, and whether all parameters are in their range:
//
//   float slope_gradient(float y, uint32 piece) const;
//   bool is_valid() const;
//
// Format is the storage format of y, so that f may be computed no better than it is stored; SpentBits are the
// mantissa bits of y that the packing takes; Math is the set of special functions.
#pragma once

#include <invact/core/math.hpp>
#include <invact/core/storage.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

template <class...>
using void_t = void;
template <class T>
INVACT_HOST_DEVICE T&& declval() noexcept;

template <class T, class = void>
inline constexpr bool has_value = false;
template <class T>
inline constexpr bool has_value<
    T, void_t<decltype(declval<const T&>().template value<binary32_format, native_math>(0.0f))>> = true;

template <class T, class = void>
inline constexpr bool has_gradient_factor = false;
template <class T>
inline constexpr bool has_gradient_factor<
    T, void_t<decltype(declval<const T&>().template gradient_factor<binary32_format, 0, native_math>(0.0f, 0u))>> =
    true;

template <class T, class = void>
inline constexpr bool has_slope_gradient = false;
template <class T>
inline constexpr bool
    has_slope_gradient<T, void_t<decltype(static_cast<float>(declval<const T&>().slope_gradient(0.0f, 0u)))>> = true;

// Run-time parameters that T can check.
template <class T, class = void>
inline constexpr bool has_is_valid = false;
template <class T>
inline constexpr bool has_is_valid<T, void_t<decltype(static_cast<bool>(declval<const T&>().is_valid()))>> = true;

// Half precision or less: what a 16-bit y keeps, with room for rounding.
template <class Format>
inline constexpr bool is_narrow = Format::mantissa_bits <= 10;

}  // namespace detail

// The evaluator of an activation that has value().
template <class Format, class Math = native_math>
struct closed_form_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float x) {
    return activation.template value<Format, Math>(x);
  }
};

// The approximant of an activation that has gradient_factor().
template <class Format, int SpentBits, class Math = native_math>
struct closed_form_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float y, uint32 piece) {
    return activation.template gradient_factor<Format, SpentBits, Math>(y, piece);
  }
};

INVACT_NAMESPACE_END
