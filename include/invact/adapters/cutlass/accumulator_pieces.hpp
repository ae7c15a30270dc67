// How the mask bits of a tile lie in the registers of a tensor core's accumulators, and how they become the logical
// bitmask: what the visitor nodes of SM90 are made of. No CUTLASS here, so that a host can test it.
//
// Of the accumulators of wgmma and mma.m16n8, the thread of lane l in warp w has, of every 16 x 8 block of its warp's
// rows, elements (l / 4 + 8 h, 2 (l % 4) + j) with h and j of {0, 1}; the warps' blocks of 16 rows follow each other, and
// repeat from 16 * warps rows on. So the four lanes of a quad have the bits of 8 consecutive columns, and lanes that are
// four apart those of 8 consecutive rows. Bits are collected where a transposition between those lanes, of 2 or 3 shuffles
// for every 32 bits, leaves each with whole words of the mask.
#pragma once

#include <invact/core/bits.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {
namespace detail {

// One round of a transposition between lanes: `mine` and the register of the lane on the other side, of which the upper
// one has `is_upper`. Each keeps one half of every 2 * Width bits and takes the other's same half, next to it.
template <int Width>
INVACT_FUNCTION uint32 exchange_halves(uint32 mine, uint32 other, bool is_upper) {
  static_assert(Width == 1 || Width == 2 || Width == 4 || Width == 8 || Width == 16,
                "Width is a power of two");
  constexpr uint32 low = 0xffffffffu / ((1u << Width) + 1u);
  const uint32 kept = select(is_upper, ~low, low);
  // A rotation: what wraps around is not taken.
  const uint32 turn = select(is_upper, 32u - Width, static_cast<uint32>(Width));
  const uint32 turned = other << turn | other >> (32u - turn);
  return (mine & kept) | (turned & ~kept);
}

// Where an element's bits are collected: from bit `shift` of word `index`.
struct piece_place {
  int index, shift;
};

// The mask bits of a thread's elements in a tile of TileM x TileN elements, `Bits` of each. IsMMajor: rows of the mask are
// columns of the tile, as those of a column-major D are.
template <int Bits, bool IsMMajor, int TileM, int TileN, int Threads>
struct accumulator_pieces {
  static_assert(Bits == 1 || Bits == 2 || Bits == 4,
                "invact::epilogue: an op with 1, 2 or 4 mask bits an element is needed here");
  static constexpr int bits = Bits, tile_m = TileM, tile_n = TileN;
  static constexpr int warps = Threads / 32;
  static constexpr int words = TileM * TileN / Threads * Bits / 32;
  static_assert(
      Threads % 32 == 0 && TileM % (16 * warps) == 0 && TileN % 32 == 0 &&
          TileM * TileN * Bits % (32 * Threads) == 0,
      "invact::epilogue: the tile must have a multiple of 16 rows for each warp and of 32 columns, and "
      "the mask bits of a thread must fill whole words: use a tile of twice the rows or columns");

  // Elements of a word of the mask that one lane has after the transposition, and the distances of the lanes that take
  // part in it.
  static constexpr int elements = IsMMajor ? (Bits == 4 ? 8 : 16) : 32 / Bits;
  static constexpr int lanes = IsMMajor ? 8 : 4;
  static constexpr int lane_step = IsMMajor ? 4 : 1;

  // Of the element that lies (row, column) behind the thread's first one.
  INVACT_HOST_DEVICE static constexpr piece_place place(int row, int column) {
    const int h = row / 8 % 2, block = row / (16 * warps);
    if (IsMMajor) {
      // Units of 8 rows of one column.
      constexpr int in_slot = 4 / Bits;
      const int unit = (block * (TileN / 4) + 2 * (column / 8) + column % 8) * 2 + h;
      return {unit / (8 * in_slot), unit % in_slot * 8 * Bits + unit / in_slot % 8 * Bits};
    }
    const int word = (2 * block + h) * (TileN / elements) + column / elements;
    return {word / 4, column % elements / 8 * 8 * Bits + word % 4 * 2 * Bits + column % 8 * Bits};
  }

  // Pairs of neighbours in a row of the tile, of one bit each: the one of the first in the low half of a register, the
  // second's as far up in the high half. For an M-major mask place() has it so; for the other, two registers make one.
  static constexpr int pair_words = IsMMajor ? words : 2 * words;
  INVACT_HOST_DEVICE static constexpr piece_place pair_place(int row, int column) {
    const piece_place first = place(row, column);
    if (IsMMajor) return first;
    return {2 * first.index + first.shift / 16, first.shift % 16};
  }
  INVACT_FUNCTION static uint32 from_pairs(const uint32* pairs, int index) {
    if constexpr (IsMMajor) {
      return pairs[index];
    } else {
      const uint32 low = pairs[2 * index], high = pairs[2 * index + 1];
      return ((low | low >> 15) & 0xffffu) | (high | high >> 15) << 16;
    }
  }
  INVACT_FUNCTION static void to_pairs(uint32 word, uint32* pairs, int index) {
    if constexpr (IsMMajor) {
      pairs[index] = word;
    } else {
      pairs[2 * index] = (word & 0xffffu) | (word << 15 & 0xffff0000u);
      pairs[2 * index + 1] = word >> 16 | (word >> 1 & 0xffff0000u);
    }
  }

  // The register after all rounds. shuffle(value, distance) gives the value of the lane whose number differs by the bit
  // `distance`; every lane of the warp must call it.
  template <class Shuffle>
  INVACT_FUNCTION static uint32 transposed(uint32 word, int lane, const Shuffle& shuffle) {
    if constexpr (IsMMajor) {
      word = exchange_halves<4 * Bits>(word, shuffle(word, 16), (lane & 16) != 0);
      word = exchange_halves<2 * Bits>(word, shuffle(word, 8), (lane & 8) != 0);
      return exchange_halves<Bits>(word, shuffle(word, 4), (lane & 4) != 0);
    } else {
      word = exchange_halves<4 * Bits>(word, shuffle(word, 2), (lane & 2) != 0);
      return exchange_halves<2 * Bits>(word, shuffle(word, 1), (lane & 1) != 0);
    }
  }

  // What a lane has in register `index` then: `runs` runs of `elements` consecutive elements of a mask row, run r from bit
  // r * elements * Bits on. It begins at (row, column) of the tile, in warp `warp`.
  static constexpr int runs = 32 / (elements * Bits);
  struct position {
    int row, column;
  };
  INVACT_HOST_DEVICE static constexpr position run_position(int index, int run, int lane, int warp) {
    if (IsMMajor) {
      constexpr int in_slot = 4 / Bits;
      const int unit = (index * 8 + lane / 4) * in_slot + run * (elements / 8);
      const int column = unit / 2 % (TileN / 4), block = unit / 2 / (TileN / 4), h = unit % 2;
      return {16 * (block * warps + warp) + 8 * h, column / 2 * 8 + 2 * (lane % 4) + column % 2};
    }
    const int word = 4 * index + lane % 4, row = word / (TileN / elements);
    return {16 * (row / 2 * warps + warp) + 8 * (row % 2) + lane / 4, word % (TileN / elements) * elements};
  }

  // Whether a run is as far from its lane's first one as from lane 0's: then all of a lane's addresses are one and
  // multiples of the stride. Of tiles whose rows are 1, 2 or a multiple of 4 words of the mask.
  static constexpr bool has_steps() {
    for (int warp = 0; warp < warps; ++warp)
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < words; ++i)
          for (int run = 0; run < runs; ++run) {
            const position at = run_position(i, run, lane, warp), mine = run_position(0, 0, lane, warp),
                           step = run_position(i, run, 0, 0);
            if (at.row != mine.row + step.row || at.column != mine.column + step.column) return false;
          }
    return true;
  }
};

// Of a run of `elements` whose first one is element `first` of a mask row of `size` elements: how many exist.
INVACT_HOST_DEVICE constexpr int existing(int size, int first, int elements) {
  return size - first < 0 ? 0 : size - first < elements ? size - first : elements;
}

}  // namespace detail
}  // namespace epilogue

INVACT_NAMESPACE_END
