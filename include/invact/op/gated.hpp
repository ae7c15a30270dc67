// gated: a gated unit, h = f(g) * u, whose backward needs only h, u and the monotone piece of g.
//
//   using act = invact::swiglu<invact::bfloat16>;                        // gated<silu, bfloat16>
//   act::encoded e = act{}.forward(g, u);                                 // e.h, e.piece
//   act::gradients d = act{}.backward(dh, e.h, u, e.piece);               // d.dg, d.du
//
// The next layer keeps h, and u is kept anyway; g is not. y = f(g) is h / u, to the bits that h has; then
// dg = dh * u * f'(f^-1(y)) and du = dh * y. u is the value that is kept: in an epilogue round it first.
//
// u = 0      loses nothing: h = f(g) * m with m = u, but where |u| is less than least_multiplier of the storage format,
//            2^-60 in bfloat16 and float and 2^-13 in half, with that and u's sign: there h is off by up to that times
//            |f(g)|, and no 0 for a u of 0. The backward does the same to u, so u itself is never written, and dg is of u
//            itself: 0 where u is.
// Mask       bitmask keeps the piece beside h, mantissa_bit in h's lowest mantissa bit where h / u is in the activation's
//            ambiguous range: h is off by up to 1 ULP in place of 1/2 there, on the negative side of f, where |f| is
//            small. In u's lowest bit it would cost a third less of dg, but h as much or more (README, "Gated units"), a
//            forward that has u already another tensor to write, and a u that nobody else may touch.
// h          where f(g) and h are normal numbers of the storage format and |u| is at least least_multiplier: 0.5 ULP, and
//            with mantissa_bit 1, and twice what f's evaluator is off. Next to a constant piece of f up to 1.65, below
//            clamped_swish's top 2.25.
// Half       an h below 2^-14 is subnormal and has fewer bits, so y is known to 2^-25 / |m| only (2^-24 on the ambiguous
//            side with mantissa_bit, and next to a constant piece, which others are held apart from): 2^-12 (2^-11) at
//            worst, which is what least_multiplier is for. That is as much as half's rounding of g itself costs; du is off
//            by dh times that, and dg, a multiple of u, by less. h of over 65504 is infinite, and so is its du then.
//            bfloat16 has neither limit.
// Largest u  the reciprocal of a |u| of 2^126 and more is subnormal: the backward decodes a finite h as y = 0, an infinite
//            one as NaN.
// NaN        NaN of g, u or dh give NaN, dg and du, but that du is 0 where Up clamps u; so does an infinite u that is not
//            clamped, as h / u is none. Of an infinite h of a finite u du is infinite, and f' is its limit.
// Gradients  in 16-bit storage dg's RMS error is within 3 % of the least that a decoder of h, u and the bit can have, for
//            g, u ~ N(0, 1). For SiLU, GELU, Mish and ReLU that is at most 1 % above what the op that stores y (inverted)
//            has in bfloat16 and 7 % in half; for sigmoid, hardswish and tanh 15 to 23 %, as h / u tells less of their y.
//            du is off by less than what computing f(g) again from a rounded g is where f is about as steep as its
//            argument (SiLU, GELU, Mish, ReLU^2), by more where it is flat (sigmoid, tanh, softplus). test/accuracy has
//            the tables.
//
// An op is a trivially copyable value, touches no memory and launches nothing, as inverted; scalar and fragment calls
// agree bit for bit, except on a host under -ffast-math.
#pragma once

#include <invact/core/format.hpp>
#include <invact/op/gated_parts.hpp>
#include <invact/op/owned_codes.hpp>
#include <invact/packing/mantissa_bit.hpp>

INVACT_NAMESPACE_BEGIN

// The least |multiplier| of f(g): see above.
template <class Format>
inline constexpr float least_multiplier =
    (Format::sign >> Format::mantissa_bits) >= 0x80u ? 0x1p-60f : 0x1p-13f;

// Activation   what f is: of the catalogue, or your own.
// Storage      the type h is kept in: float, __half, __nv_bfloat16, or one with storage_traits.
// Packing      where the piece index goes: bitmask or mantissa_bit.
// Approximant  how f'(f^-1(y)) is computed: accurate, fast (16-bit storage), or a class of your own. What has
//              `evaluate_cell` (approx/gradient.hpp) is told how far the y of the h and u at hand may be from their
//              quotient; what has only `evaluate`, as fast, is given the quotient. A wrapper should have both.
// Evaluator    how f is computed: the storage format's own, packed, or a class of yours.
// Up           what f(g) is multiplied with: plain_up, clamped_up, or a class of yours.
template <class Activation, class Storage, class Packing = bitmask, class Approximant = accurate,
          class Evaluator = default_evaluator, class Up = plain_up>
class gated : public detail::gated_parameters<Activation, Up> {
  using base = detail::gated_parameters<Activation, Up>;
  using parts = detail::gated_parts<detail::check_gated<Activation, Storage, Packing, Up>::value, Activation, Storage,
                                    Packing, Approximant, Evaluator>;
  using traits = storage_traits<Storage>;
  using format = typename parts::format;
  using code = typename format::code;
  using owned = detail::owned_codes<Activation, format, typename parts::computed>;
  static constexpr int spent_bits = parts::spent_bits;

 public:
  using activation_type = Activation;
  using storage_type = Storage;
  using packing_type = Packing;
  using approximant_type = typename parts::approximant;
  using evaluator_type = typename parts::evaluator;
  using up_type = Up;

  // Bits that each element keeps outside h: 0 with mantissa_bit.
  static constexpr int mask_bits = parts::mask_bits;
  // What the backward takes beside u and dh is h, not g.
  static constexpr bool recomputes = false;
  // Whether two elements are computed at once: forward_pair() exists.
  static constexpr bool encodes_pairs = detail::evaluates_values_in_pairs<evaluator_type, Activation>;

  // What the forward keeps of one element beside u. `piece` is 0 when the packing keeps it inside h.
  struct encoded {
    Storage h;
    uint32 piece;
  };
  // In float: round them to the gradients' types yourself.
  struct gradients {
    float dg, du;
  };

  using base::activation;
  using base::up;

  constexpr gated() = default;
  INVACT_HOST_DEVICE constexpr explicit gated(const Activation& a, const Up& u = Up{}) : base(a, u) {}

  // f(g) * u, rounded to Storage, with g's piece. g is the compute value, after any bias, u the value that is kept.
  INVACT_FUNCTION encoded forward(float g, float u) const {
    const float m = up().multiplier(u);
    if constexpr (encodes_pairs) {
      const auto y = evaluator_type::evaluate_pair(activation(), g, g);
      const float size = magnitude(m);
      const uint32 codes =
          Packing::template encode_packed<Activation, format>(y.first * size, y.second * size, y.pieces);
      return {traits::from_code(static_cast<code>((codes & 0xffffu) ^ sign_of(m))), mask_bits == 0 ? 0u : y.pieces & 1u};
    } else {
      const uint32 piece = activation().piece_index(g);
      const float scaled = before_rounding(g, m, piece);
      const auto c = Packing::template encode<Activation, format>(scaled, piece);
      return {traits::from_code(static_cast<code>(c ^ sign_of(m))), mask_bits == 0 ? 0u : piece};
    }
  }

  // The gradients, decoded from what forward() kept.
  INVACT_FUNCTION gradients backward(float dh, Storage h, float u, uint32 piece) const {
    const float m = up().multiplier(u);
    const decoded_unit unit = decode(h, m, piece);
    return {dh * m * unit.factor, select(up().is_clamped(u), 0.0f, dh * unit.y)};
  }
  INVACT_FUNCTION gradients backward(float dh, Storage h, float u) const {
    static_assert(mask_bits == 0,
                  "invact::gated::backward(dh, h, u): this packing keeps the piece outside h: pass backward(dh, h, u, "
                  "piece)");
    return backward(dh, h, u, 0u);
  }

  template <int N>
  using pieces = piece_fragment<N, mask_bits>;

  // forward() of N elements; `kept.bits` are then the mask's bits in the bitmask's own order. Fragments by value, as of
  // inverted.
  template <int N>
  INVACT_FUNCTION fragment<Storage, N> forward(fragment<float, N> g, fragment<float, N> u, pieces<N>& kept) const {
    constexpr bool has_pairs = encodes_pairs || detail::encodes_pairs<Packing, Activation, format> ||
                               (detail::is_same_v<Packing, bitmask> && detail::converts_pairs<format>);
    constexpr int paired = has_pairs ? N / 2 * 2 : 0;
    fragment<Storage, N> h;
    kept = pieces<N>{};
    INVACT_UNROLL
    for (int i = 0; i < paired; i += 2) {
      if constexpr (has_pairs) {
        const float first = up().multiplier(u[i]), second = up().multiplier(u[i + 1]);
        uint32 first_piece, second_piece;
        fragment<code, 2> codes;
        if constexpr (encodes_pairs) {
          const auto y = evaluator_type::evaluate_pair(activation(), g[i], g[i + 1]);
          first_piece = y.pieces & 1u;
          second_piece = y.pieces >> 31;
          codes = bit_cast<fragment<code, 2>>(Packing::template encode_packed<Activation, format>(
              y.first * magnitude(first), y.second * magnitude(second), y.pieces));
        } else {
          first_piece = activation().piece_index(g[i]);
          second_piece = activation().piece_index(g[i + 1]);
          const float a = before_rounding(g[i], first, first_piece);
          const float b = before_rounding(g[i + 1], second, second_piece);
          if constexpr (detail::encodes_pairs<Packing, Activation, format>) {
            codes = Packing::template encode_pair<Activation, format>(a, b, first_piece, second_piece);
          } else {
            codes = bit_cast<fragment<code, 2>>(format::round_pair(a, b));
          }
        }
        if constexpr (sizeof(code) == 2) {
          const uint32 signs = upper_halves(float_bits(first), float_bits(second)) & 0x80008000u;
          codes = bit_cast<fragment<code, 2>>(bit_cast<uint32>(codes) ^ signs);
        } else {
          codes = {static_cast<code>(codes[0] ^ sign_of(first)), static_cast<code>(codes[1] ^ sign_of(second))};
        }
        h[i] = traits::from_code(codes[0]);
        h[i + 1] = traits::from_code(codes[1]);
        kept.insert(i, first_piece);
        kept.insert(i + 1, second_piece);
      }
    }
    INVACT_UNROLL
    for (int i = paired; i < N; ++i) {
      const encoded e = forward(g[i], u[i]);
      h[i] = e.h;
      kept.insert(i, e.piece);
    }
    return h;
  }

  template <int N>
  INVACT_FUNCTION void backward(fragment<float, N> dh, fragment<Storage, N> h, fragment<float, N> u,
                                const pieces<N>& kept, fragment<float, N>& dg, fragment<float, N>& du) const {
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) {
      const gradients d = backward(dh[i], h[i], u[i], kept[i]);
      dg[i] = d.dg;
      du[i] = d.du;
    }
  }

 private:
  static constexpr bool is_narrow = sizeof(code) == 2;
  static constexpr bool owns_top = detail::owns_top<Activation>;
  // Half of the distance of codes of one piece, relative to the power of two below one of them.
  static constexpr float reach = detail::power_of_two(spent_bits - 1 - format::mantissa_bits);

  // |m|, but not less than the least.
  INVACT_FUNCTION static float magnitude(float m) { return max_propagate_nan(absolute(m), least_multiplier<format>); }
  // The sign bit of a code that is m's.
  INVACT_FUNCTION static uint32 sign_of(float m) {
    return (float_bits(m) >> (32 - 8 * static_cast<int>(sizeof(code)))) & format::sign;
  }
  INVACT_FUNCTION static float with_sign_of(float x, float m) {
    return float_from_bits(float_bits(x) ^ (float_bits(m) & float_sign_mask));
  }

  // f(g) * |m|.
  INVACT_FUNCTION float before_rounding(float g, float m, uint32 piece) const {
    const float size = magnitude(m);
    if constexpr (owns_top) {
      // Others at least a code below the top's.
      const float top = activation().top() * size;
      const float below = multiply_add(detail::power_of_two_below(top), -detail::epsilon<format>, top);
      const float scaled = activation().unclamped().template value<typename parts::computed, native_math>(g) * size;
      return select(activation().is_beyond(g), top, smaller(scaled, below));
    } else {
      return apart(evaluator_type::evaluate(activation(), g), size, piece);
    }
  }
  INVACT_FUNCTION float apart(float y, float size, uint32 piece) const {
    const float scaled = y * size;
    if constexpr (owned::count > 0) {
      // A comparison with what is owned loses a NaN.
      return restore_nan(owned(activation(), size).apart(scaled, y, piece), scaled);
    } else {
      static_cast<void>(piece);
      return scaled;
    }
  }

  // y, and f' there.
  struct decoded_unit {
    float y, factor;
  };
  INVACT_FUNCTION decoded_unit decode(Storage stored, float m, uint32 mask) const {
    const float size = magnitude(m), h = traits::load(stored);
    const code c = static_cast<code>(traits::to_code(stored) ^ sign_of(m));
    const uint32 piece = Packing::template decode<Activation, format>(c, mask);
    const bool is_number = c < format::infinity, is_same = c == rounded(activation_top() * size);
    const bool is_top = owns_top & is_number & is_same;
    decoded_unit unit;
    if constexpr (!is_narrow) {
      unit.y = with_sign_of(quotient(h, size), m);
      // What is not the top must not be rounded to it.
      if constexpr (owns_top) {
        unit.y = smaller(unit.y, float_from_bits(float_bits(activation_top()) - 1u));
      } else {
        unit.y = owned::value(activation(), size, c, piece, unit.y);
      }
      unit.factor = approximant_type::evaluate(activation(), not_vanished(unit.y, c, piece), piece);
    } else {
      const float inverse = native_math::rcp(size);
      unit.y = with_sign_of(h * inverse, m);
      if constexpr (detail::has_evaluate_cell<approximant_type, Activation> &&
                    !detail::is_same_v<Approximant, fast>) {
        // Finite, so that of an infinite y it leaves infinities.
        float spacing = minimum(detail::power_of_two_below(h) * inverse, 0x1p+100f);
        if constexpr (detail::least<format> > 0x1p-100f) {
          // Subnormal numbers are equally far apart; but no y reaches beyond its double and half.
          constexpr float least = detail::least<format> / detail::epsilon<format>;
          spacing = minimum(at_least(spacing, inverse * least), absolute(unit.y) * (0.5f / reach));
        }
        unit.factor = approximant_type::evaluate_cell(activation(), unit.y, spacing, reach, piece);
      } else {
        unit = decode_closed_form(c, unit.y, size, inverse, piece);
      }
    }
    if constexpr (owns_top) unit = {select(is_top, activation_top(), unit.y), select(is_top, 0.0f, unit.factor)};
    return unit;
  }
  // On the device one conversion of two is faster than one of one.
  INVACT_FUNCTION static code rounded(float x) {
    if constexpr (detail::converts_pairs<format> && native_math::fuses()) {
      return static_cast<code>(format::round_pair(x, x) & 0xffffu);
    } else {
      return format::round(x);
    }
  }
  INVACT_FUNCTION float activation_top() const {
    if constexpr (owns_top) {
      return activation().top();
    } else {
      return 0.0f;
    }
  }

  // Of an approximant that is told no cell: the y that stands for the cell, where g is not straight in it.
  INVACT_FUNCTION decoded_unit decode_closed_form(code c, float y, float size, float inverse, uint32 piece) const {
    float at = y;
    if constexpr (detail::has_gradient_factor<Activation> && detail::has_range<Activation> && owned::count == 0) {
      // Only an end of the range moves the middle.
      static_cast<void>(size);
      const y_range range = activation().range();
      const float spacing = detail::power_of_two_below(format::load(c)) * inverse;
      at = 0.5f * (smaller(multiply_add(spacing, reach, y), range.high) + larger(multiply_add(spacing, -reach, y), range.low));
    } else if constexpr (detail::has_gradient_factor<Activation> &&
                         (detail::has_lowest<Activation> || detail::has_range<Activation>)) {
      using cell = detail::cell_parts<Activation, format, parts::piece_bits, spent_bits>;
      at = cell::value(activation(), c, piece, inverse, owned::end_of(activation(), size, c));
    }
    at = not_vanished(at, c, piece);
    return {owned::value(activation(), size, c, piece, y),
            approximant_type::evaluate(activation(), owned::value(activation(), size, c, piece, at), piece)};
  }

  // y, and -0 for what a constant -0 was stored as on the left piece.
  INVACT_FUNCTION static float not_vanished(float y, code c, uint32 piece) {
    if constexpr (owned::count > 0 && !owns_top && spent_bits > 0) {
      const bool vanished = (piece != 0) & ((c & (format::sign - 1u)) <= (format::min_kept | 1u));
      return select(vanished, float_from_bits(float_sign_mask), y);
    } else {
      static_cast<void>(c);
      static_cast<void>(piece);
      return y;
    }
  }

  // q / size, rounded as good as once.
  INVACT_FUNCTION static float quotient(float q, float size) {
    const float inverse = native_math::rcp(size);
    const float first = q * inverse;
    const float rest = fused_multiply_add(negated(first), size, q);
    const float twice = copy_sign(fused_multiply_add(rest, inverse, first), float_bits(q) & float_sign_mask);
    return select(absolute(first) < float_from_bits(float_infinity_bits), twice, first);
  }
};

INVACT_NAMESPACE_END
