// Wrong on purpose, to show that the equivalence test can fail. Each wraps the approximant that the op
// would have used, through the library's own extension point. `evaluate_cell`, which gated calls, is there
// where that approximant has it.
#pragma once

#include <invact/invact.hpp>

namespace char_lm {

enum class sabotage { none, inverted_bits, left_one };

// Reads the piece bit of every y that carries one the wrong way round.
template <class Approximant>
struct with_inverted_bits {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& f, float y, invact::uint32 piece) {
    return Approximant::evaluate(f, y, inverted(y, piece));
  }
  template <class Activation, class Whole = Approximant>
  INVACT_FUNCTION static auto evaluate_cell(const Activation& f, float y, float spacing, float reach,
                                            invact::uint32 piece)
      -> decltype(Whole::evaluate_cell(f, y, spacing, reach, piece)) {
    return Whole::evaluate_cell(f, y, spacing, reach, inverted(y, piece));
  }

 private:
  INVACT_FUNCTION static invact::uint32 inverted(float y, invact::uint32 piece) {
    const invact::uint32 carries = invact::float_bits(y) >> 31;
    return piece ^ carries;
  }
};

// Takes the left piece for the linear branch.
template <class Approximant>
struct with_left_one {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& f, float y, invact::uint32 piece) {
    return piece != 0 ? 1.0f : Approximant::evaluate(f, y, piece);
  }
  template <class Activation, class Whole = Approximant>
  INVACT_FUNCTION static auto evaluate_cell(const Activation& f, float y, float spacing, float reach,
                                            invact::uint32 piece)
      -> decltype(Whole::evaluate_cell(f, y, spacing, reach, piece)) {
    return piece != 0 ? 1.0f : Whole::evaluate_cell(f, y, spacing, reach, piece);
  }
};

// make(op), where the op is Op<Activation, Storage, Packing>, of invact::inverted or invact::gated, broken as
// asked.
template <template <class...> class Op, class Activation, class Storage, class Packing, class Make>
auto make_with_op(sabotage how, const Make& make) {
  using op = Op<Activation, Storage, Packing>;
  using shipped = typename op::approximant_type;
  switch (how) {
    case sabotage::inverted_bits:
      return make(Op<Activation, Storage, Packing, with_inverted_bits<shipped>>{});
    case sabotage::left_one:
      return make(Op<Activation, Storage, Packing, with_left_one<shipped>>{});
    case sabotage::none:
      break;
  }
  return make(op{});
}

}  // namespace char_lm
