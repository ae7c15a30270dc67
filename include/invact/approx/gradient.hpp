// Approximants of the gradient factor of an activation with one minimum.
//
// With v = y - y_min, both x and g = f'(x) are analytic in t = +-sqrt(v) through the minimum (minus on
// the left piece), where in y itself g has a square-root singularity. On the left g has a further mild
// logarithmic singularity as y -> -0, which sqrt(log(y_min / y)) resolves: x itself grows like it.
//
// Every approximant here takes a table of coefficients (see coefficients/) and a set of special
// functions, Math. Members that all tables have:
//   center, scale, offset, left_offset   u = (y - center) * scale + offset is v over the value from
//       which on g is constant. `center` is non-zero only in float, where y - center is exact near the
//       minimum and carries the bits that y * scale would round. The offsets hold the fitted shift of
//       y_min; it differs by piece where the packing gives the pieces different codes.
//   vanishing   left-piece magnitudes up to it (what an underflow is stored as) give g = 0
// y is a stored value, piece is 1 on the left; a NaN y gives NaN, and y below y_min, as rounding
// produces, counts as y_min.
#pragma once

#include <invact/approx/polynomial.hpp>
#include <invact/core/math.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// u of the table, clamped to [0, 1]; anything in there for a NaN y.
template <class Table>
INVACT_FUNCTION float scaled_offset(float y, uint32 piece) {
  const float offset = select_by_bit(piece, Table::left_offset, Table::offset);
  return saturated_multiply_add(y - Table::center, Table::scale, offset);
}

// g; 0 where an underflow on the left piece was stored; NaN where y is, told by its bits, because
// the clamps lose it and -ffast-math would let a compiler drop any other test.
template <class Table>
INVACT_FUNCTION float finish(float g, float y, uint32 piece) {
  const bool vanished = (float_bits(y) << 1) <= (float_bits(Table::vanishing) << 1);
  return select(is_nan(y), y, select(vanished, select_by_bit(piece, 0.0f, g), g));
}

// y * left(sqrt(log2(y_min / y)) - left_center): as y -> -0 the factor grows like x alone, so g keeps
// its sign and order of magnitude. log2_minimum is log2(-y_min), shifted like the offsets; the
// logarithm's argument is kept above `smallest`, a positive normal float.
template <class Table, class Math>
INVACT_FUNCTION float log_root_factor(float y) {
  const float magnitude = absolute(y);
  const float kept = select(magnitude > Table::smallest, magnitude, Table::smallest);
  const float d = Table::log2_minimum - Math::lg2(kept);
  const float r = Math::sqrt(select(d > 0.0f, d, 0.0f));
  return y * horner(Table::left(), r - Table::left_center);
}

}  // namespace detail

// One polynomial in t for both pieces: Table::polynomial().
template <class Table, class Math = native_math>
struct signed_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float root = Math::sqrt(detail::scaled_offset<Table>(y, piece));
    const float t = float_from_bits(float_bits(root) ^ (piece << 31));
    const float g = horner(Table::polynomial(), t);
    return detail::finish<Table>(g, y, piece);
  }
};

// y * left(|t|) on the left piece, right(|t|) on the right: one special function.
template <class Table, class Math = native_math>
struct split_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float t = Math::sqrt(detail::scaled_offset<Table>(y, piece));
    const float left = y * horner(Table::left(), t);
    const float right = horner(Table::right(), t);
    return detail::finish<Table>(select_by_bit(piece, left, right), y, piece);
  }
};

// The log root on the left piece, right(|t|) on the right.
template <class Table, class Math = native_math>
struct log_root_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float t = Math::sqrt(detail::scaled_offset<Table>(y, 0));
    const float left = detail::log_root_factor<Table, Math>(y);
    const float right = horner(Table::right(), t);
    return detail::finish<Table>(select_by_bit(piece, left, right), y, piece);
  }
};

// For float storage. Near the minimum (u < near_limit) one polynomial in t for both pieces, because
// log2(y_min / y) has no correct bits there; further out the log root on the left, and on the right
// two polynomials in |t|, each about the middle of its range, that meet at right_split.
template <class Table, class Math = native_math>
struct joint_approximant {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float y, uint32 piece) {
    const float u = detail::scaled_offset<Table>(y, piece);
    const float root = Math::sqrt(u);
    const float t = float_from_bits(float_bits(root) ^ (piece << 31));
    const float near = horner(Table::near_minimum(), t);
    const float left = detail::log_root_factor<Table, Math>(y);
    const float inner = horner(Table::right_inner(), root - Table::inner_center);
    const float outer = horner(Table::right_outer(), root - Table::outer_center);
    const float right = select(root < Table::right_split, inner, outer);
    const float far = select_by_bit(piece, left, right);
    const float g = select(is_less(Table::near_limit, u), far, near);
    return detail::finish<Table>(g, y, piece);
  }
};

INVACT_NAMESPACE_END
