// The rows of the gated report.
#pragma once

#include <string>
#include <vector>

#include "accuracy/gated_measure.hpp"

namespace report {

enum class keeps { h, y, g };

// What one row measures: a gated unit by one way of keeping what its backward needs.
struct gated_row {
  std::string unit, storage, packing, approximant;
  keeps kept = keeps::h;
  accuracy::gated_unit of;
  accuracy::gated_runner run;

  std::string name() const { return unit + " " + storage + " " + packing + " " + approximant; }
};

// Of one unit with two pieces in 16-bit storage: with the piece beside h, which is h without a bit's error, and what
// decodes the lowest bit of u.
struct placement_row {
  std::string unit, storage;
  accuracy::gated_unit of;
  accuracy::gated_runner beside, in_h;
};

// In bfloat16, and in other storage.
std::vector<gated_row> host_gated_rows();
std::vector<gated_row> host_gated_more_rows();
std::vector<placement_row> host_placement_rows();
// None where there is no GPU.
std::vector<gated_row> device_gated_rows();

}  // namespace report
