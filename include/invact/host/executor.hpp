// The host executor: forward and backward of an op over CPU buffers.
//
//   using act = invact::inverted<invact::gelu, invact::bfloat16>;
//   std::vector<unsigned char> mask(invact::mask_bytes(n));
//   invact::host::forward(act{}, n, x, y, mask.data());
//   invact::host::backward(act{}, n, dy, y, mask.data(), dx);
//
// What holds for every function here:
//
// Elements   y has the op's storage type. x, bias, dy and dx are float or any storage type, each its
//            own: they are converted to float on reading and rounded to nearest, ties to even, on
//            writing. Results are bit for bit those of the op's scalar calls in the same build, unless
//            it has -ffast-math, which lets the compiler round vectors otherwise than scalars.
// Mask       ops with mask_bits > 0 take a mask, the others have no such argument. Element i of a row
//            is at bits [i*mask_bits, (i+1)*mask_bits) from the row's first byte, least significant
//            first. Tail bits of a row's last byte are written as zero and ignored when read; no
//            byte of a row beyond invact::mask_bytes(cols, mask_bits) is touched.
// Alignment  of the element types; nothing more.
// Aliasing   y may be x, and dx may be dy (same pointer, same type, same leading dimension). Any other
//            overlap of an output with another argument is undefined.
// Errors     std::invalid_argument that names the argument, thrown before anything is written: a null
//            pointer to a tensor that is not empty or to an op's scale, a negative size, a size or extent
//            that overflows, a leading dimension below cols, a mask stride that is too small or no multiple
//            of 8 bits. Pointers to empty tensors may be null.
// Builds     functions compiled with and without AVX2, FMA, -ffast-math or OpenMP are different functions, by
//            an inline namespace: the flags of the calling translation unit are those of its call.
// Threads    OpenMP's current team size where the calling translation unit is compiled with OpenMP, the
//            caller's thread otherwise, and for small sizes. No result depends on their number. Calls
//            on disjoint outputs may run concurrently.
// Allocates  nothing, except where stated.
#pragma once

#include <invact/host/block.hpp>
#include <invact/host/schedule.hpp>
#include <invact/host/shape.hpp>

#include <atomic>
#include <vector>

INVACT_NAMESPACE_BEGIN

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

// What the tasks of a forward have recorded, which ends in the op's amax.
template <class Op>
class shared_record {
 public:
  void add(const amax_record<Op>& record) {
    if constexpr (has_amax<Op>) {
      uint32 bits = bits_.load(std::memory_order_relaxed);
      while (bits < record.bits &&
             !bits_.compare_exchange_weak(bits, record.bits, std::memory_order_relaxed)) {
      }
    } else {
      static_cast<void>(record);
    }
  }
  void store(const Op& op) const {
    if constexpr (has_amax<Op>) {
      if (op.amax() == nullptr) return;
      amax_record<Op> all{float_bits(*op.amax())};
      all.add_bits(bits_.load(std::memory_order_relaxed));
      *op.amax() = float_from_bits(all.bits);
    } else {
      static_cast<void>(op);
    }
  }

 private:
  std::atomic<uint32> bits_{0};
};

template <class Op, class X>
void forward_vector(const Op& op, int64 n, const X* x, storage_of<Op>* y, uint8* mask) {
  throw_if_any("forward", invact::detail::check_forward(op, n, x, y, mask));
  const task_grid grid(1, n);
  shared_record<Op> together;
  run_tasks(grid.count, [&](int64 t) {
    amax_record<Op> record;
    grid.run_task(t, [&](int64, int64 i, int64 count) {
      forward_run(op, count, x + i, no_bias{}, y + i, advance(mask, mask_offset<Op>(i)), record);
    });
    together.add(record);
  });
  together.store(op);
}

template <class Op, class Dy, class Dx>
void backward_vector(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                     Dx* dx) {
  throw_if_any("backward", invact::detail::check_backward(op, n, dy, y, mask, dx));
  const task_grid grid(1, n);
  run_tasks(grid.count, [&](int64 t) {
    grid.run_task(t, [&](int64, int64 i, int64 count) {
      backward_run(op, count, dy + i, y + i, advance(mask, mask_offset<Op>(i)), dx + i, nullptr);
    });
  });
}

// The byte that column c of row r has its mask bits in; c is a multiple of 8.
template <class Op>
int64 mask_offset(const matrix_shape& shape, int64 r, int64 c) {
  return Op::mask_bits == 0 ? 0 : r * (shape.mask_stride_bits / 8) + mask_offset<Op>(c);
}

template <class Op, class X, class Bias>
void forward_matrix(const char* function, const Op& op, const matrix_shape& shape, const X* x, Bias bias,
                    storage_of<Op>* y, uint8* mask) {
  throw_if_any(function, invact::detail::check_forward(op, shape, x, bias, y, mask));
  const task_grid grid(shape.rows, shape.cols);
  shared_record<Op> together;
  run_tasks(grid.count, [&](int64 t) {
    amax_record<Op> record;
    grid.run_task(t, [&](int64 r, int64 c, int64 count) {
      forward_run(op, count, x + r * shape.ld_x + c, advance(bias, c), y + r * shape.ld_y + c,
                  advance(mask, mask_offset<Op>(shape, r, c)), record);
    });
    together.add(record);
  });
  together.store(op);
}

template <class Op, class Dy, class Dx>
void backward_row(const Op& op, const matrix_shape& shape, int64 r, int64 c, int64 count, const Dy* dy,
                  const storage_of<Op>* y, const uint8* mask, Dx* dx, float* sums) {
  backward_run(op, count, dy + r * shape.ld_dy + c, y + r * shape.ld_y + c,
               advance(mask, mask_offset<Op>(shape, r, c)), dx + r * shape.ld_dx + c, sums);
}

template <class Op, class Dy, class Dx>
void backward_matrix(const Op& op, const matrix_shape& shape, const Dy* dy, const storage_of<Op>* y,
                     const uint8* mask, Dx* dx) {
  throw_if_any("backward", invact::detail::check_backward(op, shape, dy, y, mask, dx));
  const task_grid grid(shape.rows, shape.cols);
  run_tasks(grid.count, [&](int64 t) {
    grid.run_task(t, [&](int64 r, int64 c, int64 count) {
      backward_row(op, shape, r, c, count, dy, y, mask, dx, nullptr);
    });
  });
}

// The order of the bias gradient's sums, a function of the rows alone: see backward_with_bias_gradient.
struct summation_order {
  static constexpr int64 block_rows = 64;
  static constexpr int64 max_bands = 64;
  // Columns of a task: their two rows of sums stay in the L1 cache.
  static constexpr int64 strip_cols = 256;

  int64 band_rows;
  int64 bands;

  constexpr explicit summation_order(int64 rows)
      : band_rows(block_rows * ceil_div(ceil_div(rows, block_rows), max_bands)),
        bands(rows == 0 ? 0 : ceil_div(rows, band_rows)) {}
};

template <class Op, class Dy, class Dx>
void backward_summed(const Op& op, const matrix_shape& shape, const Dy* dy, const storage_of<Op>* y,
                     const uint8* mask, Dx* dx, float* bias_gradient) {
  using order = summation_order;
  throw_if_any("backward_with_bias_gradient",
               invact::detail::check_backward(op, shape, dy, y, mask, dx, bias_gradient));
  const order sums(shape.rows);

  // Row b holds the column sums of band b + 1; band 0 has its sums where the result goes.
  std::vector<float> partial(static_cast<std::size_t>(sums.bands > 1 ? (sums.bands - 1) * shape.cols : 0));
  const int64 strips = ceil_div(shape.cols, order::strip_cols);
  run_tasks(sums.bands * strips, [&](int64 t) {
    const int64 band = t / strips;
    const int64 first_col = t % strips * order::strip_cols;
    const int64 cols =
        shape.cols - first_col < order::strip_cols ? shape.cols - first_col : order::strip_cols;
    const int64 first_row = band * sums.band_rows;
    const int64 end_row = shape.rows - first_row < sums.band_rows ? shape.rows : first_row + sums.band_rows;
    float band_sum[order::strip_cols] = {};
    for (int64 r = first_row; r < end_row;) {
      const int64 end_block = end_row - r < order::block_rows ? end_row : r + order::block_rows;
      float block_sum[order::strip_cols] = {};
      for (; r < end_block; ++r) {
        backward_row(op, shape, r, first_col, cols, dy, y, mask, dx, block_sum);
      }
      for (int c = 0; c < order::strip_cols; ++c) band_sum[c] += block_sum[c];
    }
    float* const out = band == 0 ? bias_gradient : partial.data() + (band - 1) * shape.cols;
    for (int64 c = 0; c < cols; ++c) out[first_col + c] = band_sum[c];
  });
  if (sums.bands == 0) {
    for (int64 c = 0; c < shape.cols; ++c) bias_gradient[c] = 0.0f;
  }
  for (int64 b = 1; b < sums.bands; ++b) {
    const float* const row = partial.data() + (b - 1) * shape.cols;
    for (int64 c = 0; c < shape.cols; ++c) bias_gradient[c] += row[c];
  }
}

}  // namespace detail

// y[i], mask = op.forward(x[i]) for i in [0, n).
template <class Op, class X>
void forward(const Op& op, int64 n, const X* x, detail::storage_of<Op>* y, uint8* mask) {
  invact::detail::check_takes_mask<Op>();
  detail::forward_vector(op, n, x, y, mask);
}
template <class Op, class X>
void forward(const Op& op, int64 n, const X* x, detail::storage_of<Op>* y) {
  invact::detail::check_takes_no_mask<Op>();
  detail::forward_vector(op, n, x, y, nullptr);
}

// dx[i] = op.backward(dy[i], y[i], piece i of mask) for i in [0, n).
template <class Op, class Dy, class Dx>
void backward(const Op& op, int64 n, const Dy* dy, const detail::storage_of<Op>* y, const uint8* mask,
              Dx* dx) {
  invact::detail::check_takes_mask<Op>();
  detail::backward_vector(op, n, dy, y, mask, dx);
}
template <class Op, class Dy, class Dx>
void backward(const Op& op, int64 n, const Dy* dy, const detail::storage_of<Op>* y, Dx* dx) {
  invact::detail::check_takes_no_mask<Op>();
  detail::backward_vector(op, n, dy, y, nullptr, dx);
}

// The same for matrices: y(r, c), mask = op.forward(x(r, c)). Reads rows, cols, ld_x, ld_y and, with a
// mask, mask_stride_bits of the shape. Elements between cols and a leading dimension are not touched.
template <class Op, class X>
void forward(const Op& op, const matrix_shape& shape, const X* x, detail::storage_of<Op>* y, uint8* mask) {
  invact::detail::check_takes_mask<Op>();
  detail::forward_matrix("forward", op, shape, x, detail::no_bias{}, y, mask);
}
template <class Op, class X>
void forward(const Op& op, const matrix_shape& shape, const X* x, detail::storage_of<Op>* y) {
  invact::detail::check_takes_no_mask<Op>();
  detail::forward_matrix("forward", op, shape, x, detail::no_bias{}, y, nullptr);
}

// y(r, c), mask = op.forward(x(r, c) + bias[c]), the sum taken in float; bias has cols elements. The
// piece is that of the sum.
template <class Op, class X, class B>
void forward_with_bias(const Op& op, const matrix_shape& shape, const X* x, const B* bias,
                       detail::storage_of<Op>* y, uint8* mask) {
  invact::detail::check_takes_mask<Op>();
  detail::forward_matrix("forward_with_bias", op, shape, x, bias, y, mask);
}
template <class Op, class X, class B>
void forward_with_bias(const Op& op, const matrix_shape& shape, const X* x, const B* bias,
                       detail::storage_of<Op>* y) {
  invact::detail::check_takes_no_mask<Op>();
  detail::forward_matrix("forward_with_bias", op, shape, x, bias, y, nullptr);
}

// dx(r, c) = op.backward(dy(r, c), y(r, c), piece). Reads rows, cols, ld_dy, ld_y, ld_dx and, with a
// mask, mask_stride_bits of the shape.
template <class Op, class Dy, class Dx>
void backward(const Op& op, const matrix_shape& shape, const Dy* dy, const detail::storage_of<Op>* y,
              const uint8* mask, Dx* dx) {
  invact::detail::check_takes_mask<Op>();
  detail::backward_matrix(op, shape, dy, y, mask, dx);
}
template <class Op, class Dy, class Dx>
void backward(const Op& op, const matrix_shape& shape, const Dy* dy, const detail::storage_of<Op>* y,
              Dx* dx) {
  invact::detail::check_takes_no_mask<Op>();
  detail::backward_matrix(op, shape, dy, y, nullptr, dx);
}

// The same, and bias_gradient[c] = the sum over r of dx(r, c), taken in float over the unrounded dx.
// bias_gradient has cols elements and is overwritten; with no rows it is zero.
//
// Summation order: the rows are cut into blocks of 64, and the blocks into at most 64 bands of equally
// many blocks (the last may be short). A block's rows are added in order, then a band's blocks in
// order, then the bands in order. So the bits depend on the shape alone, and the error is at most
// (rows of a block + blocks of a band + bands) * 2^-24 times the sum of |dx|, to first order.
//
// Allocates (bands - 1) * cols floats, and throws std::bad_alloc, before anything is written, when it
// cannot.
template <class Op, class Dy, class Dx>
void backward_with_bias_gradient(const Op& op, const matrix_shape& shape, const Dy* dy,
                                 const detail::storage_of<Op>* y, const uint8* mask, Dx* dx,
                                 float* bias_gradient) {
  invact::detail::check_takes_mask<Op>();
  detail::backward_summed(op, shape, dy, y, mask, dx, bias_gradient);
}
template <class Op, class Dy, class Dx>
void backward_with_bias_gradient(const Op& op, const matrix_shape& shape, const Dy* dy,
                                 const detail::storage_of<Op>* y, Dx* dx, float* bias_gradient) {
  invact::detail::check_takes_no_mask<Op>();
  detail::backward_summed(op, shape, dy, y, nullptr, dx, bias_gradient);
}

INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
