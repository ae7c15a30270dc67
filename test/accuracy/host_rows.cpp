#include "accuracy/add_rows.hpp"

namespace report {

std::vector<row> host_rows() { return plain_rows<host_backend>(); }

}  // namespace report
