#include <algorithm>
#include <cmath>
#include <string>

#include <invact/invact.hpp>

#include "support/bounds.hpp"
#include "support/catch.hpp"
#include "support/perturbed_math.hpp"
#include "support/op_runner.hpp"
#include "support/reference_of.hpp"

namespace {

using namespace invact;
namespace ref = reference;

using bound = bounds::gradient;

// The decoder's error over the floor, over every cell of the format.
template <class Activation, class Storage, class Packing, class Approximant>
bound ratios() {
  auto cells = ref::cells(function_of<Activation>(), format_of<Storage>,
                          index_of<inverted<Activation, Storage, Packing, Approximant>>());
  if (sizeof(Storage) == 4) {
    // Next to the minimum alone, where the floor is highest: the last 4096 codes of either piece.
    const uint32 sign = format_of<Storage>.sign();
    const uint32 bottom = ref::encode(format_of<Storage>, function_of<Activation>().value(stationary_point_of<Activation>()));
    cells.erase(std::remove_if(cells.begin(), cells.end(),
                               [&](const ref::cell& c) { return (c.code & sign) == 0 || c.code + 4096 < bottom; }),
                cells.end());
  }
  const ref::floor_of floor = ref::error_floor(cells);
  const inverted<Activation, Storage, Packing, Approximant> op;
  using traits = storage_traits<Storage>;
  double largest = 0, square[2] = {0, 0};
  for (const ref::cell& c : cells) {
    const Storage y = traits::from_code(static_cast<typename traits::code>(c.code));
    const double decoded = op.gradient_factor(y, static_cast<uint32>(c.piece));
    // As wrong as can be; under -ffast-math no comparison would tell.
    const double g = ref::is_nan(decoded) ? 1e30 : decoded;
    largest = std::max({largest, std::fabs(g - c.g_low), std::fabs(g - c.g_high)});
    for (int s = 0; s < 2; ++s)
      square[s] += c.spread[s] + c.mass[s] * (g - c.mean[s]) * (g - c.mean[s]);
  }
  return {largest / floor.largest, std::sqrt(square[0]) / floor.rms[0],
          std::sqrt(square[1]) / floor.rms[1]};
}

template <class Activation, class Storage, class Packing, class Approximant>
void check(const char* name, bound most) {
  const bound r = ratios<Activation, Storage, Packing, Approximant>();
  INFO(name << ": largest " << r.largest << ", RMS " << r.rms << ", " << r.rms_wide << " x floor");
  CHECK(r.largest <= most.largest);
  CHECK(r.rms <= most.rms);
  CHECK(r.rms_wide <= most.rms_wide);
}

using bounds::accurate_binary16;
using bounds::accurate_bfloat16;
using bounds::accurate_bfloat16_mantissa_bit;
using bounds::fast_bfloat16;
using bounds::fast_binary16;

// The square root and the logarithm, each moved by two units in the last place, up or down.
template <class Activation, class Storage, class Packing, class Table, template <class, class> class Form>
void check_perturbed(const char* name, bound most) {
  check<Activation, Storage, Packing, Form<Table, shifted_math<2, 0, 2, 0>>>(name, most);
  check<Activation, Storage, Packing, Form<Table, shifted_math<2, 0, -2, 0>>>(name, most);
  check<Activation, Storage, Packing, Form<Table, shifted_math<-2, 0, 2, 0>>>(name, most);
  check<Activation, Storage, Packing, Form<Table, shifted_math<-2, 0, -2, 0>>>(name, most);
}

}  // namespace

TEST_CASE("two ULP in the square root and the logarithm do not move a gradient bound") {
  using namespace coefficients_for;
  check_perturbed<gelu, bfloat16, bitmask, gelu_accurate<bfloat16_format, 0>, log_root_approximant>(
      "GELU bfloat16 bitmask accurate", accurate_bfloat16);
  check_perturbed<gelu, bfloat16, bitmask, gelu_fast<bfloat16_format, 0>, split_root_approximant>(
      "GELU bfloat16 bitmask fast", fast_bfloat16);
  check_perturbed<silu, bfloat16, bitmask, silu_accurate<bfloat16_format, 0>, signed_root_approximant>(
      "SiLU bfloat16 bitmask accurate", accurate_bfloat16);
  check_perturbed<silu, bfloat16, bitmask, silu_fast<bfloat16_format, 0>, signed_root_approximant>(
      "SiLU bfloat16 bitmask fast", fast_bfloat16);
  check_perturbed<gelu, bfloat16, mantissa_bit, gelu_accurate<bfloat16_format, 1>, log_root_approximant>(
      "GELU bfloat16 mantissa_bit accurate", accurate_bfloat16_mantissa_bit);
  check_perturbed<gelu, bfloat16, mantissa_bit, gelu_fast<bfloat16_format, 1>, split_root_approximant>(
      "GELU bfloat16 mantissa_bit fast", fast_bfloat16);
  check_perturbed<silu, bfloat16, mantissa_bit, silu_accurate<bfloat16_format, 1>, signed_root_approximant>(
      "SiLU bfloat16 mantissa_bit accurate", accurate_bfloat16_mantissa_bit);
  check_perturbed<silu, bfloat16, mantissa_bit, silu_fast<bfloat16_format, 1>, signed_root_approximant>(
      "SiLU bfloat16 mantissa_bit fast", fast_bfloat16);
  check_perturbed<gelu, binary16, bitmask, gelu_accurate<binary16_format, 0>, log_root_approximant>(
      "GELU binary16 bitmask accurate", accurate_binary16);
  check_perturbed<gelu, binary16, bitmask, gelu_fast<binary16_format, 0>, split_root_approximant>(
      "GELU binary16 bitmask fast", fast_binary16);
  check_perturbed<silu, binary16, bitmask, silu_accurate<binary16_format, 0>, signed_root_approximant>(
      "SiLU binary16 bitmask accurate", accurate_binary16);
  check_perturbed<silu, binary16, bitmask, silu_fast<binary16_format, 0>, signed_root_approximant>(
      "SiLU binary16 bitmask fast", fast_binary16);
  check_perturbed<gelu, binary16, mantissa_bit, gelu_accurate<binary16_format, 1>, log_root_approximant>(
      "GELU binary16 mantissa_bit accurate", accurate_binary16);
  check_perturbed<gelu, binary16, mantissa_bit, gelu_fast<binary16_format, 1>, split_root_approximant>(
      "GELU binary16 mantissa_bit fast", fast_binary16);
  check_perturbed<silu, binary16, mantissa_bit, silu_accurate<binary16_format, 1>, signed_root_approximant>(
      "SiLU binary16 mantissa_bit accurate", accurate_binary16);
  check_perturbed<silu, binary16, mantissa_bit, silu_fast<binary16_format, 1>, signed_root_approximant>(
      "SiLU binary16 mantissa_bit fast", fast_binary16);
}

TEST_CASE("float's gradient factor stays near the error floor next to the minimum") {
  // The RMS error of float is asserted over random values in float_test.cpp.
  const bound next_to_minimum = bounds::float_next_to_minimum;
  using namespace coefficients_for;
  check<gelu, float, bitmask, accurate>("GELU bitmask", next_to_minimum);
  check<gelu, float, mantissa_bit, accurate>("GELU mantissa bit", next_to_minimum);
  check<silu, float, bitmask, accurate>("SiLU bitmask", next_to_minimum);
  check<silu, float, mantissa_bit, accurate>("SiLU mantissa bit", next_to_minimum);
  check_perturbed<gelu, float, bitmask, gelu_accurate<binary32_format, 0>, joint_approximant>(
      "GELU bitmask", next_to_minimum);
  check_perturbed<gelu, float, mantissa_bit, gelu_accurate<binary32_format, 1>, joint_approximant>(
      "GELU mantissa bit", next_to_minimum);
  check_perturbed<silu, float, bitmask, silu_accurate<binary32_format, 0>, joint_approximant>(
      "SiLU bitmask", next_to_minimum);
  check_perturbed<silu, float, mantissa_bit, silu_accurate<binary32_format, 1>, joint_approximant>(
      "SiLU mantissa bit", next_to_minimum);
}

TEST_CASE("a stored NaN decodes to a NaN gradient factor on either piece") {
  const float quiet = float_from_bits(0x7fc00000u), negative = float_from_bits(0xffc00000u);
  for (const uint32 piece : {0u, 1u}) {
    for (const float y : {quiet, negative}) {
      CHECK(is_nan(inverted<gelu, float>{}.gradient_factor(y, piece)));
      CHECK(is_nan(inverted<silu, float>{}.gradient_factor(y, piece)));
      using b16 = storage_traits<bfloat16>;
      CHECK(is_nan(inverted<gelu, bfloat16>{}.gradient_factor(b16::round(y), piece)));
      CHECK(is_nan(inverted<gelu, bfloat16, bitmask, fast>{}.gradient_factor(b16::round(y), piece)));
      CHECK(is_nan(inverted<silu, bfloat16, mantissa_bit>{}.gradient_factor(b16::round(y))));
      using f16 = storage_traits<binary16>;
      CHECK(is_nan(inverted<gelu, binary16>{}.gradient_factor(f16::round(y), piece)));
      CHECK(is_nan(inverted<silu, binary16, mantissa_bit, fast>{}.gradient_factor(f16::round(y))));
    }
  }
}
