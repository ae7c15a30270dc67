// The rows run by a GPU, in its own arithmetic.
#include "accuracy/add_rows.hpp"
#include "support/device_runner.cuh"

namespace report {

namespace {

struct device_backend {
  template <class Op>
  static accuracy::runner run(Op op) {
    return device_runner(op);
  }
};

}  // namespace

std::vector<row> device_rows() {
  return has_device() ? make_rows<device_backend>() : std::vector<row>{};
}

}  // namespace report
