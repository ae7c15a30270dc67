// What the visitor nodes of sm90_nodes.hpp share: their arguments, and a thread's part of a tile of the mask.
#pragma once

#include <type_traits>

#include <cutlass/epilogue/collective/detail.hpp>
#include <cutlass/epilogue/fusion/sm90_visitor_tma_warpspecialized.hpp>

#include <invact/adapters/cutlass/accumulator_pieces.hpp>
#include <invact/adapters/cutlass/storage.hpp>
#include <invact/op/arguments.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {
namespace detail {

template <class StrideMNL>
inline constexpr bool is_m_major = ::cutlass::epilogue::collective::detail::is_m_major<StrideMNL>();

// A node but for its callbacks. `Byte` is const where the mask is read.
template <class Op, class StrideMNL, class Byte>
struct sm90_mask_node {
  static_assert(invact::detail::has_op<Op>,
                "invact::epilogue: Op is not an op: it needs what invact::inverted<invact::gelu, "
                "cutlass::bfloat16_t> has");

  struct SharedStorage {};
  struct Arguments {
    Op op{};
    Byte* ptr_mask = nullptr;
    StrideMNL stride{};
  };
  using Params = Arguments;

  template <class ProblemShape>
  static constexpr Params to_underlying_arguments(const ProblemShape&, const Arguments& arguments, void*) {
    return arguments;
  }

  template <class ProblemShape>
  static bool can_implement(const ProblemShape& problem, const Arguments& arguments) {
    if (!arguments.op.is_valid()) return false;
    if constexpr (invact::detail::has_scale<Op>) {
      if (arguments.op.scale() == nullptr) return false;
    }
    if constexpr (Op::mask_bits > 0) {
      const auto shape = ::cute::append<4>(problem, 1);
      const int64 m = ::cute::get<0>(shape), n = ::cute::get<1>(shape);
      const int64 rows = is_m_major<StrideMNL> ? n : m, columns = is_m_major<StrideMNL> ? m : n;
      const int64 row = is_m_major<StrideMNL> ? int64{::cute::get<1>(arguments.stride)}
                                              : int64{::cute::get<0>(arguments.stride)};
      const int64 batch = ::cute::get<2>(arguments.stride);
      const bool is_aligned = reinterpret_cast<unsigned long long>(arguments.ptr_mask) % 16 == 0;
      // Batches that read may share a mask.
      const int64 batches = ::cute::get<3>(shape);
      const bool are_apart =
          batches <= 1 || batch >= rows * row || (std::is_const<Byte>::value && batch == 0);
      return arguments.ptr_mask != nullptr && is_aligned && row % 128 == 0 && batch % 128 == 0 &&
             are_apart && row >= columns * Op::mask_bits;
    }
    return true;
  }

  template <class ProblemShape>
  static size_t get_workspace_size(const ProblemShape&, const Arguments&) {
    return 0;
  }
  template <class ProblemShape>
  static ::cutlass::Status initialize_workspace(const ProblemShape&, const Arguments&, void*, cudaStream_t,
                                                ::cutlass::CudaHostAdapter* = nullptr) {
    return ::cutlass::Status::kSuccess;
  }

  CUTLASS_HOST_DEVICE sm90_mask_node() {}
  CUTLASS_HOST_DEVICE sm90_mask_node(const Params& p, const SharedStorage&) : params(&p) {}

  CUTLASS_DEVICE bool is_producer_load_needed() const { return false; }
  CUTLASS_DEVICE bool is_C_load_needed() const { return false; }
  template <class... Args>
  CUTLASS_DEVICE auto get_producer_load_callbacks(
      const ::cutlass::epilogue::fusion::detail::ProducerLoadArgs<Args...>&) {
    return ::cutlass::epilogue::fusion::detail::EmptyProducerLoadCallbacks{};
  }

  const Params* params = nullptr;
};

// Bits of a row of the mask. A row has as many as its stride says, so that runs can be read whole.
template <int Most>
CUTLASS_DEVICE uint32 load_bits(const uint8* from) {
  static_assert(Most == 16 || Most == 32, "a run has 16 or 32 bits");
  if constexpr (Most == 32) {
    return *reinterpret_cast<const uint32*>(from);
  } else {
    return *reinterpret_cast<const uint16*>(from);
  }
}

// `bits` of them. What is stored behind the last bit in its byte is zero, and nothing behind that byte.
template <int Most>
CUTLASS_DEVICE void store_bits(uint8* to, uint32 value, int bits) {
  static_assert(Most == 16 || Most == 32, "a run has 16 or 32 bits");
  if (bits < Most) {
    value &= 0xffffffffu >> (32 - bits);
    CUTLASS_PRAGMA_NO_UNROLL
    for (int i = 0; 8 * i < bits; ++i) to[i] = static_cast<uint8>(value >> (8 * i));
  } else if constexpr (Most == 32) {
    *reinterpret_cast<uint32*>(to) = value;
  } else {
    *reinterpret_cast<uint16*>(to) = static_cast<uint16>(value);
  }
}

struct warp_shuffle {
  CUTLASS_DEVICE uint32 operator()(uint32 value, int distance) const {
    return __shfl_xor_sync(0xffffffffu, value, distance);
  }
};

// A thread's part of the mask of a tile. Coordinates is a tensor (R2S, R2S_M, R2S_N, EPI_M, EPI_N) of where its elements
// are, from its first one on.
template <class Pieces, class StrideMNL, class Byte, class Coordinates, class Residue>
struct tile_mask {
  using pieces = Pieces;

  Byte* batch;           // the mask of the tile's batch
  int64 stride;          // bits between its rows
  int m, n;              // elements of the problem
  int first_m, first_n;  // of the tile
  int lane, warp;
  Coordinates coordinates;
  Residue residue;  // the end of the problem, from the thread's first element on
  uint32 words[Pieces::words] = {};
  uint32 pairs[Pieces::pair_words] =
      {};  // of ops that compute pairs, in place of words while elements are visited

  CUTLASS_DEVICE auto coordinate(int v, int epi_m, int epi_n) const {
    return coordinates(::cute::_, ::cute::_, ::cute::_, epi_m, epi_n)(v);
  }
  CUTLASS_DEVICE static constexpr piece_place place(int row, int column) {
    return Pieces::place(row, column);
  }

  CUTLASS_DEVICE void transpose() {
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < Pieces::words; ++i) words[i] = Pieces::transposed(words[i], lane, warp_shuffle{});
  }

  CUTLASS_DEVICE void from_pairs() {
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < Pieces::words; ++i) words[i] = Pieces::from_pairs(pairs, i);
  }
  CUTLASS_DEVICE void to_pairs() {
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < Pieces::words; ++i) Pieces::to_pairs(words[i], pairs, i);
  }

  // Calls access(bytes, bits, word, shift) for each run of this lane that exists, as far as it does: it begins at bit
  // `shift` of a word.
  template <class Access>
  CUTLASS_DEVICE void for_each_run(const Access& access) {
    constexpr bool m_major = is_m_major<StrideMNL>, has_steps = Pieces::has_steps();
    const auto mine = has_steps ? Pieces::run_position(0, 0, lane, warp) : typename Pieces::position{0, 0};
    const int row = first_m + mine.row, column = first_n + mine.column;
    Byte* const first = batch + (m_major ? column * stride + int64{row} * Pieces::bits
                                         : row * stride + int64{column} * Pieces::bits) /
                                    8;
    const int64 stride_bytes = stride / 8;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < Pieces::words; ++i) {
      CUTLASS_PRAGMA_UNROLL
      for (int run = 0; run < Pieces::runs; ++run) {
        const auto at = Pieces::run_position(i, run, has_steps ? 0 : lane, has_steps ? 0 : warp);
        const int across = m_major ? at.column : at.row, along = m_major ? at.row : at.column;
        const int count = m_major ? existing(m, row + at.row, Pieces::elements)
                                  : existing(n, column + at.column, Pieces::elements);
        if (count == 0 || (m_major ? column + at.column >= n : row + at.row >= m)) continue;
        access(first + across * stride_bytes + along * Pieces::bits / 8, count * Pieces::bits, words[i],
               run * Pieces::elements * Pieces::bits);
      }
    }
  }
};

template <class Op, class StrideMNL, class Byte, class Args>
CUTLASS_DEVICE auto make_tile_mask(const typename sm90_mask_node<Op, StrideMNL, Byte>::Params& params,
                                   const Args& args) {
  using tile_shape = decltype(args.tile_shape_mnk);
  using pieces = accumulator_pieces<Op::mask_bits == 0 ? 1 : Op::mask_bits, is_m_major<StrideMNL>,
                                    ::cute::size<0>(tile_shape{}), ::cute::size<1>(tile_shape{}),
                                    ::cute::size(decltype(args.tiled_mma){})>;
  const auto [M, N, K, L] = args.problem_shape_mnkl;
  const auto [m, n, k, l] = args.tile_coord_mnkl;
  const int64 stride =
      is_m_major<StrideMNL> ? int64{::cute::get<1>(params.stride)} : int64{::cute::get<0>(params.stride)};
  return tile_mask<pieces, StrideMNL, Byte, decltype(args.tCcD), decltype(args.residue_tCcD)>{
      params.ptr_mask + l * int64{::cute::get<2>(params.stride)} / 8,
      stride,
      static_cast<int>(M),
      static_cast<int>(N),
      static_cast<int>(m) * pieces::tile_m,
      static_cast<int>(n) * pieces::tile_n,
      args.thread_idx % 32,
      args.thread_idx / 32,
      args.tCcD,
      args.residue_tCcD};
}

}  // namespace detail
}  // namespace epilogue

INVACT_NAMESPACE_END
