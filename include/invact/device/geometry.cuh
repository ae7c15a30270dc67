// How the rows of matrices are cut into blocks of threads.
#pragma once

#include <invact/device/row_kernels.cuh>

INVACT_NAMESPACE_BEGIN

namespace device {

// Matrices whose rows are there in part: `groups` of rows / groups rows one below the other (the experts
// of a mixture, each with its capacity), of which group g has its first counts[g] rows, at least 0 and at
// most all. counts is device memory, read when the kernel runs: no host has to know it. The other rows are
// neither read nor written. A bias and its gradient are [groups, cols]: each group has its own.
struct ragged_shape : matrix_shape {
  int64 groups = 0;               // >= 1, a divisor of rows
  const int32* counts = nullptr;  // groups of them
};

// The shape of dense matrices: every leading dimension is cols, and mask rows are as short as whole
// bytes allow. What a call would refuse (a negative size, a row too long to count) it refuses of this
// shape too.
template <class Op>
matrix_shape dense_shape(const Op&, int64 rows, int64 cols) noexcept {
  static_cast<void>(sizeof(invact::detail::checked_op<Op>));
  constexpr int64 most = static_cast<int64>(~uint64{0} >> 1) / (2 * invact::detail::max_mask_bits);
  const int64 mask_bits = cols < 0 || cols > most ? 0 : 8 * mask_bytes(cols, Op::mask_bits);
  return {rows, cols, cols, cols, cols, cols, mask_bits};
}

}  // namespace device

namespace detail {

constexpr int64 ceil_div(int64 a, int64 b) { return a / b + (a % b != 0 ? 1 : 0); }

// Largest grid extents: of x, and of y and z.
inline constexpr int64 max_grid_x = 0x7fffffff;
inline constexpr int64 max_grid_yz = 65535;

inline row_layout layout_of(const matrix_shape& s) {
  return {s.rows, s.cols, 1, nullptr, s.ld_x, s.ld_y, s.ld_dy, s.ld_dx, s.mask_stride_bits / 8};
}
inline row_layout layout_of(const device::ragged_shape& s) {
  row_layout layout = layout_of(static_cast<const matrix_shape&>(s));
  layout.rows = s.rows / s.groups;
  layout.groups = s.groups;
  layout.counts = s.counts;
  return layout;
}

// Whether the groups divide the rows, and each has room for its sums of columns.
inline bool groups_divide(const matrix_shape&) { return true; }
inline bool groups_divide(const device::ragged_shape& s) {
  constexpr int64 most = static_cast<int64>(~uint64{0} >> 1) / static_cast<int64>(sizeof(float));
  return s.groups >= 1 && s.rows % s.groups == 0 && (s.cols <= 0 || s.groups <= most / s.cols);
}
inline bool groups_are_valid(const matrix_shape&) { return true; }
inline bool groups_are_valid(const device::ragged_shape& s) {
  return groups_divide(s) && (s.counts != nullptr || s.rows == 0);
}

// Threads along the columns, which are `fragments` wide, and along the rows. Of the widths up to `most` that leave
// the fewest threads idle the largest; a warp's width at least, where the columns fill it, and never less than
// two, as two threads may share a mask byte.
struct block_shape {
  int x;
  int y;

  block_shape(int threads, int most, int64 fragments) : x(most), y(1) {
    int least = 2;
    while (least < 32 && least < fragments) least *= 2;
    for (int width = most; width >= least; width /= 2) {
      if (ceil_div(fragments, width) * width < ceil_div(fragments, x) * x) x = width;
    }
    y = threads / x;
  }
};

// Blocks of one call: strips of columns, bands of rows, groups. N elements are a fragment.
struct grid_shape {
  block_shape block;
  int64 strips;
  int64 band_rows;
  int64 bands;
  int64 groups;

  // Bands of thread_rows rows a thread.
  template <int N>
  static grid_shape of_elements(int threads, int thread_rows, const row_layout& layout) {
    const int64 fragments = ceil_div(layout.cols, N);
    const block_shape block(threads, threads, fragments);
    return {block, fragments, int64{block.y} * thread_rows, layout};
  }

  // For sums over rows, whose bits must depend on the shape alone, not on the device. A block as wide as a warp, so
  // that its rows are many and it writes few sums; eight rows a thread at least, for the same reason, and more where
  // there would be over 4096 blocks, which keep any multiprocessor busy to the end.
  template <int N>
  static grid_shape of_sums(int threads, const row_layout& layout) {
    constexpr int64 wanted_blocks = 4096;
    constexpr int64 thread_rows = 8;
    const int64 fragments = ceil_div(layout.cols, N);
    const block_shape block(threads, 32, fragments);
    const int64 strips = ceil_div(fragments, block.x) * layout.groups;
    const int64 wanted = strips >= wanted_blocks ? 1 : wanted_blocks / strips;
    const int64 least = block.y * thread_rows;
    const int64 even = ceil_div(ceil_div(layout.rows, wanted), block.y) * block.y;
    return {block, fragments, even < least ? least : even, layout};
  }

  bool fits() const {
    return strips <= max_grid_x && bands <= max_grid_x && strips * bands <= max_grid_x &&
           groups <= max_grid_yz * max_grid_yz && band_rows <= max_grid_x / 2;
  }
  dim3 blocks() const {
    const int64 deep = groups < max_grid_yz ? groups : max_grid_yz;
    return dim3(static_cast<unsigned>(strips * bands), static_cast<unsigned>(deep),
                static_cast<unsigned>(ceil_div(groups, deep)));
  }
  dim3 threads() const { return dim3(static_cast<unsigned>(block.x), static_cast<unsigned>(block.y)); }
  fast_divisor strip_divisor() const { return fast_divisor(static_cast<uint32>(strips)); }

 private:
  grid_shape(block_shape b, int64 fragments, int64 rows, const row_layout& layout)
      : block(b),
        strips(ceil_div(fragments, b.x)),
        band_rows(rows),
        bands(ceil_div(layout.rows, rows)),
        groups(layout.groups) {}
};

}  // namespace detail

INVACT_NAMESPACE_END
