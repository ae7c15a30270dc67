// The device-wide kernels over one run of elements.
#pragma once

#include <invact/device/access.cuh>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Threads that registers leave room for on a multiprocessor, where each loads Elements ahead: 40 registers a
// thread, as with fewer threads the loads in flight no longer cover the latency of memory. More elements than
// that many registers hold cover it with 64 of them, and would be spilled.
template <int Elements>
inline constexpr int resident_threads = Elements > 16 ? 1024 : 1536;

// One run of n elements. A block has a tile of Fragments * Threads fragments of N elements, neighbouring
// threads neighbouring fragments. Only the last block, and every block whose accesses are not vectors, takes
// the path that counts elements, where the threads of a warp stay together in the forward (see store_mask).
template <int Threads, int Fragments, int N>
inline constexpr int64 tile_elements = int64{Threads} * Fragments* N;

template <int Threads, int Fragments, int N, bool Vector, class Op, class X>
INVACT_KERNEL void __launch_bounds__(Threads, resident_threads<Fragments * N> / Threads)
    forward_run_kernel(const Op op, int64 n, const X* x, storage_of<Op>* y, uint8* mask) {
  constexpr int64 tile = tile_elements<Threads, Fragments, N>;
  constexpr int stride = Threads * N;
  const int64 first = blockIdx.x * tile + static_cast<int>(threadIdx.x) * N;
  amax_record<Op> record;
  if (Vector && (blockIdx.x + 1) * tile <= n) {
    fragment<X, N> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) in[f] = load_fragment<N, true>(x + first + f * stride, N);
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      forward_fragment<true>(op, widen(in[f]), N, y + i, mask, i, record);
    }
  } else {
#pragma unroll 1
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      // A run that is shorter than a tile takes the time of this path: nothing is computed for elements beyond it.
      if (i - static_cast<int>(threadIdx.x % 32) * N >= n) break;
      const int count = elements_at<N>(i, n);
      forward_fragment<Vector>(op, widen(load_fragment<N, Vector>(x + i, count)), count, y + i, mask, i,
                               record);
    }
  }
  store_record(op, record);
}

template <int Threads, int Fragments, int N, bool Vector, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads, resident_threads<Fragments * N> / Threads)
    backward_run_kernel(const Op op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                        Dx* dx) {
  constexpr int64 tile = tile_elements<Threads, Fragments, N>;
  constexpr int stride = Threads * N;
  const int64 first = blockIdx.x * tile + static_cast<int>(threadIdx.x) * N;
  if (Vector && (blockIdx.x + 1) * tile <= n) {
    backward_input<Op, N, Dy> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      in[f].template load<true>(dy + i, y + i, mask, i, N);
    }
    const auto& decoder = decoder_of(op);
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      store_fragment<true>(
          dx + first + f * stride, N,
          narrow<Dx>(backward_fragment<Op>(decoder, widen(in[f].dy), in[f].y, in[f].bits)));
    }
    return;
  }
  const auto& decoder = decoder_of(op);
#pragma unroll 1
  for (int f = 0; f < Fragments; ++f) {
    const int64 i = first + f * stride;
    if (i >= n) break;
    const int count = elements_at<N>(i, n);
    backward_input<Op, N, Dy> in;
    in.template load<Vector>(dy + i, y + i, mask, i, count);
    store_fragment<Vector>(dx + i, count,
                           narrow<Dx>(backward_fragment<Op>(decoder, widen(in.dy), in.y, in.bits)));
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
