// Approximants of the gradient factor of an activation with one minimum.
//
// With v = y - y_min, both x and g = f'(x) are analytic in t = +-sqrt(v) through the minimum (minus on
// the left piece), where in y itself g has a square-root singularity. On the left g has a further mild
// logarithmic singularity as y -> -0, which sqrt(log(y_min / y)) resolves: x itself grows like it.
//
// Every approximant here takes a table of coefficients (see coefficients/) and a set of special
// functions, Math. Members that all tables have:
//   center, scale, offset   u = (y - center) * scale + offset is v over the value from which on g is
//       constant. `center` is non-zero only in float, where y - center is exact near the minimum and
//       carries the bits that y * scale would round. The offset holds the fitted shift of y_min.
//   left_offset   where one polynomial serves both pieces, the left's offset: it differs where the
//       packing gives the pieces different codes
// An underflow on the left piece is stored as -0 or, in the mantissa bit's packing, as the smallest odd code
// that is kept: both give g = 0, by one of
//   vanishing     left-piece magnitudes up to it give 0
//   flush_scale   where the left factor is a multiple of y: y * flush_scale is subnormal, and taken for 0,
//       for them; 1 where -0 alone gives 0
// y is a stored value, piece is 1 on the left; a NaN y gives NaN, and y below y_min, as rounding
// produces, counts as y_min.
//
// evaluate_cell() is for a y that is known to within spacing * reach, wherever the minimum is between stored codes:
// without the fitted shift, g in the middle of t's range, which next to the minimum is the middle of g's, and so the
// least largest error. (It does not read offsets.) reach is a constant, so that products with it are.
#pragma once

#include <invact/approx/polynomial.hpp>
#include <invact/core/math.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// u of the table, clamped to [0, 1].
template <class Table>
INVACT_FUNCTION float scaled_offset(float y, float offset) {
  return carry_nan(saturated_multiply_add(y - Table::center, Table::scale, offset), y);
}

// 0 where an underflow on the left piece was stored, else g. As signed integers, the codes from -0 on rise
// with the magnitude, and no positive value is below them.
template <class Table>
INVACT_FUNCTION float without_vanished(float g, float y, uint32 piece) {
  const int32 last = static_cast<int32>(float_bits(Table::vanishing) | float_sign_mask);
  return select_by_bit(piece, select(static_cast<int32>(float_bits(y)) <= last, 0.0f, g), g);
}

// On the left piece log2(y_min / y), at least 0; else `otherwise`. log2_minimum is log2(-y_min), with a
// fitted shift; the logarithm's argument is kept above `smallest`, if that is not 0.
template <class Table, class Math>
INVACT_FUNCTION float log_ratio(float y, uint32 piece, float otherwise) {
  const float magnitude = absolute(y);
  const float kept = Table::smallest > 0.0f ? at_least(magnitude, Table::smallest) : magnitude;
  return at_least_if(piece, Table::log2_minimum - Math::lg2(kept), 0.0f, otherwise);
}

// y * factor on the left piece, else `right`.
template <class Table>
INVACT_FUNCTION float with_left(float y, uint32 piece, float factor, float right) {
  const float multiplier = Table::flush_scale < 1.0f ? flushing_multiply(y, Table::flush_scale) : y;
  return multiply_if(piece, multiplier, factor, right);
}

// u = (y - y_min) * scale at the ends of a cell, clamped to [0, 1].
template <class Table>
struct cell_ends {
  float upper, lower;

  INVACT_FUNCTION cell_ends(float minimum, float y, float spacing, float reach) {
    const float u = multiply_add(y, Table::scale, -minimum * Table::scale);
    upper = carry_nan(saturated_multiply_add(spacing, reach * Table::scale, u), y);
    lower = saturated_multiply_add(spacing, -reach * Table::scale, u);
  }
};

// joint_approximant's polynomials, where u is the table's of y.
template <class Table, class Math>
INVACT_FUNCTION float joint(float y, float u, uint32 piece) {
  const float root = Math::sqrt(u);
  const float from_middle = select_by_bit(piece, -root, root) - Table::middle_center;
  const float middle = horner(Table::middle(), from_middle);
  const float log_root = Math::sqrt(log_ratio<Table, Math>(y, piece, u));
  const float left = y * horner(Table::left(), log_root - Table::left_center);
  const float right = horner(Table::right(), root - Table::right_center);
  const float far = select_by_bit(piece, left, right);
  return select(is_less(absolute(from_middle), Table::middle_width), middle, far);
}

}  // namespace detail

// One polynomial in t for both pieces: Table::polynomial().
template <class Table, class Math = native_math>
struct signed_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float offset = select_by_bit(piece, Table::left_offset, Table::offset);
    const float root = Math::sqrt(detail::scaled_offset<Table>(y, offset));
    return finish(select_by_bit(piece, -root, root), y, piece);
  }

  template <class Activation>
  INVACT_FUNCTION static float evaluate_cell(const Activation& activation, float y, float spacing, float reach,
                                             uint32 piece) {
    const detail::cell_ends<Table> ends(activation.lowest().y, y, spacing, reach);
    return finish((Math::sqrt(ends.upper) + Math::sqrt(ends.lower)) * select_by_bit(piece, -0.5f, 0.5f), y, piece);
  }

 private:
  INVACT_FUNCTION static float finish(float t, float y, uint32 piece) {
    const float g = horner(Table::polynomial(), t);
    return restore_nan(detail::without_vanished<Table>(g, y, piece), y);
  }
};

// y * left(|t|) on the left piece, right(|t|) on the right: one special function.
template <class Table, class Math = native_math>
struct split_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float t = Math::sqrt(detail::scaled_offset<Table>(y, Table::offset));
    const float right = horner(Table::right(), t);
    return restore_nan(detail::with_left<Table>(y, piece, horner(Table::left(), t), right), y);
  }
};

// y * left(r) on the left piece, right(|t|) on the right, where r is the log root sqrt(log2(y_min / y)): as
// y -> -0 the left factor grows like x alone, so g keeps its sign and order of magnitude. The pieces share
// the square root.
template <class Table, class Math = native_math>
struct log_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float u = detail::scaled_offset<Table>(y, Table::offset);
    const float root = Math::sqrt(detail::log_ratio<Table, Math>(y, piece, u));
    const float right = horner(Table::right(), root);
    return restore_nan(detail::with_left<Table>(y, piece, horner(Table::left(), root), right), y);
  }
};

// The same of a cell, its log root, too, the middle of both ends', for tables that are fitted so: they have no offset
// and no log2_minimum, and their polynomials take the sum of both ends' roots.
template <class Table, class Math = native_math>
struct cell_log_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& activation, float y, uint32 piece) {
    return evaluate_cell(activation, y, 0.0f, 0.0f, piece);
  }

  template <class Activation>
  INVACT_FUNCTION static float evaluate_cell(const Activation& activation, float y, float spacing, float reach,
                                             uint32 piece) {
    const float minimum = activation.lowest().y;
    const detail::cell_ends<Table> ends(minimum, y, spacing, reach);
    // y / y_min and, about it, the cell's ends; kept where lg2 is finite and g is 0 in any format.
    const float ratio = at_least(y * (1.0f / minimum), 0x1p-120f);
    const float outer = multiply_add(spacing, -reach / minimum, ratio), inner = multiply_add(spacing, reach / minimum, ratio);
    const float root = Math::sqrt(at_least_if(piece, negated(Math::lg2(outer)), 0.0f, ends.lower)) +
                       Math::sqrt(at_least_if(piece, negated(Math::lg2(inner)), 0.0f, ends.upper));
    const float right = horner(Table::right(), root);
    return restore_nan(detail::with_left<Table>(y, piece, horner(Table::left(), root), right), y);
  }
};

// For float storage. About the minimum one polynomial in t for both pieces, on the left because log2(y_min / y) has
// no correct bits there; beyond middle_width from middle_center the log root on the left, about left_center, and on
// the right a second polynomial in |t|, about right_center: each about the middle of its range, where its terms are
// smallest.
template <class Table, class Math = native_math>
struct joint_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float offset = select_by_bit(piece, Table::left_offset, Table::offset);
    const float g = detail::joint<Table, Math>(y, detail::scaled_offset<Table>(y, offset), piece);
    return restore_nan(detail::without_vanished<Table>(g, y, piece), y);
  }
};

INVACT_NAMESPACE_END
