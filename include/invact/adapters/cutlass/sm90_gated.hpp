// Visitor nodes of SM90 epilogues for gated units h = f(g) * u: one GEMM computes g and u and keeps h, u and, with
// bitmask, a bit a unit; and the GEMM that computes dh makes dg and du of it. Neither g nor dh is written.
//
//   using op = invact::swiglu<cutlass::bfloat16_t>;
//   using stride = cutlass::gemm::TagToStrideC_t<cutlass::layout::RowMajor>;
//   // A GEMM of M x 2N, whose columns take turns: 2c is g of unit c and 2c + 1 its u.
//   using forward = Sm90EVT<invact::epilogue::sm90_gated_forward<op, stride>, Sm90AccFetch>;
//   // A GEMM of M x N that computes dh; h is C, u an aux tensor. [dg | du] with columns that take turns.
//   using backward = Sm90EVT<invact::epilogue::sm90_gated_backward<op, stride, invact::epilogue::interleaved_columns>,
//                            Sm90AccFetch, Sm90SrcFetch<cutlass::bfloat16_t>, Sm90AuxLoad<...>>;
//
// Both are the root of their tree, and store by themselves: ElementD is void, its layout RowMajor. Sm90AuxLoad has
// the stages of the EpilogueDescriptor whose ElementC and ElementD are both Op's storage: with a void one it may have
// fewer than the collective, which takes the node's ElementAux for D's.
//
// Op          gated with 16-bit storage and one mask bit a unit, or none (ptr_mask and stride_mask are not read then).
// Stride      of all tensors, row-major: (dM, 1, dL), in elements, of the mask in bits.
// Layout      where the backward's gradients go: interleaved_columns, or separate_tensors.
// Arguments   forward: {op, ptr_h, stride_h, ptr_u, stride_u, ptr_mask, stride_mask}; backward: {op, ptr_mask,
//             stride_mask, to}, `to` of Layout. N is a multiple of 8. Pointers are aligned to 16 bytes, strides are
//             multiples of 8 elements, the mask's of 128 bits; they cover a row, and keep batches apart (0 where masks
//             are read: one for all batches); the op is valid. Else can_implement() is false, which
//             GemmUniversalAdapter returns as Status::kInvalid. The mask's last row too has as many bits as the stride
//             says: they may be read.
//
// sm90_gated_forward takes g and u, what the rest of the epilogue computed, from its child. u is rounded to Op's
// storage first, and h computed from that. It writes h and u of M x N, and whole bytes of mask rows, with zeros
// behind the last unit; no element behind a row's N. h and u may lie in one tensor, as h = t, u = t + N with rows of
// 2N or more.
// sm90_gated_backward takes dh, h and u from its children, h and u as they are stored or as floats that were converted
// from those. It writes dg and du, rounded to Op's storage. separate_tensors may be h's and u's memory with the same
// strides, where those are read as C and with Sm90AuxLoad: a tile is read before it is written. interleaved_columns
// may not.
//
// Both take accumulators as wgmma has them, of the collectives that the SM90 builder makes: cooperative and
// ping-pong, with any cluster, raster and scheduler, stream-K among them. The forward's tile has a multiple of 64
// columns, its epilogue tile of 32; the backward's 32 and 16; and as many elements that mask bits of a thread fill
// whole words: 64 elements a thread in the forward, 32 in the backward.
#pragma once

#include <cutlass/numeric_conversion.h>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/sm90_gated_parts.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {

template <class Op, class Stride>
struct sm90_gated_forward : detail::sm90_gated_node<Op, Stride> {
  using storage = typename Op::storage_type;
  using writer = detail::staged_writer<storage>;
  using SharedStorage = typename writer::memory;

  struct Arguments {
    Op op{};
    storage* ptr_h = nullptr;
    Stride stride_h{};
    storage* ptr_u = nullptr;
    Stride stride_u{};
    uint8* ptr_mask = nullptr;
    Stride stride_mask{};
  };
  using Params = Arguments;

  template <class ProblemShape>
  static constexpr Params to_underlying_arguments(const ProblemShape&, const Arguments& arguments, void*) {
    return arguments;
  }
  template <class ProblemShape>
  static bool can_implement(const ProblemShape& problem, const Arguments& arguments) {
    const auto p = detail::gated_problem(problem, 2);
    return p.has_whole_runs() && detail::has_valid_parameters(arguments.op) &&
           p.is_tensor(arguments.ptr_h, arguments.stride_h) &&
           p.is_tensor(arguments.ptr_u, arguments.stride_u) &&
           (Op::mask_bits == 0 || p.is_mask(arguments.ptr_mask, arguments.stride_mask));
  }

  CUTLASS_HOST_DEVICE sm90_gated_forward() {}
  CUTLASS_HOST_DEVICE sm90_gated_forward(const Params& p, const SharedStorage& s)
      : params(&p), shared(&s) {}

  template <class Tile>
  struct ConsumerStoreCallbacks : ::cutlass::epilogue::fusion::detail::EmptyConsumerStoreCallbacks {
    using format = typename storage_traits<storage>::format;

    CUTLASS_DEVICE ConsumerStoreCallbacks(const Op& o, const Tile& t, const writer& w)
        : op(o), tile(t), rows(w) {}

    Op op;
    Tile tile;
    writer rows;

    // What it returns is nothing: a void D is not stored.
    template <class ElementAccumulator, class ElementX, int N>
    CUTLASS_DEVICE ::cutlass::Array<storage, N> visit(const ::cutlass::Array<ElementAccumulator, N>&,
                                                      int epi_v, int epi_m, int epi_n,
                                                      const ::cutlass::Array<ElementX, N>& x) {
      static_assert(
          N % 16 == 0,
          "invact::epilogue::sm90_gated_forward: the epilogue tile must have a multiple of 32 columns");
      const auto as_float = ::cutlass::NumericArrayConverter<float, ElementX, N>{}(x);
      // 8 units: of either row four that are 4 apart.
      fragment<float, 8> g[N / 16], u[N / 16];
      const auto first = tile.coordinate(epi_v * N, epi_m, epi_n);
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < N; i += 2) {
        const auto at = tile.coordinate(epi_v * N + i, epi_m, epi_n);
        const int row = ::cute::get<0>(at) - ::cute::get<0>(first),
                  column = ::cute::get<1>(at) - ::cute::get<1>(first);
        const int place = row / 8 * 4 + column % 32 / 8;
        g[column / 32][place] = as_float[i];
        u[column / 32][place] = as_float[i + 1];
      }
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < N / 16; ++i)
        units(g[i], u[i], ::cute::get<0>(first), ::cute::get<1>(first) + 32 * i);
      ::cutlass::Array<storage, N> none;
      none.clear();
      return none;
    }

    CUTLASS_DEVICE void end() {
      rows.flush(tile);
      if constexpr (Op::mask_bits > 0) {
        tile.transpose();
        tile.for_each_run(
            [&](uint8* to, int bits, uint32 word, int) { detail::store_bits<32>(to, word, bits); });
      }
    }

   private:
    CUTLASS_DEVICE void units(const fragment<float, 8>& g, const fragment<float, 8>& u, int row,
                              int column) {
      rows.flush(tile);
      fragment<uint32, 4> of_u;
      fragment<float, 8> kept;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < 4; ++i) of_u[i] = format::round_pair(u[2 * i], u[2 * i + 1]);
      const auto codes = invact::bit_cast<fragment<typename format::code, 8>>(of_u);
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < 8; ++i) kept[i] = format::load(codes[i]);
      typename Op::template pieces<8> pieces;
      const auto of_h = invact::bit_cast<fragment<uint32, 4>>(op.forward(g, kept, pieces));
      if constexpr (Op::mask_bits > 0) {
        insert(pieces.bits & 0xfu, row, column);
        insert(pieces.bits >> 4, row + 8, column);
      }
      rows.put(of_h, of_u, row, column / 2);
    }
    CUTLASS_DEVICE void insert(uint32 four, int row, int column) {
      const auto place = Tile::pieces::place_of_four(row, column);
      tile.words[place.index] |= four << place.shift;
    }
  };

  template <bool ReferenceSrc, class... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(
      const ::cutlass::epilogue::fusion::detail::ConsumerStoreArgs<Args...>& args) {
    using tile_shape = decltype(args.tile_shape_mnk);
    constexpr int threads = ::cute::size(decltype(args.tiled_mma){});
    using pieces =
        detail::gated_pieces<::cute::size<0>(tile_shape{}), ::cute::size<1>(tile_shape{}), threads>;
    const Params& p = *params;
    const auto tile = detail::make_gated_tile<pieces>(p.ptr_mask, p.stride_mask, args, 2);
    const int batch = static_cast<int>(::cute::get<3>(args.tile_coord_mnkl));
    const writer rows(*shared, tile, p.ptr_h, p.stride_h, p.ptr_u, p.stride_u, batch, true);
    static_assert(threads <= writer::threads,
                  "invact::epilogue::sm90_gated_forward: an epilogue has 8 warps at most");
    return ConsumerStoreCallbacks<::cute::remove_cvref_t<decltype(tile)>>(p.op, tile, rows);
  }

  const Params* params = nullptr;
  const SharedStorage* shared = nullptr;
};

// dgu of M x 2N: column 2c is dg of unit c and 2c + 1 its du, as the forward's GEMM has g and u.
struct interleaved_columns {
  template <class Storage, class Stride>
  struct arguments {
    Storage* ptr_dgu = nullptr;
    Stride stride_dgu{};
  };
  template <class Storage>
  using writer = detail::interleaved_writer<Storage>;
};

// dg and du of M x N: two tensors, or one as ptr_du = ptr_dg + N with rows of 2N or more.
struct separate_tensors {
  template <class Storage, class Stride>
  struct arguments {
    Storage* ptr_dg = nullptr;
    Stride stride_dg{};
    Storage* ptr_du = nullptr;
    Stride stride_du{};
  };
  template <class Storage>
  using writer = detail::staged_writer<Storage>;
};

template <class Op, class Stride, class Layout = interleaved_columns>
struct sm90_gated_backward : detail::sm90_gated_node<Op, Stride> {
  static_assert(detail::is_interleaved<Layout> || std::is_same<Layout, separate_tensors>::value,
                "invact::epilogue::sm90_gated_backward: Layout is interleaved_columns or separate_tensors");
  using storage = typename Op::storage_type;
  using writer = typename Layout::template writer<storage>;
  using SharedStorage = typename writer::memory;

  struct Arguments {
    Op op{};
    const uint8* ptr_mask = nullptr;
    Stride stride_mask{};
    typename Layout::template arguments<storage, Stride> to{};
  };
  using Params = Arguments;

  template <class ProblemShape>
  static constexpr Params to_underlying_arguments(const ProblemShape&, const Arguments& arguments, void*) {
    return arguments;
  }
  template <class ProblemShape>
  static bool can_implement(const ProblemShape& problem, const Arguments& arguments) {
    const auto p = detail::gated_problem(problem, 1);
    const auto& to = arguments.to;
    bool has_tensors;
    if constexpr (detail::is_interleaved<Layout>) {
      has_tensors = p.is_tensor(to.ptr_dgu, to.stride_dgu, 2);
    } else {
      has_tensors = p.is_tensor(to.ptr_dg, to.stride_dg) && p.is_tensor(to.ptr_du, to.stride_du);
    }
    return has_tensors && p.has_whole_runs() && detail::has_valid_parameters(arguments.op) &&
           (Op::mask_bits == 0 || p.is_mask(arguments.ptr_mask, arguments.stride_mask));
  }

  CUTLASS_HOST_DEVICE sm90_gated_backward() {}
  CUTLASS_HOST_DEVICE sm90_gated_backward(const Params& p, const SharedStorage& s)
      : params(&p), shared(&s) {}

  template <class Tile>
  struct ConsumerStoreCallbacks : ::cutlass::epilogue::fusion::detail::EmptyConsumerStoreCallbacks {
    using traits = storage_traits<storage>;

    CUTLASS_DEVICE ConsumerStoreCallbacks(const Op& o, const Tile& t, const writer& w)
        : op(o), tile(t), rows(w) {}

    Op op;
    Tile tile;
    writer rows;

    CUTLASS_DEVICE void begin() {
      if constexpr (Op::mask_bits > 0) {
        tile.for_each_run(
            [&](const uint8* from, int, uint32& word, int) { word = detail::load_bits<32>(from); });
        // Its own inverse.
        tile.transpose();
      }
    }

    // What it returns is nothing: a void D is not stored.
    template <class ElementAccumulator, class ElementDh, class ElementH, class ElementU, int N>
    CUTLASS_DEVICE ::cutlass::Array<storage, N> visit(const ::cutlass::Array<ElementAccumulator, N>&,
                                                      int epi_v, int epi_m, int epi_n,
                                                      const ::cutlass::Array<ElementDh, N>& dh,
                                                      const ::cutlass::Array<ElementH, N>& h,
                                                      const ::cutlass::Array<ElementU, N>& u) {
      static_assert(
          N % 8 == 0,
          "invact::epilogue::sm90_gated_backward: the epilogue tile must have a multiple of 16 columns");
      const auto as_float = ::cutlass::NumericArrayConverter<float, ElementDh, N>{}(dh);
      // Of either row two pairs that are 8 columns apart. One by one: ptxas 13.0 computes them so, with 128 accumulators a
      // thread, even where the source has the steps of several elements beside each other.
      fragment<float, 8> dg[N / 8], du[N / 8];
      const auto first = tile.coordinate(epi_v * N, epi_m, epi_n);
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < N; ++i) {
        const auto at = tile.coordinate(epi_v * N + i, epi_m, epi_n);
        const int row = ::cute::get<0>(at) - ::cute::get<0>(first),
                  column = ::cute::get<1>(at) - ::cute::get<1>(first);
        const int place = row / 8 * 4 + column % 16 / 8 * 2 + column % 8;
        const auto d = op.backward(as_float[i], stored(h[i]), value(u[i]), piece(at));
        dg[column / 16][place] = d.dg;
        du[column / 16][place] = d.du;
      }
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < N / 8; ++i) {
        rows.flush(tile);
        rows.put_gradients(tile, dg[i], du[i], ::cute::get<0>(first), ::cute::get<1>(first) + 16 * i);
      }
      ::cutlass::Array<storage, N> none;
      none.clear();
      return none;
    }

    CUTLASS_DEVICE void end() { rows.flush(tile); }

   private:
    CUTLASS_DEVICE static storage stored(storage h) { return h; }
    CUTLASS_DEVICE static storage stored(float h) { return detail::exactly<storage>(h); }
    CUTLASS_DEVICE static float value(storage u) { return traits::load(u); }
    CUTLASS_DEVICE static float value(float u) { return u; }
    template <class Coordinate>
    CUTLASS_DEVICE uint32 piece(const Coordinate& at) const {
      if constexpr (Op::mask_bits == 0) {
        return 0;
      } else {
        const auto place = Tile::place(::cute::get<0>(at), ::cute::get<1>(at));
        return has_bits(tile.words[place.index], 1u << place.shift);
      }
    }
  };

  template <bool ReferenceSrc, class... Args>
  CUTLASS_DEVICE auto get_consumer_store_callbacks(
      const ::cutlass::epilogue::fusion::detail::ConsumerStoreArgs<Args...>& args) {
    using tile_shape = decltype(args.tile_shape_mnk);
    constexpr int threads = ::cute::size(decltype(args.tiled_mma){});
    using pieces = detail::accumulator_pieces<1, false, ::cute::size<0>(tile_shape{}),
                                              ::cute::size<1>(tile_shape{}), threads>;
    const Params& p = *params;
    const auto tile = detail::make_gated_tile<pieces>(p.ptr_mask, p.stride_mask, args, 1);
    const int batch = static_cast<int>(::cute::get<3>(args.tile_coord_mnkl));
    using callbacks = ConsumerStoreCallbacks<::cute::remove_cvref_t<decltype(tile)>>;
    if constexpr (detail::is_interleaved<Layout>) {
      return callbacks(p.op, tile, writer(tile, p.to.ptr_dgu, p.to.stride_dgu, batch));
    } else {
      static_assert(threads <= writer::threads,
                    "invact::epilogue::sm90_gated_backward: an epilogue has 8 warps at most");
      return callbacks(
          p.op, tile,
          writer(*shared, tile, p.to.ptr_dg, p.to.stride_dg, p.to.ptr_du, p.to.stride_du, batch, false));
    }
  }

  const Params* params = nullptr;
  const SharedStorage* shared = nullptr;
};

}  // namespace epilogue

INVACT_NAMESPACE_END
