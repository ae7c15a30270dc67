#include "reference/cells.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace reference {

namespace {

// Doubles in their order as integers, so that bisection ends after 64 steps whatever their magnitude.
std::int64_t ordered(double x) {
  std::int64_t i;
  std::memcpy(&i, &x, sizeof i);
  return i < 0 ? INT64_MIN - i : i;
}
double from_ordered(std::int64_t i) {
  const std::int64_t bits = i < 0 ? INT64_MIN - i : i;
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// The next normal double in that direction: subnormals may be flushed to zero where this runs.
double beside(double x, int direction) {
  constexpr double smallest = 0x1p-1022;
  return std::fabs(x) < smallest ? direction * smallest : std::nextafter(x, direction * HUGE_VAL);
}

struct sums {
  double g_low = 1e300, g_high = -1e300;
  double mass[2]{}, moment[2]{}, square[2]{};  // moments of f' about `origin`, so that small variances survive
  double origin = 0;
  bool empty = true;

  void add(double g) {
    if (empty) origin = g;
    empty = false;
    g_low = std::min(g_low, g);
    g_high = std::max(g_high, g);
  }
  void add(double g, int d, double m) {
    mass[d] += m;
    moment[d] += m * (g - origin);
    square[d] += m * (g - origin) * (g - origin);
  }
};

class collector {
 public:
  collector(const function& f, format storage, index_in_mantissa index)
      : f_(f), storage_(storage), index_(index), whole_(f.of->segments(f.p)), segments_(whole_) {
    for (segment& s : segments_) {
      // Just inside, as f or f' may jump at the ends.
      if (s.from == s.to) continue;
      s.from = beside(std::max(s.from, -largest_x), 1);
      s.to = beside(std::min(s.to, largest_x), -1);
    }
  }

  std::vector<cell> all() {
    for (const segment& s : segments_) {
      if (s.from >= s.to) continue;
      if (s.flat) {
        add_flat(s);
      } else {
        add_sloped(s, false);
        add_sloped(s, true);
      }
    }
    std::vector<cell> result;
    for (const auto& [key, c] : cells_) {
      cell out{key.first, key.second, c.g_low, c.g_high, {}, {}, {}};
      for (int s = 0; s < 2; ++s) {
        out.mass[s] = c.mass[s];
        const double offset = c.mass[s] > 0 ? c.moment[s] / c.mass[s] : 0;
        out.mean[s] = c.mass[s] > 0 ? c.origin + offset : (c.g_low + c.g_high) / 2;
        out.spread[s] = std::max(0.0, c.square[s] - c.moment[s] * offset);
      }
      result.push_back(out);
    }
    return result;
  }

 private:
  double y(std::int64_t code) const { return decode(storage_, static_cast<std::uint32_t>(code)); }

  int step(bool negative) const {
    return (negative ? index_.negative : index_.positive) ? 1 << index_.bits : 1;
  }

  // The smallest magnitude with the index of a piece other than 0: no subnormal one, but in half.
  std::int64_t smallest(int piece, int step) const {
    const bool keeps_subnormals = storage_.exponent_bits == 5 && storage_.mantissa_bits == 10;
    return ((keeps_subnormals ? 1 : storage_.min_normal()) & ~(static_cast<std::int64_t>(step) - 1)) | piece;
  }

  // The code that is not for a sloped stretch because a flat one of the same piece, or one that owns its start,
  // has it; and the magnitude of y there, which divides its cell among its neighbours.
  struct taken_code {
    std::int64_t code;
    double y;
  };
  std::vector<taken_code> taken_from(const segment& s, bool negative) const {
    std::vector<taken_code> all;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const segment& other = segments_[i];
      if (other.piece != s.piece || other.from == s.from || !(other.flat || other.owns_start || other.owns_end))
        continue;
      const double v = f_.value(other.flat ? inside(other) : other.owns_start ? whole_[i].from : whole_[i].to);
      const std::uint32_t code = stored(v, other.piece);
      if (v == 0 || ((code & storage_.sign()) != 0) == negative)
        all.push_back({static_cast<std::int64_t>(code & (storage_.sign() - 1)), std::fabs(v)});
    }
    return all;
  }

  static double inside(const segment& s) { return s.from + (s.to - s.from) / 2; }

  // What y is stored as, y being at rest: flat.
  std::uint32_t stored(double v, int piece) const {
    const std::uint32_t nearest = encode(storage_, v);
    const bool negative = (nearest & storage_.sign()) != 0;
    const int n = step(negative);
    if (n == 1) return nearest;
    const std::int64_t magnitude = nearest & (storage_.sign() - 1);
    if (magnitude == 0 && piece != 0)
      return static_cast<std::uint32_t>(smallest(piece, n)) | (nearest & storage_.sign());
    const std::int64_t up = magnitude + ((piece - magnitude) & (n - 1));
    return static_cast<std::uint32_t>(2 * (up - magnitude) <= n ? up : up - n) | (nearest & storage_.sign());
  }

  void add_flat(const segment& s) {
    const double at = inside(s), g = f_.derivative(at);
    sums& c = cells_[{stored(f_.value(at), s.piece), s.piece}];
    c.add(g);
    for (int d = 0; d < 2; ++d) {
      const double low = normal_cdf(s.from / (d + 1)), high = normal_cdf(s.to / (d + 1));
      c.add(g, d, high - low);
    }
  }

  // The magnitude at which the cells of `code` and of the next of its index meet.
  double edge(std::int64_t code, int step) const {
    if (step == 1) return (y(code) + y(code + 1)) / 2;
    if (storage_.mantissa_bits < 23) return y(code + step / 2);
    // y is a float already: half a step away is a tie, which the even multiple of a step wins.
    const std::int64_t reach = step / 2 - (code / step % 2 == 0 ? 0 : 1);
    return (y(code + reach) + y(code + reach + 1)) / 2;
  }

  // The codes first + i * step for i < count to look at, and how many each stands for.
  struct looked_at {
    std::int64_t i;
    double counts_for;
  };
  std::vector<looked_at> choose(std::int64_t count) const {
    std::vector<looked_at> all;
    for (std::int64_t i = 0; i < count;) {
      // In pairs, as the cells of the even and odd multiples of a step differ.
      const std::int64_t from_end = std::min(i, count - 1 - i);
      const std::int64_t pairs =
          storage_.mantissa_bits < 23 ? 1 : std::max<std::int64_t>(1, from_end / 1000);
      for (int k = 0; k < 2 && i + k < count; ++k) all.push_back({i + k, static_cast<double>(pairs)});
      i += 2 * pairs;
    }
    return all;
  }

  // The cells of one sign of a sloped stretch.
  void add_sloped(const segment& s, bool negative) {
    const double sign = negative ? -1 : 1;
    segment part = s;
    const double ends[2] = {sign * f_.value(s.from), sign * f_.value(s.to)};
    const double high = std::max(ends[0], ends[1]), low = std::max(0.0, std::min(ends[0], ends[1]));
    if (!(high > 0)) return;
    if (ends[0] < 0) part.from = inverse(f_, s, 0.0);
    if (ends[1] < 0) part.to = inverse(f_, s, 0.0);

    const int n = step(negative);
    const int index = n == 1 ? 0 : s.piece;
    const std::int64_t least = index == 0 ? 0 : smallest(index, n);
    const auto magnitude = [&](double v) {
      return static_cast<std::int64_t>(encode(storage_, v) & (storage_.sign() - 1));
    };
    std::int64_t first = std::max(least, magnitude(low) - 2 * n);
    first += (index - first) & (n - 1);
    const std::int64_t last = std::min<std::int64_t>(magnitude(high) + 2 * n, storage_.infinity() - 1 - n);
    const auto taken = taken_from(s, negative);
    const auto boundary = [&](std::int64_t code) {
      for (const taken_code& t : taken)
        if (t.code == code || t.code == code + n) return t.y;
      return edge(code, n);
    };
    // Where f grows beyond what is looked at, the last cell would be cut.
    const double furthest = std::fabs(s.from) > std::fabs(s.to) ? s.from : s.to;
    const bool is_cut =
        std::fabs(furthest) > largest_x / 2 && sign * (f_.value(furthest) - f_.value(furthest / 2)) > 0.1;
    std::int64_t previous = INT64_MIN;
    double x_previous = 0;
    for (const looked_at& l : choose((last - first) / n + 1)) {
      const std::int64_t code = first + l.i * n;
      const double bottom = previous == code - n ? x_previous
                                                 : inverse(f_, part, sign * (code == least ? 0.0 : boundary(code - n)));
      const double top = inverse(f_, part, sign * boundary(code));
      previous = code;
      x_previous = top;
      const bool not_ours =
          std::any_of(taken.begin(), taken.end(), [&](const taken_code& t) { return t.code == code; });
      if (bottom == top || not_ours || (is_cut && boundary(code) > high)) continue;
      add({static_cast<std::uint32_t>(code) | (negative ? storage_.sign() : 0), s.piece},
          std::min(bottom, top), std::max(bottom, top), l.counts_for);
    }
  }

  // By the five-point Gauss-Legendre rule, exact to degree 9; the widest cells, in the tails, in many panels.
  void add(std::pair<std::uint32_t, int> key, double from, double to, double counts_for) {
    constexpr double nodes[5] = {-0.90617984593866399, -0.53846931010568309, 0, 0.53846931010568309,
                                 0.90617984593866399};
    constexpr double weights[5] = {0.23692688505618909, 0.47862867049936647, 0.56888888888888889,
                                   0.47862867049936647, 0.23692688505618909};
    sums& c = cells_[key];
    const double width = to - from;
    const int panels = width > 0.05 ? 200 : 1;
    const double half = width / panels / 2;
    for (int p = 0; p < panels; ++p) {
      for (int i = 0; i < 5; ++i) {
        const double x = from + half * (2 * p + 1 + nodes[i]), g = f_.derivative(x);
        c.add(g);
        for (int d = 0; d < 2; ++d)
          c.add(g, d, counts_for * half * weights[i] * normal_pdf(x / (d + 1)) / (d + 1));
      }
    }
    c.add(f_.derivative(from));
    c.add(f_.derivative(to));
  }

  const function& f_;
  format storage_;
  index_in_mantissa index_;
  std::vector<segment> whole_, segments_;
  std::map<std::pair<std::uint32_t, int>, sums> cells_;
};

}  // namespace

std::vector<cell> cells(const function& f, format storage, index_in_mantissa index) {
  return collector(f, storage, index).all();
}

floor_of error_floor(const std::vector<cell>& cells) {
  floor_of result{};
  for (const cell& c : cells) {
    result.largest = std::max(result.largest, (c.g_high - c.g_low) / 2);
    for (int s = 0; s < 2; ++s) result.rms[s] += c.spread[s];
  }
  for (double& r : result.rms) r = std::sqrt(r);
  return result;
}

double inverse(const function& f, const segment& s, double y) {
  std::int64_t low = ordered(s.from), high = ordered(s.to);
  const bool rising = f.value(s.to) > f.value(s.from);
  // f(low) is before y, f(high) at or behind it.
  const auto before = [&](double x) { return rising ? f.value(x) < y : f.value(x) > y; };
  if (!before(s.from)) return s.from;
  if (before(s.to)) return s.to;
  // Of both signs: their difference may need the sign bit.
  const auto apart = [&] { return static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low); };
  while (apart() > 1) {
    const std::int64_t middle = low + static_cast<std::int64_t>(apart() / 2);
    (before(from_ordered(middle)) ? low : high) = middle;
  }
  return from_ordered(high);
}

}  // namespace reference
