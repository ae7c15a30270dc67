#include "accuracy/device_backend.cuh"

namespace report {

std::vector<row> device_rows() { return has_device() ? plain_rows<device_backend>() : std::vector<row>{}; }

}  // namespace report
