// The rows of the accuracy report: every activation of the catalogue in every storage format, packing and
// approximant that it has.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/accuracy.hpp"

namespace report {

// The same op with other parameters of its activation, or another scale of y; the first of a row, `scales`
// of them, have the default parameters.
struct variant {
  reference::parameters parameters;
  accuracy::runner run;
  float scale = 1;
};

struct row {
  std::string activation, storage, packing, approximant;
  reference::format format;
  reference::index_in_mantissa index;
  std::vector<variant> variants;
  int scales = 1;
  bool refines = false;  // the mask says more of y than its piece

  bool is_float8() const { return format.sign() == 0x80u; }
  std::string name() const { return activation + " " + storage + " " + packing + " " + approximant; }
};

struct result {
  accuracy::gradient_error gradient;
  accuracy::forward_error forward;
};

// Rows run on the host, or by the device; of those of cells see add_rows.hpp. None without a device.
std::vector<row> host_rows();
std::vector<row> host_cell_rows();
std::vector<row> device_rows();
std::vector<row> device_cell_rows();

result measure(const row& r, const variant& v, bool flushes);

// With the default parameters, of several scales the one whose largest error is most of its floor.
result measure_worst(const row& r, bool flushes);

// What the library promises of a row and the result breaks, a line each; empty where it holds.
std::vector<std::string> broken_promises(const row& r, const variant& v, const result& got);

// The same of NaNs, infinities and zeros, and of the piece index over a range of x.
std::vector<std::string> broken_corners(const row& r, const variant& v, bool flushes);

// All of that as text, a line each that names the row and the parameters.
std::string check(const row& r, bool flushes);

}  // namespace report
