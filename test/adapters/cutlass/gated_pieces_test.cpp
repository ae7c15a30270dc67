// The lanes of a warp are simulated: what a kernel gets from a shuffle is what the other lane gives to its own, and
// what stmatrix stores is what the PTX ISA says.
#include <invact/adapters/cutlass/gated_pieces.hpp>

#include <random>
#include <set>
#include <vector>

#include "support/catch.hpp"

namespace {

using invact::uint32;
using namespace invact::epilogue::detail;

// transposed() of all lanes, round by round: each of its shuffles is answered with what the other lane gave to the
// same.
template <class Pieces>
std::vector<uint32> transposed(const std::vector<uint32>& words) {
  std::vector<std::vector<uint32>> given(32);
  std::vector<uint32> results(32);
  // A round later each answer is right.
  for (int pass = 0; pass < 3; ++pass) {
    const std::vector<std::vector<uint32>> before = given;
    for (int lane = 0; lane < 32; ++lane) {
      given[static_cast<std::size_t>(lane)].clear();
      results[static_cast<std::size_t>(lane)] =
          Pieces::transposed(words[static_cast<std::size_t>(lane)], lane, [&](uint32 value, int distance) {
            std::vector<uint32>& mine = given[static_cast<std::size_t>(lane)];
            const std::vector<uint32>& other = before[static_cast<std::size_t>(lane ^ distance)];
            mine.push_back(value);
            return mine.size() <= other.size() ? other[mine.size() - 1] : 0u;
          });
    }
  }
  return results;
}

// A tile of random pieces goes into the registers as a kernel's threads have its units, and must come out as rows of
// the mask.
template <int TileM, int TileN, int Threads>
void check() {
  using pieces = gated_pieces<TileM, TileN, Threads>;
  INFO(TileM << " x " << TileN << ", " << Threads);
  constexpr int units = TileN / 2;
  std::mt19937 random(1);
  std::vector<uint32> tile(TileM * units);
  for (uint32& p : tile) p = random() & 1u;

  std::vector<int> placed(TileM * units);
  std::vector<std::vector<uint32>> words(Threads, std::vector<uint32>(pieces::words));
  for (int thread = 0; thread < Threads; ++thread) {
    // The first element, then the layout of m64nNk16's accumulators (PTX ISA, "Register Fragments for wgmma").
    const int lane = thread % 32, row = thread / 32 * 16 + lane / 4, column = lane % 4 * 2;
    for (int block = 0; block < TileM; block += Threads / 2) {
      for (int h = 0; h < 16; h += 8) {
        for (int n = 0; n < TileN; n += 32) {
          const piece_place at = pieces::place_of_four(block + h, n);
          REQUIRE((at.index >= 0 && at.index < pieces::words && at.shift >= 0 && at.shift <= 28));
          for (int j = 0; j < 4; ++j) {
            const int unit = (row + block + h) * units + (column + n + 8 * j) / 2;
            words[thread][at.index] |= tile[unit] << (at.shift + j);
            ++placed[unit];
          }
        }
      }
    }
  }
  REQUIRE(placed == std::vector<int>(TileM * units, 1));

  int wrong = 0;
  std::vector<int> found(TileM * units);
  for (int warp = 0; warp < Threads / 32; ++warp) {
    for (int index = 0; index < pieces::words; ++index) {
      std::vector<uint32> before;
      for (int lane = 0; lane < 32; ++lane) before.push_back(words[warp * 32 + lane][index]);
      const std::vector<uint32> after = transposed<pieces>(before);
      for (int lane = 0; lane < 32; ++lane) {
        const auto at = pieces::run_position(index, 0, lane, warp);
        REQUIRE(at.column % 32 == 0);
        for (int e = 0; e < 32; ++e) {
          const int unit = at.row * units + at.column + e;
          wrong += (after[static_cast<std::size_t>(lane)] >> e & 1u) != tile[unit];
          ++found[unit];
        }
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(found == std::vector<int>(TileM * units, 1));
}

}  // namespace

TEST_CASE("mask bits of units, collected from accumulators by fours, become rows of the mask") {
  STATIC_REQUIRE(gated_pieces<128, 128, 128>::runs == 1);
  check<128, 64, 128>();
  check<64, 128, 128>();
  check<128, 128, 128>();
  check<128, 128, 256>();
  check<128, 256, 256>();
  check<256, 128, 256>();
  // Rows of three words.
  check<128, 192, 128>();
}

TEST_CASE("rows staged in shared memory come out as runs, and no bank is met twice") {
  // An element of 16 bits is its row and column.
  std::vector<uint32> memory(staged_rows::bytes / 4, ~0u);
  const auto element = [](int row, int column) { return static_cast<uint32>(row * 16 + column); };
  for (int matrix = 0; matrix < 4; ++matrix) {
    std::set<int> banks;
    for (int row = 0; row < 8; ++row) {
      // The address of this row is that of lane 8 * matrix + row; its four words are those of the lanes of quad
      // `row`.
      const int to = staged_rows::written(8 * matrix + row);
      banks.insert(to % 8);
      for (int word = 0; word < 4; ++word) {
        const int at_row = matrix / 2 * 8 + row, at_column = matrix % 2 * 8 + 2 * word;
        uint32& stored = memory.at(static_cast<std::size_t>(4 * to + word));
        REQUIRE(stored == ~0u);
        stored = element(at_row, at_column) | element(at_row, at_column + 1) << 16;
      }
    }
    CHECK(banks.size() == 8);
  }
  int wrong = 0;
  std::set<int> runs;
  for (int eight = 0; eight < 32; eight += 8) {
    std::set<int> banks;
    for (int lane = eight; lane < eight + 8; ++lane) {
      const int from = staged_rows::read(lane), row = staged_rows::row(lane),
                column = staged_rows::column(lane);
      banks.insert(from % 8);
      runs.insert(row * 16 + column);
      for (int i = 0; i < 8; ++i)
        wrong += (memory.at(static_cast<std::size_t>(4 * from + i / 2)) >> (i % 2 * 16) & 0xffffu) !=
                 element(row, column + i);
    }
    CHECK(banks.size() == 8);
  }
  CHECK(wrong == 0);
  CHECK(runs.size() == 32);
}

TEST_CASE("a run of units that are 4 apart in its words is put in order") {
  uint32 run[4];
  for (uint32 i = 0; i < 4; ++i) run[i] = i | (i + 4) << 16;
  staged_rows::put_in_order(run);
  for (uint32 i = 0; i < 4; ++i) CHECK(run[i] == (2 * i | (2 * i + 1) << 16));
}
