// Mask bits of eight elements at a time: between one byte an element and Bits bits an element.
//
// Eight elements fill Bits whole bytes. A 64-bit word with one piece index in each byte is folded three
// times, halving the gaps, which costs a dozen scalar operations for eight elements at any width.
#pragma once

#include <invact/host/build.hpp>

INVACT_NAMESPACE_BEGIN

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

// The low `Bits` bits of each `Lane` bits.
template <int Bits, int Lane>
constexpr uint64 lane_mask() {
  const uint64 lane = Bits == 64 ? ~uint64{0} : (uint64{1} << (Bits % 64)) - 1;
  uint64 mask = 0;
  for (int i = 0; i < 64; i += Lane) mask |= lane << i;
  return mask;
}

// Eight bytes as a little-endian word, whatever the machine's order: compilers see one load here.
INVACT_INLINE uint64 load_bytes(const uint8* p) {
  return uint64{p[0]} | uint64{p[1]} << 8 | uint64{p[2]} << 16 | uint64{p[3]} << 24 | uint64{p[4]} << 32 |
         uint64{p[5]} << 40 | uint64{p[6]} << 48 | uint64{p[7]} << 56;
}

// The indices of eight elements, each < 2^Bits, to Bits bytes.
template <int Bits>
INVACT_INLINE void pack_eight(const uint8* pieces, uint8* mask) {
  uint64 w = load_bytes(pieces);
  w = (w | w >> (8 - Bits)) & lane_mask<2 * Bits, 16>();
  w = (w | w >> (16 - 2 * Bits)) & lane_mask<4 * Bits, 32>();
  w = (w | w >> (32 - 4 * Bits)) & lane_mask<8 * Bits, 64>();
  for (int k = 0; k < Bits; ++k) mask[k] = static_cast<uint8>(w >> (8 * k));
}

// The inverse of pack_eight.
template <int Bits>
INVACT_INLINE void unpack_eight(const uint8* mask, uint8* pieces) {
  uint64 w = 0;
  for (int k = 0; k < Bits; ++k) w |= uint64{mask[k]} << (8 * k);
  w = (w | w << (32 - 4 * Bits)) & lane_mask<4 * Bits, 32>();
  w = (w | w << (16 - 2 * Bits)) & lane_mask<2 * Bits, 16>();
  w = (w | w << (8 - Bits)) & lane_mask<Bits, 8>();
  for (int k = 0; k < 8; ++k) pieces[k] = static_cast<uint8>(w >> (8 * k));
}

}  // namespace detail
INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
