// In place of the device's rows in programs without it.
#include "accuracy/gated_rows.hpp"

namespace report {

std::vector<gated_row> device_gated_rows() { return {}; }

}  // namespace report
