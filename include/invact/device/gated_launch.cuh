// How the device-wide calls of gated units are checked and launched.
#pragma once

#include <invact/device/elementwise.cuh>
#include <invact/device/gated_kernels.cuh>

INVACT_NAMESPACE_BEGIN

namespace device {

// As ragged_shape: `groups` of rows / groups rows, of which group g has its first counts[g].
struct ragged_gated_shape : gated_shape {
  int64 groups = 0;               // >= 1, a divisor of rows
  const int32* counts = nullptr;  // device memory, groups of them
};

// The shape of dense tensors: every leading dimension is cols, of interleaved ones (`interleaved`) 2 * cols, and mask
// rows are as short as whole bytes allow. What a call would refuse it refuses of this shape too.
template <class Op>
gated_shape dense_gated_shape(const Op&, int64 rows, int64 cols, bool interleaved = false) noexcept {
  constexpr int64 most = static_cast<int64>(~uint64{0} >> 1) / (2 * invact::detail::max_mask_bits);
  const bool is_counted = cols >= 0 && cols <= most;
  const int64 both = interleaved && is_counted ? 2 * cols : cols;
  return {rows, cols, both, cols, cols, cols, both, cols, is_counted ? 8 * mask_bytes(cols, Op::mask_bits) : 0};
}

}  // namespace device

namespace detail {

// Of 128 and 256 threads, and 1, 2 and 4 fragments, an H200's fastest from 2^27 to 2^29 units (of
// 2026-11-26): two fragments of each tensor, but one where a tensor has pairs, of which a fragment is two accesses, and
// where f and f' of x need the registers.
template <bool One>
constexpr device::launch_policy gated_policy{128, One ? 1 : 2};

inline gated_layout gated_layout_of(const gated_shape& s) {
  return {{s.rows, s.cols, 1, nullptr, 0, 0, 0, 0, s.mask_stride_bits / 8}, s.ld_g, s.ld_u, s.ld_h, s.ld_dh, s.ld_dg,
          s.ld_du};
}
inline gated_layout gated_layout_of(const device::ragged_gated_shape& s) {
  gated_layout layout = gated_layout_of(static_cast<const gated_shape&>(s));
  layout.rows = s.rows / s.groups;
  layout.groups = s.groups;
  layout.counts = s.counts;
  return layout;
}
inline bool gated_groups_are_valid(const gated_shape&) { return true; }
inline bool gated_groups_are_valid(const device::ragged_gated_shape& s) {
  return s.groups >= 1 && s.rows % s.groups == 0 && (s.counts != nullptr || s.rows == 0);
}

// What is known of a call's tensors before it is launched: whether their rows follow one another without a gap, and
// whether they are aligned for vectors of N units.
template <int N>
class gated_access {
 public:
  explicit gated_access(const gated_layout& layout)
      : rows_(layout.rows * layout.groups), cols_(layout.cols), is_dense_(layout.counts == nullptr) {}

  template <int Width = 1, class T>
  gated_access& add(const T* pointer, int64 ld) {
    if (pointer == nullptr) return *this;
    is_aligned_ = is_aligned_ && is_vector_aligned<Width * N>(pointer, 0);
    are_rows_aligned_ = are_rows_aligned_ && is_vector_aligned<Width * N>(pointer, spacing(rows_, ld));
    is_dense_ = is_dense_ && (rows_ == 1 || ld == Width * cols_);
    return *this;
  }
  template <class Op>
  gated_access& add_mask(int64 stride_bytes) {
    is_dense_ = is_dense_ && (rows_ == 1 || Op::mask_bits == 0 || 8 * stride_bytes == cols_ * Op::mask_bits);
    return *this;
  }
  // Rows without gaps are one.
  bool is_aligned() const { return is_aligned_ && (is_dense_ || are_rows_aligned_); }
  bool is_dense() const { return is_dense_; }

 private:
  int64 rows_, cols_;
  bool is_aligned_ = true, are_rows_aligned_ = true, is_dense_;
};

// Launches what `kernel` makes of (vector, is_run, fragments), which are types.
template <int Threads, int Fragments, int N, class Kernel>
INVACT_HIDDEN cudaError_t launch_gated(const gated_access<N>& access, gated_layout layout, cudaStream_t stream,
                                       const Kernel& kernel) {
  if (access.is_dense()) {
    layout.cols = layout.rows * layout.groups * layout.cols;
    layout.rows = layout.groups = 1;
    return choose<Fragments>(access.is_aligned(), [&](auto vector, auto fragments) {
      const int64 blocks = ceil_div(layout.cols, tile_elements<Threads, fragments(), N>);
      if (blocks > max_grid_x) return cudaErrorInvalidValue;
      return kernel(vector, std::true_type{}, fragments, layout, fast_divisor(1), dim3(static_cast<unsigned>(blocks)),
                    dim3(Threads), stream);
    });
  }
  return choose<Fragments>(access.is_aligned(), [&](auto vector, auto fragments) {
    const grid_shape grid = grid_shape::of_elements<N>(Threads, fragments(), layout);
    if (!grid.fits()) return cudaErrorInvalidValue;
    return kernel(vector, std::false_type{}, fragments, layout, grid.strip_divisor(), grid.blocks(), grid.threads(),
                  stream);
  });
}

template <bool Interleaved, class Op, class G, class U, class UOut>
INVACT_HIDDEN cudaError_t launch_gated_forward(const Op& op, const gated_layout& layout, const G* g, const U* u,
                                               gated_storage_of<Op>* h, UOut* u_out, uint8* mask, cudaStream_t stream) {
  constexpr int size = fragment_size<G, U, UOut, gated_storage_of<Op>>;
  constexpr device::launch_policy policy = gated_policy<Interleaved>;
  gated_access<size> access(layout);
  access.template add<Interleaved ? 2 : 1>(g, layout.ld_g).add(h, layout.ld_h).template add_mask<Op>(layout.mask_stride);
  if constexpr (Interleaved) {
    access.add(u_out, layout.ld_u);
  } else {
    access.add(u, layout.ld_u);
  }
  return launch_gated<policy.block_threads, policy.fragments>(
      access, layout, stream,
      [&](auto vector, auto is_run, auto fragments, const gated_layout& of, const fast_divisor& strips, dim3 blocks,
          dim3 threads, cudaStream_t in) {
        return launch(blocks, threads, in,
                      gated_forward_kernel<policy.block_threads, fragments(), size, vector(), is_run(), Interleaved, Op, G,
                                           U, UOut>,
                      op, of, strips, g, u, h, u_out, mask);
      });
}

template <bool InterleavedIn, bool Interleaved, class Op, class Dh, class U, class Dg, class Du>
INVACT_HIDDEN cudaError_t launch_gated_backward(const Op& op, const gated_layout& layout, const Dh* dh,
                                                const gated_storage_of<Op>* kept, const U* u, const uint8* mask, Dg* dg,
                                                Du* du, gated_storage_of<Op>* h, cudaStream_t stream) {
  constexpr int size = fragment_size<Dh, U, Dg, Du, gated_storage_of<Op>>;
  gated_access<size> access(layout);
  access.add(dh, layout.ld_dh).template add_mask<Op>(layout.mask_stride);
  access.template add<InterleavedIn ? 2 : 1>(kept, Op::recomputes ? layout.ld_g : layout.ld_h);
  if constexpr (!InterleavedIn) access.add(u, layout.ld_u);
  access.template add<Interleaved ? 2 : 1>(dg, layout.ld_dg);
  if constexpr (!Interleaved) access.add(du, layout.ld_du);
  if constexpr (Op::recomputes) access.add(h, layout.ld_h);
  constexpr device::launch_policy policy = gated_policy<Interleaved || Op::recomputes>;
  return launch_gated<policy.block_threads, policy.fragments>(
      access, layout, stream,
      [&](auto vector, auto is_run, auto fragments, gated_layout of, const fast_divisor& strips, dim3 blocks, dim3 threads,
          cudaStream_t in) {
        // What is kept is read with ld_g.
        if constexpr (!Op::recomputes) of.ld_g = of.ld_h;
        return launch(blocks, threads, in,
                      gated_backward_kernel<policy.block_threads, fragments(), size, vector(), is_run(),
                                            InterleavedIn, Interleaved, Op, Dh, U, Dg, Du>,
                      op, of, strips, dh, kept, u, mask, dg, du, h);
      });
}

inline bool is_empty(const gated_shape& shape) { return shape.rows == 0 || shape.cols == 0; }
inline gated_layout run_layout(int64 n) {
  gated_shape shape;
  shape.rows = 1;
  shape.cols = n;
  return gated_layout_of(shape);
}

template <class Op, class G, class U>
INVACT_HIDDEN cudaError_t forward_gated_run(const Op& op, int64 n, const G* g, const U* u, gated_storage_of<Op>* h,
                                            uint8* mask, cudaStream_t stream) {
  gated_checks checks(op, n);
  checks.tensor(g, 0, "g", "").tensor(u, 0, "u", "").tensor(h, 0, "h", "").template mask<Op>(mask);
  if (checks.what() != defect::none) return cudaErrorInvalidValue;
  if (n == 0) return cudaSuccess;
  return launch_gated_forward<false>(op, run_layout(n), g, u, h, static_cast<U*>(nullptr), mask, stream);
}

template <class Op, class Shape, class G, class U>
INVACT_HIDDEN cudaError_t forward_gated_rows(const Op& op, const Shape& shape, const G* g, const U* u,
                                             gated_storage_of<Op>* h, uint8* mask, cudaStream_t stream) {
  gated_checks checks(op, shape);
  checks.tensor(g, shape.ld_g, "g", "shape.ld_g")
      .tensor(u, shape.ld_u, "u", "shape.ld_u")
      .tensor(h, shape.ld_h, "h", "shape.ld_h")
      .template mask<Op>(mask);
  if (checks.what() != defect::none || !gated_groups_are_valid(shape)) return cudaErrorInvalidValue;
  if (is_empty(shape)) return cudaSuccess;
  return launch_gated_forward<false>(op, gated_layout_of(shape), g, u, h, static_cast<U*>(nullptr), mask, stream);
}

// u_out is null where pairs are kept, and then not checked.
template <class Op, class Shape, class X, class U>
INVACT_HIDDEN cudaError_t forward_interleaved_rows(const Op& op, const Shape& shape, const X* gu,
                                                   gated_storage_of<Op>* h, U* u, uint8* mask, cudaStream_t stream) {
  gated_checks checks(op, shape);
  checks.pairs(gu, shape.ld_g, "gu", "shape.ld_g").tensor(h, shape.ld_h, "h", "shape.ld_h").template mask<Op>(mask);
  if constexpr (!Op::recomputes) checks.tensor(u, shape.ld_u, "u", "shape.ld_u");
  if (checks.what() != defect::none || !gated_groups_are_valid(shape)) return cudaErrorInvalidValue;
  if (is_empty(shape)) return cudaSuccess;
  return launch_gated_forward<true>(op, gated_layout_of(shape), gu, gu, h, u, mask, stream);
}

template <class Op, class Dh, class U, class Dg, class Du>
INVACT_HIDDEN cudaError_t backward_gated_run(const Op& op, int64 n, const Dh* dh, const gated_storage_of<Op>* kept,
                                             const U* u, const uint8* mask, Dg* dg, Du* du, gated_storage_of<Op>* h,
                                             cudaStream_t stream) {
  gated_checks checks(op, n);
  checks.tensor(dh, 0, "dh", "").tensor(kept, 0, Op::recomputes ? "g" : "h", "").tensor(u, 0, "u", "");
  checks.template mask<Op>(mask).tensor(dg, 0, "dg", "").tensor(du, 0, "du", "");
  if (checks.what() != defect::none) return cudaErrorInvalidValue;
  if (n == 0) return cudaSuccess;
  return launch_gated_backward<false, false>(op, run_layout(n), dh, kept, u, mask, dg, du, h, stream);
}

template <class Op, class Shape, class Dh, class U, class Dg, class Du>
INVACT_HIDDEN cudaError_t backward_gated_rows(const Op& op, const Shape& shape, const Dh* dh,
                                              const gated_storage_of<Op>* kept, const U* u, const uint8* mask, Dg* dg,
                                              Du* du, gated_storage_of<Op>* h, cudaStream_t stream) {
  gated_checks checks(op, shape);
  checks.tensor(dh, shape.ld_dh, "dh", "shape.ld_dh");
  checks.tensor(kept, Op::recomputes ? shape.ld_g : shape.ld_h, Op::recomputes ? "g" : "h",
                Op::recomputes ? "shape.ld_g" : "shape.ld_h");
  checks.tensor(u, shape.ld_u, "u", "shape.ld_u").template mask<Op>(mask);
  checks.tensor(dg, shape.ld_dg, "dg", "shape.ld_dg").tensor(du, shape.ld_du, "du", "shape.ld_du");
  if (check_recomputed<Op>(checks, h, shape.ld_h).what() != defect::none || !gated_groups_are_valid(shape))
    return cudaErrorInvalidValue;
  if (is_empty(shape)) return cudaSuccess;
  return launch_gated_backward<false, false>(op, gated_layout_of(shape), dh, kept, u, mask, dg, du, h, stream);
}

// Pairs are what is kept where the op recomputes, else h and u.
template <class Op, class Shape, class Dh, class U, class D>
INVACT_HIDDEN cudaError_t backward_interleaved_rows(const Op& op, const Shape& shape, const Dh* dh,
                                                    const gated_storage_of<Op>* kept, const U* u, const uint8* mask,
                                                    D* dgu, gated_storage_of<Op>* h, cudaStream_t stream) {
  gated_checks checks(op, shape);
  checks.tensor(dh, shape.ld_dh, "dh", "shape.ld_dh");
  if constexpr (Op::recomputes) {
    checks.pairs(kept, shape.ld_g, "gu", "shape.ld_g");
  } else {
    checks.tensor(kept, shape.ld_h, "h", "shape.ld_h").tensor(u, shape.ld_u, "u", "shape.ld_u");
  }
  checks.template mask<Op>(mask).pairs(dgu, shape.ld_dg, "dgu", "shape.ld_dg");
  if (check_recomputed<Op>(checks, h, shape.ld_h).what() != defect::none || !gated_groups_are_valid(shape))
    return cudaErrorInvalidValue;
  if (is_empty(shape)) return cudaSuccess;
  return launch_gated_backward<Op::recomputes, true>(op, gated_layout_of(shape), dh, kept, u, mask, dgu,
                                                     static_cast<D*>(nullptr), h, stream);
}

template <class Shape>
using if_gated_shape = std::enable_if_t<std::is_base_of_v<gated_shape, Shape>, int>;

}  // namespace detail

INVACT_NAMESPACE_END
