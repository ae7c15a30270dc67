// Which tables each activation has, from which forms they are chosen, and how good they must be.
#pragma once

#include "activations.hpp"
#include "choices.hpp"
#include "forms.hpp"
#include "search.hpp"

namespace fit {

// What `accurate` and `fast` promise, and the largest ratio that counts as meeting it: the tests allow a little more
// than nothing for the last bits of a device's special functions.
inline ratios targets_of(const std::string& variant, const format* storage, int spent_bits) {
  if (storage == nullptr) return {1.28, 0.95e-6, 0.95e-6};
  const bool is_bfloat16 = storage->mantissa_bits == 7;
  if (variant == "fast") return is_bfloat16 ? ratios{1.095, 1.145, 1.49} : ratios{1.095, 1.345, 1.84};
  if (!is_bfloat16) return {1.095, 1.095, 1.095};
  return spent_bits == 0 ? ratios{1.045, 1.055, 1.075} : ratios{1.055, 1.075, 1.075};
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
  // The largest y of float cells: f has reached its limit there.
  real largest_y = 0;
  bool has_forward = false;

  bool has(const std::string& variant) const {
    return std::any_of(tables.begin(), tables.end(), [&](const wanted& w) { return w.variant == variant; });
  }
  // The numbers of mantissa bits spent, by packing.
  std::vector<int> packings() const {
    if (of.pieces.size() == 1) return {0};
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

// An activation with one minimum and a tail on the left as light as SiLU's: one polynomial serves.
inline entry light_tailed(activation of) {
  const std::vector<candidate> root{{"signed_root", {{5, 12}}, 6}, {"two_shift_root", {{5, 12}}, 7}, {"raised_signed_root", {{5, 12}}, 7}};
  const std::vector<candidate> joint{{"joint", {{10, 12}, {7, 9}, {8, 11}}, 0, {0.24, 0.44, 17}}};
  return {std::move(of), {{"accurate", &bfloat16, root}, {"fast", &bfloat16, root}, {"accurate", &binary16, root}, {"fast", &binary16, root}, {"accurate", nullptr, joint}}, 18};
}

// One as heavy as GELU's: g/y and its logarithm.
inline entry heavy_tailed(activation of) {
  const std::vector<candidate> log{{"log_root", {{4, 7}, {6, 12}}, 10}};
  const std::vector<candidate> split{{"split_root", {{2, 7}, {5, 9}}, 6}};
  const std::vector<candidate> joint{{"joint", {{11, 13}, {7, 9}, {8, 10}}, 0, {0.24, 0.62, 6}}};
  return {std::move(of), {{"accurate", &bfloat16, log}, {"fast", &bfloat16, split}, {"accurate", &binary16, log}, {"fast", &binary16, split}, {"accurate", nullptr, joint}}, 7};
}

inline std::vector<entry> catalogue() {
  std::vector<entry> all;
  all.push_back(heavy_tailed(gelu()));
  all.back().has_forward = true;
  all.push_back(light_tailed(silu()));
  return all;
}

}  // namespace fit
