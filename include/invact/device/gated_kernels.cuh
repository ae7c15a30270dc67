// The device-wide kernels of gated units.
//
// As run_kernels.cuh and row_kernels.cuh: a thread loads Fragments fragments of N elements of each tensor before it uses
// the first; in one run they are Threads * N elements apart, in the rows of matrices as many rows as a block is high.
#pragma once

#include <invact/device/row_kernels.cuh>
#include <invact/op/gated_arguments.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Only the first counts[g] rows of a group are there. mask_stride of the base is in bytes, its ld_ are not used.
struct gated_layout : row_layout {
  int64 ld_g, ld_u, ld_h, ld_dh, ld_dg, ld_du;
};

// Threads that registers leave room for on a multiprocessor, of kernels whose fragments have N elements: 48 registers a
// thread; of float 40 of a forward, and 64 of a backward, which decodes with more constants. An H200's fastest of 768 to
// 1536: fewer threads do not cover the latency of memory, more do not have the registers. The longest backwards keep two
// to four words in local memory for it.
template <int N>
inline constexpr int gated_forward_threads = N == 4 ? 1536 : 1280;
template <int N>
inline constexpr int gated_backward_threads = N == 4 ? 1024 : 1280;

// Where the fragments of a thread are, of one run (a row of `cols` elements) or of rows of matrices.
template <bool IsRun, int Threads, int Fragments, int N>
class gated_place {
 public:
  __device__ __forceinline__ gated_place(const gated_layout& layout, const fast_divisor& strips) : cols_(layout.cols) {
    if constexpr (IsRun) {
      constexpr int64 tile = tile_elements<Threads, Fragments, N>;
      column_ = block_index() * tile + static_cast<int>(threadIdx.x) * N;
      is_whole_ = (block_index() + 1) * tile <= cols_;
    } else {
      const thread_place<N> at(layout, strips);
      step_ = static_cast<int>(blockDim.y);
      rows_ = at.group >= 0 ? rows_left(layout, at.group, at.band, Fragments * step_) : 0;
      row_ = at.group * layout.rows + at.band * (Fragments * step_) + threadIdx.y;
      column_ = at.column;
      left_ = at.left;
      is_whole_ = left_ >= N && rows_ == Fragments * step_;
    }
  }

  // Whether the block has anything to do, and whether all of this thread's fragments are there.
  __device__ __forceinline__ bool exists() const { return IsRun || rows_ > 0; }
  __device__ __forceinline__ bool is_whole() const { return is_whole_; }

  __device__ __forceinline__ int64 row(int k) const { return IsRun ? 0 : row_ + k * step_; }
  __device__ __forceinline__ int64 column(int k) const {
    return IsRun ? column_ + k * (Threads * N) : column_;
  }
  // Units of the row from fragment k on: see row_access.
  __device__ __forceinline__ int left(int k) const {
    if constexpr (IsRun) return elements_left(column(k), cols_);
    return k * step_ + static_cast<int>(threadIdx.y) < rows_ ? left_ : no_elements;
  }
  // Where fragment k of a tensor begins, Width elements of it for each unit.
  template <int Width = 1, class T>
  __device__ __forceinline__ T* at(T* tensor, int64 ld, int k) const {
    return tensor + (row(k) * ld + column(k) * Width);
  }

 private:
  int64 cols_, row_ = 0, column_ = 0;
  int step_ = 0, rows_ = 0, left_ = 0;
  bool is_whole_;
};

// g and u of N units as they are stored: two tensors, or pairs in one. Loaded in two steps: see row_access.
template <class G, class U, int N>
struct separate_input {
  fragment<G, N> g;
  fragment<U, N> u;

  template <class Access, class Place>
  __device__ __forceinline__ void fetch(const Access& access, const Place& place,
                                        const gated_layout& layout, const G* g_in, const U* u_in, int k,
                                        int left) {
    g = access.template fetch<N>(place.at(g_in, layout.ld_g, k), left);
    u = access.template fetch<N>(place.at(u_in, layout.ld_u, k), left);
  }
  template <class Access>
  __device__ __forceinline__ void arrange(const Access& access) {
    g = access.arrange(g);
    u = access.arrange(u);
  }
};
template <class T, int N>
struct interleaved_input {
  fragment<T, 2 * N> pairs;

  template <class Access, class Place>
  __device__ __forceinline__ void fetch(const Access& access, const Place& place,
                                        const gated_layout& layout, const T* pairs_in, const T*, int k,
                                        int left) {
    pairs = access.template fetch<2 * N>(place.template at<2>(pairs_in, layout.ld_g, k), 2 * left);
  }
  template <class Access>
  __device__ __forceinline__ void arrange(const Access& access) {
    pairs = access.arrange(pairs);
  }
  __device__ __forceinline__ separate_input<T, T, N> separated() const {
    separate_input<T, T, N> to;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) {
      to.g[i] = pairs[2 * i];
      to.u[i] = pairs[2 * i + 1];
    }
    return to;
  }
};

// dg and du of N units, stored.
template <bool Interleaved, class Dg, class Du, class Access, class Place, int N>
__device__ __forceinline__ void store_gradients(const Access& access, const Place& place,
                                                const gated_layout& layout, Dg* dg_out, Du* du_out, int k,
                                                int left, const fragment<float, N>& dg,
                                                const fragment<float, N>& du) {
  if constexpr (Interleaved) {
    fragment<float, 2 * N> pairs;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) {
      pairs[2 * i] = dg[i];
      pairs[2 * i + 1] = du[i];
    }
    access.store(place.template at<2>(dg_out, layout.ld_dg, k), 2 * left, narrow<Dg>(pairs));
    static_cast<void>(du_out);
  } else {
    access.store(place.at(dg_out, layout.ld_dg, k), left, narrow<Dg>(dg));
    access.store(place.at(du_out, layout.ld_du, k), left, narrow<Du>(du));
  }
}

// Interleaved, u_in is not read; u_out is u's own tensor then, unless it is null, as where pairs are kept.
template <int Threads, int Fragments, int N, bool Vector, bool IsRun, bool Interleaved, class Op, class G, class U,
          class UOut>
INVACT_KERNEL void __launch_bounds__(Threads, gated_forward_threads<N> / Threads)
    gated_forward_kernel(const Op op, const gated_layout layout, const fast_divisor strips, const G* g_in, const U* u_in,
                         gated_storage_of<Op>* h, UOut* u_out, uint8* mask) {
  using input = std::conditional_t<Interleaved, interleaved_input<G, N>, separate_input<G, U, N>>;
  const gated_place<IsRun, Threads, Fragments, N> place(layout, strips);
  if (!place.exists()) return;
  const row_access<Vector, Threads> access(IsRun ? Threads : static_cast<int>(blockDim.x));
  const auto load = [&](int k, int left) {
    input in;
    in.fetch(access, place, layout, g_in, u_in, k, left);
    in.arrange(access);
    return in;
  };
  const auto finish = [&](const input& in, int k, int left) {
    const auto& units = [&]() -> decltype(auto) {
      if constexpr (Interleaved) {
        return in.separated();
      } else {
        return (in);
      }
    }();
    fragment<gated_storage_of<Op>, N> out;
    mask_word<Op, N> bits = 0;
    const fragment<float, N> g = widen(units.g);
    fragment<float, N> u = widen(units.u);
    if constexpr (Interleaved) {
      if (u_out != nullptr) {
        const fragment<UOut, N> kept = narrow<UOut>(u);
        access.store(place.at(u_out, layout.ld_u, k), left, kept);
        u = widen(kept);
      }
    }
    if constexpr (has_fragments<Op, N>) {
      typename Op::template pieces<N> pieces;
      out = op.forward(g, u, pieces);
      bits = pieces.bits;
    } else {
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) {
        const auto e = op.forward(g[i], u[i]);
        out[i] = e.h;
        bits |= static_cast<mask_word<Op, N>>(e.piece) << (i * Op::mask_bits);
      }
    }
    access.store(place.at(h, layout.ld_h, k), left, out);
    store_mask<N, Op::mask_bits>(mask + place.row(k) * layout.mask_stride, place.column(k),
                                 clamp_elements<N>(left), bits);
  };
  // Where two threads share a mask byte a warp stays together (see store_mask).
  constexpr bool together = N * Op::mask_bits % 8 != 0;
  const bool whole = together ? __all_sync(0xffffffffu, place.is_whole()) != 0 : place.is_whole();
  if (Vector && whole) {
    input in[Fragments];
    INVACT_UNROLL
    for (int k = 0; k < Fragments; ++k) in[k] = load(k, N);
    INVACT_UNROLL
    for (int k = 0; k < Fragments; ++k) finish(in[k], k, N);
    return;
  }
#pragma unroll 1
  for (int k = 0; k < Fragments; ++k) {
    const int left = place.left(k);
    finish(load(k, left), k, left);
  }
}

// What a backward loads of a fragment.
template <class Op, int N, class Input, class Dh>
struct gated_backward_input {
  fragment<Dh, N> dh;
  Input kept;
  mask_word<Op, N> bits;
};

// kept is h, or g where the op computes h again, or pairs of g and u. h_out is null where h is not wanted.
template <int Threads, int Fragments, int N, bool Vector, bool IsRun, bool InterleavedIn, bool Interleaved, class Op,
          class Dh, class U, class Dg, class Du>
INVACT_KERNEL void __launch_bounds__(Threads, gated_backward_threads<N> / Threads)
    gated_backward_kernel(const Op op, const gated_layout layout, const fast_divisor strips, const Dh* dh_in,
                          const gated_storage_of<Op>* kept_in, const U* u_in, const uint8* mask, Dg* dg_out, Du* du_out,
                          gated_storage_of<Op>* h_out) {
  using storage = gated_storage_of<Op>;
  using input = std::conditional_t<InterleavedIn, interleaved_input<storage, N>, separate_input<storage, U, N>>;
  using loaded = gated_backward_input<Op, N, input, Dh>;
  const gated_place<IsRun, Threads, Fragments, N> place(layout, strips);
  if (!place.exists()) return;
  const row_access<Vector, Threads> access(IsRun ? Threads : static_cast<int>(blockDim.x));
  const auto load = [&](int k, int left) {
    loaded in;
    in.dh = access.template fetch<N>(place.at(dh_in, layout.ld_dh, k), left);
    in.kept.fetch(access, place, layout, kept_in, u_in, k, left);
    in.bits = load_mask<N, Op::mask_bits, mask_word<Op, N>>(mask + place.row(k) * layout.mask_stride,
                                                            place.column(k), clamp_elements<N>(left));
    in.dh = access.arrange(in.dh);
    in.kept.arrange(access);
    return in;
  };
  const auto finish = [&](const loaded& in, int k, int left) {
    const auto& units = [&]() -> decltype(auto) {
      if constexpr (InterleavedIn) {
        return in.kept.separated();
      } else {
        return (in.kept);
      }
    }();
    fragment<float, N> dg, du;
    // Each where it is used: all at once would not fit into registers beside the next fragment.
    const auto dh = [&](int i) { return storage_traits<Dh>::load(in.dh[i]); };
    const auto u = [&](int i) { return storage_traits<std::decay_t<decltype(units.u[i])>>::load(units.u[i]); };
    if constexpr (Op::recomputes) {
      fragment<storage, N> h;
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) {
        const auto d = op.backward(dh(i), units.g[i], u(i), 0u);
        dg[i] = d.dg;
        du[i] = d.du;
        h[i] = d.h;
      }
      if (h_out != nullptr) access.store(place.at(h_out, layout.ld_h, k), left, h);
    } else {
      piece_fragment<N, Op::mask_bits> pieces;
      pieces.bits = in.bits;
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) {
        const auto d = op.backward(dh(i), units.g[i], u(i), pieces[i]);
        dg[i] = d.dg;
        du[i] = d.du;
      }
    }
    store_gradients<Interleaved>(access, place, layout, dg_out, du_out, k, left, dg, du);
  };
  if (Vector && place.is_whole()) {
    loaded in[Fragments];
    INVACT_UNROLL
    for (int k = 0; k < Fragments; ++k) in[k] = load(k, N);
    INVACT_UNROLL
    for (int k = 0; k < Fragments; ++k) finish(in[k], k, N);
    return;
  }
#pragma unroll 1
  for (int k = 0; k < Fragments; ++k) {
    const int left = place.left(k);
    finish(load(k, left), k, left);
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
