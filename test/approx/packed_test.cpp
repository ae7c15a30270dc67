// The forwards of `packed`, and what its ops must agree in. Its gradients: test/accuracy.
#include <invact/approx/packed.hpp>
#include <invact/invact.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "support/bounds.hpp"
#include "support/catch.hpp"

namespace {

using namespace invact;
using traits = storage_traits<bfloat16>;

double reference(const gelu&, double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); }
double reference(const gelu_tanh&, double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
}
double reference(const silu&, double x) { return x / (1 + std::exp(-x)); }

double ulp_of(double y) { return std::ldexp(1.0, std::ilogb(std::fmax(std::fabs(y), 0x1p-126)) - 7); }

std::vector<float> values() {
  std::vector<float> x;
  for (float v = -12; v < 12; v += 0.00037f) x.push_back(v);
  for (float v = 1e-30f; v < 1e30f; v *= 1.9f) {
    x.push_back(v);
    if (v < 10) x.push_back(-v);
  }
  return x;
}

template <class Activation>
void check(const char* name) {
  INFO(name);
  using mask_op = inverted<Activation, bfloat16, bitmask, packed, packed>;
  using bit_op = inverted<Activation, bfloat16, mantissa_bit, packed, packed>;
  double of_x = 0, ulps = 0, bit_ulps = 0;
  int pieces = 0, parities = 0;
  for (const float x : values()) {
    const double want = reference(Activation{}, static_cast<double>(x));
    const auto in_mask = mask_op{}.forward(x);
    const auto in_bit = bit_op{}.forward(x);
    const double y = static_cast<double>(traits::load(in_mask.y)),
                 with_bit = static_cast<double>(traits::load(in_bit.y));
    const double ulp = ulp_of(y);
    of_x = std::fmax(of_x, (std::fabs(y - want) - ulp / 2) / static_cast<double>(std::fabs(x)));
    if (x > -1) {
      ulps = std::fmax(ulps, std::fabs(y - want) / ulp);
      bit_ulps = std::fmax(bit_ulps, std::fabs(with_bit - want) / ulp);
    }
    // The piece is that of x in half precision.
    const bool is_left = is_less(x, Activation::stationary_point);
    if (std::fabs(x - Activation::stationary_point) > 0x1p-11f)
      pieces += in_mask.piece != static_cast<uint32>(is_left);
    const uint16 code = traits::to_code(in_bit.y);
    if ((code & 0x8000u) != 0) parities += (code & 1u) != in_mask.piece;
    // One is the number next to the other.
    parities += std::fabs(with_bit - y) > ulp * 1.001 + 0x1p-126;
  }
  CHECK(of_x <= bounds::packed_relative_to_x);
  CHECK(ulps <= bounds::packed_ulp);
  CHECK(bit_ulps <= bounds::packed_ulp + 0.5);
  CHECK(pieces == 0);
  CHECK(parities == 0);

  // Fragments, with a last element that has no neighbour.
  int different = 0;
  const std::vector<float> x = values();
  for (std::size_t from = 0; from + 5 <= x.size(); from += 5) {
    fragment<float, 5> in, dy;
    for (int i = 0; i < 5; ++i) {
      in[i] = x[from + static_cast<std::size_t>(i)];
      dy[i] = 1 + static_cast<float>(i);
    }
    typename mask_op::template pieces<5> kept;
    const auto y = mask_op{}.forward(in, kept);
    const auto dx = mask_op{}.backward(dy, y, kept);
    for (int i = 0; i < 5; ++i) {
      const auto alone = mask_op{}.forward(in[i]);
      different += traits::to_code(y[i]) != traits::to_code(alone.y) || kept[i] != alone.piece;
      different += float_bits(dx[i]) != float_bits(mask_op{}.backward(dy[i], alone.y, alone.piece));
    }
  }
  CHECK(different == 0);

  const float infinity = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(traits::to_code(bit_op{}.forward(0.0f).y) == 0u);
  CHECK(traits::to_code(bit_op{}.forward(-0.0f).y) == 0x8000u);
  CHECK(traits::to_code(mask_op{}.forward(infinity).y) == 0x7f80u);
  CHECK(is_nan(traits::load(mask_op{}.forward(-infinity).y)));
  CHECK(mask_op{}.forward(nan).piece == 0u);
  CHECK(is_nan(bit_op{}.gradient_factor(bit_op{}.forward(nan).y)));
  CHECK(is_nan(mask_op{}.backward(1.0f, mask_op{}.forward(nan).y, 0)));
  // Of any sign and payload, in either half; the other element is left alone.
  for (const uint32 bits : {0xffffffffu, 0x7f800001u, 0xff800001u, 0xffc00000u}) {
    const float x = float_from_bits(bits);
    const uint32 first = bit_op{}.forward_pair(x, 1.0f).codes, second = bit_op{}.forward_pair(1.0f, x).codes;
    const uint32 of_one = traits::to_code(bit_op{}.forward(1.0f).y);
    CHECK((first & 0x7fffu) > 0x7f80u);
    CHECK(first >> 16 == of_one);
    CHECK((second >> 16 & 0x7fffu) > 0x7f80u);
    CHECK((second & 0xffffu) == of_one);
    const uint32 encoded = mantissa_bit::encode_packed<Activation, bfloat16_format>(x, 1.0f, 0u);
    CHECK((encoded & 0x7fffu) > 0x7f80u);
    CHECK(encoded >> 16 == 0x3f80u);
  }
  // Where y has underflowed: the smallest odd code.
  CHECK(traits::to_code(bit_op{}.forward(-300.0f).y) == 0x8001u);
  CHECK(std::fabs(bit_op{}.gradient_factor(bit_op{}.forward(-300.0f).y)) <=
        static_cast<float>(bounds::packed_end));
}

}  // namespace

TEST_CASE("packed forwards are as near as they promise, and keep pieces") {
  check<gelu>("gelu");
  check<gelu_tanh>("gelu_tanh");
  check<silu>("silu");
}
