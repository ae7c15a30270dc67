// An op on arrays on the host.
#pragma once

#include <invact/invact.hpp>

#include "support/accuracy.hpp"
#include "support/formats.hpp"

template <class Op>
accuracy::runner host_runner(Op op) {
  using traits = invact::storage_traits<typename Op::storage_type>;
  using code = typename traits::code;
  return {[op](const std::vector<float>& x, accuracy::codes& y, accuracy::codes& piece) {
            y.resize(x.size());
            piece.resize(x.size());
            for (std::size_t i = 0; i < x.size(); ++i) {
              const auto e = op.forward(x[i]);
              y[i] = traits::to_code(e.y);
              piece[i] = e.piece;
            }
          },
          [op](const accuracy::codes& y, const accuracy::codes& piece, std::vector<float>& g) {
            g.resize(y.size());
            for (std::size_t i = 0; i < y.size(); ++i)
              g[i] = op.gradient_factor(traits::from_code(static_cast<code>(y[i])), piece[i]);
          }};
}

// Where the op keeps the piece index, as the reference describes it.
template <class Op>
constexpr reference::index_in_mantissa index_of() {
  using invact::ambiguous_range;
  using activation = typename Op::activation_type;
  constexpr int bits = invact::piece_bits_v<activation>;
  if (Op::mask_bits != 0 || bits == 0) return {};
  constexpr ambiguous_range range = activation::ambiguous;
  const bool any = range == ambiguous_range::any;
  return {bits, any || range == ambiguous_range::negative, any || range == ambiguous_range::positive};
}
