// Device-wide forward and backward of gated units, h = f(g) * u.
//
//   using act = invact::swiglu<__nv_bfloat16>;
//   invact::device::forward_gated(act{}, n, g, u, h, mask, stream);             // mask: invact::mask_bytes(n) bytes
//   invact::device::backward_gated(act{}, n, dh, h, u, mask, dg, du, stream);
//
// and of interleaved columns, as one GEMM for both makes them: g of unit c in column 2c, u in column 2c + 1.
//
//   invact::device::forward_interleaved(act{}, shape, gu, h, u, mask, stream);
//   invact::device::backward_interleaved(act{}, shape, dh, h, u, mask, dgu, stream);
//
// What <invact/device/elementwise.cuh> says of elements, pointers, the mask, streams and what is returned holds here, and:
//
// Op         gated, gated_recompute, or one of your own like them. An op that recomputes keeps g (of its storage type) in
//            place of h: its backwards take g there, or g and u as they are interleaved, and as their last tensor an h
//            that they write again, or null. It has no mask.
// Elements   h has the op's storage type; the others are float or any storage type, each its own. Of an interleaved
//            tensor g and u have one. forward_interleaved rounds u to its own tensor's type, and h is of that u.
// Alignment  of the element types; where tensors begin and rows start at multiples of 16 bytes (of 4, 8 or 16 elements,
//            by the largest type), accesses are vectors. [g | u] in one matrix is aligned so where cols is such a multiple.
// Aliasing   an output may be any input of the same type, pointer and leading dimension, of elements that it is as large
//            as: h may be g; dg and du may be dh, h or u, but not each other; dgu may be gu. Any other overlap of an output
//            with another argument is undefined. Nothing but its outputs is written: u is not where it is an input.
#pragma once

#include <invact/device/gated_launch.cuh>

INVACT_NAMESPACE_BEGIN

namespace device {

// h[i], mask = op.forward(g[i], u[i]) for i in [0, n).
template <class Op, class G, class U>
INVACT_HIDDEN cudaError_t forward_gated(const Op& op, int64 n, const G* g, const U* u,
                                        invact::detail::gated_storage_of<Op>* h, invact::detail::mask_out<Op> mask,
                                        cudaStream_t stream = nullptr) {
  invact::detail::check_takes_gated_mask<Op>();
  return invact::detail::forward_gated_run(op, n, g, u, h, mask, stream);
}
template <class Op, class G, class U>
INVACT_HIDDEN cudaError_t forward_gated(const Op& op, int64 n, const G* g, const U* u,
                                        invact::detail::gated_storage_of<Op>* h,
                                        invact::detail::maskless_stream<Op> stream = {}) {
  invact::detail::check_takes_no_gated_mask<Op>();
  return invact::detail::forward_gated_run(op, n, g, u, h, nullptr, stream);
}

// The same for matrices, whose shape is a gated_shape or a ragged_gated_shape. Reads rows, cols, ld_g, ld_u, ld_h and,
// with a mask, mask_stride_bits of the shape. Elements between cols and a leading dimension are not touched.
template <class Op, class Shape, class G, class U, invact::detail::if_gated_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward_gated(const Op& op, const Shape& shape, const G* g, const U* u,
                                        invact::detail::gated_storage_of<Op>* h, invact::detail::mask_out<Op> mask,
                                        cudaStream_t stream = nullptr) {
  invact::detail::check_takes_gated_mask<Op>();
  return invact::detail::forward_gated_rows(op, shape, g, u, h, mask, stream);
}
template <class Op, class Shape, class G, class U, invact::detail::if_gated_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward_gated(const Op& op, const Shape& shape, const G* g, const U* u,
                                        invact::detail::gated_storage_of<Op>* h,
                                        invact::detail::maskless_stream<Op> stream = {}) {
  invact::detail::check_takes_no_gated_mask<Op>();
  return invact::detail::forward_gated_rows(op, shape, g, u, h, nullptr, stream);
}

// dg[i], du[i] = op.backward(dh[i], h[i], u[i], piece i of mask) for i in [0, n).
template <class Op, class Dh, class U, class Dg, class Du>
INVACT_HIDDEN cudaError_t backward_gated(const Op& op, int64 n, const Dh* dh,
                                         const invact::detail::gated_storage_of<Op>* h, const U* u, const uint8* mask,
                                         Dg* dg, Du* du, cudaStream_t stream = nullptr) {
  invact::detail::check_takes_gated_mask<Op>();
  return invact::detail::backward_gated_run(op, n, dh, h, u, mask, dg, du, nullptr, stream);
}
template <class Op, class Dh, class U, class Dg, class Du, std::enable_if_t<!Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t backward_gated(const Op& op, int64 n, const Dh* dh,
                                         const invact::detail::gated_storage_of<Op>* h, const U* u, Dg* dg, Du* du,
                                         cudaStream_t stream = nullptr) {
  invact::detail::check_takes_no_gated_mask<Op>();
  return invact::detail::backward_gated_run(op, n, dh, h, u, nullptr, dg, du, nullptr, stream);
}
// The same of an op that recomputes; h[i] too, unless it is null.
template <class Op, class Dh, class U, class Dg, class Du, std::enable_if_t<Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t backward_gated(const Op& op, int64 n, const Dh* dh,
                                         const invact::detail::gated_storage_of<Op>* g, const U* u, Dg* dg, Du* du,
                                         invact::detail::gated_storage_of<Op>* h, cudaStream_t stream = nullptr) {
  return invact::detail::backward_gated_run(op, n, dh, g, u, nullptr, dg, du, h, stream);
}

// The same for matrices. Reads rows, cols, ld_dh, ld_h (ld_g of an op that recomputes, and ld_h if h is not null), ld_u,
// ld_dg, ld_du and, with a mask, mask_stride_bits of the shape.
template <class Op, class Shape, class Dh, class U, class Dg, class Du, invact::detail::if_gated_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t backward_gated(const Op& op, const Shape& shape, const Dh* dh,
                                         const invact::detail::gated_storage_of<Op>* h, const U* u, const uint8* mask,
                                         Dg* dg, Du* du, cudaStream_t stream = nullptr) {
  invact::detail::check_takes_gated_mask<Op>();
  return invact::detail::backward_gated_rows(op, shape, dh, h, u, mask, dg, du, nullptr, stream);
}
template <class Op, class Shape, class Dh, class U, class Dg, class Du, invact::detail::if_gated_shape<Shape> = 0,
          std::enable_if_t<!Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t backward_gated(const Op& op, const Shape& shape, const Dh* dh,
                                         const invact::detail::gated_storage_of<Op>* h, const U* u, Dg* dg, Du* du,
                                         cudaStream_t stream = nullptr) {
  invact::detail::check_takes_no_gated_mask<Op>();
  return invact::detail::backward_gated_rows(op, shape, dh, h, u, nullptr, dg, du, nullptr, stream);
}
template <class Op, class Shape, class Dh, class U, class Dg, class Du, invact::detail::if_gated_shape<Shape> = 0,
          std::enable_if_t<Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t backward_gated(const Op& op, const Shape& shape, const Dh* dh,
                                         const invact::detail::gated_storage_of<Op>* g, const U* u, Dg* dg, Du* du,
                                         invact::detail::gated_storage_of<Op>* h, cudaStream_t stream = nullptr) {
  return invact::detail::backward_gated_rows(op, shape, dh, g, u, nullptr, dg, du, h, stream);
}

// forward_gated() of g and u interleaved; u is written as a tensor of its own, which is kept with h. Reads rows, cols,
// ld_g (of gu), ld_h, ld_u and, with a mask, mask_stride_bits of the shape.
template <class Op, class Shape, class X, class U, invact::detail::if_gated_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward_interleaved(const Op& op, const Shape& shape, const X* gu,
                                              invact::detail::gated_storage_of<Op>* h, U* u,
                                              invact::detail::mask_out<Op> mask, cudaStream_t stream = nullptr) {
  invact::detail::check_takes_gated_mask<Op>();
  return invact::detail::forward_interleaved_rows(op, shape, gu, h, u, mask, stream);
}
template <class Op, class Shape, class X, class U, invact::detail::if_gated_shape<Shape> = 0,
          std::enable_if_t<!Op::recomputes && is_storage_v<U>, int> = 0>
INVACT_HIDDEN cudaError_t forward_interleaved(const Op& op, const Shape& shape, const X* gu,
                                              invact::detail::gated_storage_of<Op>* h, U* u,
                                              invact::detail::maskless_stream<Op> stream = {}) {
  invact::detail::check_takes_no_gated_mask<Op>();
  return invact::detail::forward_interleaved_rows(op, shape, gu, h, u, nullptr, stream);
}
// The same of an op that recomputes: gu is kept, and u not written.
template <class Op, class Shape, class X, invact::detail::if_gated_shape<Shape> = 0,
          std::enable_if_t<Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t forward_interleaved(const Op& op, const Shape& shape, const X* gu,
                                              invact::detail::gated_storage_of<Op>* h, cudaStream_t stream = nullptr) {
  return invact::detail::forward_interleaved_rows(op, shape, gu, h, static_cast<X*>(nullptr), nullptr, stream);
}

// backward_gated() whose gradients are interleaved. Reads rows, cols, ld_dh, ld_h, ld_u, ld_dg (of dgu) and, with a mask,
// mask_stride_bits of the shape.
template <class Op, class Shape, class Dh, class U, class D, invact::detail::if_gated_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t backward_interleaved(const Op& op, const Shape& shape, const Dh* dh,
                                               const invact::detail::gated_storage_of<Op>* h, const U* u,
                                               const uint8* mask, D* dgu, cudaStream_t stream = nullptr) {
  invact::detail::check_takes_gated_mask<Op>();
  return invact::detail::backward_interleaved_rows(op, shape, dh, h, u, mask, dgu, nullptr, stream);
}
template <class Op, class Shape, class Dh, class U, class D, invact::detail::if_gated_shape<Shape> = 0,
          std::enable_if_t<!Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t backward_interleaved(const Op& op, const Shape& shape, const Dh* dh,
                                               const invact::detail::gated_storage_of<Op>* h, const U* u, D* dgu,
                                               cudaStream_t stream = nullptr) {
  invact::detail::check_takes_no_gated_mask<Op>();
  return invact::detail::backward_interleaved_rows(op, shape, dh, h, u, nullptr, dgu, nullptr, stream);
}
// The same of an op that recomputes: gu is what was kept; h(r, c) too, unless it is null. Reads rows, cols, ld_dh, ld_g
// (of gu), ld_dg (of dgu) and, if h is not null, ld_h of the shape.
template <class Op, class Shape, class Dh, class D, invact::detail::if_gated_shape<Shape> = 0,
          std::enable_if_t<Op::recomputes, int> = 0>
INVACT_HIDDEN cudaError_t backward_interleaved(const Op& op, const Shape& shape, const Dh* dh,
                                               const invact::detail::gated_storage_of<Op>* gu, D* dgu,
                                               invact::detail::gated_storage_of<Op>* h, cudaStream_t stream = nullptr) {
  return invact::detail::backward_interleaved_rows(op, shape, dh, gu, static_cast<const D*>(nullptr), nullptr, dgu, h,
                                                   stream);
}

}  // namespace device

INVACT_NAMESPACE_END
