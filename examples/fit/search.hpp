// The search for what a form's fits depend on, and the proof that it ended at a local optimum.
#pragma once

#include <algorithm>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <tuple>

#include "form.hpp"

namespace fit {

// A step that gains less than this does not count as better.
inline constexpr double least_gain = 1e-5;
inline constexpr int halvings = 5;
// A pattern search ends when steps of this part of the first do not help.
inline constexpr double last_step = 1.0 / 16;

// Minimises f over a few parameters: steps along each axis, halved when none helps.
inline double pattern_search(std::vector<double>& at, std::vector<double> step,
                             const std::function<double(const std::vector<double>&)>& f) {
  double best = f(at);
  for (int halving = 0; halving < halvings;) {
    bool better = false;
    for (std::size_t i = 0; i < at.size(); ++i) {
      for (const double sign : {1.0, -1.0}) {
        std::vector<double> next = at;
        next[i] += sign * step[i];
        const double value = f(next);
        if (value < best - least_gain) {
          best = value;
          at = next;
          better = true;
          break;
        }
      }
    }
    if (!better) {
      ++halving;
      for (double& s : step) s /= 2;
    }
  }
  return best;
}

// The best of pattern searches from the best few points of the grid of starts; none where the whole grid is as
// bad as `hopeless`.
inline double search_stage(const stage& s, std::vector<double>& best, double hopeless) {
  std::vector<std::pair<double, std::vector<double>>> grid{{0, {}}};
  std::vector<double> step;
  for (const axis& a : s.axes) {
    std::vector<std::pair<double, std::vector<double>>> finer;
    for (const auto& [unused, at] : grid) {
      for (const double start : a.starts) {
        finer.emplace_back(0, at);
        finer.back().second.push_back(start);
      }
    }
    grid = finer;
    step.push_back(a.step);
  }
  if (grid.size() > 1)
    for (auto& [value, at] : grid) value = s.cost(at);
  std::sort(grid.begin(), grid.end());
  best = grid.front().second;
  if (grid.size() > 1 && grid.front().first > hopeless) return grid.front().first;
  double least = 1e300;
  for (std::size_t i = 0; i < std::min<std::size_t>(grid.size(), 2); ++i) {
    std::vector<double> at = grid[i].second;
    const double value = pattern_search(at, step, s.cost);
    if (value < least - least_gain) {
      least = value;
      best = at;
    }
  }
  s.cost(best);  // leave the tables filled with it
  return least;
}

// Fits the tables of `f` where a search ended, and returns what is better one last step away, if anything.
inline std::string regenerate(form& f, const std::vector<double>& at) {
  std::string better;
  std::size_t from = 0;
  for (const stage& s : f.stages()) {
    if (from + s.axes.size() > at.size()) throw std::runtime_error("a choice has too few numbers");
    const std::vector<double> part(at.begin() + from, at.begin() + from + s.axes.size());
    from += s.axes.size();
    const double here = s.cost(part);
    for (std::size_t i = 0; i < part.size(); ++i) {
      for (const double sign : {1.0, -1.0}) {
        std::vector<double> next = part;
        next[i] += sign * s.axes[i].step * last_step;
        const double there = s.cost(next);
        if (there < here - least_gain) {
          char text[120];
          std::snprintf(text, sizeof text, " parameter %zu at %a costs %.6f, at %a only %.6f;", i, part[i],
                        here, next[i], there);
          better += text;
        }
      }
    }
    s.cost(part);
  }
  return better;
}

// A form with the range of each of its degrees, and what it costs besides: instructions on the device.
struct candidate {
  std::string form;
  std::vector<std::pair<int, int>> degrees;
  int other_instructions;
  std::vector<double> settings = {};
  bool needs_spent_bits = false;  // only where the packing takes mantissa bits
};

// The cheapest of the candidates that meets the targets, by its multiply-adds and what it costs besides; the best
// of all where none does. Prints what it tries, with its cost.
inline choice choose(const problem& p, const std::vector<candidate>& candidates, const ratios& targets) {
  struct combination {
    int instructions;
    choice c;
  };
  std::vector<combination> all;
  for (const candidate& from : candidates) {
    if (from.needs_spent_bits && p.spent_bits == 0) continue;
    std::vector<std::vector<int>> degrees{{}};
    for (const auto& [least, most] : from.degrees) {
      std::vector<std::vector<int>> longer;
      for (const std::vector<int>& d : degrees) {
        for (int i = least; i <= most; ++i) {
          longer.push_back(d);
          longer.back().push_back(i);
        }
      }
      degrees = longer;
    }
    for (const std::vector<int>& d : degrees) {
      int instructions = from.other_instructions;
      for (const int i : d) instructions += i;
      all.push_back({instructions, {from.form, d, from.settings, targets, {}}});
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const combination& a, const combination& b) { return a.instructions < b.instructions; });
  // A first stage of two depends on the last degree alone.
  std::map<std::pair<std::string, int>, std::pair<double, std::vector<double>>> first_stages;
  choice best;
  double least = 1e300;
  for (combination& one : all) {
    const std::unique_ptr<form> f = make_form(p, one.c);
    const std::vector<stage> stages = f->stages();
    double cost = 0;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      std::vector<double> part;
      if (i + 1 == stages.size()) {
        cost = search_stage(stages[i], part, 1.5);
      } else {
        const std::pair<std::string, int> key{one.c.form, one.c.degrees.back()};
        const auto known = first_stages.find(key);
        if (known != first_stages.end()) {
          std::tie(cost, part) = known->second;
          if (cost <= 1) stages[i].cost(part);
        } else {
          cost = search_stage(stages[i], part, 1.5);
          first_stages[key] = {cost, part};
        }
      }
      one.c.at.insert(one.c.at.end(), part.begin(), part.end());
      if (cost > 1) break;
    }
    std::fprintf(stderr, "  %s", one.c.form.c_str());
    for (const int d : one.c.degrees) std::fprintf(stderr, " %d", d);
    std::fprintf(stderr, ": %.3f\n", cost);
    if (cost < least) {
      least = cost;
      best = one.c;
    }
    if (cost <= 1) break;
  }
  return best;
}

}  // namespace fit
