#include <algorithm>
#include <vector>

#include <invact/invact.hpp>

#include "support/bounds.hpp"
#include "support/catch.hpp"
#include "support/op_runner.hpp"
#include "support/perturbed_math.hpp"
#include "support/reference_of.hpp"

namespace {

using namespace invact;
namespace ref = reference;

// Every cell of the format; of float those next to the minimum alone, where the floor is highest: the last 4096
// codes of either piece.
template <class Activation, class Storage, class Packing>
const std::vector<ref::cell>& cells_of() {
  static const std::vector<ref::cell> cells = [] {
    constexpr ref::format format = format_of<Storage>;
    const ref::function f = function_of<Activation>();
    auto all = ref::cells(f, format, index_of<inverted<Activation, Storage, Packing>>());
    if (sizeof(Storage) == 4) {
      const uint32 bottom = ref::encode(format, f.value(stationary_point_of<Activation>()));
      all.erase(std::remove_if(all.begin(), all.end(),
                               [&](const ref::cell& c) {
                                 return (c.code & format.sign()) == 0 || c.code + 4096 < bottom;
                               }),
                all.end());
    }
    return all;
  }();
  return cells;
}

template <class Activation, class Storage, class Packing, class Approximant>
void check(const char* name, bounds::gradient most) {
  const accuracy::gradient_error e =
      accuracy::measure_gradient(host_runner(inverted<Activation, Storage, Packing, Approximant>{}),
                                 cells_of<Activation, Storage, Packing>());
  INFO(name << ": largest " << e.largest / e.largest_floor << ", RMS " << e.rms[0] / e.rms_floor[0] << ", "
            << e.rms[1] / e.rms_floor[1] << " x floor");
  CHECK(e.largest <= most.largest * e.largest_floor);
  CHECK(e.rms[0] <= most.rms * e.rms_floor[0]);
  CHECK(e.rms[1] <= most.rms_wide * e.rms_floor[1]);
}

using bounds::accurate_binary16;
using bounds::accurate_bfloat16;
using bounds::accurate_bfloat16_mantissa_bit;
using bounds::fast_bfloat16;
using bounds::fast_binary16;

// The square root and the logarithm, each moved by two units in the last place, up or down.
template <class Activation, class Storage, class Packing, class Table, template <class, class> class Form>
void check_perturbed(const char* name, bounds::gradient most) {
  check<Activation, Storage, Packing, Form<Table, shifted_math<2, 0, 2, 0>>>(name, most);
#if !INVACT_TEST_SAMPLE
  check<Activation, Storage, Packing, Form<Table, shifted_math<2, 0, -2, 0>>>(name, most);
  check<Activation, Storage, Packing, Form<Table, shifted_math<-2, 0, 2, 0>>>(name, most);
  check<Activation, Storage, Packing, Form<Table, shifted_math<-2, 0, -2, 0>>>(name, most);
#endif
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
  const bounds::gradient next_to_minimum = bounds::float_next_to_minimum;
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
