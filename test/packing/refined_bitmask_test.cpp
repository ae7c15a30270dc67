#include <cmath>
#include <vector>

#include <invact/invact.hpp>

#include "support/catch.hpp"
#include "support/op_runner.hpp"
#include "support/reference_of.hpp"

using namespace invact;
namespace ref = reference;

namespace {

// What the packing promises that the mask says of f(x) = y, from its description: the part's number and the
// parts.
struct promised {
  double part;  // with its fraction
  int parts;
};

double minimum_of(const ref::function& f) {
  double least = 0;
  for (const ref::segment& s : f.of->segments(f.p))
    if (s.piece == 0 && s.from > -ref::largest_x) least = std::fmin(least, f.value(s.from));
  return least;
}

// `scale` is f's; in t where `rooted`, else in y.
promised part_of(const ref::function& f, ref::format format, std::uint32_t code, double y, int bits,
                 int piece_bits, bool rooted) {
  const std::uint32_t magnitude = code & (format.sign() - 1);
  const double sign = (code & format.sign()) != 0 ? -1 : 1;
  const double q = ref::decode(format, magnitude), inner = (q + ref::decode(format, magnitude - 1)) / 2,
               limit = std::fmax(-f.value(-ref::largest_x), f.value(ref::largest_x)),
               outer = std::fmin((q + ref::decode(format, magnitude + 1)) / 2, limit);
  const double least = minimum_of(f);
  const auto coordinate = [&](double v) { return rooted ? std::sqrt(std::fmax(0, v - least)) : v; };
  const int parts = 1 << (sign < 0 ? bits - piece_bits : bits);
  const double from = coordinate(sign * inner), to = coordinate(sign * outer);
  return {(coordinate(y) - from) / (to - from) * parts, parts};
}

// Mask bits that are not as promised, and y that are not in the middle of their part; x whose y is within
// 2% of a part's end may be of either.
template <class Op>
int wrong_masks(const Op& op, double scale, int bits) {
  using activation = typename Op::activation_type;
  using traits = storage_traits<typename Op::storage_type>;
  ref::function f = function_of<activation>();
  f.scale = scale;
  const ref::format format = format_of<typename Op::storage_type>;
  int wrong = 0, checked = 0;
  for (int i = 0; i < 20000; ++i) {
    const float x = -4.0f + 8.0f * static_cast<float>(i) / 20000;
    const auto e = op.forward(x);
    const std::uint32_t code = traits::to_code(e.y);
    const std::uint32_t magnitude = code & (format.sign() - 1);
    if (magnitude == 0 || magnitude + 1 >= format.infinity()) continue;
    // A cell beside the value that hardswish owns, f(3), reaches up to that.
    if (f.of->segments(f.p).size() == 4 && code + 1 == ref::encode(format, f.value(3))) continue;
    const double y = f.value(x), least = minimum_of(f);
    const bool near_zero = format.sign() > 0x80u && std::fabs(ref::decode(format, code)) < -least / 4;
    const promised want =
        part_of(f, format, code, y, bits, piece_bits_v<activation>, least < 0 && !near_zero);
    const int piece_bits = (code & format.sign()) != 0 ? piece_bits_v<activation> : 0;
    if (piece_bits > 0)
      wrong += (e.piece & 1u) != static_cast<unsigned>(x < stationary_point_of<activation>());
    const auto number = static_cast<int>(e.piece >> piece_bits);
    const double fraction = want.part - std::floor(want.part);
    if (fraction < 0.02 || fraction > 0.98 || want.part < 0 || want.part > want.parts) continue;
    wrong += number != static_cast<int>(std::floor(want.part));
    ++checked;
  }
  CHECK(checked > 15000);
  return wrong;
}

}  // namespace

TEST_CASE(
    "the mask has the piece in its lowest bit, where y is ambiguous, and the part of the cell above it") {
  CHECK(wrong_masks(inverted<gelu, bfloat16, refined_bitmask<2>>{}, 1, 2) == 0);
  CHECK(wrong_masks(inverted<silu, bfloat16, refined_bitmask<4>>{}, 1, 4) == 0);
  CHECK(wrong_masks(inverted<invact::tanh, binary16, refined_bitmask<2>>{}, 1, 2) == 0);
  const float scale = 1.3f;
  CHECK(wrong_masks(scaled<gelu, float8_e4m3, refined_bitmask<2>>(&scale), scale, 2) == 0);
  CHECK(wrong_masks(scaled<silu, float8_e5m2, refined_bitmask<2>>(&scale), scale, 2) == 0);
  CHECK(wrong_masks(scaled<hardswish, float8_e4m3, refined_bitmask<3>>(&scale), scale, 3) == 0);
}

TEST_CASE("with as many bits as the pieces take, the mask is the plain bitmask's and so is y") {
  const float scale = 1.7f;
  const scaled<silu, float8_e4m3> plain(&scale);
  const scaled<silu, float8_e4m3, refined_bitmask<1>> refined(&scale);
  int wrong = 0;
  for (int i = 0; i < 4000; ++i) {
    const float x = static_cast<float>(i) / 500 - 4;
    const auto a = plain.forward(x);
    const auto b = refined.forward(x);
    wrong += a.y.bits != b.y.bits || a.piece != b.piece;
  }
  CHECK(wrong == 0);
}

// Two bits are the accuracy report's. A cell in eighths has an eighth of the errors: of the largest where f
// is computed and decoded as for float, in FP8 at least by RMS.
TEST_CASE("four bits divide the error by nearly eight") {
  const auto check = [](const accuracy::gradient_error& e, double largest) {
    CHECK(e.largest < largest * e.largest_floor);
    CHECK(e.rms[0] < 0.135 * e.rms_floor[0]);
  };
  check(accuracy::measure_round_trip(host_runner(inverted<gelu, bfloat16, refined_bitmask<4>>{}),
                                     function_of<gelu>(), ref::bfloat16),
        0.135);
  check(accuracy::measure_round_trip(host_runner(inverted<hardswish, bfloat16, refined_bitmask<4>>{}),
                                     function_of<hardswish>(), ref::bfloat16),
        0.135);
  const float scale = 1.41f;
  ref::function f = function_of<silu>();
  f.scale = scale;
  check(accuracy::measure_round_trip(host_runner(scaled<silu, float8_e4m3, refined_bitmask<4>>(&scale)), f,
                                     ref::e4m3),
        0.25);
}
