// Makes the rows with a given backend, a function template from an op to its runner.
#pragma once

#include <deque>

#include <invact/invact.hpp>

#include "accuracy/parameters.hpp"
#include "accuracy/rows.hpp"
#include "support/op_runner.hpp"

namespace report {

struct host_backend {
  static constexpr bool is_host = true;

  template <class Op>
  static accuracy::runner run(Op op) {
    return host_runner(op);
  }

  // A scale that lives as long as the rows.
  static const float* pointer_to(float scale) {
    static std::deque<float> all;
    all.push_back(scale);
    return &all.back();
  }
};

template <class Backend>
class row_maker {
 public:
  template <class Activation>
  void add(const char* activation) {
#if !INVACT_TEST_ONLY_BFLOAT16
    add_storage<Activation, float>(activation, "float");
    add_storage<Activation, invact::binary16>(activation, "binary16");
#endif
    add_storage<Activation, invact::bfloat16>(activation, "bfloat16");
  }

  template <class Activation, class Storage>
  void add_storage(const char* activation, const char* storage) {
    add_packing<Activation, Storage, invact::bitmask>(activation, storage, "bitmask");
    if constexpr (invact::piece_bits_v<Activation> > 0)
      add_packing<Activation, Storage, invact::mantissa_bit>(activation, storage, "mantissa_bit");
  }

  template <class Activation, class Storage>
  void add_cells(const char* activation, const char* storage) {
    if constexpr (invact::detail::is_float8<Storage>)
      add_cell_packing<Activation, Storage, invact::bitmask>(activation, storage, "bitmask");
    add_refined<Activation, Storage>(activation, storage);
  }

  template <class Activation>
  void add_float8(const char* activation) {
    add_cell_packing<Activation, invact::float8_e4m3, invact::bitmask>(activation, "e4m3", "bitmask");
    if constexpr (Backend::is_host)
      add_cell_packing<Activation, invact::float8_e5m2, invact::bitmask>(activation, "e5m2", "bitmask");
  }

  template <class Activation, class Storage>
  void add_refined(const char* activation, const char* storage) {
    using invact::refined_bitmask;
    add_cell_packing<Activation, Storage, refined_bitmask<2>>(activation, storage, "refined_bitmask_2");
    add_cell_packing<Activation, Storage, refined_bitmask<4>>(activation, storage, "refined_bitmask_4");
  }

  template <class Activation, class Storage, class Packing>
  void add_cell_packing(const char* activation, const char* storage, const char* packing) {
    if constexpr (invact::detail::is_float8<Storage>) {
      add_scaled<invact::scaled<Activation, Storage, Packing>>(activation, storage, packing);
    } else {
      add_op<invact::inverted<Activation, Storage, Packing>>(activation, storage, packing, "accurate");
    }
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
    // Of its gradients: the forwards are in test/approx/packed_test.cpp.
    if constexpr (!invact::detail::is_same_v<
                      typename select_approximant<packed, Activation, format, Packing::template spent_bits<bits>>::type,
                      packed>)
      add_op<inverted<Activation, Storage, Packing, packed>>(activation, storage, shown, "packed");
  }

  // FP8 storage: several scales, and one for other parameters.
  template <class Op>
  void add_scaled(const char* activation, const char* storage, const char* packing) {
    constexpr float scales[] = {1,          1.0905077f, 1.1892071f, 1.2968396f,
                                1.4142136f, 1.5422108f, 1.6817928f, 1.8340081f};
    row r = new_row<Op>(activation, storage, Op::mask_bits == 0 ? "none" : packing, "accurate");
    for (const auto& with : variants<typename Op::activation_type>(activation)) {
      const bool is_default = r.variants.empty();
      for (const float scale : scales) {
        const Op op(Backend::pointer_to(scale), nullptr, with.activation);
        r.variants.push_back({with.parameters, Backend::run(op), scale});
        if (!is_default) break;
      }
      if (is_default) r.scales = static_cast<int>(r.variants.size());
    }
    rows.push_back(std::move(r));
  }

  template <class Op>
  static row new_row(const char* activation, const char* storage, const char* packing,
                     const char* approximant) {
    row r{activation, storage, packing, approximant, format_of<typename Op::storage_type>, index_of<Op>(), {}};
    r.refines = Op::mask_bits > invact::piece_bits_v<typename Op::activation_type>;
    return r;
  }

  template <class Op>
  void add_op(const char* activation, const char* storage, const char* packing, const char* approximant) {
    row r = new_row<Op>(activation, storage, packing, approximant);
    for (const auto& with : variants<typename Op::activation_type>(activation))
      r.variants.push_back({with.parameters, Backend::run(Op(with.activation))});
    rows.push_back(std::move(r));
  }
};

// The catalogue in float and in 16 bits, with a bit an element where one is needed.
template <class Backend>
std::vector<row> plain_rows() {
  row_maker<Backend> maker;
#define INVACT_ADD(name) maker.template add<invact::name>(#name);
  INVACT_CATALOGUE(INVACT_ADD)
#undef INVACT_ADD
  return std::move(maker.rows);
}

// In formats of eight bits, and with finer gradients in those of 16: the whole catalogue, or, where that would
// take minutes to compile, without finer gradients but for a minimum with tables, a curve that has a limit, a jump
// of f' and constant pieces, and without e5m2 on a GPU.
template <class Backend>
std::vector<row> cell_rows() {
  row_maker<Backend> maker;
#if INVACT_TEST_ONLY_BFLOAT16
#elif INVACT_FULL_MATRIX
#define INVACT_ADD(name)                                                       \
  maker.template add_cells<invact::name, invact::float8_e4m3>(#name, "e4m3");  \
  maker.template add_cells<invact::name, invact::float8_e5m2>(#name, "e5m2");  \
  maker.template add_cells<invact::name, invact::bfloat16>(#name, "bfloat16"); \
  maker.template add_cells<invact::name, invact::binary16>(#name, "binary16");
  INVACT_CATALOGUE(INVACT_ADD)
#else
#define INVACT_ADD(name) maker.template add_float8<invact::name>(#name);
  INVACT_CATALOGUE(INVACT_ADD)
  maker.template add_refined<invact::gelu, invact::float8_e4m3>("gelu", "e4m3");
  maker.template add_refined<invact::silu, invact::float8_e5m2>("silu", "e5m2");
  maker.template add_refined<invact::silu, invact::bfloat16>("silu", "bfloat16");
  maker.template add_refined<invact::gelu, invact::binary16>("gelu", "binary16");
  maker.template add_refined<invact::softplus, invact::float8_e4m3>("softplus", "e4m3");
  maker.template add_refined<invact::hardswish, invact::float8_e4m3>("hardswish", "e4m3");
  maker.template add_refined<invact::hardtanh, invact::float8_e5m2>("hardtanh", "e5m2");
#endif
#undef INVACT_ADD
  return std::move(maker.rows);
}

}  // namespace report
