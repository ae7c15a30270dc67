// Makes the rows with a given backend, a function template from an op to its runner.
#pragma once

#include <invact/invact.hpp>

#include "accuracy/parameters.hpp"
#include "accuracy/rows.hpp"
#include "support/op_runner.hpp"

namespace report {

struct host_backend {
  template <class Op>
  static accuracy::runner run(Op op) {
    return host_runner(op);
  }
};

template <class Backend>
class row_maker {
 public:
  template <class Activation>
  void add(const char* activation) {
    add_storage<Activation, float>(activation, "float");
    add_storage<Activation, invact::binary16>(activation, "binary16");
    add_storage<Activation, invact::bfloat16>(activation, "bfloat16");
  }

  template <class Activation, class Storage>
  void add_storage(const char* activation, const char* storage) {
    add_packing<Activation, Storage, invact::bitmask>(activation, storage, "bitmask");
    if constexpr (invact::piece_bits_v<Activation> > 0)
      add_packing<Activation, Storage, invact::mantissa_bit>(activation, storage, "mantissa_bit");
  }

  std::vector<row> rows;

 private:
  template <class Activation, class Storage, class Packing>
  void add_packing(const char* activation, const char* storage, const char* packing) {
    using namespace invact;
    constexpr int bits = piece_bits_v<Activation>;
    using format = typename storage_traits<Storage>::format;
    using quick = typename select_approximant<fast, Activation, format, Packing::template spent_bits<bits>>::type;
    using precise =
        typename select_approximant<accurate, Activation, format, Packing::template spent_bits<bits>>::type;
    const char* const shown = bits == 0 ? "none" : packing;
    add_op<inverted<Activation, Storage, Packing>>(activation, storage, shown, "accurate");
    if constexpr (!invact::detail::is_same_v<quick, fast> && !invact::detail::is_same_v<quick, precise>)
      add_op<inverted<Activation, Storage, Packing, fast>>(activation, storage, shown, "fast");
  }

  template <class Op>
  void add_op(const char* activation, const char* storage, const char* packing, const char* approximant) {
    row r{activation, storage, packing, approximant, format_of<typename Op::storage_type>, index_of<Op>(), {}};
    for (const auto& with : variants<typename Op::activation_type>(activation))
      r.variants.push_back({with.parameters, Backend::run(Op(with.activation))});
    rows.push_back(std::move(r));
  }
};

template <class Backend>
std::vector<row> make_rows() {
  row_maker<Backend> maker;
#define INVACT_ADD(name) maker.template add<invact::name>(#name);
  INVACT_CATALOGUE(INVACT_ADD)
#undef INVACT_ADD
  return std::move(maker.rows);
}

}  // namespace report
