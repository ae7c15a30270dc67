// gradient_table: the gradient factors of an FP8 op, an entry for every code and mask bits that an element
// can have. Its answers are the op's, bit for bit.
//
//   __shared__ invact::gradient_table<act> table;       // 4 * 2^(8 + mask_bits) bytes
//   table.fill(op, threadIdx.x, blockDim.x);
//   __syncthreads();
//   dx = table.backward(dy, y, piece);
//
// Decoding GELU from e4m3 takes some 60 instructions of sm_90a code an element, reading an entry 6: so a block
// of 128 threads that has 16 elements a thread and fills the 512 entries itself, four a thread, executes
// less than half as many. The device-wide kernels do that. It does not pay for 16-bit storage, whose
// decoders take 17 to 22 instructions and whose tables have 65536 entries or more.
#pragma once

#include <invact/core/fragment.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Op   an op with 8-bit storage, as invact::scaled is.
template <class Op>
class gradient_table {
  using traits = storage_traits<typename Op::storage_type>;
  using code = typename traits::code;
  static_assert(sizeof(code) == 1, "invact::gradient_table: Op's storage is not an 8-bit type");

 public:
  using storage_type = typename Op::storage_type;
  static constexpr int mask_bits = Op::mask_bits;
  static constexpr int entries = 256 << mask_bits;
  template <int N>
  using pieces = typename Op::template pieces<N>;

  // Computes the entries first, first + step, first + 2 * step and so on: all of them from 0 and 1, or a
  // thread's share. Nothing waits for other threads. Of a scaled op the scale is read here.
  INVACT_FUNCTION void fill(const Op& op, int first, int step) {
    for (int i = first; i < entries; i += step) {
      values_[i] =
          op.gradient_factor(traits::from_code(static_cast<code>(i & 255)), static_cast<uint32>(i >> 8));
    }
  }

  // As of the op.
  INVACT_FUNCTION float gradient_factor(storage_type y, uint32 piece) const {
    return values_[traits::to_code(y) | piece << 8];
  }
  INVACT_FUNCTION float backward(float dy, storage_type y, uint32 piece) const {
    return dy * gradient_factor(y, piece);
  }
  template <int N>
  INVACT_FUNCTION fragment<float, N> backward(fragment<float, N> dy, fragment<storage_type, N> y,
                                              const pieces<N>& kept) const {
    fragment<float, N> dx;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) dx[i] = backward(dy[i], y[i], kept[i]);
    return dx;
  }

 private:
  float values_[entries];
};

INVACT_NAMESPACE_END
