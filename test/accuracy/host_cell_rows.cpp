#include "accuracy/add_rows.hpp"

namespace report {

std::vector<row> host_cell_rows() { return cell_rows<host_backend>(); }

}  // namespace report
