// The codes of the values of y that constant pieces own (see owned_value), where y is stored as y * factor: what keeps
// others off them, and how one is told.
#pragma once

#include <invact/core/order.hpp>
#include <invact/core/traits.hpp>
#include <invact/packing/cell.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Computed is the format that Activation's own value() and gradient_factor() have.
template <class Activation, class Format, class Computed>
class owned_codes {
  using code = typename Format::code;
  // What is too large for eight bits becomes their largest number, of more infinity.
  static constexpr bool saturates = sizeof(code) == 1;

 public:
  static constexpr int count = owned_values_of<Activation>;

  INVACT_FUNCTION owned_codes(const Activation& activation, float factor) {
    static_cast<void>(activation);
    static_cast<void>(factor);
    if constexpr (count > 0) {
      constexpr float largest = 0x1.fffffep+127f;
      INVACT_UNROLL
      for (int i = 0; i < count; ++i) {
        const owned_value owned = activation.owned(i);
        const uint32 magnitude = code_of(owned.y, factor) & (Format::sign - 1u);
        const bool is_negative = (float_bits(owned.y) & float_sign_mask) != 0;
        const bool is_last = saturates & (magnitude + 1u >= Format::infinity);
        // Too large for the format, or a NaN: no code is its own.
        const bool is_lost = !saturates & (magnitude >= Format::infinity);
        // With the sign made positive. Before a zero are the numbers of the other sign; where the scale makes
        // a zero of another value, y before it become one too.
        float inner = select(is_zero_value(owned.y), -Format::load(static_cast<code>(1u)),
                             select(magnitude == 0u, largest, Format::load(static_cast<code>(magnitude - 1u))));
        float outer = select(is_last, -largest, Format::load(static_cast<code>(magnitude + 1u)));
        if constexpr (!saturates) {
          inner = select(is_lost, float_from_bits(float_infinity_bits), inner);
          outer = select(is_lost, -float_from_bits(float_infinity_bits), outer);
        }
        all_[i] = {owned.y,
                   select(is_negative, negated(outer), inner),
                   select(is_negative, negated(inner), outer),
                   is_last,
                   owned.piece,
                   owned.others};
      }
    }
  }

  // y scaled, but held away from the codes of owned values.
  INVACT_FUNCTION float apart(float scaled, float y, uint32 piece) const {
    if constexpr (count > 0) {
      INVACT_UNROLL
      for (int i = 0; i < count; ++i) {
        const owned_code& o = all_[i];
        const bool is_below = (o.others != beside::above) & !is_at_least(y, o.y);
        const bool is_above = (o.others != beside::below) & !is_at_most(y, o.y);
        const bool owns = piece == o.piece, is_held = (o.others == beside::both) & o.saturates;
        const float below = smaller(scaled, o.before);
        scaled = select(owns & (is_below | (is_above & is_held)), below, scaled);
        const float above = larger(scaled, o.behind);
        scaled = select(owns & (is_above | (is_below & is_held)), above, scaled);
      }
    } else {
      static_cast<void>(y);
      static_cast<void>(piece);
    }
    return scaled;
  }

  // Where the cell of c ends at an owned value, of the next code, that |value|; else 0. It matters where g
  // is not constant beside one.
  INVACT_FUNCTION static float end_of(const Activation& activation, float factor, code c) {
    float end = 0.0f;
    if constexpr (has_lowest<Activation> && count > 0) {
      INVACT_UNROLL
      for (int i = 0; i < count; ++i) {
        const float owned = activation.owned(i).y;
        end = select(static_cast<code>(c + 1u) == code_of(owned, factor), absolute(owned), end);
      }
    } else {
      static_cast<void>(activation);
      static_cast<void>(factor);
      static_cast<void>(c);
    }
    return end;
  }

  // The y that c stands for, where that is an owned value, else `y`. An owned value is taken as it is, as its
  // product, rounded and divided again, would be on either side of the bound that an activation compares it with.
  INVACT_FUNCTION static float value(const Activation& activation, float factor, code c, uint32 piece, float y) {
    if constexpr (count > 0) {
      INVACT_UNROLL
      for (int i = 0; i < count; ++i) {
        const owned_value owned = activation.owned(i);
        const bool is_zero = is_zero_value(owned.y);  // which decodes to itself
        const bool is_code = saturates || (c & (Format::sign - 1u)) < Format::infinity;
        y = select((c == code_of(owned.y, factor)) & (piece == owned.piece) & !is_zero & is_code,
                   Computed::load(Computed::round(owned.y)), y);
      }
    } else {
      static_cast<void>(activation);
      static_cast<void>(factor);
      static_cast<void>(c);
      static_cast<void>(piece);
    }
    return y;
  }

 private:
  // What keeps other y off the code of an owned value: those below it are rounded from at most the number
  // before the code's, those above it from at least the one behind.
  struct owned_code {
    float y, before, behind;
    bool saturates;  // there is no number behind: what is beyond it is held before it
    uint32 piece;
    beside others;
  };

  // The code of an owned value. A zero's is known to the compiler where the zero is.
  INVACT_FUNCTION static code code_of(float owned, float factor) {
    return is_zero_value(owned) ? static_cast<code>((float_bits(owned) >> 31) * Format::sign)
                                : Format::round(owned * factor);
  }
  INVACT_FUNCTION static constexpr bool is_zero_value(float x) { return x == 0.0f; }

  owned_code all_[count > 0 ? count : 1]{};
};

}  // namespace detail

INVACT_NAMESPACE_END
