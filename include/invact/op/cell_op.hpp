// What ops have in common whose decoder works on cells (packing/cell.hpp): scaled ones, and those with
// refined_bitmask.
#pragma once

#include <invact/core/float8.hpp>
#include <invact/core/fragment.hpp>
#include <invact/core/traits.hpp>
#include <invact/op/owned_codes.hpp>
#include <invact/packing/refined_bitmask.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// y is stored as y.
struct unit_scale {
  INVACT_FUNCTION constexpr float factor() const { return 1.0f; }
  INVACT_FUNCTION constexpr float inverse() const { return 1.0f; }
};

// The formats of the tables and evaluators of a code whose cell is cut in 2^CutBits parts. A y of eight bits
// is decoded with half's tables, whose own shift of y_min is small beside its cells and halves of them, and
// computed like a bfloat16, for the range of its exponents, which a scale moves. Smaller parts, and those of
// a cell of 16 bits, need both as good as for float.
template <class Format, int CutBits>
struct cell_formats {
  static_assert(sizeof(typename Format::code) <= 2,
                "invact::refined_bitmask: Storage must have 16 or 8 bits: float has no use for more bits");
  static constexpr bool coarse = sizeof(typename Format::code) == 1 && CutBits <= 1;
  using fitted = typename conditional<coarse, binary16_format, binary32_format>::type;
  using computed = typename conditional<coarse, bfloat16_format, binary32_format>::type;
};

// The format that chooses the evaluator. Straight lines are as cheap in float, where they need not be held
// apart from a constant's neighbours in another format.
template <class Activation, class Format, int CutBits>
using computed_format =
    typename conditional<(owned_values_of<Activation> > 0 && !has_lowest<Activation> &&
                          !has_range<Activation>),
                         binary32_format, typename cell_formats<Format, CutBits>::computed>::type;

// The format that chooses the approximant: a closed form compares y with the numbers that its evaluator made.
// There are no fast tables for float.
template <class Approximant, class Activation, class Format, int CutBits>
using approximated_format = typename conditional<
    has_gradient_factor<Activation>, computed_format<Activation, Format, CutBits>,
    typename cell_formats<Format, is_same_v<Approximant, fast> ? 0 : CutBits>::fitted>::type;

// Whether all that is kept of an element beside y is in a mask.
template <class Packing>
inline constexpr bool is_mask = is_same_v<Packing, bitmask>;
template <int Bits>
inline constexpr bool is_mask<refined_bitmask<Bits>> = true;

template <class Activation, class Storage, class Packing, class Approximant, class Evaluator, class Scale>
class cell_op : Activation, protected Scale {
  using traits = storage_traits<Storage>;
  using format = typename traits::format;
  using code = typename format::code;
  static constexpr int piece_bits = piece_bits_v<Activation>;
  static constexpr int cut_bits = Packing::template mask_bits<piece_bits> - piece_bits;
  using computed = computed_format<Activation, format, cut_bits>;
  using owned = owned_codes<Activation, format, computed>;

 public:
  using activation_type = Activation;
  using storage_type = Storage;
  using packing_type = Packing;
  using approximant_type =
      typename select_approximant<Approximant, Activation,
                                  approximated_format<Approximant, Activation, format, cut_bits>, 0>::type;
  using evaluator_type = typename select_evaluator<Evaluator, Activation, computed>::type;
  static_assert(
      is_approximant_v<approximant_type, Activation>,
      "invact: Approximant is not an approximant for this activation and storage: it needs `static float "
      "evaluate(const Activation&, float y, uint32 piece)`; invact::accurate is the shipped choice");
  static_assert(is_evaluator_v<evaluator_type, Activation>,
                "invact: Evaluator is not a forward evaluator for this activation: it needs `static float "
                "evaluate(const Activation&, float x)`");

  static constexpr int mask_bits = Packing::template mask_bits<piece_bits>;
  // Whether g is computed at a point of a code's cell, which takes the most of a gradient's instructions.
  static constexpr bool decodes_cells =
      has_lowest<Activation> || has_range<Activation> || mask_bits > piece_bits;
  static_assert(!is_mask<Packing> || mask_bits >= piece_bits,
                "invact::refined_bitmask: Bits is less than the bits of the activation's pieces");

  // What the forward keeps of one element: y, and the element's mask bits, the lowest of which are its
  // piece. And f(x) itself, not scaled and not rounded.
  struct encoded {
    Storage y;
    uint32 piece;
    float value;
  };

  INVACT_FUNCTION const Activation& activation() const { return *this; }

  // Whether the activation's parameters are in their range; the entry points refuse an op with others.
  INVACT_FUNCTION bool is_valid() const {
    if constexpr (has_is_valid<Activation>) {
      return activation().is_valid();
    } else {
      return true;
    }
  }

  // f(x), scaled and rounded to Storage, with its mask bits. x is the compute value, after any bias.
  INVACT_FUNCTION encoded forward(float x) const {
    const unrounded from = before_rounding(x, owned(activation(), Scale::factor()));
    return finish(format::round(from.scaled), from);
  }

  // f'(x), decoded from what forward() kept.
  INVACT_FUNCTION float gradient_factor(Storage y, uint32 mask) const {
    const code c = traits::to_code(y);
    const uint32 piece = parts::piece(c, mask);
    return approximant_type::evaluate(activation(), decoded(c, mask, piece), piece);
  }
  INVACT_FUNCTION float gradient_factor(Storage y) const {
    static_assert(
        mask_bits == 0,
        "invact: gradient_factor(y): this packing keeps bits beside y: pass gradient_factor(y, piece)");
    return gradient_factor(y, 0u);
  }

  // dx = dy * f'(x), in float: round it to the gradient's type yourself.
  INVACT_FUNCTION float backward(float dy, Storage y, uint32 mask) const {
    return dy * gradient_factor(y, mask);
  }
  INVACT_FUNCTION float backward(float dy, Storage y) const { return dy * gradient_factor(y); }

  // dy * df/dslope, what this element adds to the gradient of a leaky ReLU's slope.
  INVACT_FUNCTION float slope_gradient(float dy, Storage y, uint32 mask = 0) const {
    static_assert(
        has_slope_gradient<Activation>,
        "invact: slope_gradient: Activation has no slope: it needs `slope_gradient(float y, uint32 piece) "
        "const`, as invact::prelu has");
    const code c = traits::to_code(y);
    const uint32 piece = parts::piece(c, mask);
    return dy * activation().slope_gradient(decoded(c, mask, piece), piece);
  }

  template <int N>
  using pieces = piece_fragment<N, mask_bits>;

  // Fragments by value, as of inverted.

  // forward() of N elements; `kept.bits` are then the mask's bits in its own order. The second form keeps
  // f(x) too.
  template <int N>
  INVACT_FUNCTION fragment<Storage, N> forward(fragment<float, N> x, pieces<N>& kept) const {
    fragment<float, N> unused;
    return forward(x, kept, unused);
  }
  template <int N>
  INVACT_FUNCTION fragment<Storage, N> forward(fragment<float, N> x, pieces<N>& kept,
                                               fragment<float, N>& values) const {
    fragment<Storage, N> y;
    kept = pieces<N>{};
    const owned others(activation(), Scale::factor());
    const auto keep = [&](int i, code c, const unrounded& from) {
      const encoded e = finish(c, from);
      y[i] = e.y;
      values[i] = e.value;
      kept.insert(i, e.piece);
    };
    // One conversion for two, where there is one.
    constexpr int pairs = sizeof(code) == 1 ? N / 2 : 0;
    INVACT_UNROLL
    for (int i = 0; i < 2 * pairs; i += 2) {
      const unrounded first = before_rounding(x[i], others), second = before_rounding(x[i + 1], others);
      if constexpr (pairs > 0) {
        const fragment<code, 2> c = format::round_pair(first.scaled, second.scaled);
        keep(i, c[0], first);
        keep(i + 1, c[1], second);
      }
    }
    INVACT_UNROLL
    for (int i = 2 * pairs; i < N; ++i) {
      const unrounded from = before_rounding(x[i], others);
      keep(i, format::round(from.scaled), from);
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
    fragment<float, N> dx;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) dx[i] = backward(dy[i], y[i], kept[i]);
    return dx;
  }

 protected:
  INVACT_HOST_DEVICE constexpr explicit cell_op(const Activation& a, const Scale& scale)
      : Activation(a), Scale(scale) {}

 private:
  using parts = cell_parts<Activation, format, mask_bits>;

  // f(x), its piece, and what is rounded to Storage.
  struct unrounded {
    float y;
    uint32 piece;
    float scaled;
  };
  INVACT_FUNCTION unrounded before_rounding(float x, const owned& others) const {
    const uint32 piece = activation().piece_index(x);
    const float y = evaluator_type::evaluate(activation(), x);
    // -ffast-math lets a compiler take a product for no NaN.
    return {y, piece, restore_nan(others.apart(y * Scale::factor(), y, piece), y)};
  }
  INVACT_FUNCTION encoded finish(code c, const unrounded& from) const {
    return {traits::from_code(c),
            parts::mask(activation(), from.y, from.piece, c, Scale::inverse(), end_of(c)), from.y};
  }

  INVACT_FUNCTION float end_of(code c) const { return owned::end_of(activation(), Scale::factor(), c); }

  // The y that a code and its mask bits stand for.
  INVACT_FUNCTION float decoded(code c, uint32 mask, uint32 piece) const {
    return owned::value(activation(), Scale::factor(), c, piece,
                        parts::value(activation(), c, mask, Scale::inverse(), end_of(c)));
  }
};

}  // namespace detail

INVACT_NAMESPACE_END
