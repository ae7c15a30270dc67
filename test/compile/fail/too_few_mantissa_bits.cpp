// expect: invact::mantissa_bit: the storage type has too few mantissa bits for this many pieces
#include <invact/invact.hpp>

// 128 pieces are 7 bits, all that a bfloat16 has.
struct many_pieces {
#if defined(INVACT_TEST_CORRECTED)
  static constexpr int pieces = 64;
#else
  static constexpr int pieces = 128;
#endif
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::negative;
  invact::uint32 piece_index(float) const { return 0; }
};

unsigned use(float y) {
  return invact::mantissa_bit::encode<many_pieces, invact::bfloat16_format>(y, 1u);
}
