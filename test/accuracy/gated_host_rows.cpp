#include "accuracy/gated_add_rows.hpp"

namespace report {

namespace {

using namespace invact;

#if !INVACT_TEST_ONLY_CHECKED
template <class Activation, class Storage>
placement_row placement(const char* name, const char* storage) {
  using beside = gated<Activation, Storage, bitmask>;
  using in_h = gated<Activation, Storage, mantissa_bit>;
  return {name, storage, unit_of<beside>(), host_gated_runner(beside{}), host_gated_runner(in_h{})};
}
#endif

}  // namespace

std::vector<gated_row> host_gated_rows() { return gated_rows<host_gated_backend, bfloat16>("bfloat16"); }

std::vector<placement_row> host_placement_rows() {
#if INVACT_TEST_ONLY_CHECKED
  return {};
#else
  return {placement<silu, bfloat16>("silu", "bfloat16"), placement<silu, binary16>("silu", "binary16"),
          placement<gelu, bfloat16>("gelu", "bfloat16"),
          placement<gelu_tanh, bfloat16>("gelu_tanh", "bfloat16"),
          placement<mish, bfloat16>("mish", "bfloat16")};
#endif
}

}  // namespace report
