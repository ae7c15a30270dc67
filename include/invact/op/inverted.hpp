// inverted: an activation whose backward needs only its output and its monotone piece.
//
//   using act = invact::inverted<invact::gelu, invact::bfloat16>;       // mask bits beside y
//   act::encoded e = act{}.forward(x);                                   // e.y, e.piece
//   float dx = act{}.backward(dy, e.y, e.piece);                         // dy * f'(f^-1(y))
//
// An op is a trivially copyable value, empty unless its activation has parameters. It touches no
// memory, launches nothing and throws nothing, on the host and on the device alike, so it goes into
// any kernel or epilogue. Scalar and fragment calls agree bit for bit, except on a host under -ffast-math,
// which lets the compiler round vectors otherwise than scalars.
//
// NaN gives NaN, forward and backward. x = -inf gives -0 on the left piece and g = 0, but NaN with a packed Evaluator.
#pragma once

#include <invact/core/fragment.hpp>
#include <invact/core/half_pair.hpp>
#include <invact/core/traits.hpp>
#include <invact/packing/bitmask.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Says which requirement of `inverted` its arguments miss, once and readably.
template <class Activation, class Storage, class Packing>
struct check_inverted {
  static_assert(is_activation_v<Activation>,
                "invact::inverted: Activation is not an activation: it needs `pieces`, `ambiguous` and "
                "`piece_index(float) const`, as invact::gelu has");
  static_assert(is_storage_v<Storage>,
                "invact::inverted: Storage is not a storage type: use float, __half, __nv_bfloat16, "
                "invact::binary16 or invact::bfloat16, or specialise invact::storage_traits for it");
  static_assert(!is_float8<Storage>,
                "invact::inverted: Storage is an FP8 type, in which y is kept scaled: use invact::scaled");
  static_assert(is_packing_v<Packing>,
                "invact::inverted: Packing is not a packing: it needs `mask_bits`, `spent_bits`, "
                "`encode` and `decode`, as invact::bitmask has; use invact::bitmask or "
                "invact::mantissa_bit");
  static constexpr bool value =
      is_activation_v<Activation> && is_storage_v<Storage> && !is_float8<Storage> && is_packing_v<Packing>;
};

// The types `inverted` is made of; empty when the check failed, so that its message stands alone.
template <bool Checked, class Activation, class Storage, class Packing, class Approximant, class Evaluator>
struct inverted_parts {
  using format = binary32_format;
  using code = uint32;
  using approximant = void;
  using evaluator = void;
  static constexpr int piece_bits = 0;
  static constexpr int mask_bits = 0;
};

template <class Activation, class Storage, class Packing, class Approximant, class Evaluator>
struct inverted_parts<true, Activation, Storage, Packing, Approximant, Evaluator> {
  using format = typename storage_traits<Storage>::format;
  using code = typename format::code;
  static constexpr int piece_bits = piece_bits_v<Activation>;
  static constexpr int mask_bits = Packing::template mask_bits<piece_bits>;
  using approximant = typename select_approximant<Approximant, Activation, format,
                                                  Packing::template spent_bits<piece_bits>>::type;
  using evaluator = typename select_evaluator<Evaluator, Activation, format>::type;
  static_assert(!is_same_v<approximant, fast>,
                "invact::inverted: Approximant is invact::fast, which is shipped for 16-bit storage "
                "only: use invact::accurate");
  static_assert(!is_same_v<approximant, packed> && !is_same_v<evaluator, packed>,
                "invact::inverted: invact::packed is shipped for gelu, gelu_tanh and silu in bfloat16 only: "
                "use invact::fast or invact::accurate, and invact::default_evaluator");
  static_assert(is_same_v<approximant, fast> || is_same_v<approximant, packed> || is_approximant_v<approximant, Activation>,
                "invact::inverted: Approximant is not an approximant for this activation and storage: "
                "it needs `static float evaluate(const Activation&, float y, uint32 piece)`; "
                "invact::accurate, invact::fast and invact::packed are the shipped choices");
  static_assert(is_same_v<evaluator, packed> || is_evaluator_v<evaluator, Activation>,
                "invact::inverted: Evaluator is not a forward evaluator for this activation: it needs "
                "`static float evaluate(const Activation&, float x)`");
};

}  // namespace detail

// Activation   what f is: gelu, silu, or your own.
// Storage      the type y is kept in: float, __half, __nv_bfloat16, or one with storage_traits.
// Packing      where the piece index goes: bitmask or mantissa_bit.
// Approximant  how g is computed: accurate, fast (16-bit storage), packed, or a class of your own.
// Evaluator    how f is computed: the storage format's own, packed, or a class of yours.
template <class Activation, class Storage, class Packing = bitmask, class Approximant = accurate,
          class Evaluator = default_evaluator>
class inverted : Activation {
  using parts = detail::inverted_parts<detail::check_inverted<Activation, Storage, Packing>::value,
                                       Activation, Storage, Packing, Approximant, Evaluator>;
  using traits = storage_traits<Storage>;
  using format = typename parts::format;

 public:
  using activation_type = Activation;
  using storage_type = Storage;
  using packing_type = Packing;
  using approximant_type = typename parts::approximant;
  using evaluator_type = typename parts::evaluator;

  // Whether two elements are computed at once: forward_pair() and backward_pairs() exist.
  static constexpr bool encodes_pairs = detail::evaluates_values_in_pairs<evaluator_type, Activation>;
  static constexpr bool decodes_pairs = detail::evaluates_gradients_in_pairs<approximant_type, Activation>;

  // Bits that each element keeps outside y: 0 with mantissa_bit.
  static constexpr int mask_bits = parts::mask_bits;

  // What the forward keeps of one element. `piece` is 0 when the packing keeps it inside y.
  struct encoded {
    Storage y;
    uint32 piece;
  };

  INVACT_HOST_DEVICE constexpr inverted() : Activation{} {}
  INVACT_HOST_DEVICE constexpr explicit inverted(const Activation& a) : Activation(a) {}

  INVACT_FUNCTION const Activation& activation() const { return *this; }

  // Whether the activation's parameters are in their range; the entry points refuse an op with others.
  INVACT_FUNCTION bool is_valid() const {
    if constexpr (detail::has_is_valid<Activation>) {
      return activation().is_valid();
    } else {
      return true;
    }
  }

  // Two elements as words, the first in the low half: their codes, and all ones in the half of one on piece 1.
  struct encoded_pair {
    uint32 codes, pieces;
  };
  INVACT_FUNCTION encoded_pair forward_pair(float first, float second) const {
    static_assert(encodes_pairs, "invact::inverted::forward_pair: Evaluator must be invact::packed");
    const auto y = evaluator_type::evaluate_pair(activation(), first, second);
    return {Packing::template encode_packed<Activation, format>(y.first, y.second, y.pieces), y.pieces};
  }
  // dx of M pairs from their codes and, where the packing keeps pieces outside y, from bits 15 and 31 of `pieces`.
  template <int M>
  INVACT_FUNCTION fragment<float, 2 * M> backward_pairs(fragment<float, 2 * M> dy, fragment<uint32, M> codes,
                                                        fragment<uint32, M> pieces = {}) const {
    static_assert(decodes_pairs, "invact::inverted::backward_pairs: Approximant must be invact::packed");
    INVACT_UNROLL
    for (int k = 0; k < M; ++k) pieces[k] = Packing::decode_packed(codes[k], pieces[k]);
    const fragment<uint32, M> g = approximant_type::evaluate_pairs(activation(), codes, pieces);
    fragment<float, 2 * M> dx;
    INVACT_UNROLL
    for (int k = 0; k < M; ++k) {
      dx[2 * k] = dy[2 * k] * first_of_halves(g[k]);
      dx[2 * k + 1] = dy[2 * k + 1] * second_of_halves(g[k]);
    }
    return dx;
  }

  // f(x), rounded to Storage, with its piece. x is the compute value, after any bias.
  INVACT_FUNCTION encoded forward(float x) const {
    if constexpr (encodes_pairs) {
      const encoded_pair both = forward_pair(x, x);
      return {traits::from_code(static_cast<typename format::code>(both.codes & 0xffffu)),
              mask_bits == 0 ? 0u : both.pieces & 1u};
    } else {
      const uint32 piece = activation().piece_index(x);
      const float y = evaluator_type::evaluate(activation(), x);
      const auto code = Packing::template encode<Activation, format>(y, piece);
      return {traits::from_code(code), mask_bits == 0 ? 0u : piece};
    }
  }

  // f'(x), decoded from what forward() kept.
  INVACT_FUNCTION float gradient_factor(Storage y, uint32 piece) const {
    const auto code = traits::to_code(y);
    const uint32 p = Packing::template decode<Activation, format>(code, piece);
    return approximant_type::evaluate(activation(), format::load(code), p);
  }
  INVACT_FUNCTION float gradient_factor(Storage y) const {
    static_assert(mask_bits == 0,
                  "invact::inverted::gradient_factor(y): this packing keeps the piece outside y: pass "
                  "gradient_factor(y, piece)");
    return gradient_factor(y, 0u);
  }

  // dx = dy * f'(x), in float: round it to the gradient's type yourself.
  INVACT_FUNCTION float backward(float dy, Storage y, uint32 piece) const {
    return dy * gradient_factor(y, piece);
  }
  INVACT_FUNCTION float backward(float dy, Storage y) const { return dy * gradient_factor(y); }

  // dy * df/dslope, what this element adds to the gradient of a leaky ReLU's slope.
  INVACT_FUNCTION float slope_gradient(float dy, Storage y, uint32 piece = 0) const {
    static_assert(detail::has_slope_gradient<Activation>,
                  "invact::inverted::slope_gradient: Activation has no slope: it needs "
                  "`slope_gradient(float y, uint32 piece) const`, as invact::prelu has");
    const auto code = traits::to_code(y);
    const uint32 p = Packing::template decode<Activation, format>(code, piece);
    return dy * activation().slope_gradient(format::load(code), p);
  }

  template <int N>
  using pieces = piece_fragment<N, mask_bits>;

  // Fragments are taken by value: of one in memory that is passed by reference, nvcc loads each element
  // where it is used, and no vector.

  // forward() of N elements; `kept.bits` are then the mask's bits in the bitmask's own order.
  template <int N>
  INVACT_FUNCTION fragment<Storage, N> forward(fragment<float, N> x, pieces<N>& kept) const {
    constexpr int paired =
        encodes_pairs || detail::encodes_pairs<Packing, Activation, format> ? N / 2 * 2 : 0;
    fragment<Storage, N> y;
    kept = pieces<N>{};
    if constexpr (encodes_pairs) {
      INVACT_UNROLL
      for (int i = 0; i < paired; i += 2) {
        const encoded_pair both = forward_pair(x[i], x[i + 1]);
        y[i] = traits::from_code(static_cast<typename format::code>(both.codes & 0xffffu));
        y[i + 1] = traits::from_code(static_cast<typename format::code>(both.codes >> 16));
        kept.insert(i, both.pieces & 1u);
        kept.insert(i + 1, both.pieces >> 31);
      }
    } else if constexpr (paired > 0) {
      INVACT_UNROLL
      for (int i = 0; i < paired; i += 2) {
        const uint32 first = activation().piece_index(x[i]), second = activation().piece_index(x[i + 1]);
        const auto codes = Packing::template encode_pair<Activation, format>(
            evaluator_type::evaluate(activation(), x[i]), evaluator_type::evaluate(activation(), x[i + 1]),
            first, second);
        y[i] = traits::from_code(codes[0]);
        y[i + 1] = traits::from_code(codes[1]);
        kept.insert(i, first);
        kept.insert(i + 1, second);
      }
    }
    INVACT_UNROLL
    for (int i = paired; i < N; ++i) {
      const encoded e = forward(x[i]);
      y[i] = e.y;
      kept.insert(i, e.piece);
    }
    return y;
  }

  template <int N>
  INVACT_FUNCTION fragment<float, N> gradient_factor(fragment<Storage, N> y, const pieces<N>& kept) const {
    fragment<float, N> g;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) g[i] = gradient_factor(y[i], kept[i]);
    return g;
  }

  template <int N>
  INVACT_FUNCTION fragment<float, N> backward(fragment<float, N> dy, fragment<Storage, N> y,
                                              const pieces<N>& kept) const {
    constexpr int paired = decodes_pairs ? N / 2 * 2 : 0;
    fragment<float, N> dx;
    if constexpr (paired > 0) {
      fragment<float, paired> of_pairs;
      fragment<uint32, paired / 2> codes, of_pieces;
      INVACT_UNROLL
      for (int i = 0; i < paired; i += 2) {
        of_pairs[i] = dy[i];
        of_pairs[i + 1] = dy[i + 1];
        codes[i / 2] = traits::to_code(y[i]) | static_cast<uint32>(traits::to_code(y[i + 1])) << 16;
        of_pieces[i / 2] = kept[i] << 15 | kept[i + 1] << 31;
      }
      of_pairs = backward_pairs(of_pairs, codes, of_pieces);
      INVACT_UNROLL
      for (int i = 0; i < paired; ++i) dx[i] = of_pairs[i];
    }
    INVACT_UNROLL
    for (int i = paired; i < N; ++i) dx[i] = backward(dy[i], y[i], kept[i]);
    return dx;
  }
};

INVACT_NAMESPACE_END
