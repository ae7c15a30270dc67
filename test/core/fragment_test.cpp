#include <cstdint>

#include <invact/core/fragment.hpp>

#include "support/catch.hpp"

using namespace invact;

TEST_CASE("fragments are aligned for the widest access their size allows, at most 16 bytes") {
  CHECK(alignof(fragment<float, 4>) == 16);
  CHECK(alignof(fragment<float, 8>) == 16);
  CHECK(alignof(fragment<uint16, 8>) == 16);
  CHECK(alignof(fragment<uint16, 4>) == 8);
  CHECK(alignof(fragment<uint16, 3>) == 2);
  CHECK(alignof(fragment<uint16, 1>) == 2);
  CHECK(sizeof(fragment<uint16, 6>) == 12);
}

TEST_CASE("piece fragments keep their bits in the bitmask's order") {
  piece_fragment<8, 1> one;
  one.insert(0, 1);
  one.insert(3, 1);
  one.insert(7, 1);
  CHECK(one.bits == 0x89u);
  CHECK(one[3] == 1u);
  CHECK(one[4] == 0u);

  piece_fragment<32, 2> two;
  two.insert(0, 3);
  two.insert(17, 2);
  two.insert(31, 1);
  CHECK(two.bits == (3ull | 2ull << 34 | 1ull << 62));
  CHECK(two[17] == 2u);
  CHECK(two[31] == 1u);

  piece_fragment<4, 0> none;
  none.insert(2, 1);
  CHECK(none[2] == 0u);
}
