// What each kind of part must provide, as `is_..._v` traits, and the names shared by all of them.
#pragma once

#include <invact/core/closed_form.hpp>
#include <invact/core/fragment.hpp>
#include <invact/core/storage.hpp>

INVACT_NAMESPACE_BEGIN

// The values of y that more than one piece reaches. Exactly the codes in it carry a piece index; all
// others, infinities and NaNs among them, are stored as ordinary rounding gives them.
enum class ambiguous_range {
  none,      // f is monotone: no index is stored at all
  negative,  // sign bit set, so -0 counts (GELU, SiLU, Mish)
  positive,  // sign bit clear, so +0 counts (LiSHT)
  any,       // every finite y (three pieces, one of them falling: examples/three_pieces)
};

// How long an activation's forward in float computes between a load and a store, as against what its bytes take: kernels
// choose by it how many elements a thread has on their way. It changes speed alone. An activation says so with a member,
// `static constexpr forward_weight weight = forward_weight::light`; one that does not is heavy.
enum class forward_weight {
  light,   // up to some 30 instructions, or 8 where there is a piece to keep
  medium,  // little more
  heavy
};

// Which of the shipped approximants an op decodes with; a class of your own may stand in their place.
struct accurate {};  // within a few per cent of the error floor; elementwise kernels hide its cost
struct fast {};      // fewer instructions, for kernels whose instructions are exposed
// Two elements at once in half precision, for GEMM epilogues: fewest instructions, for an error of its own. Both an
// approximant and a forward evaluator; of GELU, GELU's hyperbolic form and SiLU, in bfloat16.
struct packed {};

struct default_evaluator {};  // the forward evaluator that the activation has for the storage format

namespace detail {

// What accurate means to an op that knows between which y an element lies, and tells evaluate_cell() so: gated.
struct by_cell {};

// The activation's own class for one of the choices above, where it has one; else the choice itself is the class.
template <class Choice, class Own, bool HasOwn>
struct choice_or_own {
  using type = Choice;
};
template <class Own>
struct choice_or_own<accurate, Own, true> {
  using type = Own;
};
template <class Own>
struct choice_or_own<fast, Own, true> {
  using type = Own;
};
template <class Own>
struct choice_or_own<default_evaluator, Own, true> {
  using type = Own;
};

}  // namespace detail

// The class that `Choice` (accurate, fast) means for an activation in storage `Format` when the packing takes
// `SpentBits` mantissa bits of y: its own gradient_factor(), or what a specialisation beside the activation
// says. Any other Choice is an approximant.
template <class Choice, class Activation, class Format, int SpentBits>
struct select_approximant : detail::choice_or_own<Choice, closed_form_approximant<Format, SpentBits>,
                                                  detail::has_gradient_factor<Activation>> {};

template <class Activation, class Format, int SpentBits>
struct select_approximant<detail::by_cell, Activation, Format, SpentBits>
    : select_approximant<accurate, Activation, Format, SpentBits> {};

// The forward evaluator an activation is computed with: its own value(), or what a specialisation for the
// choice `default_evaluator` says. Any other Choice is an evaluator.
template <class Choice, class Activation, class Format>
struct select_evaluator
    : detail::choice_or_own<Choice, closed_form_evaluator<Format>, detail::has_value<Activation>> {};

namespace detail {

template <class A, class B>
inline constexpr bool is_same_v = false;
template <class A>
inline constexpr bool is_same_v<A, A> = true;

INVACT_HOST_DEVICE constexpr int ceil_log2(int n) {
  int bits = 0;
  while ((1 << bits) < n) ++bits;
  return bits;
}

template <class T, class = void>
inline constexpr bool has_storage = false;
template <class T>
inline constexpr bool has_storage<T, void_t<decltype(storage_traits<T>::to_code(declval<const T&>())),
                                            typename storage_traits<T>::format>> = true;

// Storage of eight bits, in which y is kept scaled.
template <class T, bool = has_storage<T>>
inline constexpr bool is_float8 = false;
template <class T>
inline constexpr bool is_float8<T, true> = sizeof(typename storage_traits<T>::format::code) == 1;

// A 16-bit format that has round_pair() and truncate_pair().
template <class Format, class = void>
inline constexpr bool converts_pairs = false;
template <class Format>
inline constexpr bool converts_pairs<
    Format, void_t<decltype(Format::round_pair(0.0f, 0.0f)), decltype(Format::truncate_pair(0.0f, 0.0f))>> =
    sizeof(typename Format::code) == 2;

template <class T, class = void>
inline constexpr bool has_activation = false;
template <class T>
inline constexpr bool
    has_activation<T, void_t<decltype(T::pieces), decltype(T::ambiguous),
                             decltype(static_cast<uint32>(declval<const T&>().piece_index(0.0f)))>> = true;

template <class Activation, class = void>
inline constexpr forward_weight weight_of = forward_weight::heavy;
template <class Activation>
inline constexpr forward_weight weight_of<Activation, void_t<decltype(Activation::weight)>> = Activation::weight;

// What a packing is tried with: it must take any activation, so this one stands for all.
struct sample_activation {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;
  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }
};

template <class T, class = void>
inline constexpr bool has_packing = false;
template <class T>
inline constexpr bool has_packing<
    T,
    void_t<decltype(T::template mask_bits<1>), decltype(T::template spent_bits<1>),
           decltype(static_cast<uint32>(T::template encode<sample_activation, binary32_format>(0.0f, 0u))),
           decltype(static_cast<uint32>(T::template decode<sample_activation, binary32_format>(0u, 0u)))>> =
    true;

// Packing encodes two elements of a fragment at once, as mantissa_bit does: optional.
template <class Packing, class Activation, class Format, class = void>
inline constexpr bool encodes_pairs = false;
template <class Packing, class Activation, class Format>
inline constexpr bool encodes_pairs<Packing, Activation, Format,
                                    void_t<decltype(Packing::template encodes_pairs<Activation, Format>)>> =
    Packing::template encodes_pairs<Activation, Format>;

template <class T, class Activation, class = void>
inline constexpr bool has_evaluator = false;
template <class T, class Activation>
inline constexpr bool has_evaluator<
    T, Activation, void_t<decltype(static_cast<float>(T::evaluate(declval<const Activation&>(), 0.0f)))>> =
    true;

// Two elements at once: packed.
template <class T, class Activation, class = void>
inline constexpr bool evaluates_values_in_pairs = false;
template <class T, class Activation>
inline constexpr bool evaluates_values_in_pairs<
    T, Activation, void_t<decltype(T::evaluate_pair(declval<const Activation&>(), 0.0f, 0.0f).pieces)>> = true;
template <class T, class Activation, class = void>
inline constexpr bool evaluates_gradients_in_pairs = false;
template <class T, class Activation>
inline constexpr bool evaluates_gradients_in_pairs<
    T, Activation,
    void_t<decltype(T::evaluate_pairs(declval<const Activation&>(), declval<const fragment<uint32, 1>&>(),
                                      declval<const fragment<uint32, 1>&>()))>> = true;

template <class T, class Activation, class = void>
inline constexpr bool has_approximant = false;
template <class T, class Activation>
inline constexpr bool has_approximant<
    T, Activation,
    void_t<decltype(static_cast<float>(T::evaluate(declval<const Activation&>(), 0.0f, 0u)))>> = true;

}  // namespace detail

// T can hold y: storage_traits<T> is specialised.
template <class T>
inline constexpr bool is_storage_v = detail::has_storage<T>;

// T has `pieces`, `ambiguous` and `piece_index(float x) const`.
template <class T>
inline constexpr bool is_activation_v = detail::has_activation<T>;

// T has `mask_bits<PieceBits>`, `spent_bits<PieceBits>` and, static and for every Activation and Format,
// `code encode<Activation, Format>(float y, uint32 piece)` and
// `uint32 decode<Activation, Format>(code, uint32 mask)`. It may have `encodes_pairs<Activation, Format>` too,
// and where that is true `fragment<code, 2> encode_pair<Activation, Format>(y0, y1, piece0, piece1)`, which
// must equal two encode() and which fragments are then encoded by.
template <class T>
inline constexpr bool is_packing_v = detail::has_packing<T>;

// T has `static float evaluate(const Activation&, float x)`, which returns f(x).
template <class T, class Activation>
inline constexpr bool is_evaluator_v = detail::has_evaluator<T, Activation>;

// T has `static float evaluate(const Activation&, float y, uint32 piece)`, the gradient factor.
template <class T, class Activation>
inline constexpr bool is_approximant_v = detail::has_approximant<T, Activation>;

// Bits that name the monotone piece of one element: ceil(log2 pieces).
template <class Activation>
inline constexpr int piece_bits_v = detail::ceil_log2(Activation::pieces);

static_assert(is_storage_v<float> && is_storage_v<binary16> && is_storage_v<bfloat16>);

INVACT_NAMESPACE_END
