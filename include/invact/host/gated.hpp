// The host executor's forward and backward of gated units, h = f(g) * u.
//
//   using act = invact::swiglu<invact::bfloat16>;
//   invact::host::forward_gated(act{}, n, g, u, h, mask);                 // mask: invact::mask_bytes(n) bytes
//   invact::host::backward_gated(act{}, n, dh, h, u, mask, dg, du);
//
// and of interleaved columns, g of unit c in column 2c, u in column 2c + 1: forward_interleaved, backward_interleaved.
//
// What <invact/host/executor.hpp> says of elements, the mask, alignment, errors, builds and threads holds here, and:
//
// Op         gated, gated_recompute, or one of your own like them. An op that recomputes keeps g (of its storage type) in
//            place of h: its backwards take g there, or g and u as they are interleaved, and as their last tensor an h
//            that they write again, or null. It has no mask.
// Elements   h has the op's storage type; the others are float or any storage type, each its own. Of an interleaved
//            tensor g and u have one. forward_interleaved rounds u to its own tensor's type, and h is of that u.
// Aliasing   an output may be any input of the same type, pointer and leading dimension, of elements that it is as large
//            as: h may be g; dg and du may be dh, h or u, but not each other; dgu may be gu. Any other overlap of an output
//            with another argument is undefined. Nothing but its outputs is written.
#pragma once

#include <invact/host/gated_block.hpp>
#include <invact/host/schedule.hpp>

#include <type_traits>

INVACT_NAMESPACE_BEGIN

namespace host {

using invact::gated_shape;

}  // namespace host

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

using invact::detail::check_recomputed;
using invact::detail::check_takes_gated_mask;
using invact::detail::check_takes_no_gated_mask;
using invact::detail::gated_checks;

// Runs run(row, column, columns) for the rows of a shape, in tasks.
template <class Run>
void for_each_run(const gated_shape& shape, const Run& run) {
  const task_grid grid(shape.rows, shape.cols);
  run_tasks(grid.count, [&](int64 t) { grid.run_task(t, run); });
}

template <class Op>
int64 mask_offset(const gated_shape& shape, int64 r, int64 c) {
  return Op::mask_bits == 0 ? 0 : r * (shape.mask_stride_bits / 8) + mask_offset<Op>(c);
}

// n consecutive units.
inline gated_shape shape_of_run(int64 n) {
  gated_shape shape;
  shape.rows = 1;
  shape.cols = n;
  return shape;
}

// Element c of row r of a tensor that may be null, whose leading dimension may then be anything.
template <class T>
T* element_at(T* tensor, int64 r, int64 ld, int64 c) {
  return tensor == nullptr ? nullptr : tensor + (r * ld + c);
}

template <class Op, class G, class U>
void forward_gated(gated_checks checks, const Op& op, const gated_shape& shape, const G* g, const U* u,
                   gated_storage_of<Op>* h, uint8* mask) {
  checks.tensor(g, shape.ld_g, "g", "shape.ld_g")
      .tensor(u, shape.ld_u, "u", "shape.ld_u")
      .tensor(h, shape.ld_h, "h", "shape.ld_h")
      .template mask<Op>(mask);
  throw_if_any("forward_gated", checks);
  for_each_run(shape, [&](int64 r, int64 c, int64 count) {
    forward_gated_run(op, count, separate_units<G, U>{g + r * shape.ld_g + c, u + r * shape.ld_u + c},
                      h + r * shape.ld_h + c, advance(mask, mask_offset<Op>(shape, r, c)));
  });
}

// u is null where pairs are kept.
template <class Op, class X, class U>
void forward_interleaved(const Op& op, const gated_shape& shape, const X* gu, gated_storage_of<Op>* h, U* u,
                         uint8* mask) {
  gated_checks checks(op, shape);
  checks.pairs(gu, shape.ld_g, "gu", "shape.ld_g").tensor(h, shape.ld_h, "h", "shape.ld_h").template mask<Op>(mask);
  if constexpr (!Op::recomputes) checks.tensor(u, shape.ld_u, "u", "shape.ld_u");
  throw_if_any("forward_interleaved", checks);
  for_each_run(shape, [&](int64 r, int64 c, int64 count) {
    const interleaved_units<X, U> units{gu + r * shape.ld_g + 2 * c, element_at(u, r, shape.ld_u, c)};
    forward_gated_run(op, count, units, h + r * shape.ld_h + c, advance(mask, mask_offset<Op>(shape, r, c)));
  });
}

template <class Op, class Dh, class U, class Dg, class Du>
void backward_gated(gated_checks checks, const Op& op, const gated_shape& shape, const Dh* dh,
                    const gated_storage_of<Op>* kept, const U* u, const uint8* mask, Dg* dg, Du* du,
                    gated_storage_of<Op>* h) {
  const int64 ld_kept = Op::recomputes ? shape.ld_g : shape.ld_h;
  checks.tensor(dh, shape.ld_dh, "dh", "shape.ld_dh");
  checks.tensor(kept, ld_kept, Op::recomputes ? "g" : "h", Op::recomputes ? "shape.ld_g" : "shape.ld_h");
  checks.tensor(u, shape.ld_u, "u", "shape.ld_u").template mask<Op>(mask);
  checks.tensor(dg, shape.ld_dg, "dg", "shape.ld_dg").tensor(du, shape.ld_du, "du", "shape.ld_du");
  throw_if_any("backward_gated", check_recomputed<Op>(checks, h, shape.ld_h));
  for_each_run(shape, [&](int64 r, int64 c, int64 count) {
    backward_gated_run(
        op, count, dh + r * shape.ld_dh + c,
        separate_kept<gated_storage_of<Op>, U>{kept + r * ld_kept + c, u + r * shape.ld_u + c},
        advance(mask, mask_offset<Op>(shape, r, c)),
        separate_gradients<Dg, Du>{dg + r * shape.ld_dg + c, du + r * shape.ld_du + c},
        element_at(h, r, shape.ld_h, c));
  });
}

// u is null where pairs are kept.
template <class Op, class Dh, class U, class D>
void backward_interleaved(const Op& op, const gated_shape& shape, const Dh* dh, const gated_storage_of<Op>* kept,
                          const U* u, const uint8* mask, D* dgu, gated_storage_of<Op>* h) {
  gated_checks checks(op, shape);
  checks.tensor(dh, shape.ld_dh, "dh", "shape.ld_dh");
  if constexpr (Op::recomputes) {
    checks.pairs(kept, shape.ld_g, "gu", "shape.ld_g");
  } else {
    checks.tensor(kept, shape.ld_h, "h", "shape.ld_h").tensor(u, shape.ld_u, "u", "shape.ld_u");
  }
  checks.template mask<Op>(mask).pairs(dgu, shape.ld_dg, "dgu", "shape.ld_dg");
  throw_if_any("backward_interleaved", check_recomputed<Op>(checks, h, shape.ld_h));
  for_each_run(shape, [&](int64 r, int64 c, int64 count) {
    const auto run = [&](const auto& of) {
      backward_gated_run(
          op, count, dh + r * shape.ld_dh + c, of, advance(mask, mask_offset<Op>(shape, r, c)),
          interleaved_gradients<D>{dgu + r * shape.ld_dg + 2 * c}, element_at(h, r, shape.ld_h, c));
    };
    using storage = gated_storage_of<Op>;
    if constexpr (Op::recomputes) {
      run(interleaved_kept<storage>{kept + r * shape.ld_g + 2 * c});
    } else {
      run(separate_kept<storage, U>{kept + r * shape.ld_h + c, u + r * shape.ld_u + c});
    }
  });
}

template <class Op>
using if_keeps_h = std::enable_if_t<!Op::recomputes, int>;
template <class Op>
using if_recomputes = std::enable_if_t<Op::recomputes, int>;

}  // namespace detail

// The shape of dense tensors: every leading dimension is cols, of interleaved ones (`interleaved`) 2 * cols, and mask rows
// are as short as whole bytes allow. Throws std::invalid_argument for a negative rows or cols, or a row too long to count.
template <class Op>
gated_shape dense_gated_shape(const Op&, int64 rows, int64 cols, bool interleaved = false) {
  static_cast<void>(sizeof(invact::detail::checked_gated_op<Op>));
  detail::check_dense("dense_gated_shape", rows, cols);
  const int64 both = interleaved ? 2 * cols : cols;
  return {rows, cols, both, cols, cols, cols, both, cols, 8 * mask_bytes(cols, Op::mask_bits)};
}

// h[i], mask = op.forward(g[i], u[i]) for i in [0, n).
template <class Op, class G, class U>
void forward_gated(const Op& op, int64 n, const G* g, const U* u, detail::gated_storage_of<Op>* h, uint8* mask) {
  detail::check_takes_gated_mask<Op>();
  detail::forward_gated(detail::gated_checks(op, n), op, detail::shape_of_run(n), g, u, h, mask);
}
template <class Op, class G, class U>
void forward_gated(const Op& op, int64 n, const G* g, const U* u, detail::gated_storage_of<Op>* h) {
  detail::check_takes_no_gated_mask<Op>();
  detail::forward_gated(detail::gated_checks(op, n), op, detail::shape_of_run(n), g, u, h, nullptr);
}

// The same for matrices. Reads rows, cols, ld_g, ld_u, ld_h and, with a mask, mask_stride_bits of the shape. Elements
// between cols and a leading dimension are not touched.
template <class Op, class G, class U>
void forward_gated(const Op& op, const gated_shape& shape, const G* g, const U* u, detail::gated_storage_of<Op>* h,
                   uint8* mask) {
  detail::check_takes_gated_mask<Op>();
  detail::forward_gated(detail::gated_checks(op, shape), op, shape, g, u, h, mask);
}
template <class Op, class G, class U>
void forward_gated(const Op& op, const gated_shape& shape, const G* g, const U* u, detail::gated_storage_of<Op>* h) {
  detail::check_takes_no_gated_mask<Op>();
  detail::forward_gated(detail::gated_checks(op, shape), op, shape, g, u, h, nullptr);
}

// dg[i], du[i] = op.backward(dh[i], h[i], u[i], piece i of mask) for i in [0, n). Of an op that recomputes g[i] is in h[i]'s
// place, and h[i] is written too, unless it is null.
template <class Op, class Dh, class U, class Dg, class Du>
void backward_gated(const Op& op, int64 n, const Dh* dh, const detail::gated_storage_of<Op>* h, const U* u,
                    const uint8* mask, Dg* dg, Du* du) {
  detail::check_takes_gated_mask<Op>();
  detail::backward_gated(detail::gated_checks(op, n), op, detail::shape_of_run(n), dh, h, u, mask, dg, du, nullptr);
}
template <class Op, class Dh, class U, class Dg, class Du, detail::if_keeps_h<Op> = 0>
void backward_gated(const Op& op, int64 n, const Dh* dh, const detail::gated_storage_of<Op>* h, const U* u, Dg* dg,
                    Du* du) {
  detail::check_takes_no_gated_mask<Op>();
  detail::backward_gated(detail::gated_checks(op, n), op, detail::shape_of_run(n), dh, h, u, nullptr, dg, du, nullptr);
}
template <class Op, class Dh, class U, class Dg, class Du, detail::if_recomputes<Op> = 0>
void backward_gated(const Op& op, int64 n, const Dh* dh, const detail::gated_storage_of<Op>* g, const U* u, Dg* dg,
                    Du* du, detail::gated_storage_of<Op>* h) {
  detail::backward_gated(detail::gated_checks(op, n), op, detail::shape_of_run(n), dh, g, u, nullptr, dg, du, h);
}

// The same for matrices. Reads rows, cols, ld_dh, ld_h (ld_g of an op that recomputes, and ld_h if h is not null), ld_u,
// ld_dg, ld_du and, with a mask, mask_stride_bits of the shape.
template <class Op, class Dh, class U, class Dg, class Du>
void backward_gated(const Op& op, const gated_shape& shape, const Dh* dh, const detail::gated_storage_of<Op>* h,
                    const U* u, const uint8* mask, Dg* dg, Du* du) {
  detail::check_takes_gated_mask<Op>();
  detail::backward_gated(detail::gated_checks(op, shape), op, shape, dh, h, u, mask, dg, du, nullptr);
}
template <class Op, class Dh, class U, class Dg, class Du, detail::if_keeps_h<Op> = 0>
void backward_gated(const Op& op, const gated_shape& shape, const Dh* dh, const detail::gated_storage_of<Op>* h,
                    const U* u, Dg* dg, Du* du) {
  detail::check_takes_no_gated_mask<Op>();
  detail::backward_gated(detail::gated_checks(op, shape), op, shape, dh, h, u, nullptr, dg, du, nullptr);
}
template <class Op, class Dh, class U, class Dg, class Du, detail::if_recomputes<Op> = 0>
void backward_gated(const Op& op, const gated_shape& shape, const Dh* dh, const detail::gated_storage_of<Op>* g,
                    const U* u, Dg* dg, Du* du, detail::gated_storage_of<Op>* h) {
  detail::backward_gated(detail::gated_checks(op, shape), op, shape, dh, g, u, nullptr, dg, du, h);
}

// forward_gated() of g and u interleaved; u is written as a tensor of its own, which is kept with h. Reads rows, cols, ld_g
// (of gu), ld_h, ld_u and, with a mask, mask_stride_bits of the shape. Of an op that recomputes gu is kept, and there is no u.
template <class Op, class X, class U>
void forward_interleaved(const Op& op, const gated_shape& shape, const X* gu, detail::gated_storage_of<Op>* h, U* u,
                         uint8* mask) {
  detail::check_takes_gated_mask<Op>();
  detail::forward_interleaved(op, shape, gu, h, u, mask);
}
template <class Op, class X, class U, detail::if_keeps_h<Op> = 0>
void forward_interleaved(const Op& op, const gated_shape& shape, const X* gu, detail::gated_storage_of<Op>* h, U* u) {
  detail::check_takes_no_gated_mask<Op>();
  detail::forward_interleaved(op, shape, gu, h, u, nullptr);
}
template <class Op, class X, detail::if_recomputes<Op> = 0>
void forward_interleaved(const Op& op, const gated_shape& shape, const X* gu, detail::gated_storage_of<Op>* h) {
  detail::forward_interleaved(op, shape, gu, h, static_cast<X*>(nullptr), nullptr);
}

// backward_gated() whose gradients are interleaved. Reads rows, cols, ld_dh, ld_h, ld_u, ld_dg (of dgu) and, with a mask,
// mask_stride_bits of the shape. An op that recomputes takes gu in place of h and u, with ld_g, and h, which may be null.
template <class Op, class Dh, class U, class D>
void backward_interleaved(const Op& op, const gated_shape& shape, const Dh* dh, const detail::gated_storage_of<Op>* h,
                          const U* u, const uint8* mask, D* dgu) {
  detail::check_takes_gated_mask<Op>();
  detail::backward_interleaved(op, shape, dh, h, u, mask, dgu, nullptr);
}
template <class Op, class Dh, class U, class D, detail::if_keeps_h<Op> = 0>
void backward_interleaved(const Op& op, const gated_shape& shape, const Dh* dh, const detail::gated_storage_of<Op>* h,
                          const U* u, D* dgu) {
  detail::check_takes_no_gated_mask<Op>();
  detail::backward_interleaved(op, shape, dh, h, u, nullptr, dgu, nullptr);
}
template <class Op, class Dh, class D, detail::if_recomputes<Op> = 0>
void backward_interleaved(const Op& op, const gated_shape& shape, const Dh* dh, const detail::gated_storage_of<Op>* gu,
                          D* dgu, detail::gated_storage_of<Op>* h) {
  detail::backward_interleaved(op, shape, dh, gu, static_cast<const D*>(nullptr), nullptr, dgu, h);
}

INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
