#include "accuracy/gated_measure.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include "support/bounds.hpp"

namespace accuracy {

namespace {

// The x in a segment with f(x) = y, the nearer end where there is none, looked for from `near` on.
double inverse_near(const ref::function& f, const ref::segment& s, double y, double near) {
  if (!(near > s.from && near < s.to)) return ref::inverse(f, s, y);
  const bool rising = f.value(s.to) > f.value(s.from);
  // What rises with x.
  const auto above = [&](double x) { return rising ? f.value(x) - y : y - f.value(x); };
  double a = near, b = near, at_a = above(near), at_b = at_a;
  if (at_a == 0) return near;
  const double slope = std::fabs(f.derivative(near));
  double step = std::fmin(0.25, std::fmax(1e-10, slope > 0 ? 1.5 * std::fabs(at_a) / slope : 0.25));
  const bool up = at_a < 0;
  for (;; step *= 4) {
    if (up) {
      if (b == s.to) return b;
      a = b, at_a = at_b;
      b = std::fmin(s.to, near + step);
      at_b = above(b);
      if (at_b >= 0) break;
    } else {
      if (a == s.from) return a;
      b = a, at_b = at_a;
      a = std::fmax(s.from, near - step);
      at_a = above(a);
      if (at_a <= 0) break;
    }
  }
  // Regula falsi with Illinois's correction, and a bisection now and then.
  for (int i = 0, side = 0; i < 200 && b - a > 1e-13 * std::fmax(1.0, std::fabs(a)); ++i) {
    double x = i % 4 == 3 ? a + (b - a) / 2 : (a * at_b - b * at_a) / (at_b - at_a);
    if (!(x > a && x < b)) x = a + (b - a) / 2;
    if (!(x > a && x < b)) break;
    const double v = above(x);
    if (v == 0) return x;
    if (v < 0) {
      a = x, at_a = v;
      if (side == -1) at_b /= 2;
      side = -1;
    } else {
      b = x, at_b = v;
      if (side == 1) at_a /= 2;
      side = 1;
    }
  }
  return a + (b - a) / 2;
}

struct moments {
  double low = HUGE_VAL, high = -HUGE_VAL, mass = 0, first = 0, second = 0, origin = 0;
  bool empty = true;

  void reach(double g) {
    if (empty) origin = g;
    empty = false;
    low = std::min(low, g);
    high = std::max(high, g);
  }
  void add(double g, double m) {
    reach(g);
    mass += m;
    first += m * (g - origin);
    second += m * (g - origin) * (g - origin);
  }
};

class cell_finder {
 public:
  cell_finder(const gated_unit& unit, std::uint32_t h, double u, int piece, double near)
      : f_(unit.f),
        storage_(unit.storage),
        index_(unit.index),
        size_(std::fabs(unit.factor(u))),
        piece_(piece),
        near_(near),
        segments_(f_.of->segments(f_.p)) {
    code_ = h ^ (unit.flips(u) ? storage_.sign() : 0u);
  }

  gated_cell cell() {
    if ((code_ & (storage_.sign() - 1)) >= storage_.infinity()) return {};
    for (const ref::segment& s : segments_) {
      if (s.piece != piece_) continue;
      ref::segment inside = s;
      inside.from = std::fmax(s.from, -ref::largest_x);
      inside.to = std::fmin(s.to, ref::largest_x);
      if (!(inside.from < inside.to)) continue;
      if (s.flat) {
        add_flat(inside);
      } else {
        add_sloped(inside, s);
      }
    }
    if (sums_.empty) return {};
    const double shift = sums_.mass > 0 ? sums_.first / sums_.mass : 0;
    const double variance = sums_.mass > 0 ? std::fmax(0, sums_.second / sums_.mass - shift * shift) : 0;
    return {sums_.low, sums_.high, sums_.mass > 0 ? sums_.origin + shift : (sums_.low + sums_.high) / 2,
            variance, sums_.mass};
  }

 private:
  bool is_negative() const { return (code_ & storage_.sign()) != 0; }
  std::int64_t step(bool negative) const {
    return (negative ? index_.negative : index_.positive) ? std::int64_t{1} << index_.bits : 1;
  }
  double value(std::int64_t code) const { return ref::decode(storage_, static_cast<std::uint32_t>(code)); }

  // The smallest magnitude with this index: of a piece other than 0, which must not vanish, a normal number but in half.
  std::int64_t smallest(std::int64_t n) const {
    if (n == 1 || piece_ == 0) return 0;
    const std::int64_t kept = storage_.mantissa_bits == 10 ? 1 : storage_.min_normal();
    return (kept & ~(n - 1)) | piece_;
  }

  // What a y that rests there is stored as.
  std::uint32_t stored(double y) const {
    const std::uint32_t nearest = ref::encode(storage_, y * size_);
    const std::uint32_t sign = nearest & storage_.sign();
    const std::int64_t n = step(sign != 0), magnitude = nearest & (storage_.sign() - 1);
    if (n == 1) return nearest;
    if (magnitude == 0 && piece_ != 0) return static_cast<std::uint32_t>(smallest(n)) | sign;
    const std::int64_t up = magnitude + ((piece_ - magnitude) & (n - 1));
    return static_cast<std::uint32_t>(2 * (up - magnitude) <= n ? up : up - n) | sign;
  }

  void add_flat(const ref::segment& s) {
    const double at = s.from + (s.to - s.from) / 2;
    if (stored(f_.value(at)) != code_) return;
    sums_.add(f_.derivative(at), std::fmax(1e-300, ref::normal_cdf(s.to) - ref::normal_cdf(s.from)));
  }

  // The magnitude at which the cells of `code` and of the next of its index meet.
  double edge(std::int64_t code, std::int64_t n) const {
    if (n == 1) return (value(code) + value(code + 1)) / 2;
    if (storage_.mantissa_bits < 23) return value(code + n / 2);
    // The product is a float already: half a step away is a tie, which the even multiple of a step wins.
    const std::int64_t reach = n / 2 - (code / n % 2 == 0 ? 0 : 1);
    return (value(code + reach) + value(code + reach + 1)) / 2;
  }

  void add_sloped(const ref::segment& inside, const ref::segment& whole) {
    const bool negative = is_negative();
    const std::int64_t n = step(negative), code = code_ & (storage_.sign() - 1), least = smallest(n);
    if (code < least) return;
    double low = (code == least ? 0 : edge(code - n, n)) / size_, high = edge(code, n) / size_;
    // What is another stretch's alone.
    for (const ref::segment& s : segments_) {
      if (s.piece != piece_ || s.from == whole.from || !(s.flat || s.owns_start || s.owns_end)) continue;
      const double v =
          f_.value(s.flat ? std::fmax(s.from, -ref::largest_x) / 2 + std::fmin(s.to, ref::largest_x) / 2
                   : s.owns_start ? s.from
                                  : s.to);
      const std::uint32_t taken = stored(v);
      if (v != 0 && ((taken & storage_.sign()) != 0) != negative) continue;
      const std::int64_t at = taken & (storage_.sign() - 1);
      if (at == code) return;
      if (at == code + n) high = std::fabs(v);
      if (at == code - n) low = std::fabs(v);
    }
    const double sign = negative ? -1 : 1, from = sign * (negative ? high : low),
                 to = sign * (negative ? low : high);
    const double y_from = from < to ? from : to, y_to = from < to ? to : from;
    const double f_low = std::fmin(f_.value(inside.from), f_.value(inside.to));
    const double f_high = std::fmax(f_.value(inside.from), f_.value(inside.to));
    if (y_to < f_low || y_from > f_high) return;
    double a = inverse_near(f_, inside, y_from, near_), b = inverse_near(f_, inside, y_to, near_);
    if (a > b) std::swap(a, b);
    if (a == b) return;
    // By the five-point Gauss-Legendre rule; wide cells, in the tails, in many panels.
    constexpr double nodes[5] = {-0.90617984593866399, -0.53846931010568309, 0, 0.53846931010568309,
                                 0.90617984593866399};
    constexpr double weights[5] = {0.23692688505618909, 0.47862867049936647, 0.56888888888888889,
                                   0.47862867049936647, 0.23692688505618909};
    const int panels = b - a > 2 ? 64 : b - a > 0.1 ? 8 : 1;
    const double half = (b - a) / panels / 2;
    // Just inside, as f' may jump at the ends.
    sums_.reach(f_.derivative(a + 1e-6 * (b - a)));
    sums_.reach(f_.derivative(b - 1e-6 * (b - a)));
    for (int p = 0; p < panels; ++p) {
      for (int i = 0; i < 5; ++i) {
        const double x = a + half * (2 * p + 1 + nodes[i]);
        sums_.add(f_.derivative(x), half * weights[i] * ref::normal_pdf(x));
      }
    }
  }

  const ref::function& f_;
  ref::format storage_;
  ref::index_in_mantissa index_;
  double size_;
  int piece_;
  double near_;
  std::vector<ref::segment> segments_;
  std::uint32_t code_;
  moments sums_;
};

int piece_of(const ref::function& f, double x) {
  for (const ref::segment& s : f.of->segments(f.p))
    if (x >= s.from && x < s.to) return s.piece;
  return 0;
}

// The piece that an op kept, outside h or in it; where h carries none, of two pieces the only one that has its sign.
int kept_piece(const gated_unit& unit, double g, std::uint32_t piece) {
  return unit.index.bits == 0 ? static_cast<int>(piece) : piece_of(unit.f, g);
}

}  // namespace

double exact_value(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return ref::decode(ref::binary32, bits);
}

float stored_in(ref::format storage, double x) {
  return static_cast<float>(ref::decode(storage, ref::encode(storage, x)));
}

double up_of::operator()(double u) const {
  const double kept = std::fmin(std::fmax(u, -limit), limit);
  return offset == 0 ? kept : kept + offset;  // -0 stays
}

bool up_of::is_clamped(double u) const { return std::fabs(u) > limit; }

bool gated_unit::flips(double u) const { return std::signbit(factor(u)); }

double gated_unit::factor(double u) const {
  if (keeps_y) return 1;
  const double m = up(u);
  return std::copysign(std::fmax(std::fabs(m), least_multiplier), m);
}

gated_cell cell_of(const gated_unit& unit, std::uint32_t h, double u, int piece, double near) {
  return cell_finder(unit, h, u, piece, near).cell();
}

gated_samples normal_samples(int count, ref::format storage) {
  gated_samples s;
  for (int i = 0; i < count; ++i) {
    // A lattice of the unit square, made normal by Box and Muller.
    const double a = (i + 0.5) / count, b = std::fmod(0.5 + i * 0.61803398874989485, 1.0);
    const double radius = std::sqrt(-2 * std::log(a)), angle = 6.28318530717958648 * b;
    s.g.push_back(static_cast<float>(radius * std::cos(angle)));
    s.u.push_back(stored_in(storage, radius * std::sin(angle)));
  }
  return s;
}

gated_samples edge_samples(const ref::function& f, ref::format storage) {
  gated_samples s;
  std::vector<double> ends;
  for (const ref::segment& part : f.of->segments(f.p)) {
    if (std::fabs(part.from) < ref::largest_x) ends.push_back(part.from);
    if (std::fabs(part.to) < ref::largest_x) ends.push_back(part.to);
  }
  if (ends.empty()) ends.push_back(0);
  for (const double end : ends) {
    for (int i = 0; i < 2000; ++i) {
      const double distance = 0.5 * std::pow(0.992, i % 1000);
      s.g.push_back(static_cast<float>(end + (i < 1000 ? distance : -distance)));
      s.u.push_back(stored_in(storage, 1 + std::fmod(i * 0.61803398874989485, 1.0)));
    }
  }
  return s;
}

gated_samples wide_samples(int count, ref::format storage) {
  gated_samples s;
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  const int least = storage.exponent_bits == 8 ? -30 : -12, most = storage.exponent_bits == 8 ? 30 : 6;
  for (int i = 0; i < count; ++i) {
    const double u =
        std::ldexp(1 + uniform(random), least + static_cast<int>(uniform(random) * (most - least)));
    const double g = std::ldexp(1 + uniform(random), static_cast<int>(uniform(random) * 28) - 24);
    s.u.push_back(stored_in(storage, random() % 2 == 0 ? u : -u));
    s.g.push_back(static_cast<float>(random() % 2 == 0 ? g : -g));
  }
  return s;
}

gated_error measure_gated(const gated_runner& op, const gated_unit& unit, const gated_samples& at,
                          const gated_samples& largest) {
  gated_error e;
  const std::size_t count = at.g.size();
  gated_samples all = at;
  all.g.insert(all.g.end(), largest.g.begin(), largest.g.end());
  all.u.insert(all.u.end(), largest.u.begin(), largest.u.end());
  codes h, piece;
  std::vector<float> dg, du;
  op.forward(all.g, all.u, h, piece);
  op.backward(h, all.u, piece, dg, du);
  for (std::size_t i = 0; i < all.g.size(); ++i) {
    const double g = exact_value(all.g[i]), u = exact_value(all.u[i]), m = unit.up(u);
    const double want = unit.f.derivative(g), got = ref::is_nan(dg[i]) ? 1e30 : exact_value(dg[i]);
    const gated_cell cell = cell_of(unit, h[i], u, kept_piece(unit, g, piece[i]), g);
    // In float neither f(limit) nor u + offset is exact: which h is the constant's is not known here.
    const bool is_known = unit.storage.mantissa_bits < 23 || !unit.up.clamps();
    if (m != 0 && cell.mass > 0 && is_known) {
      const double factor = got / m;
      // The nearest float to a constant f' is as exact as it can be.
      const bool exact =
          cell.low == cell.high && std::fabs(factor - cell.low) <= 0x1p-23 * std::fabs(cell.low);
      if ((h[i] & (unit.storage.sign() - 1)) >= unit.storage.min_normal()) {
        if (!exact)
          e.factor = std::max({e.factor, std::fabs(factor - cell.low), std::fabs(factor - cell.high)});
        e.factor_floor = std::max(e.factor_floor, (cell.high - cell.low) / 2);
      }
      if (i < count) {
        const double off = exact ? 0 : factor - cell.mean;
        e.dg_of_cells += m * m * (cell.variance + off * off);
        e.dg_floor += m * m * cell.variance;
      }
    }
    if (i >= count) continue;
    const double dg_off = got - m * want;
    const double du_off =
        (ref::is_nan(du[i]) ? 1e30 : exact_value(du[i])) - (unit.up.is_clamped(u) ? 0 : unit.f.value(g));
    e.dg += dg_off * dg_off;
    e.dg_bias += got - m * want;
    e.dg_largest = std::max(e.dg_largest, std::fabs(dg_off));
    e.du += du_off * du_off;
    e.du_bias += du_off;
    e.du_largest = std::max(e.du_largest, std::fabs(du_off));
  }
  const double n = static_cast<double>(count);
  for (double* square : {&e.dg, &e.dg_of_cells, &e.dg_floor, &e.du}) *square = std::sqrt(*square / n);
  e.dg_bias /= n;
  e.du_bias /= n;
  return e;
}

gated_error measure_recomputed(const gated_runner& op, const gated_unit& unit, const gated_samples& at) {
  gated_error e;
  codes kept, none(at.g.size(), 0);
  for (const float g : at.g) kept.push_back(ref::encode(unit.storage, exact_value(g)));
  std::vector<float> dg, du;
  op.backward(kept, at.u, none, dg, du);
  for (std::size_t i = 0; i < at.g.size(); ++i) {
    const double g = exact_value(at.g[i]), u = exact_value(at.u[i]);
    const double dg_off =
        (ref::is_nan(dg[i]) ? 1e30 : exact_value(dg[i])) - unit.up(u) * unit.f.derivative(g);
    const double du_off =
        (ref::is_nan(du[i]) ? 1e30 : exact_value(du[i])) - (unit.up.is_clamped(u) ? 0 : unit.f.value(g));
    e.dg += dg_off * dg_off;
    e.dg_bias += dg_off;
    e.dg_largest = std::max(e.dg_largest, std::fabs(dg_off));
    e.du += du_off * du_off;
    e.du_bias += du_off;
    e.du_largest = std::max(e.du_largest, std::fabs(du_off));
  }
  const double n = static_cast<double>(at.g.size());
  e.dg = std::sqrt(e.dg / n);
  e.du = std::sqrt(e.du / n);
  e.dg_bias /= n;
  e.du_bias /= n;
  return e;
}

gated_forward_error measure_gated_forward(const gated_runner& op, const gated_unit& unit,
                                          const gated_samples& at, double smallest) {
  gated_forward_error e;
  codes h, piece;
  op.forward(at.g, at.u, h, piece);
  const double largest = ref::decode(unit.storage, unit.storage.infinity() - 1);
  long count = 0;
  for (std::size_t i = 0; i < at.g.size(); ++i) {
    const double g = exact_value(at.g[i]), u = exact_value(at.u[i]);
    const double want = unit.f.value(g) * unit.factor(u);
    if (!(std::fabs(want) >= smallest) || std::fabs(want) > largest ||
        std::fabs(unit.f.value(g)) < smallest)
      continue;
    const double got = ref::decode(unit.storage, h[i]);
    double error = unit.storage.mantissa_bits == 23
                       ? (std::fabs(got) - std::fabs(want)) / ref::ulp(unit.storage, want)
                       : ref::code_position(unit.storage, got) - ref::code_position(unit.storage, want);
    if ((got < 0) != (want < 0) || (h[i] & (unit.storage.sign() - 1)) >= unit.storage.infinity())
      error = 1e30;
    if (std::fabs(error) > e.largest) {
      e.largest = std::fabs(error);
      e.worst_g = at.g[i];
      e.worst_u = at.u[i];
    }
    e.rms += error * error;
    e.bias += error;
    ++count;
  }
  if (count > 0) {
    e.rms = std::sqrt(e.rms / static_cast<double>(count));
    e.bias /= static_cast<double>(count);
  }
  return e;
}

double gated_ulp(const gated_unit& unit) {
  const bool in_mantissa = unit.index.bits > 0;
  if (unit.storage.mantissa_bits == 23)
    return in_mantissa ? bounds::gated_float_mantissa_bit_ulp : bounds::gated_float_ulp;
  if (unit.up.clamps()) return bounds::gated_below_top_ulp;
  for (const ref::segment& s : unit.f.of->segments(unit.f.p))
    if (s.flat || s.owns_start || s.owns_end) return bounds::gated_beside_constant_ulp;
  return in_mantissa ? bounds::mantissa_bit_ulp : bounds::bitmask_ulp;
}

}  // namespace accuracy
