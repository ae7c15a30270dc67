// The shape of a gated unit between two linear layers, on any device: g and u are the halves of the rows of
// one matrix, and what is written over them lies as they do; dh is a matrix of its own.
#pragma once

#include "tensor.hpp"

#include <invact/invact.hpp>
#include <invact/op/gated_arguments.hpp>

namespace char_lm {

// `hidden` is the width of h. h is written over g, or, by an op that keeps g, into a matrix of its own.
template <class Op>
invact::gated_shape halves(index rows, index hidden) {
  invact::gated_shape shape{};
  shape.rows = rows;
  shape.cols = shape.ld_dh = hidden;
  shape.ld_g = shape.ld_u = shape.ld_dg = shape.ld_du = 2 * hidden;
  shape.ld_h = Op::recomputes ? hidden : 2 * hidden;
  shape.mask_stride_bits = 8 * invact::mask_bytes(hidden, Op::mask_bits);
  return shape;
}

}  // namespace char_lm
