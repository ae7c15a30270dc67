// Every form by its name.
#pragma once

#include <stdexcept>

#include "gradient.hpp"
#include "gradient_float.hpp"

namespace fit {

inline std::unique_ptr<form> make_form(const problem& p, const choice& c) {
  const bool is_raised = c.form.rfind("raised_", 0) == 0;
  const std::string name = is_raised ? c.form.substr(7) : c.form;
  if (name == "signed_root") return std::make_unique<signed_root_form>(p, c, false, is_raised);
  if (name == "two_shift_root") return std::make_unique<signed_root_form>(p, c, true, is_raised);
  if (name == "split_root") return std::make_unique<split_root_form>(p, c);
  if (name == "log_root") return std::make_unique<log_root_form>(p, c);
  if (name == "even_root") return std::make_unique<even_root_form>(p, c, is_raised);
  if (name == "cubic_root") return std::make_unique<cubic_root_form>(p, c);
  if (name == "joint") return std::make_unique<joint_form>(p, c, is_raised);
  throw std::runtime_error("no form is called " + c.form);
}

}  // namespace fit
