#include "accuracy/add_rows.hpp"

namespace report {

std::vector<row> host_rows() { return make_rows<host_backend>(); }

}  // namespace report
