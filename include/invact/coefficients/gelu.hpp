#pragma once
#include <invact/approx/polynomial.hpp>
INVACT_NAMESPACE_BEGIN
namespace coefficients_for {
template <class Format, int SpentBits> struct gelu_accurate {
  static constexpr float center = 0.0f, scale = 0.2f, offset = 0.033994f, left_offset = 0.033994f, left_center=0.0f, vanishing = 0x1.02p-126f, smallest = 0x1p-126f, log2_minimum = -1.0f, near_limit = 0.1f, right_center = 0.5f;
  INVACT_FUNCTION static constexpr coefficients<3> polynomial() { return {{0.1f, 0.5f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<3> near_minimum() { return {{0.1f, 0.5f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<3> left() { return {{0.1f, 0.5f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<3> right() { return {{0.1f, 0.5f, 0.1f}}; }
};
template <class Format, int SpentBits> struct gelu_fast {
  static constexpr float center = 0.0f, scale = 0.2f, offset = 0.033994f, left_offset = 0.033994f, left_center=0.0f, vanishing = 0x1.02p-126f, smallest = 0x1p-126f, log2_minimum = -1.0f, near_limit = 0.1f, right_center = 0.5f;
  INVACT_FUNCTION static constexpr coefficients<3> polynomial() { return {{0.1f, 0.5f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<3> near_minimum() { return {{0.1f, 0.5f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<3> left() { return {{0.1f, 0.5f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<3> right() { return {{0.1f, 0.5f, 0.1f}}; }
};
template <class Format> struct gelu_forward {
  static constexpr float smallest = -100.0f, largest = 14.5f, scale = 0x1p-8f, scale_bits = 8.0f, pole = 4.0f;
  INVACT_FUNCTION static constexpr coefficients<2> exponent() { return {{2.3f, 0.1f}}; }
  INVACT_FUNCTION static constexpr coefficients<2> ratio() { return {{2.3f, 0.1f}}; }
};
}
INVACT_NAMESPACE_END
