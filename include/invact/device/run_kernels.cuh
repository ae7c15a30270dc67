// The device-wide kernels over one run of elements.
#pragma once

#include <invact/device/access.cuh>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Threads that registers leave room for on a multiprocessor where a warp exchanges fragments: each of the elements on
// their way has a register of its own, 48 a thread.
inline constexpr int exchanging_threads = 1280;

// One run of n elements, with registers for Resident threads on a multiprocessor. A block has a tile of
// Fragments * Threads fragments of N elements, neighbouring threads neighbouring fragments. Only the last block, and
// every block whose accesses are not vectors, takes the path that counts elements.
template <int Threads, int Fragments, int N>
inline constexpr int64 tile_elements = int64{Threads} * Fragments* N;

// Whether a warp whose thread is at i has no element of n: a run shorter than a tile takes the time of one path through
// what counts elements, which computes nothing beyond it. Threads of a warp stay together there: see row_access and
// store_mask.
template <int N>
__device__ __forceinline__ bool is_beyond(int64 i, int64 n) {
  return i - static_cast<int>(threadIdx.x % 32) * N >= n;
}

template <int Threads, int Resident, int Fragments, int N, bool Vector, class Op, class X>
INVACT_KERNEL void __launch_bounds__(Threads, resident_blocks<Resident, Threads>)
    forward_run_kernel(const Op op, int64 n, const X* x, storage_of<Op>* y, uint8* mask) {
  constexpr int64 tile = tile_elements<Threads, Fragments, N>;
  constexpr int stride = Threads * N;
  const int64 first = block_index() * tile + static_cast<int>(threadIdx.x) * N;
  const row_access<Vector, Threads> access(Threads);
  amax_record<Op> record;
  if (Vector && (block_index() + 1) * tile <= n) {
    fragment<X, N> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) in[f] = access.template load<N>(x + first + f * stride, N);
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      forward_fragment(access, op, widen(in[f]), N, y + i, mask, i, record);
    }
  } else {
#pragma unroll 1
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      if (is_beyond<N>(i, n)) break;
      const int left = elements_left(i, n);
      forward_fragment(access, op, widen(access.template load<N>(x + i, left)), left, y + i, mask, i,
                       record);
    }
  }
  store_record(op, record);
}

template <int Threads, int Resident, int Fragments, int N, bool Vector, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads, resident_blocks<Resident, Threads>)
    backward_run_kernel(const Op op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                        Dx* dx) {
  constexpr int64 tile = tile_elements<Threads, Fragments, N>;
  constexpr int stride = Threads * N;
  const int64 first = block_index() * tile + static_cast<int>(threadIdx.x) * N;
  const row_access<Vector, Threads> access(Threads);
  const auto load = [&](int64 i, int left) {
    backward_input<Op, N, Dy> in;
    in.load(access, dy + i, y + i, mask, i, left);
    return in;
  };
  const auto finish = [&](const auto& decoder, const backward_input<Op, N, Dy>& in, int64 i, int left) {
    access.store(dx + i, left, narrow<Dx>(backward_fragment<Op>(decoder, widen(in.dy), in.y, in.bits)));
  };
  if (Vector && (block_index() + 1) * tile <= n) {
    backward_input<Op, N, Dy> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) in[f] = load(first + f * stride, N);
    // After the loads, which no barrier of a table's then holds back.
    const auto& decoder = decoder_of(op);
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) finish(decoder, in[f], first + f * stride, N);
    return;
  }
  const auto& decoder = decoder_of(op);
#pragma unroll 1
  for (int f = 0; f < Fragments; ++f) {
    const int64 i = first + f * stride;
    if (is_beyond<N>(i, n)) break;
    if (Vector && i + N <= n) {
      // Not by the path below, whose loads wait for one another: it would add half a microsecond to a short run.
      finish(decoder, load(i, N), i, N);
    } else {
      const int left = elements_left(i, n);
      finish(decoder, load(i, left), i, left);
    }
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
