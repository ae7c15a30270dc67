#include <cmath>
#include <cstdio>
#include <cstring>

#include "accuracy/rows.hpp"
#include "support/bounds.hpp"

namespace report {

namespace {

reference::function function_of(const row& r, const variant& v) {
  reference::function f = reference::find(r.activation, v.parameters);
  f.scale = v.scale;
  return f;
}

}  // namespace

result measure(const row& r, const variant& v, bool flushes) {
  const reference::function f = function_of(r, v);
  return {r.refines ? accuracy::measure_round_trip(v.run, f, r.format)
                    : accuracy::measure_gradient(v.run, reference::cells(f, r.format, r.index)),
          accuracy::measure_forward(v.run, r.format, accuracy::make_samples(f, r.format),
                                    reference::smallest_result(r.format, flushes))};
}

result measure_worst(const row& r, bool flushes) {
  result worst;
  double most = -1;
  for (int k = 0; k < r.scales; ++k) {
    const result got = measure(r, r.variants[static_cast<std::size_t>(k)], flushes);
    const accuracy::gradient_error& g = got.gradient;
    const double ratio = g.largest_floor > 0 ? g.largest / g.largest_floor : g.largest;
    if (ratio <= most) continue;
    most = ratio;
    worst = got;
  }
  return worst;
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
  const reference::function f = function_of(r, v);
  for (const reference::segment& s : f.of->segments(v.parameters))
    beside_constant = beside_constant || s.flat || s.owns_start || s.owns_end;
  const double more_bits = r.index.bits > 1 ? 1 << (r.index.bits - 1) : 1;
  const double narrow_ulp = beside_constant && r.is_float8() ? bounds::beside_scaled_constant_ulp
                            : in_mantissa
                                ? bounds::mantissa_bit_ulp + more_bits - 1 + (beside_constant ? 1 : 0)
                            : beside_constant ? bounds::beside_constant_ulp
                                              : bounds::bitmask_ulp;
  const double float_ulp = in_mantissa ? bounds::float_mantissa_bit_ulp : bounds::float_ulp;
  at_most("the forward's largest error in ULP", got.forward.largest, is_float ? float_ulp : narrow_ulp);
  // Constants that are no numbers of the format are off by their rounding, wherever x is beyond them.
  const bool rounded_constant = beside_constant && &v != &r.variants.front();
  // Nor are the many x in one cell of eight bits spread evenly.
  if (!is_float && !r.is_float8() && !rounded_constant)
    at_most("the forward's mean error in ULP", std::fabs(got.forward.bias), bounds::mean_ulp * more_bits);

  const accuracy::gradient_error& g = got.gradient;
  if (is_float) {
    const double rounding = bounds::float_ulps_of_g * 0x1p-24 * g.largest_g;
    at_most("the largest error", g.largest,
            g.largest_floor == 0 ? 0 : std::fmax(bounds::float_largest * g.largest_floor, rounding));
    for (int s = 0; s < 2; ++s)
      at_most("the RMS error", g.rms[s],
              g.rms_floor[s] > bounds::float_rms ? bounds::float_rms_ratio * g.rms_floor[s]
                                                 : bounds::float_rms * std::fmax(1, g.largest_g));
    return broken;
  }
  const bool is_e5m2 = r.storage == "e5m2";
  const bounds::gradient most =
      r.packing == "refined_bitmask_4"   ? bounds::four_bits
      : r.packing == "refined_bitmask_2" ? (is_e5m2 ? bounds::two_bits_e5m2 : bounds::two_bits)
      : r.storage == "e4m3"              ? bounds::accurate_e4m3
      : is_e5m2                          ? bounds::accurate_e5m2
      : r.approximant == "packed"        ? bounds::packed_bfloat16
      : r.approximant == "fast"          ? (is_bfloat16 ? bounds::fast_bfloat16 : bounds::fast_binary16)
      : !is_bfloat16                     ? bounds::accurate_binary16
      : in_mantissa                      ? bounds::accurate_bfloat16_mantissa_bit
                                         : bounds::accurate_bfloat16;
  at_most("the largest error", g.largest, most.largest * g.largest_floor);
  at_most("the RMS error under N(0, 1)", g.rms[0], most.rms * g.rms_floor[0]);
  at_most("the RMS error under N(0, 2)", g.rms[1], most.rms_wide * g.rms_floor[1]);
  if (is_bfloat16 && r.approximant == "accurate")
    at_most("the bias", std::fabs(g.bias),
            in_mantissa ? bounds::bias_bfloat16_mantissa_bit : bounds::bias_bfloat16);
  return broken;
}

std::vector<std::string> broken_corners(const row& r, const variant& v, bool flushes) {
  std::vector<std::string> broken;
  const reference::function f = function_of(r, v);
  const auto segments = f.of->segments(v.parameters);
  const auto require = [&](bool holds, const char* what, double x) {
    if (holds) return;
    char text[200];
    std::snprintf(text, sizeof text, "%s at x = %g", what, x);
    broken.push_back(text);
  };
  const auto from_bits = [](std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  };

  // Quiet and signalling, of both signs.
  accuracy::codes y, piece;
  std::vector<float> g;
  std::vector<float> x;
  for (const std::uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u})
    x.push_back(from_bits(bits));
  v.run.forward(x, y, piece);
  v.run.gradient(y, piece, g);
  const std::uint32_t magnitude = r.format.sign() - 1, nan_from = r.format.ieee ? r.format.infinity() + 1 : magnitude;
  for (std::size_t i = 0; i < x.size(); ++i) {
    require((y[i] & magnitude) >= nan_from, "NaN is lost in the forward", 0);
    require(piece[i] == 0, "NaN is not of piece 0", 0);
    require(reference::is_nan(g[i]), "NaN is lost in the backward", 0);
  }

  // Where a scale moves a limit to between two codes, others share its code, and the floor is theirs.
  const double limit_error = r.is_float8()
                                 ? 1e-3 + bounds::accurate_e5m2.largest *
                                              reference::error_floor(reference::cells(f, r.format)).largest
                             : r.approximant == "packed" ? bounds::packed_end
                                                         : 1e-3;
  // Infinities are the limits: what the largest number gives, or infinite where that would overflow.
  x = {from_bits(0xff800000u), from_bits(0x7f800000u), from_bits(0xff7fffffu), from_bits(0x7f7fffffu)};
  v.run.forward(x, y, piece);
  v.run.gradient(y, piece, g);
  for (std::size_t i = 0; i < 2; ++i) {
    const double side = i == 0 ? -1 : 1;
    const double limit = f.value(side * reference::largest_x), far = f.derivative(side * reference::largest_x);
    const bool grows = std::fabs(limit - f.value(side * reference::largest_x / 2)) > 0.1;
    // FP8 saturates.
    const bool infinite = (y[i] & magnitude) == r.format.infinity() - (r.is_float8() ? 1 : 0);
    require(grows ? infinite : y[i] == y[i + 2], "an infinity is not the limit", side * HUGE_VAL);
    // The mantissa bit leaves infinities as they are, so they tell no piece.
    const bool tells_piece = r.packing != "mantissa_bit" || !infinite || y[0] != y[1];
    if (std::fabs(far) <= 2 && tells_piece)
      require(std::fabs(g[i] - far) <= limit_error, "the gradient of an infinity is not the limit", side);
    const int outermost = (i == 0 ? segments.front() : segments.back()).piece;
    if (r.packing == "bitmask") require(static_cast<int>(piece[i]) == outermost, "the piece index", side);
  }

  // Small and large x: the piece, and no y of the wrong sign.
  x.clear();
  for (double a = 1e-30; a < 50; a *= 1.7) {
    x.push_back(static_cast<float>(a));
    x.push_back(static_cast<float>(-a));
  }
  for (const float a : {0.0f, from_bits(0x80000000u)}) x.push_back(a);
  if (!flushes) {
    for (const std::uint32_t bits : {1u, 0x80000001u}) x.push_back(from_bits(bits));
  }
  v.run.forward(x, y, piece);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double want = f.value(x[i]);
    const bool negative = (y[i] & r.format.sign()) != 0;
    require(want == 0 || negative == (want < 0), "y has the wrong sign", x[i]);
    if (r.packing != "bitmask") continue;
    for (const reference::segment& s : segments)
      if (x[i] > s.from && x[i] < s.to) require(static_cast<int>(piece[i]) == s.piece, "the piece index", x[i]);
  }
  return broken;
}

std::string check(const row& r, bool flushes) {
  std::string text;
  for (const variant& v : r.variants) {
    std::vector<std::string> all = broken_promises(r, v, measure(r, v, flushes));
    for (const std::string& broken : broken_corners(r, v, flushes)) all.push_back(broken);
    for (const std::string& broken : all) {
      text += "FAILED: " + r.name();
      for (const double p : v.parameters) text += " " + std::to_string(p);
      if (r.is_float8()) text += " at a scale of " + std::to_string(v.scale);
      text += ": " + broken + "\n";
    }
  }
  return text;
}

}  // namespace report
