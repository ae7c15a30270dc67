// Approximants of the gradient factor of even and of odd activations. Tables, y and piece as in gradient.hpp.
#pragma once

#include <invact/approx/gradient.hpp>

INVACT_NAMESPACE_BEGIN

// For an even f with its minimum, 0, at 0, and all y >= 0: t * polynomial(u), t = sqrt(u), with g's sign on the
// left piece.
template <class Table, class Math = native_math>
struct even_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float u = detail::scaled_offset(Table{}, y, Table::offset);
    const float g = Math::sqrt(u) * horner(Table::polynomial(), u);
    return restore_nan(select_by_bit(piece, -g, g), y);
  }
};

// For an odd f of one piece with f(x) ~ x^3 about 0, and so an even g ~ |y|^(2/3): z * polynomial(z), where
// z = |y|^(2/3) * scale, held at 1.
template <class Table, class Math = native_math>
struct cubic_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32) {
    const float exponent = multiply_add(Math::lg2(absolute(y)), 2.0f / 3.0f, Table::log2_scale);
    const float z = negated(max_propagate_nan(negated(Math::ex2(exponent)), -1.0f));
    return restore_nan(z * horner(Table::polynomial(), z), y);
  }
};

// For an odd f of three pieces, a minimum left of 0 and a maximum right of it: an approximant of its negative y,
// where piece 0 is the inner one and 1 the outer one.
template <class Form>
struct odd_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float y, uint32 piece) {
    const uint32 is_outer = (piece | piece >> 1) & 1u;
    return Form::evaluate(activation, float_from_bits(float_bits(y) | float_sign_mask), is_outer);
  }
};

INVACT_NAMESPACE_END
