// What a thread does with a fragment, N consecutive elements of a row: load, compute, store.
//
// A whole fragment of an aligned row is one access of at most 16 bytes (two where a fragment of eight is
// float's), so that neighbouring threads read neighbouring addresses; the end of such a row goes element by element. So
// does what is not aligned, but there the fragments of a warp pass through shared memory, and neighbouring threads
// access neighbouring elements. Loads are plain, not read-only ones, because an output may be an input's own memory;
// a warp stores what it alone has loaded.
#pragma once

#include <invact/core/fragment.hpp>
#include <invact/device/launch_policy.cuh>
#include <invact/op/arguments.hpp>
#include <invact/op/gradient_table.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Elements of a fragment: 16 bytes of the largest type. Two accesses of 16 bytes with a gap between a
// thread's neighbours cost a float kernel a tenth of its bandwidth.
template <class... T>
inline constexpr int fragment_size = ((sizeof(T) >= 4) || ...) ? 4 : 8;

template <class Op, int N, class = void>
inline constexpr bool has_fragments = false;
template <class Op, int N>
inline constexpr bool has_fragments<Op, N, void_t<typename Op::template pieces<N>>> = true;

template <class Op, int N>
using mask_word = typename piece_fragment<N, Op::mask_bits>::word;

// The fragment at p, of which `count` elements exist, from 0 to N. The others read as zero bits.
template <int N, bool Vector, class T>
__device__ __forceinline__ fragment<T, N> load_fragment(const T* p, int count) {
  if (Vector && count >= N) return *reinterpret_cast<const fragment<T, N>*>(p);
  using traits = storage_traits<T>;
  fragment<T, N> f;
  INVACT_UNROLL
  for (int i = 0; i < N; ++i) f[i] = i < count ? p[i] : traits::from_code(0);
  return f;
}

template <bool Vector, class T, int N>
__device__ __forceinline__ void store_fragment(T* p, int count, const fragment<T, N>& f) {
  if (Vector && count >= N) {
    *reinterpret_cast<fragment<T, N>*>(p) = f;
    return;
  }
  INVACT_UNROLL
  for (int i = 0; i < N; ++i) {
    if (i < count) p[i] = f[i];
  }
}

// Elements from c on, of cols, below zero where c is beyond them; no further from it than what a warp can tell from all
// and from none.
inline constexpr int all_elements = 1024;
inline constexpr int no_elements = -all_elements;
__device__ __forceinline__ int elements_left(int64 c, int64 cols) {
  const int64 left = cols - c;
  return left > all_elements ? all_elements : left < no_elements ? no_elements : static_cast<int>(left);
}
template <int N>
__device__ __forceinline__ int clamp_elements(int left) {
  return left >= N ? N : left > 0 ? left : 0;
}

// How the threads of a block access their fragments of rows, of which neighbouring threads have neighbouring ones. left:
// the elements of the row from the thread's fragment on, N and more or 0 and fewer. All threads of a warp call each of
// these together.
template <bool Vector, int Threads>
class row_access {
 public:
  // row_threads: threads along a row. Where they are less than a warp's, each accesses its own fragment's elements.
  __device__ __forceinline__ explicit row_access(int row_threads)
      : exchanges_(!Vector && row_threads >= 32) {}

  // A load in two steps, so that more of them can be on their way: what a thread reads, and its own fragment of it, whose
  // elements beyond the row are zero bits.
  template <int N, class T>
  __device__ __forceinline__ fragment<T, N> fetch(const T* p, int left) const {
    if (!exchanges_) return load_fragment<N, Vector>(p, clamp_elements<N>(left));
    const int first = lane() - lane() * N;  // of those it reads, from its own first element on
    fragment<T, N> f;
    INVACT_UNROLL
    for (int k = 0; k < N; ++k) {
      f[k] = first + k * 32 < left ? p[first + k * 32] : storage_traits<T>::from_code(0);
    }
    return f;
  }
  template <class T, int N>
  __device__ __forceinline__ fragment<T, N> arrange(const fragment<T, N>& fetched) const {
    if (!exchanges_) return fetched;
    T* const of_warp = staging<T, N>();
    INVACT_UNROLL
    for (int k = 0; k < N; ++k) of_warp[k * 32 + lane()] = fetched[k];
    __syncwarp();
    const fragment<T, N> f = *reinterpret_cast<const fragment<T, N>*>(of_warp + lane() * N);
    __syncwarp();
    return f;
  }
  template <int N, class T>
  __device__ __forceinline__ fragment<T, N> load(const T* p, int left) const {
    return arrange(fetch<N>(p, left));
  }

  template <class T, int N>
  __device__ __forceinline__ void store(T* p, int left, const fragment<T, N>& f) const {
    if (!exchanges_) {
      store_fragment<Vector>(p, clamp_elements<N>(left), f);
      return;
    }
    T* const of_warp = staging<T, N>();
    *reinterpret_cast<fragment<T, N>*>(of_warp + lane() * N) = f;
    __syncwarp();
    const int first = lane() - lane() * N;
    INVACT_UNROLL
    for (int k = 0; k < N; ++k) {
      if (first + k * 32 < left) p[first + k * 32] = of_warp[k * 32 + lane()];
    }
    __syncwarp();
  }

 private:
  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x % 32); }

  // Shared memory for a warp's fragments, one for the tensors of all types.
  template <class T, int N>
  __device__ __forceinline__ static T* staging() {
    constexpr int bytes = 32;  // of a fragment, at most
    static_assert(sizeof(fragment<T, N>) <= bytes);
    const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    return reinterpret_cast<T*>(memory() + thread / 32 * (32 * bytes));
  }
  __device__ __forceinline__ static uint8* memory() {
    __shared__ alignas(16) uint8 bytes[32 * Threads];
    return bytes;
  }

  bool exchanges_;
};

// Mask bits of the fragment that begins with element i of a row, i a multiple of N. They may begin in the
// middle of a byte: two fragments of four then share it. Bits above those N elements', and of elements that are not
// there, may be anything: a piece is a bit of its own.
template <int N, int Bits, class Word>
__device__ __forceinline__ Word load_mask(const uint8* row, int64 i, int count) {
  Word bits = 0;
  if constexpr (Bits > 0) {
    const int64 first = i * Bits;
    const uint8* const p = row + first / 8;
    const int shift = N * Bits % 8 == 0 ? 0 : static_cast<int>(first % 8);
    INVACT_UNROLL
    for (int k = 0; 8 * k < N * Bits + (N * Bits % 8 == 0 ? 0 : 4); ++k) {
      if (count > 0 && 8 * k < shift + count * Bits)
        bits |= static_cast<Word>(uint64{p[k]} << (8 * k) >> shift);
    }
  }
  return bits;
}

// Writes the bytes that hold bits of `count` elements; tail bits of a row are zero. Of two fragments that
// share a byte, which neighbouring threads have, the even thread writes the bits of both: all threads of a
// warp call this together, those with a count of 0 too.
template <int N, int Bits, class Word>
__device__ __forceinline__ void store_mask(uint8* row, int64 i, int count, Word bits) {
  if constexpr (Bits > 0) {
    if (count < N) bits &= (Word{1} << (count * Bits)) - 1;
    uint64 all = bits;
    int filled = count * Bits;
    if constexpr (N * Bits % 8 != 0) {
      all |= static_cast<uint64>(__shfl_xor_sync(0xffffffffu, bits, 1)) << (N * Bits);
      filled += __shfl_xor_sync(0xffffffffu, filled, 1);
      if (threadIdx.x % 2 != 0) return;
    }
    uint8* const p = row + i * Bits / 8;
    INVACT_UNROLL
    for (int k = 0; 8 * k < (N * Bits % 8 == 0 ? N : 2 * N) * Bits; ++k) {
      if (8 * k < filled) p[k] = static_cast<uint8>(all >> (8 * k));
    }
  }
}

template <class T, int N>
__device__ __forceinline__ fragment<float, N> widen(const fragment<T, N>& from) {
  fragment<float, N> to;
  INVACT_UNROLL
  for (int i = 0; i < N; ++i) to[i] = storage_traits<T>::load(from[i]);
  return to;
}

template <class T, int N>
__device__ __forceinline__ fragment<T, N> narrow(const fragment<float, N>& from) {
  fragment<T, N> to;
  INVACT_UNROLL
  for (int i = 0; i < N; ++i) to[i] = storage_traits<T>::round(from[i]);
  return to;
}

// forward() of a fragment, y stored at y, mask bits in the mask's row, where the fragment is at i, and f(x)
// recorded. x is the sum with the bias.
template <class Access, class Op, int N>
__device__ __forceinline__ void forward_fragment(const Access& access, const Op& op,
                                                 const fragment<float, N>& x, int left, storage_of<Op>* y,
                                                 uint8* mask_row, int64 i, amax_record<Op>& record) {
  const int count = clamp_elements<N>(left);
  fragment<storage_of<Op>, N> out;
  mask_word<Op, N> bits = 0;
  if constexpr (has_fragments<Op, N>) {
    typename Op::template pieces<N> pieces;
    if constexpr (has_amax<Op>) {
      fragment<float, N> values;
      out = op.forward(x, pieces, values);
      INVACT_UNROLL
      for (int k = 0; k < N; ++k) record.add(values[k], k < count);
    } else {
      out = op.forward(x, pieces);
    }
    bits = pieces.bits;
  } else {
    INVACT_UNROLL
    for (int k = 0; k < N; ++k) {
      const auto e = op.forward(x[k]);
      out[k] = e.y;
      bits |= static_cast<mask_word<Op, N>>(e.piece) << (k * Op::mask_bits);
      if constexpr (has_amax<Op>) record.add(e.value, k < count);
    }
  }
  access.store(y, left, out);
  store_mask<N, Op::mask_bits>(mask_row, i, count, bits);
}

// Raises the op's amax to what the threads of a block have recorded: all of them call it, once.
template <class Op>
__device__ __forceinline__ void store_record(const Op& op, const amax_record<Op>& record) {
  if constexpr (has_amax<Op>) {
    if (op.amax() == nullptr) return;
    __shared__ uint32 of_warps[32];
    const auto of_warp = [](uint32 bits) {
      amax_record<Op> largest{bits};
      INVACT_UNROLL
      for (int lane = 16; lane > 0; lane /= 2)
        largest.add_bits(__shfl_xor_sync(0xffffffffu, largest.bits, lane));
      return largest.bits;
    };
    const uint32 thread = threadIdx.y * blockDim.x + threadIdx.x;
    const uint32 warps = blockDim.x * blockDim.y / 32;
    const uint32 own = of_warp(record.bits);
    if (thread % 32 == 0) of_warps[thread / 32] = own;
    __syncthreads();
    if (thread >= 32) return;
    const uint32 of_block = of_warp(thread < warps ? of_warps[thread] : 0u);
    if (thread == 0 && of_block != 0) atomicMax(reinterpret_cast<uint32*>(op.amax()), of_block);
  } else {
    static_cast<void>(op);
    static_cast<void>(record);
  }
}

// Whether a block decodes by a table of its own: see gradient_table. Of more than two mask bits it would be
// larger than what a block has to decode.
template <class Op, class = void>
inline constexpr bool has_table = false;
template <class Op>
inline constexpr bool has_table<Op, void_t<decltype(Op::decodes_cells)>> =
    (Op::decodes_cells && is_float8<storage_of<Op>> && Op::mask_bits <= 2);

// What decodes for the op in a block, all of whose threads call this.
template <class Op>
__device__ __forceinline__ decltype(auto) decoder_of(const Op& op) {
  if constexpr (has_table<Op>) {
    __shared__ gradient_table<Op> table;
    table.fill(op, static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x),
               static_cast<int>(blockDim.x * blockDim.y));
    __syncthreads();
    return static_cast<const gradient_table<Op>&>(table);
  } else {
    return static_cast<const Op&>(op);
  }
}

// dx of a fragment, unrounded, by what decodes for Op.
template <class Op, class Decoder, int N>
__device__ __forceinline__ fragment<float, N> backward_fragment(const Decoder& decoder,
                                                                const fragment<float, N>& dy,
                                                                const fragment<storage_of<Op>, N>& y,
                                                                mask_word<Op, N> bits) {
  if constexpr (has_fragments<Op, N>) {
    typename Op::template pieces<N> pieces;
    pieces.bits = bits;
    return decoder.backward(dy, y, pieces);
  } else {
    constexpr uint32 low = (1u << Op::mask_bits) - 1u;
    fragment<float, N> dx;
    INVACT_UNROLL
    for (int k = 0; k < N; ++k) {
      dx[k] = decoder.backward(dy[k], y[k], static_cast<uint32>(bits >> (k * Op::mask_bits)) & low);
    }
    return dx;
  }
}

// What the backward loads of a fragment.
template <class Op, int N, class Dy>
struct backward_input {
  fragment<Dy, N> dy;
  fragment<storage_of<Op>, N> y;
  mask_word<Op, N> bits;

  template <class Access>
  __device__ __forceinline__ void load(const Access& access, const Dy* dy_at, const storage_of<Op>* y_at,
                                       const uint8* mask_row, int64 i, int left) {
    dy = access.template fetch<N>(dy_at, left);
    y = access.template fetch<N>(y_at, left);
    bits = load_mask<N, Op::mask_bits, mask_word<Op, N>>(mask_row, i, clamp_elements<N>(left));
    dy = access.arrange(dy);
    y = access.arrange(y);
  }
};

// The bias of a thread's columns, kept as it is stored: half the registers of floats.
template <class Bias, int N>
struct bias_fragment {
  fragment<bias_element<Bias>, N> values;

  template <class Access>
  __device__ __forceinline__ void load(const Access& access, Bias bias, int64 at, int left) {
    values = access.template load<N>(bias + at, left);
  }
  __device__ __forceinline__ fragment<float, N> to(fragment<float, N> x) const {
    const fragment<float, N> added = widen(values);
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) x[i] += added[i];
    return x;
  }
};
template <int N>
struct bias_fragment<no_bias, N> {
  template <class Access>
  __device__ __forceinline__ void load(const Access&, no_bias, int64, int) {}
  __device__ __forceinline__ fragment<float, N> to(const fragment<float, N>& x) const { return x; }
};

// Whether fragments that start `ld` elements apart from `pointer` on are aligned as a vector access needs.
template <int N, class T>
bool is_vector_aligned(const T* pointer, int64 ld) {
  constexpr int alignment = alignof(fragment<T, N>);
  constexpr int elements =
      alignment / static_cast<int>(sizeof(T)) > 0 ? alignment / static_cast<int>(sizeof(T)) : 1;
  return reinterpret_cast<uint64>(pointer) % alignment == 0 && ld % elements == 0;
}
template <int N>
bool is_vector_aligned(no_bias, int64) {
  return true;
}

}  // namespace detail

INVACT_NAMESPACE_END
