// The cell of a stored code: all y that round to it, its parts, and the y that stands for the cell or a part.
//
// Of an activation with one minimum, which says where by `y_minimum lowest() const`, g is smooth in t =
// sqrt(y - y_min) and has a square root's slope in y. So parts are equal in t, and what stands for one has
// the g in the middle of g's range over it: the least largest error that a decoder can have, wherever the
// minimum lies between two codes, which a scale of y moves.
//
// Of other activations parts are equal in y, and their middles stand for them. For a whole cell the middle of
// what of it lies in `y_range range() const` does, where they have that (the end of the range, too, may be
// anywhere between two codes), moved for the bend of g; otherwise, as suits a constant g, the code itself.
#pragma once

#include <invact/core/format.hpp>
#include <invact/core/math.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

template <class Activation, class = void>
inline constexpr bool has_lowest = false;
template <class Activation>
inline constexpr bool has_lowest<Activation, void_t<decltype(declval<const Activation&>().lowest().y)>> =
    true;

template <class Activation, class = void>
inline constexpr bool has_range = false;
template <class Activation>
inline constexpr bool has_range<Activation, void_t<decltype(declval<const Activation&>().range().low)>> =
    true;

// Whether a code is in the activation's ambiguous range, infinities and NaNs with its sign among them.
template <class Activation, class Format>
INVACT_FUNCTION bool has_piece(typename Format::code code) {
  if constexpr (Activation::ambiguous == ambiguous_range::negative) {
    return (code & Format::sign) != 0;
  } else if constexpr (Activation::ambiguous == ambiguous_range::positive) {
    return (code & Format::sign) == 0;
  } else {
    static_cast<void>(code);
    return Activation::ambiguous == ambiguous_range::any;
  }
}

// The cell of a code, of a y that is stored as y / inverse. It goes from its end next to 0 to the other
// one: in |t| where there is one minimum, else in y. In y too, in 16-bit storage, where |y| is less than a
// quarter of |y_min|: there t^2 has fewer digits of y than a code. Of infinities and NaNs it means nothing,
// and of zeros only where has_zero().
template <class Activation, class Format, int SpentBits = 0, class Math = native_math>
class code_cell {
  // Where the piece is in a code's lowest bits, the next code of the same piece is 2^SpentBits further.
  static constexpr float half_spacing = 0.5f * least<Format> * static_cast<float>(1 << SpentBits);

 public:
  // Of the code whose value is q. `end` is 0, or the |y| where the cell ends although rounding would end it
  // before: a value that does not belong to it (see owned_value).
  INVACT_FUNCTION code_cell(const Activation& activation, float q, float inverse, float end) {
    // Half a code in the bits of a float: so far from a normal number are the middles to its neighbours, a
    // power of two's too.
    constexpr uint32 half_code = 1u << (binary32_format::mantissa_bits - 1 - Format::mantissa_bits + SpentBits);
    const uint32 sign = float_bits(q) & float_sign_mask;
    const uint32 magnitude = float_bits(q) & ~float_sign_mask;
    float inner = float_from_bits(magnitude - half_code), outer = float_from_bits(magnitude + half_code);
    if constexpr (half_spacing > 0.0f) {
      inner = minimum(inner, float_from_bits(magnitude) - half_spacing);
      outer = at_least(outer, float_from_bits(magnitude) + half_spacing);
    }
    inner = at_least(inner, 0.0f);  // of a zero it is none
    float to = copy_sign(at_least(outer * inverse, end), sign);
    if constexpr (has_lowest<Activation>) {
      const y_minimum lowest = activation.lowest();
      lowest_ = lowest.y;
      bend_ = lowest.bend;
      // LiSHT's zero, the minimum of both pieces, stands for the y above it.
      has_zero_ = Activation::ambiguous == ambiguous_range::positive && half_spacing > 0.0f;
      if constexpr (sizeof(typename Format::code) > 1) {
        rooted_ = !(absolute(q) * inverse < 0.25f * absolute(lowest_));
      }
    } else if constexpr (has_range<Activation>) {
      const y_range range = activation.range();
      to = minimum(at_least(to, range.low), range.high);
      bend_ = float_from_bits(float_bits(range.bend) ^ sign);
      has_zero_ = range.steep_at_zero && half_spacing > 0.0f;
    } else {
      static_cast<void>(activation);
    }
    from_ = coordinate(copy_sign(inner * inverse, sign));
    width_ = coordinate(to) - from_;
  }

  // Whether a zero, too, is decoded as the cell of those y that have its sign.
  INVACT_FUNCTION bool has_zero() const { return has_zero_; }

  // The y for a part, of `size` of the cell, whose middle is at `middle` of the way through it.
  INVACT_FUNCTION float value(float middle, float size, uint32 piece) const {
    const float at = multiply_add(middle, width_, from_);
    const float half = 0.5f * size * width_;
    if constexpr (has_lowest<Activation>) {
      const float t = multiply_add(moved(select_by_bit(piece, -bend_, bend_) * half), half, at);
      return select(rooted_, multiply_add(t, t, lowest_), at);
    } else {
      static_cast<void>(piece);
      return multiply_add(moved(bend_ * half), half, at);
    }
  }

  // How far y is through the cell: 0 to 1, or beside that by what was rounded.
  INVACT_FUNCTION float part(float y) const {
    const bool is_point = absolute(width_) < 0x1p-100f;
    return (coordinate(y) - from_) * Math::rcp(select(is_point, 1.0f, width_));
  }

 private:
  // From the middle of a part to its end at most: a part far out may be longer than g bends evenly.
  INVACT_FUNCTION static float moved(float halves) { return at_least(minimum(halves, 1.0f), -1.0f); }

  INVACT_FUNCTION float coordinate(float y) const {
    if constexpr (has_lowest<Activation>) {
      return select(rooted_, Math::sqrt(at_least(y - lowest_, 0.0f)), y);
    } else {
      return y;
    }
  }

  float lowest_ = 0.0f, bend_ = 0.0f;
  bool rooted_ = true, has_zero_ = false;
  float from_, width_;
};

// What Bits mask bits of an element say of its y: its piece where its code is ambiguous, and what is left
// of them numbers equal parts of the cell, from the cell's end next to 0 on. If nothing is left where codes
// are ambiguous, no cell is cut. Here y is about the value of its code times `inverse`, and `end` is the
// cell's.
template <class Activation, class Format, int Bits, int SpentBits = 0, class Math = native_math>
struct cell_parts {
  using code = typename Format::code;
  using cell = code_cell<Activation, Format, SpentBits, Math>;
  static constexpr int piece_bits = piece_bits_v<Activation>;
  static constexpr bool cuts = Bits > piece_bits;

  INVACT_FUNCTION static uint32 piece(code c, uint32 mask) {
    if constexpr (cuts) {
      return select(has_piece<Activation, Format>(c), mask & ((1u << piece_bits) - 1u), 0u);
    } else {
      static_cast<void>(c);
      return mask;
    }
  }

  // The mask bits of a y that is stored as the code c.
  INVACT_FUNCTION static uint32 mask(const Activation& activation, float y, uint32 piece, code c,
                                     float inverse, float end) {
    if constexpr (cuts) {
      const bool ambiguous = has_piece<Activation, Format>(c);
      const float parts = select(ambiguous, count<Bits - piece_bits>, count<Bits>);
      // A NaN becomes some number here too, before it becomes an integer.
      const float at = minimum(
          at_least(cell(activation, Format::load(c), inverse, end).part(y) * parts, 0.0f), parts - 1.0f);
      const auto number = static_cast<uint32>(static_cast<int32>(at));
      return select(ambiguous, number << piece_bits | piece, number);
    } else {
      static_cast<void>(activation);
      static_cast<void>(y);
      static_cast<void>(c);
      static_cast<void>(inverse);
      static_cast<void>(end);
      return piece;
    }
  }

  // The y that the code c and these mask bits stand for. Infinities, NaNs and most zeros stand for
  // themselves.
  INVACT_FUNCTION static float value(const Activation& activation, code c, uint32 mask, float inverse,
                                     float end) {
    const float q = Format::load(c);
    if constexpr (!cuts && !has_lowest<Activation> && !has_range<Activation>) {
      static_cast<void>(activation);
      static_cast<void>(mask);
      static_cast<void>(end);
      return q * inverse;
    } else {
      float middle = 0.5f, size = 1.0f;
      if constexpr (cuts) {
        const bool ambiguous = has_piece<Activation, Format>(c);
        const uint32 number = select(ambiguous, mask >> piece_bits, mask);
        size = select(ambiguous, 1.0f / count<Bits - piece_bits>, 1.0f / count<Bits>);
        middle = (static_cast<float>(static_cast<int32>(number)) + 0.5f) * size;
      }
      const cell whole(activation, q, inverse, end);
      const uint32 magnitude = c & (Format::sign - 1u);
      const bool stands_for_itself =
          ((magnitude == 0u) & !whole.has_zero()) | (magnitude >= Format::infinity);
      return select(stands_for_itself, q * inverse, whole.value(middle, size, piece(c, mask)));
    }
  }

 private:
  template <int N>
  static constexpr float count = static_cast<float>(1 << N);
};

}  // namespace detail

INVACT_NAMESPACE_END
