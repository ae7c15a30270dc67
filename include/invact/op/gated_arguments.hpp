// What the host executor and the device-wide kernels of gated units take, and the checks that both make.
#pragma once

#include <invact/op/arguments.hpp>

INVACT_NAMESPACE_BEGIN

// Row-major matrices of one size, of units: element (r, c) of a tensor is at r * ld + c of its pointer, and of an
// interleaved one g (dg) at r * ld + 2c and u (du) behind it. A call reads the members of the tensors it takes and no
// others. One [rows, 2 * cols] matrix [g | u] is g and u = g + cols with ld_g = ld_u = 2 * cols; where h overwrites
// g, [h | u] is what is kept.
struct gated_shape {
  int64 rows = 0;              // >= 0
  int64 cols = 0;              // >= 0
  int64 ld_g = 0;              // leading dimensions: elements from one row to the next, >= cols; of g alone, or, >= 2 *
                               // cols, of g and u interleaved
  int64 ld_u = 0;              //
  int64 ld_h = 0;              //
  int64 ld_dh = 0;             //
  int64 ld_dg = 0;             // of dg alone, or of dg and du interleaved
  int64 ld_du = 0;             //
  int64 mask_stride_bits = 0;  // bits from one mask row to the next: a multiple of 8, >= cols * mask_bits
};

namespace detail {

template <class T, class = void>
inline constexpr bool has_gated_op = false;
template <class T>
inline constexpr bool has_gated_op<
    T, void_t<typename T::storage_type, decltype(T::mask_bits), decltype(T::recomputes),
              decltype(declval<const T&>().forward(0.0f, 0.0f).h),
              decltype(static_cast<uint32>(declval<const T&>().forward(0.0f, 0.0f).piece)),
              decltype(static_cast<float>(
                  declval<const T&>().backward(0.0f, declval<const typename T::storage_type&>(), 0.0f, 0u).dg)),
              decltype(static_cast<float>(
                  declval<const T&>().backward(0.0f, declval<const typename T::storage_type&>(), 0.0f, 0u).du))>> =
    true;

template <class T, class = void>
inline constexpr bool returns_h = false;
template <class T>
inline constexpr bool returns_h<
    T, void_t<decltype(static_cast<typename T::storage_type>(
           declval<const T&>().backward(0.0f, declval<const typename T::storage_type&>(), 0.0f, 0u).h))>> = true;

template <class Op>
struct checked_gated_op {
  static_assert(has_gated_op<Op>,
                "invact: Op is not an op of a gated unit: it needs `storage_type`, `mask_bits`, `recomputes`, "
                "`forward(float g, float u)` returning {h, piece} and `backward(float dh, storage_type kept, float u, "
                "uint32 piece)` returning {dg, du}, as invact::swiglu<float> has");
  static_assert(Op::mask_bits >= 0 && Op::mask_bits <= max_mask_bits, "invact: Op::mask_bits must be from 0 to 8");
  static_assert(!has_gated_op<Op> || !Op::recomputes || (Op::mask_bits == 0 && returns_h<Op>),
                "invact: an Op that recomputes keeps no mask, and its backward returns {dg, du, h}, as that of "
                "invact::gated_recompute<invact::silu, float> does");
  using storage_type = typename Op::storage_type;
};
template <class Op>
using gated_storage_of = typename checked_gated_op<Op>::storage_type;

template <class Op>
constexpr void check_takes_gated_mask() {
  static_assert(sizeof(checked_gated_op<Op>) > 0 && Op::mask_bits > 0,
                "invact: this op keeps no mask (its packing stores the piece inside h, its activation has one piece, or "
                "it keeps g): leave the mask argument out");
}
template <class Op>
constexpr void check_takes_no_gated_mask() {
  static_assert(sizeof(checked_gated_op<Op>) > 0 && Op::mask_bits == 0,
                "invact: this op keeps a mask beside h: pass it, before the gradients, or after the forward's tensors");
}

// A gated_shape as the checks of one tensor take it.
inline matrix_shape size_of(const gated_shape& shape) {
  matrix_shape size;
  size.rows = shape.rows;
  size.cols = shape.cols;
  size.mask_stride_bits = shape.mask_stride_bits;
  return size;
}

// The checks of gated calls. A call of n elements has the shape of one row, and `n` for its names.
class gated_checks : public argument_checks {
 public:
  template <class Op>
  gated_checks(const Op& op, const gated_shape& shape) : shape_(size_of(shape)) {
    parameters(op);
    size(shape_);
  }
  template <class Op>
  gated_checks(const Op& op, int64 n) : is_run_(true) {
    parameters(op);
    not_negative(n, "n");
    shape_.rows = 1;
    shape_.cols = n;
  }

  template <class T>
  gated_checks& tensor(const T* pointer, int64 ld, const char* name, const char* ld_name) {
    check_element<T>();
    if (is_run_) {
      argument_checks::tensor(shape_.cols, pointer, name);
    } else {
      argument_checks::tensor(shape_, ld, pointer, name, ld_name);
    }
    return *this;
  }
  // Of pairs.
  template <class T>
  gated_checks& pairs(const T* pointer, int64 ld, const char* name, const char* ld_name) {
    check_element<T>();
    if (what() != defect::none) return *this;
    matrix_shape wide = shape_;
    require(wide.cols <= static_cast<int64>(~uint64{0} >> 2), defect::elements_overflow, "shape.cols", wide.cols);
    if (what() != defect::none) return *this;
    wide.cols *= 2;
    require(ld >= wide.cols, defect::too_few_pairs_in_a_row, ld_name, ld, shape_.cols);
    argument_checks::tensor(wide, ld, pointer, name, ld_name);
    return *this;
  }
  template <class Op>
  gated_checks& mask(const uint8* pointer) {
    if (is_run_) {
      not_null(pointer, "mask", shape_.cols > 0 && Op::mask_bits > 0);
    } else {
      argument_checks::template mask<Op::mask_bits>(shape_, pointer);
    }
    return *this;
  }

 private:
  matrix_shape shape_;
  bool is_run_ = false;
};

// Stands for the optional h of a backward that computes it again.
template <class Op>
gated_checks& check_recomputed(gated_checks& checks, const gated_storage_of<Op>* h, int64 ld_h) {
  if (h != nullptr) checks.tensor(h, ld_h, "h", "shape.ld_h");
  return checks;
}

}  // namespace detail

INVACT_NAMESPACE_END
