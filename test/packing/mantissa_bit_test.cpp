#include <cmath>
#include <random>
#include <vector>

#include <invact/invact.hpp>

#include "support/catch.hpp"
#include "reference/format.hpp"

using namespace invact;
namespace ref = reference;

namespace {

template <class Format>
constexpr ref::format reference_of = Format::mantissa_bits == 23  ? ref::binary32
                                     : Format::mantissa_bits == 7 ? ref::bfloat16
                                                                  : ref::binary16;

// Activations that exist only to have more pieces, none, or the other ambiguous sign.
struct four_pieces {
  static constexpr int pieces = 4;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;
  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }
};
struct positive_side {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::positive;
  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }
};
struct monotone {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }
};
static_assert(is_activation_v<four_pieces> && is_activation_v<positive_side> && is_activation_v<monotone>);

// One that does not say how long its forward takes is taken for long.
struct short_one : monotone {
  static constexpr forward_weight weight = forward_weight::light;
};
static_assert(detail::weight_of<monotone> == forward_weight::heavy && detail::weight_of<short_one> == forward_weight::light);

// Distance in codes of y from a code of the same sign.
double distance(ref::format f, double y, uint32 code) {
  return std::fabs(ref::code_position(f, y) - (code & (f.sign() - 1)));
}

// The encoder against a search among all codes with the wanted low bits, near y.
template <class Activation, class Format>
int wrong_encodings(uint32 pieces) {
  constexpr ref::format format = reference_of<Format>;
  const uint32 step = Activation::pieces;
  std::mt19937 random(5);
  int wrong = 0;
  for (int i = 0; i < 400000; ++i) {
    // Any negative float that is normal in the format, so that neither end of the range interferes.
    const float y = float_from_bits(random() | float_sign_mask);
    const double exact = static_cast<double>(y);
    if (is_nan(y) || std::isinf(y)) continue;
    if (std::fabs(exact) < ref::decode(format, format.min_normal() + 8)) continue;
    if (std::fabs(exact) > ref::decode(format, format.infinity() - 8)) continue;
    const uint32 piece = random() % pieces;
    const uint32 got = mantissa_bit::encode<Activation, Format>(y, piece);
    const uint32 magnitude = got & (format.sign() - 1);
    wrong += (got & format.sign()) == 0;
    wrong += magnitude % step != piece;
    wrong += (mantissa_bit::decode<Activation, Format>(static_cast<typename Format::code>(got), 0)) != piece;
    const double taken = distance(format, exact, got);
    const double others = std::min(distance(format, exact, got + step), distance(format, exact, got - step));
    wrong += taken > others;
    wrong += taken > step / 2.0;
  }
  return wrong;
}

// Every code of a 16-bit format as the truncation of y, with what is cut off nothing, all, the middle and
// beside these, and random; NaNs and infinities too. For float, the upper halves of its bits.
template <class Format>
std::vector<float> all_truncations() {
  std::mt19937 random(3);
  std::vector<float> values;
  for (uint32 code = 0; code < 0x10000u; ++code) {
    uint32 low = code << 16, high = (code + 1) << 16;
    if (Format::mantissa_bits == 10) {
      // Subnormal codes, and the largest finite one, are further apart in float.
      low = float_bits(binary16_format::load(static_cast<uint16>(code)));
      high = float_bits(binary16_format::load(static_cast<uint16>(code + 1)));
      if ((code & 0x7fffu) >= binary16_format::infinity) high = low + 0x2000u;
    }
    const uint32 span = high - low, any = static_cast<uint32>(random()) % span;
    for (const uint32 offset : {0u, 1u, span / 2 - 1, span / 2, span / 2 + 1, span - 1, any})
      values.push_back(float_from_bits(low + offset));
  }
  // Where half's rounding overflows and underflows: not in the middle of two floats' bits.
  for (const float edge : {65520.0f, 65536.0f, 0x1p-25f, 0x1.8p-24f})
    for (const int offset : {-1, 0, 1})
      for (const uint32 sign : {0u, float_sign_mask})
        values.push_back(float_from_bits((float_bits(edge) + static_cast<uint32>(offset)) | sign));
  return values;
}

// How many pairs are not encoded as their elements are.
template <class Activation, class Format>
int wrong_pairs() {
  static_assert(mantissa_bit::encodes_pairs<Activation, Format>, "");
  const auto values = all_truncations<Format>();
  // What could spill into the other half of a word.
  const uint32 neighbours[] = {0xffffffffu, 0x7fffffffu, 0xff800000u, 0xff7fffffu,
                               0x7f7fffffu, 0x80000000u, 0x00000000u, 0xbf800000u,
                               0xbf810000u, 0xffff0001u, 0xc77fffffu, 0x80000001u};
  int wrong = 0;
  uint32 i = 0;
  for (const float y : values) {
    for (const uint32 pieces : {0u, 1u, 2u, 3u}) {
      const float other =
          i % 2 == 0 ? float_from_bits(neighbours[i / 2 % 12]) : values[i * 7919u % values.size()];
      ++i;
      const uint32 own = pieces & 1u, its = pieces >> 1;
      const uint32 code = mantissa_bit::encode<Activation, Format>(y, own);
      const uint32 other_code = mantissa_bit::encode<Activation, Format>(other, its);
      const auto first = mantissa_bit::encode_pair<Activation, Format>(y, other, own, its);
      const auto second = mantissa_bit::encode_pair<Activation, Format>(other, y, its, own);
      wrong += first[0] != code || first[1] != other_code || second[0] != other_code || second[1] != code;
    }
  }
  return wrong;
}

}  // namespace

TEMPLATE_TEST_CASE("a pair is encoded as its elements are, bit for bit", "", binary32_format,
                   bfloat16_format, binary16_format) {
  CHECK(wrong_pairs<gelu, TestType>() == 0);
  CHECK(wrong_pairs<positive_side, TestType>() == 0);
}

TEST_CASE("what pairs have no code for is encoded element by element") {
  CHECK_FALSE(mantissa_bit::encodes_pairs<four_pieces, bfloat16_format>);
  CHECK_FALSE(mantissa_bit::encodes_pairs<monotone, bfloat16_format>);
}

TEMPLATE_TEST_CASE("an ambiguous y goes to the nearest code with its piece's low bits", "",
                   binary32_format, bfloat16_format, binary16_format) {
  CHECK(wrong_encodings<gelu, TestType>(2) == 0);
  CHECK(wrong_encodings<four_pieces, TestType>(4) == 0);
  CHECK(wrong_encodings<four_pieces, TestType>(3) == 0);
}

TEMPLATE_TEST_CASE("every 16-bit code of either piece survives its own round trip", "", bfloat16_format,
                   binary16_format) {
  int wrong = 0;
  for (uint32 c = 0x8000u; c < 0x8000u + TestType::infinity; ++c) {
    const uint32 piece = c & 1u;
    // A left code that the encoder never produces: it stands below the smallest one kept.
    if (piece == 1 && (c & 0x7fffu) < TestType::min_kept) continue;
    // Flush-to-zero may hide subnormal floats from the processor.
    if (TestType::mantissa_bits == 7 && (c & 0x7fffu) < TestType::min_normal) continue;
    const float y = TestType::load(static_cast<uint16>(c));
    wrong += mantissa_bit::encode<gelu, TestType>(y, piece) != c;
    wrong += mantissa_bit::decode<gelu, TestType>(static_cast<uint16>(c), 0) != piece;
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("values outside the ambiguous range are what rounding gives, NaN and infinity too", "",
                   binary32_format, bfloat16_format, binary16_format) {
  std::mt19937 random(9);
  int wrong = 0;
  for (int i = 0; i < 100000; ++i) {
    const float y = float_from_bits(random() & ~float_sign_mask);
    for (const uint32 piece : {0u, 1u}) {
      wrong += mantissa_bit::encode<gelu, TestType>(y, piece) != TestType::round(y);
      wrong += mantissa_bit::decode<gelu, TestType>(TestType::round(y), 0) != 0;
      const float negative = float_from_bits(float_bits(y) | float_sign_mask);
      wrong += mantissa_bit::encode<positive_side, TestType>(negative, piece) != TestType::round(negative);
      wrong += mantissa_bit::encode<monotone, TestType>(negative, 0) != TestType::round(negative);
    }
  }
  CHECK(wrong == 0);
  for (const uint32 special : {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00000u, 0xffffffffu, 0x7fffffffu}) {
    const float y = float_from_bits(special);
    for (const uint32 piece : {0u, 1u})
      CHECK(mantissa_bit::encode<gelu, TestType>(y, piece) == TestType::round(y));
  }
}

TEMPLATE_TEST_CASE("what underflows on the left piece keeps its bit in the smallest kept code", "",
                   binary32_format, bfloat16_format, binary16_format) {
  const uint32 kept = (TestType::mantissa_bits == 10 ? 0x0001u : TestType::min_normal | 1u) | TestType::sign;
  CHECK(mantissa_bit::encode<gelu, TestType>(float_from_bits(float_sign_mask), 1) == kept);
  CHECK(mantissa_bit::encode<gelu, TestType>(-0x1p-126f, 1) == kept);
  if (TestType::mantissa_bits == 10) {
    CHECK(mantissa_bit::encode<gelu, TestType>(-0x1.8p-24f, 1) == kept);
    CHECK(mantissa_bit::encode<gelu, TestType>(-0x1.1p-23f, 1) == (kept | 2u));
  }
  // On the right, -0 stays an even code.
  CHECK(mantissa_bit::encode<gelu, TestType>(float_from_bits(float_sign_mask), 0) == TestType::sign);
  CHECK(mantissa_bit::encode<four_pieces, TestType>(float_from_bits(float_sign_mask), 3) ==
        (TestType::sign | (TestType::min_kept & ~3u) | 3u));
}

TEMPLATE_TEST_CASE("a finite y never becomes infinite by its low bit", "", bfloat16_format,
                   binary16_format) {
  const uint32 largest = TestType::infinity - 1u;  // odd
  const float y = TestType::load(static_cast<uint16>(largest));
  CHECK(mantissa_bit::encode<positive_side, TestType>(y, 0) == largest - 1u);
  CHECK(mantissa_bit::encode<positive_side, TestType>(y, 1) == largest);
}

TEMPLATE_TEST_CASE("an exact y with the wrong low bit is a tie, and half of them go either way", "",
                   binary32_format, bfloat16_format, binary16_format) {
  const auto encode = [](uint32 code, uint32 piece) {
    const float y = TestType::load(static_cast<typename TestType::code>(code));
    return uint32{mantissa_bit::encode<gelu, TestType>(y, piece)};
  };
  // To the neighbour whose bit 1 is clear.
  const uint32 even = TestType::round(-0.125f);
  REQUIRE(even % 4 == 0);
  CHECK(encode(even, 1) == even + 1);
  CHECK(encode(even + 2, 1) == even + 1);
  CHECK(encode(even + 1, 0) == even);
  CHECK(encode(even + 3, 0) == even + 4);

  // So the mean over a binade of exact values is zero, piece by piece.
  for (const uint32 piece : {0u, 1u}) {
    int64 sum = 0;
    for (uint32 i = 0; i < 64; ++i) sum += int64{encode(even + i, piece)} - int64{even + i};
    CHECK(sum == 0);
  }
}

TEMPLATE_TEST_CASE("the smallest inexactness decides what would be a tie", "", bfloat16_format,
                   binary16_format) {
  const uint32 even = TestType::round(-0.125f);
  const float y = TestType::load(static_cast<typename TestType::code>(even + 1));
  CHECK(uint32{mantissa_bit::encode<gelu, TestType>(float_from_bits(float_bits(y) + 1), 0)} == even + 2);
  CHECK(uint32{mantissa_bit::encode<gelu, TestType>(float_from_bits(float_bits(y) - 1), 0)} == even);
}
