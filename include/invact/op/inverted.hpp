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
// NaN gives NaN, forward and backward. x = -inf gives -0 on the left piece and g = 0.
#pragma once

#include <invact/core/fragment.hpp>
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
                "__nv_fp8_e4m3, __nv_fp8_e5m2, invact::binary16, invact::bfloat16, invact::float8_e4m3 or "
                "invact::float8_e5m2, or specialise invact::storage_traits for it");
  static_assert(is_packing_v<Packing>,
                "invact::inverted: Packing is not a packing: it needs `mask_bits`, `spent_bits`, "
                "`encode` and `decode`, as invact::bitmask has; use invact::bitmask or "
                "invact::mantissa_bit");
  static constexpr bool value =
      is_activation_v<Activation> && is_storage_v<Storage> && is_packing_v<Packing>;
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
  // Closed forms are told the format itself, tables are those of the format that stands for it.
  using decoded = typename decoded_format<Packing, format>::type;
  using approximant =
      typename select_approximant<Approximant, Activation,
                                  table_format<has_gradient_factor<Activation>, decoded>,
                                  Packing::template spent_bits<piece_bits>>::type;
  using evaluator =
      typename select_evaluator<Evaluator, Activation, table_format<has_value<Activation>, format>>::type;
  static_assert(!is_same_v<approximant, fast>,
                "invact::inverted: Approximant is invact::fast, which is shipped for 16-bit storage "
                "only: use invact::accurate");
  static_assert(is_same_v<approximant, fast> || is_approximant_v<approximant, Activation> ||
                    decodes_codes<approximant, code>,
                "invact::inverted: Approximant is not an approximant for this activation and storage: "
                "it needs `static float evaluate(const Activation&, float y, uint32 piece)`; "
                "invact::accurate and invact::fast are the shipped choices");
  static_assert(is_evaluator_v<evaluator, Activation>,
                "invact::inverted: Evaluator is not a forward evaluator for this activation: it needs "
                "`static float evaluate(const Activation&, float x)`");
};

template <class Approximant, class Activation, class = void>
inline constexpr bool is_made_of = false;
template <class Approximant, class Activation>
inline constexpr bool
    is_made_of<Approximant, Activation, void_t<decltype(Approximant(declval<const Activation&>()))>> = true;

// An op's approximant: empty, or made once, with the op, of the activation's parameters.
template <class Approximant, class Activation, bool IsMadeOf = is_made_of<Approximant, Activation>>
struct held_approximant : Approximant {
  INVACT_HOST_DEVICE constexpr explicit held_approximant(const Activation&) : Approximant{} {}
  INVACT_HOST_DEVICE constexpr explicit held_approximant(const Approximant& a) : Approximant(a) {}
};
template <class Approximant, class Activation>
struct held_approximant<Approximant, Activation, true> : Approximant {
  INVACT_HOST_DEVICE constexpr explicit held_approximant(const Activation& a) : Approximant(a) {}
  INVACT_HOST_DEVICE constexpr explicit held_approximant(const Approximant& a) : Approximant(a) {}
};
template <class Activation>
struct held_approximant<void, Activation, false> {
  INVACT_HOST_DEVICE constexpr explicit held_approximant(const Activation&) {}
};

template <class Activation, class Storage, class Packing, class Approximant, class Evaluator>
using checked_parts = inverted_parts<check_inverted<Activation, Storage, Packing>::value, Activation, Storage,
                                     Packing, Approximant, Evaluator>;
template <class Activation, class Storage, class Packing, class Approximant, class Evaluator>
using approximant_base = held_approximant<
    typename checked_parts<Activation, Storage, Packing, Approximant, Evaluator>::approximant, Activation>;

// How y and what is stored differ: not at all, but in op/scaled.hpp.
struct stored_as_is {
  INVACT_FUNCTION float to_stored(float y) const { return y; }
  INVACT_FUNCTION float from_stored(float y) const { return y; }
};
// Told every y of a forward, unrounded: nothing is made of them, but in op/scaled.hpp.
struct unrecorded {
  INVACT_FUNCTION void operator()(int, float) const {}
};

}  // namespace detail

template <class Op>
class scaled;

// Activation   what f is: gelu, silu, or your own.
// Storage      the type y is kept in: float, __half, __nv_bfloat16, FP8, or one with storage_traits.
// Packing      where the piece index goes: bitmask or mantissa_bit; refined_bitmask keeps more of y beside it.
// Approximant  how g is computed: accurate, fast (16-bit storage), or a class of your own.
// Evaluator    how f is computed: the storage format's own, or a class of yours.
template <class Activation, class Storage, class Packing = bitmask, class Approximant = accurate,
          class Evaluator = default_evaluator>
class inverted : Activation, detail::approximant_base<Activation, Storage, Packing, Approximant, Evaluator> {
  using parts = detail::checked_parts<Activation, Storage, Packing, Approximant, Evaluator>;
  using approximant_base = detail::approximant_base<Activation, Storage, Packing, Approximant, Evaluator>;
  using traits = storage_traits<Storage>;
  using format = typename parts::format;

 public:
  using activation_type = Activation;
  using storage_type = Storage;
  using packing_type = Packing;
  using approximant_type = typename parts::approximant;
  using evaluator_type = typename parts::evaluator;

  // Bits that each element keeps outside y: 0 with mantissa_bit.
  static constexpr int mask_bits = parts::mask_bits;

  // What the forward keeps of one element. `piece` is 0 when the packing keeps it inside y.
  struct encoded {
    Storage y;
    uint32 piece;
  };

  INVACT_HOST_DEVICE constexpr inverted() : inverted(Activation{}) {}
  INVACT_HOST_DEVICE constexpr explicit inverted(const Activation& a) : Activation(a), approximant_base(a) {}
  // With an approximant that has a value of its own, as table_approximant has.
  INVACT_HOST_DEVICE constexpr inverted(const Activation& a, const approximant_type& g)
      : Activation(a), approximant_base(g) {}

  INVACT_FUNCTION const Activation& activation() const { return *this; }
  INVACT_FUNCTION const approximant_type& approximant() const { return *this; }

  // Whether the activation's parameters are in their range; the entry points refuse an op with others.
  INVACT_FUNCTION bool is_valid() const {
    if constexpr (detail::has_is_valid<Activation>) {
      return activation().is_valid();
    } else {
      return true;
    }
  }

  // f(x), rounded to Storage, with its piece. x is the compute value, after any bias.
  INVACT_FUNCTION encoded forward(float x) const {
    const uint32 piece = activation().piece_index(x);
    return encode(evaluator_type::evaluate(activation(), x), piece, detail::stored_as_is{});
  }

  // f'(x), decoded from what forward() kept.
  INVACT_FUNCTION float gradient_factor(Storage y, uint32 piece) const {
    return decode(y, piece, detail::stored_as_is{});
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
    return encode_all(x, kept, detail::stored_as_is{}, detail::unrecorded{});
  }

  template <int N>
  INVACT_FUNCTION fragment<float, N> gradient_factor(fragment<Storage, N> y, const pieces<N>& kept) const {
    return decode_all(y, kept, detail::stored_as_is{});
  }

  template <int N>
  INVACT_FUNCTION fragment<float, N> backward(fragment<float, N> dy, fragment<Storage, N> y,
                                              const pieces<N>& kept) const {
    fragment<float, N> dx = decode_all(y, kept, detail::stored_as_is{});
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) dx[i] = dy[i] * dx[i];
    return dx;
  }

 private:
  template <class Op>
  friend class scaled;

  static constexpr bool refines = detail::refines<Packing>;
  static constexpr bool decodes_codes = detail::decodes_codes<approximant_type, typename format::code>;

  // What is stored of y = f(x).
  template <class Scaling>
  INVACT_FUNCTION encoded encode(float y, uint32 piece, const Scaling& scaling) const {
    const float stored = scaling.to_stored(y);
    const auto code = Packing::template encode<Activation, format>(stored, piece);
    return {traits::from_code(code), kept_bits(stored, code, piece, scaling)};
  }

  // The bits beside a y that is stored as `code`.
  template <class Scaling>
  INVACT_FUNCTION uint32 kept_bits(float stored, typename format::code code, uint32 piece,
                                   const Scaling& scaling) const {
    if constexpr (refines) {
      return Packing::template refine<Activation, format>(activation(), stored, code, piece, scaling);
    } else {
      return mask_bits == 0 ? 0u : piece;
    }
  }

  template <class Scaling>
  INVACT_FUNCTION float decode(Storage y, uint32 bits, const Scaling& scaling) const {
    const auto code = traits::to_code(y);
    const uint32 piece = Packing::template decode<Activation, format>(code, bits);
    if constexpr (decodes_codes) {
      return approximant().evaluate_code(code, piece);
    } else {
      return decode_loaded(code, format::load(code), bits, piece, scaling);
    }
  }

  // The same of a code whose value and piece are known.
  template <class Scaling>
  INVACT_FUNCTION float decode_loaded(typename format::code code, float stored, uint32 bits, uint32 piece,
                                      const Scaling& scaling) const {
    if constexpr (refines) {
      stored = Packing::template reconstruct<Activation, format>(activation(), stored, code, bits, scaling);
    }
    return approximant().evaluate(activation(), scaling.from_stored(stored), piece);
  }

  template <int N, class Scaling, class Record>
  INVACT_FUNCTION fragment<Storage, N> encode_all(fragment<float, N> x, pieces<N>& kept,
                                                  const Scaling& scaling, Record&& record) const {
    constexpr int paired = detail::encodes_pairs<Packing, Activation, format> ? N / 2 * 2 : 0;
    fragment<Storage, N> y;
    kept = pieces<N>{};
    if constexpr (paired > 0) {
      INVACT_UNROLL
      for (int i = 0; i < paired; i += 2) {
        const uint32 first = activation().piece_index(x[i]), second = activation().piece_index(x[i + 1]);
        const float y0 = evaluator_type::evaluate(activation(), x[i]);
        const float y1 = evaluator_type::evaluate(activation(), x[i + 1]);
        record(i, y0);
        record(i + 1, y1);
        const float stored0 = scaling.to_stored(y0), stored1 = scaling.to_stored(y1);
        const auto codes =
            Packing::template encode_pair<Activation, format>(stored0, stored1, first, second);
        y[i] = traits::from_code(codes[0]);
        y[i + 1] = traits::from_code(codes[1]);
        kept.insert(i, kept_bits(stored0, codes[0], first, scaling));
        kept.insert(i + 1, kept_bits(stored1, codes[1], second, scaling));
      }
    }
    INVACT_UNROLL
    for (int i = paired; i < N; ++i) {
      const uint32 piece = activation().piece_index(x[i]);
      const float value = evaluator_type::evaluate(activation(), x[i]);
      record(i, value);
      const encoded e = encode(value, piece, scaling);
      y[i] = e.y;
      kept.insert(i, e.piece);
    }
    return y;
  }

  template <int N, class Scaling>
  INVACT_FUNCTION fragment<float, N> decode_all(fragment<Storage, N> y, const pieces<N>& kept,
                                                const Scaling& scaling) const {
    constexpr int paired = detail::converts_codes_in_pairs<format> && !decodes_codes ? N / 2 * 2 : 0;
    fragment<float, N> g;
    if constexpr (paired > 0) {
      INVACT_UNROLL
      for (int i = 0; i < paired; i += 2) {
        const fragment<typename format::code, 2> codes = {traits::to_code(y[i]), traits::to_code(y[i + 1])};
        const fragment<float, 2> stored = format::load_pair(codes);
        INVACT_UNROLL
        for (int k = 0; k < 2; ++k) {
          const uint32 bits = kept[i + k];
          const uint32 piece = Packing::template decode<Activation, format>(codes[k], bits);
          g[i + k] = decode_loaded(codes[k], stored[k], bits, piece, scaling);
        }
      }
    }
    INVACT_UNROLL
    for (int i = paired; i < N; ++i) g[i] = decode(y[i], kept[i], scaling);
    return g;
  }
};

INVACT_NAMESPACE_END
