// What the ops of gated units are made of.
#pragma once

#include <invact/core/math.hpp>
#include <invact/op/inverted.hpp>
#include <invact/op/up.hpp>
#include <invact/packing/cell.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// The parameters of a gated unit.
template <class Activation, class Up>
class gated_parameters : Activation, Up {
 public:
  INVACT_HOST_DEVICE constexpr gated_parameters() : Activation{}, Up{} {}
  INVACT_HOST_DEVICE constexpr gated_parameters(const Activation& a, const Up& u) : Activation(a), Up(u) {}

  INVACT_FUNCTION const Activation& activation() const { return *this; }
  INVACT_FUNCTION const Up& up() const { return *this; }

  // Whether the parameters are in their range; the entry points refuse an op with others.
  INVACT_FUNCTION bool is_valid() const {
    bool valid = true;
    if constexpr (has_is_valid<Activation>) valid = valid & activation().is_valid();
    if constexpr (has_is_valid<Up>) valid = valid & up().is_valid();
    return valid;
  }
};

// An approximant that decodes a cell which is not the code's own.
template <class T, class Activation, class = void>
inline constexpr bool has_evaluate_cell = false;
template <class T, class Activation>
inline constexpr bool has_evaluate_cell<
    T, Activation,
    void_t<decltype(static_cast<float>(T::evaluate_cell(declval<const Activation&>(), 0.0f, 0.0f, 0.0f, 0u)))>> =
    true;

template <class Activation, class Storage, class Packing, class Up>
struct check_gated {
  static_assert(is_activation_v<Activation>,
                "invact::gated: Activation is not an activation: it needs `pieces`, `ambiguous` and "
                "`piece_index(float) const`, as invact::silu has");
  static_assert(is_storage_v<Storage> && !is_float8<Storage>,
                "invact::gated: Storage must have 16 or 32 bits: use float, __half, __nv_bfloat16, invact::binary16 or "
                "invact::bfloat16, or specialise invact::storage_traits for it");
  static_assert(is_packing_v<Packing>,
                "invact::gated: Packing is not a packing: use invact::bitmask or invact::mantissa_bit");
  static_assert(is_up_v<Up>,
                "invact::gated: Up does not say what f(g) is multiplied with: it needs `float multiplier(float u) "
                "const` and `bool is_clamped(float u) const`, as invact::plain_up has");
  static constexpr bool value =
      is_activation_v<Activation> && is_storage_v<Storage> && !is_float8<Storage> && is_packing_v<Packing> && is_up_v<Up>;
};

template <bool Checked, class Activation, class Storage, class Packing, class Approximant, class Evaluator>
struct gated_parts {
  using format = binary32_format;
  using computed = format;
  using approximant = void;
  using evaluator = void;
  static constexpr int piece_bits = 0, spent_bits = 0, mask_bits = 0;
};
template <class Activation, class Storage, class Packing, class Approximant, class Evaluator>
struct gated_parts<true, Activation, Storage, Packing, Approximant, Evaluator> {
  using format = typename storage_traits<Storage>::format;
  static constexpr int piece_bits = piece_bits_v<Activation>;
  static constexpr int spent_bits = Packing::template spent_bits<piece_bits>;
  static constexpr int mask_bits = Packing::template mask_bits<piece_bits>;
  // Straight lines are as cheap in float, where they need not be held apart from a constant's neighbours before they
  // are multiplied.
  static constexpr bool is_straight =
      owned_values_of<Activation> > 0 && !has_lowest<Activation> && !has_range<Activation>;
  using computed = typename conditional<is_straight, binary32_format, format>::type;
  using evaluator = typename select_evaluator<Evaluator, Activation, computed>::type;
  // Of 16 bits the cell is told to the approximant. A table that is fitted without spent bits is the finer one then.
  static constexpr bool tells_cells = is_same_v<Approximant, accurate> && sizeof(Storage) == 2;
  using approximant =
      typename select_approximant<typename conditional<tells_cells, by_cell, Approximant>::type, Activation, computed,
                                  tells_cells ? 0 : spent_bits>::type;
  static_assert(!is_same_v<Approximant, packed>,
                "invact::gated: invact::packed is no approximant of gated units, whose y is no stored number: use "
                "invact::fast or invact::accurate");
  static_assert(is_approximant_v<approximant, Activation>,
                "invact::gated: Approximant is not an approximant for this activation and storage: invact::accurate is "
                "shipped for all, invact::fast for 16-bit storage");
  static_assert(is_same_v<evaluator, packed> || is_evaluator_v<evaluator, Activation>,
                "invact::gated: Evaluator is not a forward evaluator for this activation: it needs `static float "
                "evaluate(const Activation&, float x)`");
  static_assert(!is_same_v<evaluator, packed>,
                "invact::gated: invact::packed is shipped for gelu, gelu_tanh and silu in bfloat16 only: use "
                "invact::default_evaluator");
};

}  // namespace detail

INVACT_NAMESPACE_END
