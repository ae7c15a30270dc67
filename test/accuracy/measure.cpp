#include <cmath>
#include <cstdio>

#include "accuracy/rows.hpp"
#include "support/bounds.hpp"

namespace report {

result measure(const row& r, const variant& v, bool flushes) {
  const reference::function f = reference::find(r.activation, v.parameters);
  return {accuracy::measure_gradient(v.run, reference::cells(f, r.format, r.index)),
          accuracy::measure_forward(v.run, r.format, accuracy::make_samples(f, r.format),
                                    reference::smallest_result(r.format, flushes))};
}

std::vector<std::string> broken_promises(const row& r, const variant& v, const result& got) {
  std::vector<std::string> broken;
  const auto at_most = [&](const char* what, double is, double most) {
    if (is <= most) return;
    char text[200];
    std::snprintf(text, sizeof text, "%s is %.4g, more than %.4g", what, is, most);
    broken.push_back(text);
  };
  const bool is_float = r.format.mantissa_bits == 23, is_bfloat16 = r.format.mantissa_bits == 7;
  const bool in_mantissa = r.packing == "mantissa_bit";

  bool beside_constant = false;
  const reference::function f = reference::find(r.activation, v.parameters);
  for (const reference::segment& s : f.of->segments(v.parameters))
    beside_constant = beside_constant || s.flat || s.owns_start || s.owns_end;
  const double narrow_ulp = in_mantissa       ? bounds::mantissa_bit_ulp + (beside_constant ? 1 : 0)
                            : beside_constant ? bounds::beside_constant_ulp
                                              : bounds::bitmask_ulp;
  const double float_ulp = in_mantissa ? bounds::float_mantissa_bit_ulp : bounds::float_ulp;
  at_most("the forward's largest error in ULP", got.forward.largest, is_float ? float_ulp : narrow_ulp);
  if (!is_float) at_most("the forward's mean error in ULP", std::fabs(got.forward.bias), bounds::mean_ulp);

  const accuracy::gradient_error& g = got.gradient;
  if (is_float) {
    const double rounding = bounds::float_ulps_of_g * 0x1p-24 * g.largest_g;
    at_most("the largest error", g.largest,
            g.largest_floor == 0 ? 0 : std::fmax(bounds::float_largest * g.largest_floor, rounding));
    for (const double rms : g.rms) at_most("the RMS error", rms, bounds::float_rms * std::fmax(1, g.largest_g));
    return broken;
  }
  const bounds::gradient most = r.approximant == "fast" ? (is_bfloat16 ? bounds::fast_bfloat16 : bounds::fast_binary16)
                                : !is_bfloat16          ? bounds::accurate_binary16
                                : in_mantissa           ? bounds::accurate_bfloat16_mantissa_bit
                                                        : bounds::accurate_bfloat16;
  at_most("the largest error", g.largest, most.largest * g.largest_floor);
  at_most("the RMS error under N(0, 1)", g.rms[0], most.rms * g.rms_floor[0]);
  at_most("the RMS error under N(0, 2)", g.rms[1], most.rms_wide * g.rms_floor[1]);
  if (is_bfloat16 && r.approximant == "accurate")
    at_most("the bias", std::fabs(g.bias),
            in_mantissa ? bounds::bias_bfloat16_mantissa_bit : bounds::bias_bfloat16);
  return broken;
}

}  // namespace report
