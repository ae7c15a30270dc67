// The lanes of a warp are simulated: what a kernel gets from a shuffle is what the other lane gives to its own.
#include <invact/adapters/cutlass/accumulator_pieces.hpp>

#include <random>
#include <vector>

#include "support/catch.hpp"

namespace {

using invact::uint32;
using namespace invact::epilogue::detail;

// The register of lanes before and after the shuffles of transposed().
template <class Pieces>
struct simulated_warp {
  std::vector<uint32> words;  // of each lane

  uint32 after(int lane) const {
    int round = 0;
    return Pieces::transposed(words[lane], lane,
                              [&](uint32, int distance) { return given(lane ^ distance, round++); });
  }
  // What `lane` gives to its shuffle number `last`.
  uint32 given(int lane, int last) const {
    int round = 0;
    uint32 result = 0;
    Pieces::transposed(words[lane], lane, [&](uint32 value, int distance) {
      if (round == last) result = value;
      return round < last ? given(lane ^ distance, round++) : (++round, 0u);
    });
    return result;
  }
};

// A tile of random pieces goes into the registers as a kernel's threads have its elements, and must come out as rows of
// the mask; and the other way round.
template <int Bits, bool IsMMajor, int TileM, int TileN, int Threads>
void check() {
  using pieces = accumulator_pieces<Bits, IsMMajor, TileM, TileN, Threads>;
  INFO(Bits << " bits, " << (IsMMajor ? "column" : "row") << "-major, " << TileM << " x " << TileN << ", "
            << Threads);
  std::mt19937 random(1);
  std::vector<uint32> tile(TileM * TileN);
  for (uint32& p : tile) p = random() & ((1u << Bits) - 1u);

  std::vector<int> placed(TileM * TileN);
  std::vector<std::vector<uint32>> words(Threads, std::vector<uint32>(pieces::words));
  for (int thread = 0; thread < Threads; ++thread) {
    // The first element, then the layout of m64nNk16's accumulators (PTX ISA, "Register Fragments for wgmma").
    const int lane = thread % 32, row = thread / 32 * 16 + lane / 4, column = lane % 4 * 2;
    for (int block = 0; block < TileM; block += Threads / 2) {
      for (int h = 0; h < 16; h += 8) {
        for (int n = 0; n < TileN; n += 8) {
          for (int j = 0; j < 2; ++j) {
            const piece_place at = pieces::place(block + h, n + j);
            REQUIRE((at.index >= 0 && at.index < pieces::words && at.shift >= 0 && at.shift + Bits <= 32));
            const int element = (row + block + h) * TileN + column + n + j;
            words[thread][at.index] |= tile[element] << at.shift;
            ++placed[element];
          }
        }
      }
    }
  }
  REQUIRE(placed == std::vector<int>(TileM * TileN, 1));

  int wrong = 0, inverse_wrong = 0;
  std::vector<int> found(TileM * TileN);
  for (int warp = 0; warp < Threads / 32; ++warp) {
    for (int index = 0; index < pieces::words; ++index) {
      simulated_warp<pieces> before, after;
      for (int lane = 0; lane < 32; ++lane) before.words.push_back(words[warp * 32 + lane][index]);
      for (int lane = 0; lane < 32; ++lane) after.words.push_back(before.after(lane));
      for (int lane = 0; lane < 32; ++lane) {
        inverse_wrong += after.after(lane) != before.words[lane];
        for (int run = 0; run < pieces::runs; ++run) {
          const auto at = pieces::run_position(index, run, lane, warp);
          // So that a run is stored as one word.
          REQUIRE((IsMMajor ? at.row : at.column) % pieces::elements == 0);
          for (int e = 0; e < pieces::elements; ++e) {
            const uint32 got =
                after.words[lane] >> ((run * pieces::elements + e) * Bits) & ((1u << Bits) - 1u);
            const int element = (at.row + (IsMMajor ? e : 0)) * TileN + at.column + (IsMMajor ? 0 : e);
            wrong += got != tile[element];
            ++found[element];
          }
        }
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(inverse_wrong == 0);
  CHECK(found == std::vector<int>(TileM * TileN, 1));
}

// A thread's registers, its bits put in one by one, and two by two.
template <bool IsMMajor, int TileM, int TileN, int Threads>
void check_pairs() {
  INFO("M-major " << IsMMajor << ", " << TileM << " x " << TileN << ", " << Threads);
  using pieces = accumulator_pieces<1, IsMMajor, TileM, TileN, Threads>;
  uint32 words[pieces::words] = {}, pairs[pieces::pair_words] = {}, again[pieces::pair_words] = {}, state = 1;
  for (int block = 0; block < TileM; block += 16 * pieces::warps) {
    for (int row = block; row <= block + 8; row += 8) {
      for (int column = 0; column < TileN; column += 8) {
        state = state * 1664525u + 1013904223u;
        const uint32 first = state >> 30 & 1u, second = state >> 31;
        const auto a = pieces::place(row, column), b = pieces::place(row, column + 1);
        words[a.index] |= first << a.shift;
        words[b.index] |= second << b.shift;
        const auto p = pieces::pair_place(row, column);
        REQUIRE(p.shift < 16);
        // All ones in the half of an element on piece 1.
        pairs[p.index] |= (first * 0xffffu | second * 0xffff0000u) & (0x00010001u << p.shift);
      }
    }
  }
  int wrong = 0;
  for (int i = 0; i < pieces::words; ++i) {
    wrong += pieces::from_pairs(pairs, i) != words[i];
    pieces::to_pairs(words[i], again, i);
  }
  // Of two registers for one, bits at odd places are not looked at.
  const uint32 used = IsMMajor ? 0xffffffffu : 0x55555555u;
  for (int i = 0; i < pieces::pair_words; ++i) wrong += ((again[i] ^ pairs[i]) & used) != 0;
  CHECK(wrong == 0);
}

template <int Bits, bool IsMMajor>
void check_tiles() {
  check<Bits, IsMMajor, 64, 64, 128>();
  check<Bits, IsMMajor, 256, 128, 256>();
  // Rows of three and six words.
  check<Bits, IsMMajor, 128, 96, 128>();
#if !INVACT_TEST_SAMPLE
  check<Bits, IsMMajor, 128, 128, 128>();
  check<Bits, IsMMajor, 128, 256, 256>();
  check<Bits, IsMMajor, 256, 96, 256>();
  check<Bits, IsMMajor, 128, 192, 128>();
#endif
}

}  // namespace

TEST_CASE("mask bits collected from accumulators become rows of the mask, and back") {
  check_tiles<1, false>();
  check_tiles<2, false>();
  check_tiles<4, false>();
  check_tiles<1, true>();
  check_tiles<2, true>();
  check_tiles<4, true>();
}

TEST_CASE("bits collected in pairs are those collected one by one, and back") {
  check_pairs<false, 64, 64, 128>();
  check_pairs<false, 128, 128, 128>();
  check_pairs<false, 256, 128, 256>();
  check_pairs<false, 128, 96, 128>();
  check_pairs<true, 128, 96, 128>();
  check_pairs<true, 64, 64, 128>();
  check_pairs<true, 128, 128, 128>();
  check_pairs<true, 128, 256, 256>();
}

TEST_CASE("runs of rows of 1, 2 or a multiple of 4 words lie in steps") {
  CHECK(accumulator_pieces<1, false, 128, 128, 128>::has_steps());
  CHECK(accumulator_pieces<1, false, 64, 64, 128>::has_steps());
  CHECK(accumulator_pieces<1, true, 128, 128, 128>::has_steps());
  CHECK(!accumulator_pieces<1, false, 128, 96, 128>::has_steps());
}

TEST_CASE("a run at the end of a row of the mask is as long as the row") {
  CHECK(existing(100, 64, 32) == 32);
  CHECK(existing(100, 96, 32) == 4);
  CHECK(existing(96, 96, 32) == 0);
  CHECK(existing(1, 224, 32) == 0);
}
