// Which tables each activation has, from which forms they are chosen, and how good they must be.
#pragma once

#include "activations.hpp"
#include "choices.hpp"
#include "forward.hpp"
#include "forms.hpp"
#include "search.hpp"

namespace fit {

// What `accurate` (and for cells of any place `by_cell`), `fast` and `packed` promise, and the largest ratio that counts as meeting it: the tests allow a little more
// than nothing for the last bits of a device's special functions.
inline ratios targets_of(const std::string& variant, const problem& p) {
  if (p.storage == nullptr) {
    // The RMS error itself; but no decoder is better than the floor.
    const auto rms = [&](int s) {
      return std::fmax(0.95e-6, 1.05 * static_cast<double>(p.set.rms_floor[s]));
    };
    return {1.28, rms(0), rms(1)};
  }
  const bool is_bfloat16 = p.storage->mantissa_bits == 7;
  if (variant == "packed") return {1.4, 1.3, 1.5};
  if (variant == "fast") return is_bfloat16 ? ratios{1.095, 1.145, 1.49} : ratios{1.095, 1.345, 1.84};
  if (!is_bfloat16) return {1.095, 1.095, 1.095};
  return p.spent_bits == 0 ? ratios{1.045, 1.055, 1.075} : ratios{1.055, 1.075, 1.075};
}

// The worst of a table's errors over its target: more than 1 where it misses one.
inline double over_target(const quality& q, const ratios& targets, const problem& p) {
  const auto rms = [&](int s) {
    return static_cast<double>(q.rms[s] * (p.storage == nullptr ? p.set.rms_floor[s] : 1.0L));
  };
  return std::fmax(static_cast<double>(q.largest) / targets.largest,
                   std::fmax(rms(0) / targets.rms, rms(1) / targets.rms_wide));
}

struct wanted {
  std::string variant;
  const format* storage;  // null for float
  std::vector<candidate> candidates;

  std::string storage_name() const { return storage != nullptr ? storage->name : "binary32_format"; }
};

struct entry {
  activation of;
  std::vector<wanted> tables;
  // The largest y of float cells: f has reached its limit there. Of tables for float alone.
  real largest_y = 0;
  bool scaled = false;  // a parameter scales x: one table serves both packings
  std::vector<tail_fit> tails = {};                 // evaluators for 16-bit storage
  std::function<std::string()> float_forward = {};  // and the text of one for float
  packed_forward_fit packed_forward = {};           // none where largest_x is 0

  // Tables for cells of any place serve both packings.
  static bool serves(const wanted& w, int spent_bits) { return w.variant != "by_cell" || spent_bits == 0; }
  bool has(const std::string& variant) const {
    return std::any_of(tables.begin(), tables.end(), [&](const wanted& w) { return w.variant == variant; });
  }
  void check() const {
    of.check();
    for (const wanted& w : tables)
      if (w.storage == nullptr && !(largest_y > 0))
        throw std::invalid_argument("fit: " + of.name +
                                    ": a table for float needs largest_y, where f' is its limit");
  }

  // The numbers of mantissa bits spent, by packing.
  std::vector<int> packings() const {
    if (of.pieces.size() == 1 || scaled) return {0};
    return {0, of.pieces.size() == 2 ? 1 : 2};
  }
};

// Cells are the same for all tables of one format and packing.
inline std::map<std::pair<const format*, int>, std::unique_ptr<problem>>& problems() {
  static std::map<std::pair<const format*, int>, std::unique_ptr<problem>> all;
  return all;
}
inline const problem& problem_of(const entry& e, const format* f, int spent_bits) {
  std::unique_ptr<problem>& p = problems()[{f, spent_bits}];
  if (!p)
    p = std::make_unique<problem>(
        e.of, f, spent_bits,
        f != nullptr ? make_cells(e.of, *f, spent_bits) : make_float_cells(e.of, spent_bits, e.largest_y));
  return *p;
}
inline void forget_problems() { problems().clear(); }

// Tables of either variant for 16-bit storage from `accurate` and `fast`, for float from `wide`.
inline std::vector<wanted> tables(const std::vector<candidate>& accurate,
                                  const std::vector<candidate>& fast, const std::vector<candidate>& wide) {
  return {{"accurate", &bfloat16, accurate},
          {"fast", &bfloat16, fast},
          {"accurate", &binary16, accurate},
          {"fast", &binary16, fast},
          {"accurate", nullptr, wide}};
}

// An activation with one minimum and a tail on the left as light as SiLU's: one polynomial serves. What the joint
// form is set to depends on where g has reached 1.
inline entry light_tailed(activation of, const std::vector<double>& joint_settings, real largest_y) {
  const std::vector<candidate> root{{"signed_root", {{5, 12}}, 6},
                                    {"two_shift_root", {{5, 12}}, 7, {}, true}};
  const std::vector<candidate> joint{{"joint", {{10, 12}, {7, 9}, {8, 11}}, 0, joint_settings}};
  return {std::move(of), tables(root, root, joint), largest_y};
}

// One as heavy as GELU's: g/y and its logarithm.
inline entry heavy_tailed(activation of) {
  const std::vector<candidate> log{{"log_root", {{4, 7}, {6, 12}}, 10}};
  const std::vector<candidate> split{{"split_root", {{2, 7}, {5, 9}}, 6}};
  const std::vector<candidate> joint{{"joint", {{11, 13}, {7, 9}, {8, 10}}, 0, {0.24, 0.62, 6}}};
  const std::vector<candidate> by_cell{{"cell_log_root", {{3, 7}, {6, 12}}, 14}};
  entry e{std::move(of), tables(log, split, joint), 7};
  e.tables.push_back({"by_cell", &bfloat16, by_cell});
  e.tables.push_back({"by_cell", &binary16, by_cell});
  return e;
}

// f(beta * x) / beta, for float with the tables of f itself.
inline entry scaled(activation of) {
  const std::vector<candidate> root{{"scaled_root", {{8, 14}}, 12}};
  entry e{std::move(of), {{"accurate", &bfloat16, root}, {"accurate", &binary16, root}}};
  e.scaled = true;
  return e;
}

// With tables for `packed` too, of the least degree from `degree` on that meets the targets.
inline entry with_packed(entry e, int degree, const packed_forward_fit& forward) {
  e.tables.push_back({"packed", &bfloat16, {{"packed_root", {{degree, degree + 4}}, 12}}});
  e.packed_forward = forward;
  return e;
}

inline std::vector<entry> catalogue() {
  std::vector<entry> all;
  all.push_back(with_packed(heavy_tailed(gelu()), 8, {5, 3e-4}));
  all.back().tails = gelu_tails;
  all.back().float_forward = fit_gelu_float;
  all.push_back(with_packed(heavy_tailed(gelu_tanh()), 8, {5, 3e-4}));
  all.push_back(with_packed(light_tailed(silu(), {0.24, 0.44, 17}, 18), 6, {9, 3e-4}));
  all.push_back(scaled(swish()));
  all.push_back(light_tailed(mish(), {0.24, 0.5, 9.5}, 10));
  return all;
}

}  // namespace fit
