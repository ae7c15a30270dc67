#include "accuracy/add_rows.hpp"

namespace report {

namespace {

struct host_backend {
  template <class Op>
  static accuracy::runner run(Op op) {
    return host_runner(op);
  }
};

}  // namespace

std::vector<row> host_rows() { return make_rows<host_backend>(); }

}  // namespace report
