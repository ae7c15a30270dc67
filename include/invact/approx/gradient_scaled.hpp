// Approximants of the gradient factor of f(beta * x) / beta, for any beta > 0, from tables for f, which has
// one minimum: g(y) is f's at beta * y. What beta changes is where the minimum lies between two codes, so no
// fitted shift of y_min serves all: these have none. What depends on beta alone is the same for all elements,
// and compilers take it out of their loops.
//
// Tables, y and piece as in gradient.hpp; beta is `activation.beta`, and Minimum has f's minimum as `value`,
// with what float loses of it as `rest`.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/approx/gradient.hpp>
#include <invact/core/format.hpp>

INVACT_NAMESPACE_BEGIN

// For 16-bit storage. g is straight in t next to the minimum, so the best t of a cell is the middle of its
// ends': if it ends `above` and `below` its y, t = (sqrt(y - y_min + above) + sqrt(y - y_min - below)) / 2,
// where the second root is 0 in the minimum's own cell.
template <class Table, class Minimum, class Format, int SpentBits, class Math = native_math>
struct scaled_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float y, uint32 piece) {
    // A cell reaches half a code away, or a whole one where the code has the piece in it. From a power of two
    // the next code towards 0 is only half as far. Positive y are so far from the minimum that they do without.
    constexpr float reach = (SpentBits > 0 ? 1.0f : 0.5f) * detail::epsilon<Format>;
    const float negative = minimum(y, 0.0f);
    const float above = detail::power_of_two_below(negative * (1.0f - detail::epsilon<Format> / 4.0f));
    const float below = detail::power_of_two_below(negative);
    return evaluate_reach(activation, y, above, below, reach, piece);
  }

  // Of a cell that is not y's own: see gradient.hpp.
  template <class Activation>
  INVACT_FUNCTION static float evaluate_cell(const Activation& activation, float y, float spacing, float reach,
                                             uint32 piece) {
    return evaluate_reach(activation, y, spacing, spacing, reach, piece);
  }

 private:
  template <class Activation>
  INVACT_FUNCTION static float evaluate_reach(const Activation& activation, float y, float above, float below,
                                              float reach, uint32 piece) {
    const float scale = activation.beta * Table::scale;
    const float u = multiply_add(y, scale, -Minimum::value * Table::scale);
    const float end = carry_nan(saturated_multiply_add(above, reach * scale, u), y);
    const float begin = saturated_multiply_add(below, -reach * scale, u);
    const float t = (Math::sqrt(end) + Math::sqrt(begin)) * select_by_bit(piece, -0.5f, 0.5f);
    return restore_nan(detail::without_vanished<Table>(horner(Table::polynomial(), t), y, piece), y);
  }
};

// For float storage, whose floor is low enough for what one shift costs that serves every place of the minimum
// between two codes: next to it `shift` of their distance is taken from y - y_min, and `least` is what is left
// at least. Chosen in steps of 0.02 so that the largest error, of all such places, is at most 1.21 times its floor.
template <class Table, class Minimum, int SpentBits, class Math = native_math>
struct scaled_joint_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float y, uint32 piece) {
    constexpr float shift = SpentBits > 0 ? 0.42f : 0.14f, least = SpentBits > 0 ? 0.36f : 0.12f;
    const float beta = activation.beta;
    const float scale = beta * Table::scale;
    const float center = Minimum::value * Math::rcp(beta);
    // What center is off by, which is its rounding and that of the reciprocal.
    const float rest = fused_multiply_add(center, beta, -Minimum::value) - Minimum::rest;
    const float distance = detail::power_of_two_below(center) * detail::epsilon<binary32_format> * scale;
    const float offset = multiply_add(-shift, distance, rest * Table::scale);
    const float u = saturated_multiply_add(y - center, scale, offset);
    const float kept = carry_nan(at_least(u, least * distance), y);
    const float g = detail::joint<Table, Math>(y * beta, kept, piece);
    return restore_nan(detail::without_vanished<Table>(g, y, piece), y);
  }
};

INVACT_NAMESPACE_END
