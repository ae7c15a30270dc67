// What the visitor nodes of sm90_gated.hpp share: the problem's checks, a thread's tile, and how rows are written.
#pragma once

#include <type_traits>

#include <invact/adapters/cutlass/gated_pieces.hpp>
#include <invact/adapters/cutlass/sm90_mask.hpp>
#include <invact/op/gated_arguments.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {

struct interleaved_columns;

namespace detail {

template <class Layout>
inline constexpr bool is_interleaved = invact::detail::is_same_v<Layout, interleaved_columns>;

template <class Op, bool = invact::detail::has_gated_op<Op>>
inline constexpr bool is_decoded = false;
template <class Op>
inline constexpr bool is_decoded<Op, true> = !Op::recomputes;

template <class Op>
bool has_valid_parameters(const Op& op) {
  if constexpr (invact::detail::has_is_valid<Op>) {
    return op.is_valid();
  } else {
    return true;
  }
}

// A node but for its arguments and callbacks.
template <class Op, class Stride>
struct sm90_gated_node {
  static_assert(is_decoded<Op>,
                "invact::epilogue: Op is not a gated unit that is decoded from h: use "
                "invact::gated<invact::silu, cutlass::bfloat16_t> or one with its calls, those of fragments among them");
  static_assert(
      invact::detail::converts_pairs<typename storage_traits<typename Op::storage_type>::format>,
      "invact::epilogue: Op::storage_type must have 16 bits: use cutlass::bfloat16_t or cutlass::half_t");
  static_assert(Op::mask_bits <= 1,
                "invact::epilogue: Op keeps more than one mask bit a unit: use invact::bitmask or "
                "invact::mantissa_bit");
  static_assert(!is_m_major<Stride>,
                "invact::epilogue: the tensors of gated units are row-major: Stride is (dM, 1, dL)");

  // What a void D's collective takes its shapes from.
  using ElementAux = typename Op::storage_type;

  template <class ProblemShape, class Arguments>
  static size_t get_workspace_size(const ProblemShape&, const Arguments&) {
    return 0;
  }
  template <class ProblemShape, class Arguments>
  static ::cutlass::Status initialize_workspace(const ProblemShape&, const Arguments&, void*, cudaStream_t,
                                                ::cutlass::CudaHostAdapter* = nullptr) {
    return ::cutlass::Status::kSuccess;
  }

  CUTLASS_DEVICE bool is_producer_load_needed() const { return false; }
  CUTLASS_DEVICE bool is_C_load_needed() const { return false; }
  template <class... Args>
  CUTLASS_DEVICE auto get_producer_load_callbacks(
      const ::cutlass::epilogue::fusion::detail::ProducerLoadArgs<Args...>&) {
    return ::cutlass::epilogue::fusion::detail::EmptyProducerLoadCallbacks{};
  }
};

// What can_implement() needs: units of the problem, of which each is `columns` of the GEMM's.
struct gated_problem {
  int64 rows, columns, batches;
  bool is_whole;

  template <class ProblemShape>
  gated_problem(const ProblemShape& problem, int columns_of_unit) {
    const auto shape = ::cute::append<4>(problem, 1);
    rows = ::cute::get<0>(shape);
    columns = int64{::cute::get<1>(shape)} / columns_of_unit;
    batches = ::cute::get<3>(shape);
    is_whole = int64{::cute::get<1>(shape)} % (8 * columns_of_unit) == 0;
  }

  // Whether N is a multiple of 8, so that what a thread writes at once exists or not as a whole.
  bool has_whole_runs() const { return is_whole; }

  // Whether it can be written, with rows of columns_of_unit elements a unit.
  template <class Storage, class Stride>
  bool is_tensor(const Storage* data, const Stride& stride, int columns_of_unit = 1) const {
    const int64 row = ::cute::get<0>(stride), batch = ::cute::get<2>(stride);
    return data != nullptr && is_aligned(data) && row % 8 == 0 && batch % 8 == 0 &&
           row >= columns * columns_of_unit && (batches <= 1 || batch >= rows * row);
  }
  template <class Byte, class Stride>
  bool is_mask(Byte* data, const Stride& stride) const {
    const int64 row = ::cute::get<0>(stride), batch = ::cute::get<2>(stride);
    // Batches that read may share a mask.
    return data != nullptr && is_aligned(data) && row % 128 == 0 && batch % 128 == 0 && row >= columns &&
           (batches <= 1 || batch >= rows * row || (std::is_const<Byte>::value && batch == 0));
  }

 private:
  static bool is_aligned(const void* data) { return reinterpret_cast<unsigned long long>(data) % 16 == 0; }
};

// A thread's tile, in units of which each is columns_of_unit of the GEMM's columns; but coordinate() is the
// accumulators'.
template <class Pieces, class Byte, class Stride, class Args>
CUTLASS_DEVICE auto make_gated_tile(Byte* mask, const Stride& stride, const Args& args,
                                    int columns_of_unit) {
  const auto [M, N, K, L] = args.problem_shape_mnkl;
  const auto [m, n, k, l] = args.tile_coord_mnkl;
  return tile_mask<Pieces, Stride, Byte, decltype(args.tCcD), decltype(args.residue_tCcD)>{
      mask + l * int64{::cute::get<2>(stride)} / 8,
      int64{::cute::get<0>(stride)},
      static_cast<int>(M),
      static_cast<int>(N) / columns_of_unit,
      static_cast<int>(m) * Pieces::tile_m,
      static_cast<int>(n) * Pieces::tile_n,
      args.thread_idx % 32,
      args.thread_idx / 32,
      args.tCcD,
      args.residue_tCcD};
}

// A warp's rows of 16 elements of two tensors, put() from registers as accumulators have them, and written by
// flush(), at once when the next ones are computed: so the way through shared memory takes no time of its own.
template <class Storage>
class staged_writer {
 public:
  static constexpr int threads = 256;
  // Warp groups that share it, as ping-pong's, take turns in their epilogues.
  struct memory {
    alignas(128) uint8 bytes[threads / 32][2][staged_rows::bytes];
  };

  // is_interlaced: words hold elements that are 4 apart, as the forward's, instead of neighbours.
  template <class Tile, class Stride>
  CUTLASS_DEVICE staged_writer(const memory& shared, const Tile& tile, Storage* first,
                               const Stride& first_stride, Storage* second, const Stride& second_stride,
                               int batch, bool is_interlaced)
      : is_interlaced_(is_interlaced),
        row_(tile.first_m + 16 * tile.warp + staged_rows::row(tile.lane)),
        column_(tile.first_n + staged_rows::column(tile.lane)),
        first_{to(first, first_stride, batch), int64{::cute::get<0>(first_stride)}},
        second_{to(second, second_stride, batch), int64{::cute::get<0>(second_stride)}} {
    const uint32 mine = ::cute::cast_smem_ptr_to_uint(shared.bytes[tile.warp]);
    written_ = mine + 16 * staged_rows::written(tile.lane);
    read_ = mine + 16 * staged_rows::read(tile.lane);
  }

  // Rows from `row` behind the tile's first one on, as accumulators count them for the warp's first lane, and
  // columns.
  CUTLASS_DEVICE void put(const fragment<uint32, 4>& first, const fragment<uint32, 4>& second, int row,
                          int column) {
    // Behind what the other lanes read, and before they do.
    __syncwarp();
    store_matrices(written_, first);
    store_matrices(written_ + staged_rows::bytes, second);
    __syncwarp();
    is_pending_ = true;
    pending_row_ = row;
    pending_column_ = column;
  }

  template <class Tile>
  CUTLASS_DEVICE void put_gradients(const Tile&, const fragment<float, 8>& dg, const fragment<float, 8>& du,
                                    int row, int column) {
    using format = typename storage_traits<Storage>::format;
    fragment<uint32, 4> of_dg, of_du;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < 4; ++i) {
      of_dg[i] = format::round_pair(dg[2 * i], dg[2 * i + 1]);
      of_du[i] = format::round_pair(du[2 * i], du[2 * i + 1]);
    }
    put(of_dg, of_du, row, column);
  }

  template <class Tile>
  CUTLASS_DEVICE void flush(const Tile& tile) {
    if (!is_pending_) return;
    is_pending_ = false;
    uint32 first[4], second[4];
    load_run(read_, first);
    load_run(read_ + staged_rows::bytes, second);
    if (is_interlaced_) {
      staged_rows::put_in_order(first);
      staged_rows::put_in_order(second);
    }
    if (row_ + pending_row_ >= tile.m || column_ + pending_column_ >= tile.n) return;
    *reinterpret_cast<uint4*>(first_.at(pending_row_, pending_column_)) = {first[0], first[1], first[2],
                                                                           first[3]};
    *reinterpret_cast<uint4*>(second_.at(pending_row_, pending_column_)) = {second[0], second[1], second[2],
                                                                            second[3]};
  }

 private:
  struct rows {
    Storage* data;  // the lane's run in the tile's first rows
    int64 stride;
    CUTLASS_DEVICE Storage* at(int row, int column) const { return data + row * stride + column; }
  };

  template <class Stride>
  CUTLASS_DEVICE Storage* to(Storage* data, const Stride& stride, int batch) const {
    return data + batch * int64{::cute::get<2>(stride)} + row_ * int64{::cute::get<0>(stride)} + column_;
  }
  CUTLASS_DEVICE static void store_matrices(uint32 address, const fragment<uint32, 4>& words) {
#if defined(CUTE_ARCH_STSM_SM90_ENABLED)
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address),
                 "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
#else
    CUTE_INVALID_CONTROL_PATH("invact::epilogue: gated units' nodes are for SM90");
#endif
  }
  CUTLASS_DEVICE static void load_run(uint32 address, uint32 (&run)[4]) {
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(run[0]), "=r"(run[1]), "=r"(run[2]), "=r"(run[3])
                 : "r"(address)
                 : "memory");
  }

  bool is_interlaced_;
  int row_, column_;  // of the lane's run in the tile's first rows
  rows first_, second_;
  uint32 written_, read_;  // addresses in shared memory
  bool is_pending_ = false;
  int pending_row_ = 0, pending_column_ = 0;
};

// Gradients whose columns take turns: two neighbours of dh in a lane are 8 bytes, a quad's 32, a whole sector.
template <class Storage>
class interleaved_writer {
 public:
  struct memory {};

  template <class Tile, class Stride>
  CUTLASS_DEVICE interleaved_writer(const Tile& tile, Storage* data, const Stride& stride, int batch)
      : row_(tile.first_m + 16 * tile.warp + tile.lane / 4),
        column_(tile.first_n + 2 * (tile.lane % 4)),
        stride_(::cute::get<0>(stride)),
        data_(data + batch * int64{::cute::get<2>(stride)} + row_ * stride_ + 2 * column_) {}

  template <class Tile>
  CUTLASS_DEVICE void put_gradients(const Tile& tile, const fragment<float, 8>& dg,
                                    const fragment<float, 8>& du, int row, int column) {
    using format = typename storage_traits<Storage>::format;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at_row = row + i / 2 * 8, at_column = column + i % 2 * 8;
      const uint2 both = {format::round_pair(dg[2 * i], du[2 * i]),
                          format::round_pair(dg[2 * i + 1], du[2 * i + 1])};
      if (row_ + at_row < tile.m && column_ + at_column < tile.n)
        *reinterpret_cast<uint2*>(data_ + at_row * stride_ + 2 * at_column) = both;
    }
  }
  template <class Tile>
  CUTLASS_DEVICE void flush(const Tile&) {}

 private:
  int row_, column_;  // of the lane's first element
  int64 stride_;
  Storage* data_;
};

}  // namespace detail
}  // namespace epilogue

INVACT_NAMESPACE_END
