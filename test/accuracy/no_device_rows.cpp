// In place of device_rows.cu where there is no nvcc.
#include "accuracy/rows.hpp"

namespace report {

std::vector<row> device_rows() { return {}; }

}  // namespace report
