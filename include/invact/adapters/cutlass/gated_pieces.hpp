// How a gated unit's g and u, h and gradients lie in the registers of a tensor core's accumulators, and how they
// become rows of tensors and of the mask: what sm90_gated.hpp is made of. No CUTLASS here, so that a host can test
// it.
//
// Columns of the forward's accumulators take turns, g and u of one unit: of 8 columns (see accumulator_pieces.hpp)
// each lane of a quad has one whole unit, so the quad has 4, and a lane's next unit is 4 units further.
#pragma once

#include <invact/adapters/cutlass/accumulator_pieces.hpp>
#include <invact/core/packed.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {
namespace detail {

template <int TileM, int TileN, int Threads>
struct check_gated_tile {
  static_assert(
      Threads % 32 == 0 && TileM % (Threads / 2) == 0 && TileN % 64 == 0 &&
          TileM * TileN % (64 * Threads) == 0,
      "invact::epilogue::sm90_gated_forward: the tile must have a multiple of 16 rows for each warp, of 64 "
      "columns, and of 64 elements for each thread: use 128 x 128 or larger");
  static constexpr int units = TileN / 2;
};

// The mask bits of a tile of TileM rows of TileN / 2 units, one bit each, in a row-major mask. It is what
// accumulator_pieces is for a tile of as many elements, but for where a thread collects its bits: four at a time, of
// units that are 4 apart.
template <int TileM, int TileN, int Threads>
struct gated_pieces
    : accumulator_pieces<1, false, TileM, check_gated_tile<TileM, TileN, Threads>::units, Threads> {
  using base = accumulator_pieces<1, false, TileM, check_gated_tile<TileM, TileN, Threads>::units, Threads>;

  // Where the bits of a row's four blocks of 8 accumulator columns go, the first block's lowest. `row` and `column`
  // are those of the accumulators, behind the thread's first; column is a multiple of 32.
  INVACT_HOST_DEVICE static constexpr piece_place place_of_four(int row, int column) {
    const int h = row / 8 % 2, block = row / (16 * base::warps);
    const int word = (2 * block + h) * (TileN / 64) + column / 64;
    return {word / 4, 16 * (column % 64 / 32) + word % 4 * 4};
  }

  // From bits of each word of the mask beside each other to units of 4 bits with one of each word: every half of the
  // register is a transposed 4 x 4 matrix.
  INVACT_FUNCTION static uint32 interlaced(uint32 word) {
    const uint32 twos = masked_difference(word, word >> 6, 0x00cc00ccu);
    word ^= twos ^ twos << 6;
    const uint32 ones = masked_difference(word, word >> 3, 0x0a0a0a0au);
    return word ^ ones ^ ones << 3;
  }

  template <class Shuffle>
  INVACT_FUNCTION static uint32 transposed(uint32 word, int lane, const Shuffle& shuffle) {
    word = interlaced(word);
    word = exchange_halves<2>(word, shuffle(word, 2), (lane & 2) != 0);
    return exchange_halves<1>(word, shuffle(word, 1), (lane & 1) != 0);
  }
};

// The lower halves of two words.
INVACT_FUNCTION uint32 lower_halves(uint32 low, uint32 high) {
#if INVACT_DEVICE_CODE
  return __byte_perm(low, high, 0x5410);
#else
  return (low & 0xffffu) | high << 16;
#endif
}

// A warp's 16 rows of 16 elements of 16 bits, on their way through 512 bytes of shared memory: from 4 words a lane
// that are fragments of stmatrix (matrix 2 h + r: rows 8 h and on, elements 8 r and on) to a run of 8 elements a
// lane, so that two lanes write a row's 32 bytes, a whole sector. Of shuffles the same takes four, with a dozen
// selections, for four words.
struct staged_rows {
  static constexpr int rows = 16, columns = 16, bytes = 512;

  // A matrix's row, in units of 16 bytes. Turned, so that neither stmatrix nor the lanes that read meet a bank twice.
  INVACT_HOST_DEVICE static constexpr int place(int matrix, int row) {
    return 8 * matrix + (row + 4 * matrix) % 8;
  }
  // Where the row is whose address lane passes to stmatrix, and the one that it reads.
  INVACT_HOST_DEVICE static constexpr int written(int lane) { return place(lane / 8, lane % 8); }
  INVACT_HOST_DEVICE static constexpr int read(int lane) {
    return place(row(lane) / 8 * 2 + column(lane) / 8, row(lane) % 8);
  }
  // Of the run that a lane reads.
  INVACT_HOST_DEVICE static constexpr int row(int lane) { return lane / 2; }
  INVACT_HOST_DEVICE static constexpr int column(int lane) { return lane % 2 * 8; }

  // A run whose words held elements that are 4 apart, as units of the forward are: element i and i + 4 in word i.
  INVACT_FUNCTION static void put_in_order(uint32 (&run)[4]) {
    const uint32 a = run[0], b = run[1], c = run[2], d = run[3];
    run[0] = lower_halves(a, b);
    run[1] = lower_halves(c, d);
    run[2] = upper_halves(a, b);
    run[3] = upper_halves(c, d);
  }
};

}  // namespace detail
}  // namespace epilogue

INVACT_NAMESPACE_END
