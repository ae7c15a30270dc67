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
// Where a constant piece, or a slope beyond a jump of f', has a value of y to itself, so that y alone tells
// it from what lies beside it, ops that scale y ask which values these are (Format's own value() holds y
// apart from them only unscaled). And for ops that decode cells (packing/cell.hpp) an activation may say
// where its minimum or range is:
//
//   static constexpr int owned_values = 2;
//   owned_value owned(int i) const;                 for 0 <= i < owned_values
//   static constexpr bool owns_top = true;          where there is one, `float top() const`, which is positive, on piece 0,
//                                                   the largest y, and g is 0 there; `bool is_beyond(float x) const` says
//                                                   where, and `unclamped()` is f where it is not so
//   y_minimum lowest() const;
//   y_range range() const;                          where f has limits, or g is not constant piece by piece
//
// Format is the storage format of y, so that f may be computed no better than it is stored; SpentBits are the
// mantissa bits of y that the packing takes; Math is the set of special functions.
#pragma once

#include <invact/core/math.hpp>
#include <invact/core/storage.hpp>

INVACT_NAMESPACE_BEGIN

// A value of y that no other y of its piece may be stored as: of those that there are, or that matter, on one
// side of it or both.
enum class beside { both, below, above };
struct owned_value {
  float y;
  uint32 piece = 0;
  beside others = beside::both;
};

// Where f has one minimum: y there; and f''' / (3 f'' sqrt(f'' / 2)) there, by which g bends: it is
// proportional to t + bend t^2 about the minimum, t = sqrt(y - y_min), negative on the left piece.
struct y_minimum {
  float y;
  float bend;
};

// The values of f, rounded outwards; and g'' / (2 g') as a function of |y|, where a rounded y matters most
// to g; and whether that is at zero, where a g that is 0 there alone may rise most steeply.
struct y_range {
  float low, high;
  float bend = 0.0f;
  bool steep_at_zero = false;
};

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

// How many values of y T owns.
template <class T, class = void>
inline constexpr int owned_values_of = 0;
template <class T>
inline constexpr int owned_values_of<T, void_t<decltype(declval<const T&>().owned(0))>> = T::owned_values;

template <class T, class = void>
inline constexpr bool owns_top = false;
template <class T>
inline constexpr bool owns_top<T, void_t<decltype(T::owns_top)>> = T::owns_top;

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
