// What shapes_bench and scaling_bench share: GELU's tensors in bfloat16, and how a call over them is timed.
#pragma once

#include "register.hpp"
#include "support.cuh"

#include <cuda_bf16.h>

namespace bench {

using bf16 = __nv_bfloat16;

template <class Op>
struct tensors {
  device_array<bf16> x, y, dy, dx;
  device_array<uint8> mask;

  // With the y and the mask of a forward over one run.
  tensors(int64 elements, int64 mask_bytes)
      : x(elements), y(elements), dy(elements), dx(elements), mask(mask_bytes) {
    x.fill_normal(1);
    dy.fill_normal(2);
    run(true, elements, nullptr);
  }

  // The forward or backward of a number of elements, or of a shape. All tensors begin `offset` elements, and the mask
  // as many bytes, after an aligned address.
  template <class Size>
  void run(bool is_forward, const Size& size, cudaStream_t stream, int64 offset = 0) {
    const bf16* const x_at = x.get() + offset;
    const bf16* const dy_at = dy.get() + offset;
    bf16* const y_at = y.get() + offset;
    bf16* const dx_at = dx.get() + offset;
    if constexpr (Op::mask_bits > 0) {
      uint8* const mask_at = mask.get() + offset;
      check(is_forward ? invact::device::forward(Op{}, size, x_at, y_at, mask_at, stream)
                       : invact::device::backward(Op{}, size, dy_at, y_at, mask_at, dx_at, stream));
    } else {
      check(is_forward ? invact::device::forward(Op{}, size, x_at, y_at, stream)
                       : invact::device::backward(Op{}, size, dy_at, y_at, dx_at, stream));
    }
  }
};

// Bytes that a call over rows of `cols` elements must move: every tensor once, each row's mask in whole bytes.
template <class Op>
int64 bytes_of(bool is_forward, int64 rows, int64 cols) {
  const int64 size = static_cast<int64>(sizeof(bf16));
  return rows * ((is_forward ? 2 : 3) * cols * size + invact::mask_bytes(cols, Op::mask_bits));
}

// Median seconds of contestants that took turns.
struct medians {
  double ours, copy, other;
};

// Times `ours`, a memcpy of as many bytes, and another contestant; reports us, memcpy_us, GB/s and vs_memcpy.
inline medians measure(benchmark::State& state, int batch, int64 bytes, const race::work& ours,
                       const race::work& other) {
  memcpy_of copy(bytes);
  check(cudaDeviceSynchronize());  // tensors are prepared on another stream
  race r(batch);
  const std::size_t our_number = r.add(ours);
  const std::size_t copy_number = r.add([&](cudaStream_t stream) { copy(stream, bytes); });
  const std::size_t other_number = r.add(other);
  r.warm_up(3);
  while (state.KeepRunning()) {
    r.round();
    state.SetIterationTime(r.last(our_number));
  }
  const medians found{r.median_of(our_number), r.median_of(copy_number), r.median_of(other_number)};
  state.counters["us"] = 1e6 * found.ours;
  state.counters["memcpy_us"] = 1e6 * found.copy;
  state.counters["GB/s"] = 1e-9 * static_cast<double>(bytes) / found.ours;
  state.counters["vs_memcpy"] = found.copy / found.ours;
  return found;
}

// `ours` works on rows x cols elements of t, which is large enough for them in one run. Beside it that run, aligned:
// plain_us and vs_plain.
template <class Op>
void measure_beside_plain(benchmark::State& state, tensors<Op>& t, bool is_forward, int64 rows, int64 cols,
                          const race::work& ours) {
  const medians found = measure(state, 1, bytes_of<Op>(is_forward, rows, cols), ours,
                                [&](cudaStream_t stream) { t.run(is_forward, rows * cols, stream); });
  state.counters["plain_us"] = 1e6 * found.other;
  state.counters["vs_plain"] = found.other / found.ours;
}

inline std::string size_name(int64 rows, int64 cols) {
  return std::to_string(rows) + "x" + std::to_string(cols);
}

}  // namespace bench
