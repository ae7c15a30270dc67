// What the host executor and the device-wide kernels take, and the checks that both make before anything
// is written or launched: the same conditions, thrown there as exceptions and returned here as a status.
#pragma once

#include <invact/op/inverted.hpp>

INVACT_NAMESPACE_BEGIN

// Row-major matrices of one size: element (r, c) of a tensor is at r * ld + c of its pointer. A call
// reads the members of the tensors it takes and no others.
struct matrix_shape {
  int64 rows = 0;              // >= 0
  int64 cols = 0;              // >= 0
  int64 ld_x = 0;              // leading dimensions: elements from one row to the next, >= cols
  int64 ld_y = 0;              //
  int64 ld_dy = 0;             //
  int64 ld_dx = 0;             //
  int64 mask_stride_bits = 0;  // bits from one mask row to the next: a multiple of 8, >= cols * mask_bits
};

namespace detail {

template <class T, class = void>
inline constexpr bool has_op = false;
template <class T>
inline constexpr bool has_op<
    T,
    void_t<typename T::storage_type, decltype(T::mask_bits), decltype(declval<const T&>().forward(0.0f).y),
           decltype(static_cast<uint32>(declval<const T&>().forward(0.0f).piece)),
           decltype(static_cast<float>(declval<const T&>().backward(
               0.0f, declval<const typename T::storage_type&>(), 0u)))>> = true;

// The largest number of mask bits an element may have: eight elements are then one 64-bit word.
inline constexpr int max_mask_bits = 8;

template <class Op>
struct checked_op {
  static_assert(has_op<Op>,
                "invact: Op is not an op: it needs `storage_type`, `mask_bits`, `forward(float)` "
                "returning {y, piece} and `backward(float dy, storage_type y, uint32 piece)`, as "
                "invact::inverted<invact::gelu, float> has");
  static_assert(Op::mask_bits >= 0 && Op::mask_bits <= max_mask_bits,
                "invact: Op::mask_bits must be from 0 to 8");
  using storage_type = typename Op::storage_type;
  static constexpr int mask_bits = Op::mask_bits;
};
template <class Op>
using storage_of = typename checked_op<Op>::storage_type;

// An op that reads a scale from memory when it runs, as scaled does.
template <class T, class = void>
inline constexpr bool has_scale = false;
template <class T>
inline constexpr bool
    has_scale<T, void_t<decltype(static_cast<const float*>(declval<const T&>().scale()))>> = true;

// An op whose forwards return f(x) too, and that has an `amax()` for the largest of its magnitudes.
template <class T, class = void>
inline constexpr bool has_amax = false;
template <class T>
inline constexpr bool has_amax<T, void_t<decltype(static_cast<float*>(declval<const T&>().amax()))>> = true;

// The largest |f(x)| of some elements of such an op, as the bits of a float: integers order them as the
// numbers, and put a NaN last. Of other ops nothing.
template <class Op, bool = has_amax<Op>>
struct amax_record {};
template <class Op>
struct amax_record<Op, true> {
  uint32 bits = 0;

  INVACT_FUNCTION void add_bits(uint32 other) {
    bits = select(static_cast<int32>(bits) < static_cast<int32>(other), other, bits);
  }
  INVACT_FUNCTION void add(float value, bool exists) {
    add_bits(select(exists, float_bits(value) & ~float_sign_mask, 0u));
  }
};

template <class T>
constexpr void check_element() {
  static_assert(is_storage_v<T>,
                "invact: x, bias, dy and dx must point to storage types: float, __half, "
                "__nv_bfloat16, invact::binary16, invact::bfloat16, an FP8 type, or a type for which you "
                "specialise invact::storage_traits");
}

template <class Op>
constexpr void check_takes_mask() {
  static_assert(checked_op<Op>::mask_bits > 0,
                "invact: this op keeps no mask (its packing stores the piece inside y, or its "
                "activation has one piece): leave the mask argument out");
}

template <class Op>
constexpr void check_takes_no_mask() {
  static_assert(checked_op<Op>::mask_bits == 0, "invact: this op keeps a mask beside y: pass it, after y");
}

// Stands for the bias pointer of a call without one.
struct no_bias {};
template <class Bias>
struct bias_traits;
template <class T>
struct bias_traits<const T*> {
  using element = T;
};
template <class Bias>
using bias_element = typename bias_traits<Bias>::element;

// What is wrong with an argument.
enum class defect {
  none,
  negative,               // value
  null_pointer,           //
  invalid_parameter,      //
  elements_overflow,      // value elements have no size in bytes
  too_few_in_a_row,       // value, a leading dimension, is less than bound, the columns
  too_few_pairs_in_a_row, // value, of interleaved pairs, is less than twice bound, the columns
  rows_overflow,          // bound rows that are value elements apart have no size in bytes
  mask_row_overflow,      // the mask bits of a row have no count
  mask_stride_not_bytes,  // value, in bits, is no multiple of 8
  mask_stride_too_small,  // value is less than bound, the bits of a row
  mask_rows_overflow,     // bound rows of mask bits that are value apart have no count
};

// Keeps the first defect that its checks find. Nothing here throws or allocates.
class argument_checks {
 public:
  defect what() const { return what_; }
  const char* argument() const { return argument_; }
  int64 value() const { return value_; }
  int64 bound() const { return bound_; }

  void require(bool holds, defect what, const char* argument, int64 value = 0, int64 bound = 0) {
    if (holds || what_ != defect::none) return;
    what_ = what;
    argument_ = argument;
    value_ = value;
    bound_ = bound;
  }

  void not_negative(int64 value, const char* name) { require(value >= 0, defect::negative, name, value); }

  void not_null(const void* pointer, const char* name, bool used) {
    require(!used || pointer != nullptr, defect::null_pointer, name);
  }

  // An op may have parameters, and say whether they are in their range; and a scale.
  template <class Op>
  void parameters(const Op& op) {
    if constexpr (has_is_valid<Op>) require(op.is_valid(), defect::invalid_parameter, "op");
    if constexpr (has_scale<Op>) require(op.scale() != nullptr, defect::null_pointer, "op.scale()");
    static_cast<void>(op);
  }

  // count elements of T must have a size in bytes.
  template <class T>
  void addressable(int64 count, const char* name) {
    require(count <= max_bytes / static_cast<int64>(sizeof(T)), defect::elements_overflow, name, count);
  }

  // A tensor of n consecutive elements.
  template <class T>
  void tensor(int64 n, const T* pointer, const char* name) {
    addressable<T>(n, "n");
    not_null(pointer, name, n > 0);
  }

  void size(const matrix_shape& shape) {
    not_negative(shape.rows, "shape.rows");
    not_negative(shape.cols, "shape.cols");
  }

  // A tensor of the checked size with rows `ld` apart. Its extent must be addressable.
  template <class T>
  void tensor(const matrix_shape& shape, int64 ld, const T* pointer, const char* name,
              const char* ld_name) {
    if (what_ != defect::none) return;
    require(ld >= shape.cols, defect::too_few_in_a_row, ld_name, ld, shape.cols);
    addressable<T>(shape.cols, "shape.cols");
    const int64 elements = max_bytes / static_cast<int64>(sizeof(T));
    require(shape.rows <= 1 || ld <= (elements - shape.cols) / (shape.rows - 1), defect::rows_overflow,
            ld_name, ld, shape.rows);
    not_null(pointer, name, shape.rows > 0 && shape.cols > 0);
  }

  // The mask of the checked size; its extent in bits must be representable.
  template <int Bits>
  void mask(const matrix_shape& shape, const void* pointer) {
    if constexpr (Bits > 0) {
      if (what_ != defect::none) return;
      const char* const name = "shape.mask_stride_bits";
      const int64 stride = shape.mask_stride_bits;
      require(shape.cols <= (max_bytes - 8) / Bits, defect::mask_row_overflow, "shape.cols");
      if (what_ != defect::none) return;
      const int64 row = shape.cols * Bits;
      require(stride % 8 == 0, defect::mask_stride_not_bytes, name, stride);
      require(stride >= row, defect::mask_stride_too_small, name, stride, row);
      require(shape.rows <= 1 || stride <= (max_bytes - row) / (shape.rows - 1), defect::mask_rows_overflow,
              name, stride, shape.rows);
      not_null(pointer, "mask", shape.rows > 0 && shape.cols > 0);
    } else {
      static_cast<void>(shape);
      static_cast<void>(pointer);
    }
  }

 private:
  static constexpr int64 max_bytes = static_cast<int64>(~uint64{0} >> 1);

  defect what_ = defect::none;
  const char* argument_ = "";
  int64 value_ = 0;
  int64 bound_ = 0;
};

template <class Op, class X>
argument_checks check_forward(const Op& op, int64 n, const X* x, const storage_of<Op>* y, const uint8* mask) {
  check_element<X>();
  argument_checks checks;
  checks.parameters(op);
  checks.not_negative(n, "n");
  checks.tensor(n, x, "x");
  checks.tensor(n, y, "y");
  checks.not_null(mask, "mask", n > 0 && Op::mask_bits > 0);
  return checks;
}

template <class Op, class Dy, class Dx>
argument_checks check_backward(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                               const Dx* dx) {
  check_element<Dy>();
  check_element<Dx>();
  argument_checks checks;
  checks.parameters(op);
  checks.not_negative(n, "n");
  checks.tensor(n, dy, "dy");
  checks.tensor(n, y, "y");
  checks.not_null(mask, "mask", n > 0 && Op::mask_bits > 0);
  checks.tensor(n, dx, "dx");
  return checks;
}

template <class Op, class X, class Bias>
argument_checks check_forward(const Op& op, const matrix_shape& shape, const X* x, Bias bias, const storage_of<Op>* y,
                              const uint8* mask) {
  check_element<X>();
  argument_checks checks;
  checks.parameters(op);
  checks.size(shape);
  checks.tensor(shape, shape.ld_x, x, "x", "shape.ld_x");
  checks.tensor(shape, shape.ld_y, y, "y", "shape.ld_y");
  if constexpr (!is_same_v<Bias, no_bias>) {
    check_element<bias_element<Bias>>();
    checks.template addressable<bias_element<Bias>>(shape.cols, "shape.cols");
    checks.not_null(bias, "bias", shape.rows > 0 && shape.cols > 0);
  } else {
    static_cast<void>(bias);
  }
  checks.template mask<Op::mask_bits>(shape, mask);
  return checks;
}

template <class Op, class Dy, class Dx>
argument_checks check_backward(const Op& op, const matrix_shape& shape, const Dy* dy, const storage_of<Op>* y,
                               const uint8* mask, const Dx* dx) {
  check_element<Dy>();
  check_element<Dx>();
  argument_checks checks;
  checks.parameters(op);
  checks.size(shape);
  checks.tensor(shape, shape.ld_dy, dy, "dy", "shape.ld_dy");
  checks.tensor(shape, shape.ld_y, y, "y", "shape.ld_y");
  checks.template mask<Op::mask_bits>(shape, mask);
  checks.tensor(shape, shape.ld_dx, dx, "dx", "shape.ld_dx");
  return checks;
}

template <class Op, class Dy, class Dx>
argument_checks check_backward(const Op& op, const matrix_shape& shape, const Dy* dy, const storage_of<Op>* y,
                               const uint8* mask, const Dx* dx, const float* bias_gradient) {
  argument_checks checks = check_backward(op, shape, dy, y, mask, dx);
  if (checks.what() != defect::none) return checks;
  checks.not_null(bias_gradient, "bias_gradient", shape.cols > 0);
  checks.template addressable<float>(shape.cols, "shape.cols");
  return checks;
}

}  // namespace detail

INVACT_NAMESPACE_END
