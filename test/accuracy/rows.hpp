// The rows of the accuracy report: every activation of the catalogue in every storage format, packing and
// approximant that it has.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/accuracy.hpp"

namespace report {

// The same op with other parameters of its activation; the first of a row has the default ones.
struct variant {
  reference::parameters parameters;
  accuracy::runner run;
};

struct row {
  std::string activation, storage, packing, approximant;
  reference::format format;
  reference::index_in_mantissa index;
  std::vector<variant> variants;

  std::string name() const { return activation + " " + storage + " " + packing + " " + approximant; }
};

struct result {
  accuracy::gradient_error gradient;
  accuracy::forward_error forward;
};

// Every row, run on the host, or by the device.
std::vector<row> host_rows();
std::vector<row> device_rows();

result measure(const row& r, const variant& v, bool flushes);

// What the library promises of a row and the result breaks, a line each; empty where it holds.
std::vector<std::string> broken_promises(const row& r, const variant& v, const result& got);

// The same of NaNs, infinities and zeros, and of the piece index over a range of x.
std::vector<std::string> broken_corners(const row& r, const variant& v, bool flushes);

// All of that as text, a line each that names the row and the parameters.
std::string check(const row& r, bool flushes);

}  // namespace report
