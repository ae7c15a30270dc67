// Every form by its name.
#pragma once

#include <stdexcept>

#include "gradient.hpp"
#include "gradient_float.hpp"
#include "packed.hpp"

namespace fit {

inline std::unique_ptr<form> make_form(const problem& p, const choice& c) {
  if (c.form == "signed_root") return std::make_unique<signed_root_form>(p, c, false);
  if (c.form == "two_shift_root") return std::make_unique<signed_root_form>(p, c, true);
  if (c.form == "scaled_root") return std::make_unique<scaled_root_form>(p, c);
  if (c.form == "split_root") return std::make_unique<split_root_form>(p, c);
  if (c.form == "log_root") return std::make_unique<log_root_form>(p, c);
  if (c.form == "cell_log_root") return std::make_unique<cell_log_root_form>(p, c);
  if (c.form == "packed_root") return std::make_unique<packed_root_form>(p, c);
  if (c.form == "joint") return std::make_unique<joint_form>(p, c);
  throw std::runtime_error("no form is called " + c.form);
}

}  // namespace fit
