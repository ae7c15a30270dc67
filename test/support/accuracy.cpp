#include "support/accuracy.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace accuracy {

gradient_error measure_gradient(const runner& op, const std::vector<ref::cell>& cells) {
  codes y, piece;
  for (const ref::cell& c : cells) {
    y.push_back(c.code);
    piece.push_back(static_cast<std::uint32_t>(c.piece));
  }
  std::vector<float> decoded;
  op.gradient(y, piece, decoded);
  gradient_error e;
  const ref::floor_of floor = ref::error_floor(cells);
  e.largest_floor = floor.largest;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const ref::cell& c = cells[i];
    // The nearest float to a constant f' is as exact as it can be.
    const bool exact = c.g_low == c.g_high && decoded[i] == static_cast<float>(c.g_low);
    const double g = exact ? c.g_low : ref::is_nan(decoded[i]) ? 1e30 : decoded[i];
    e.largest = std::max({e.largest, std::fabs(g - c.g_low), std::fabs(g - c.g_high)});
    for (int s = 0; s < 2; ++s) e.rms[s] += c.spread[s] + c.mass[s] * (g - c.mean[s]) * (g - c.mean[s]);
    e.largest_g = std::max({e.largest_g, std::fabs(c.g_low), std::fabs(c.g_high)});
    e.bias += c.mass[0] * (g - c.mean[0]);
  }
  for (int s = 0; s < 2; ++s) {
    e.rms[s] = std::sqrt(e.rms[s]);
    e.rms_floor[s] = floor.rms[s];
  }
  return e;
}

gradient_error measure_round_trip(const runner& op, const ref::function& f, ref::format format) {
  constexpr int count = 1 << 18;
  constexpr double reach = 8, step = 2 * reach / count;
  std::vector<float> x;
  for (int i = 0; i < count; ++i) x.push_back(static_cast<float>((i + 0.5) * step - reach));
  codes y, piece;
  std::vector<float> decoded;
  op.forward(x, y, piece);
  op.gradient(y, piece, decoded);
  gradient_error e;
  const ref::floor_of floor = ref::error_floor(ref::cells(f, format));
  e.largest_floor = floor.largest;
  for (int i = 0; i < count; ++i) {
    const double at = x[static_cast<std::size_t>(i)], g = decoded[static_cast<std::size_t>(i)],
                 want = f.derivative(at);
    const bool exact = decoded[static_cast<std::size_t>(i)] == static_cast<float>(want);
    const double error = ref::is_nan(g) ? 1e30 : exact ? 0 : g - want;
    e.largest = std::max(e.largest, std::fabs(error));
    e.largest_g = std::max(e.largest_g, std::fabs(want));
    for (int s = 0; s < 2; ++s) e.rms[s] += step * ref::normal_pdf(at / (s + 1)) / (s + 1) * error * error;
    e.bias += step * ref::normal_pdf(at) * error;
  }
  for (int s = 0; s < 2; ++s) {
    e.rms[s] = std::sqrt(e.rms[s]);
    e.rms_floor[s] = floor.rms[s];
  }
  return e;
}

samples make_samples(const ref::function& f, ref::format format) {
  samples s;
  std::mt19937 random(11);
  std::uniform_real_distribution<double> uniform(0, 1);
  const auto add = [&](double x, bool in_mean) {
    const float at = static_cast<float>(x);
    s.x.push_back(at);
    s.y.push_back(f.value(at));
    s.in_mean.push_back(in_mean);
  };
  if (format.mantissa_bits == 23) {
    for (int exponent = -126; exponent < 128; ++exponent) {
      for (int sign = -1; sign < 2; sign += 2) {
        for (int i = 0; i < 1000; ++i) {
          const double mantissa = i == 0 ? 0 : i == 1 ? 1 - 0x1p-23 : uniform(random);
          add(sign * std::ldexp(1 + mantissa, exponent), false);
        }
      }
    }
  } else {
    for (std::uint32_t c = 0; c < 2 * format.sign(); ++c) {
      if ((c & (format.sign() - 1)) + 1 >= format.infinity()) continue;
      const double at = ref::decode(format, c), next = ref::decode(format, c + 1);
      for (int i = 0; i < 5; ++i) add(i == 0 ? at : at + (next - at) * uniform(random), false);
    }
  }
  std::normal_distribution<double> normal(0, 1);
  for (int i = 0; i < 200000; ++i) add(normal(random), true);
  return s;
}

forward_error measure_forward(const runner& op, ref::format format, const samples& at, double smallest) {
  codes y, piece;
  op.forward(at.x, y, piece);
  forward_error e;
  double sum = 0;
  long count = 0;
  const double largest = ref::decode(format, format.infinity() - 1);
  for (std::size_t i = 0; i < at.x.size(); ++i) {
    const double want = at.y[i];
    if (!(std::fabs(want) >= smallest) || std::fabs(want) > largest) continue;
    const double got = ref::decode(format, y[i]);
    double error = format.mantissa_bits == 23
                       ? (got - want) / ref::ulp(format, want)
                       : ref::code_position(format, got) - ref::code_position(format, want);
    if ((got < 0) != (want < 0)) error = 1e30;
    if (!(std::fabs(error) <= e.largest)) {
      e.largest = std::fabs(error);
      e.worst = at.x[i];
    }
    if (!at.in_mean[i]) continue;
    sum += error;
    ++count;
  }
  e.bias = count == 0 ? 0 : sum / static_cast<double>(count);
  return e;
}

}  // namespace accuracy
