// Gated ops on arrays on the host, and beside them what keeps y, or puts the piece elsewhere.
#pragma once

#include <invact/invact.hpp>

#include "accuracy/gated_measure.hpp"
#include "support/op_runner.hpp"
#include "support/reference_of.hpp"

// gated, or gated_recompute.
template <class Op>
accuracy::gated_runner host_gated_runner(Op op) {
  using traits = invact::storage_traits<typename Op::storage_type>;
  using code = typename traits::code;
  return {[op](const std::vector<float>& g, const std::vector<float>& u, accuracy::codes& h,
               accuracy::codes& piece) {
            h.resize(g.size());
            piece.resize(g.size());
            for (std::size_t i = 0; i < g.size(); ++i) {
              const auto e = op.forward(g[i], u[i]);
              h[i] = traits::to_code(e.h);
              piece[i] = e.piece;
            }
          },
          [op](const accuracy::codes& kept, const std::vector<float>& u, const accuracy::codes& piece,
               std::vector<float>& dg, std::vector<float>& du) {
            dg.resize(u.size());
            du.resize(u.size());
            for (std::size_t i = 0; i < u.size(); ++i) {
              const auto d =
                  op.backward(1.0f, traits::from_code(static_cast<code>(kept[i])), u[i], piece[i]);
              dg[i] = d.dg;
              du[i] = d.du;
            }
          }};
}

// An op that keeps y and u: what a gated unit costs in accuracy is told from it.
template <class Op>
accuracy::gated_runner host_keeping_runner(Op op) {
  using traits = invact::storage_traits<typename Op::storage_type>;
  using code = typename traits::code;
  return {[op](const std::vector<float>& g, const std::vector<float>&, accuracy::codes& y,
               accuracy::codes& piece) { host_runner(op).forward(g, y, piece); },
          [op](const accuracy::codes& kept, const std::vector<float>& u, const accuracy::codes& piece,
               std::vector<float>& dg, std::vector<float>& du) {
            host_runner(op).gradient(kept, piece, dg);
            du.resize(u.size());
            for (std::size_t i = 0; i < u.size(); ++i) {
              dg[i] *= u[i];
              du[i] = traits::load(traits::from_code(static_cast<code>(kept[i])));
            }
          }};
}

// With which the reference knows it.
template <class Activation>
const char* gated_name_of() {
  return invact::detail::is_same_v<Activation, invact::clamped_swish> ? "clamped_swish"
                                                                      : name_of<Activation>();
}

// The unit that an op of an activation of the catalogue, or of clamped_swish, computes.
template <class Op>
accuracy::gated_unit unit_of() {
  using format = typename invact::storage_traits<typename Op::storage_type>::format;
  return {reference::find(gated_name_of<typename Op::activation_type>()),
          format_of<typename Op::storage_type>,
          index_of<Op>(),
          {},
          static_cast<double>(invact::least_multiplier<format>)};
}
