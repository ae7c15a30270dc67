// Wrong on purpose, to show that the equivalence test can fail. Each wraps the approximant that the op
// would have used, through the library's own extension point.
#pragma once

#include <invact/invact.hpp>

namespace char_lm {

enum class sabotage { none, inverted_bits, left_one };

// Reads the piece bit of every y that carries one the wrong way round.
template <class Approximant>
struct with_inverted_bits {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& f, float y, invact::uint32 piece) {
    const invact::uint32 carries = invact::float_bits(y) >> 31;
    return Approximant::evaluate(f, y, piece ^ carries);
  }
};

// Takes the left piece for the linear branch.
template <class Approximant>
struct with_left_one {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation& f, float y, invact::uint32 piece) {
    return piece != 0 ? 1.0f : Approximant::evaluate(f, y, piece);
  }
};

// make(op), where the op is inverted<Activation, Storage, Packing>, broken as asked.
template <class Activation, class Storage, class Packing, class Make>
auto make_with_op(sabotage how, const Make& make) {
  using invact::inverted;
  using op = inverted<Activation, Storage, Packing>;
  using shipped = typename op::approximant_type;
  switch (how) {
    case sabotage::inverted_bits:
      return make(inverted<Activation, Storage, Packing, with_inverted_bits<shipped>>{});
    case sabotage::left_one:
      return make(inverted<Activation, Storage, Packing, with_left_one<shipped>>{});
    case sabotage::none:
      break;
  }
  return make(op{});
}

}  // namespace char_lm
