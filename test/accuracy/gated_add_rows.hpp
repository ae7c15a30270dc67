// Makes the rows of the gated report with a given backend: function templates from an op to its runner.
#pragma once

#include "accuracy/gated_rows.hpp"
#include "accuracy/gated_runner.hpp"

namespace report {

struct host_gated_backend {
  // gated, gated_recompute.
  template <class Op>
  static accuracy::gated_runner run(Op op) {
    return host_gated_runner(op);
  }
  // inverted, beside which u is kept.
  template <class Op>
  static accuracy::gated_runner run_keeping(Op op) {
    return host_keeping_runner(op);
  }
};

// Without the rows that --check does not measure.
#if INVACT_TEST_ONLY_CHECKED
inline constexpr bool only_checked = true;
#else
inline constexpr bool only_checked = false;
#endif

template <class Backend>
class gated_row_maker {
 public:
  // In 16-bit storage with what keeps y, and what keeps g, beside it; in float their errors are in the other report.
  template <class Activation, class Storage>
  void add(const char* name, const char* storage) {
    using namespace invact;
    add_packing<Activation, Storage, bitmask>(name, storage,
                                              piece_bits_v<Activation> == 0 ? "none" : "bitmask");
    if constexpr (piece_bits_v<Activation> > 0)
      add_packing<Activation, Storage, mantissa_bit>(name, storage, "mantissa_bit");
    if constexpr (sizeof(Storage) == 2 && !only_checked) {
      using op = gated_recompute<Activation, Storage, default_evaluator, up_with<Activation>>;
      add_row<op, Activation>(name, storage, "none", "recompute", keeps::g, Backend::run(op{}));
    }
  }

  std::vector<gated_row> rows;

 private:
  template <class Activation>
  static constexpr bool is_clamped = invact::detail::is_same_v<Activation, invact::clamped_swish>;
  template <class Activation>
  using up_with = typename invact::detail::conditional<is_clamped<Activation>, invact::clamped_up,
                                                       invact::plain_up>::type;

  template <class Activation, class Storage, class Packing>
  void add_packing(const char* name, const char* storage, const char* packing) {
    using namespace invact;
    using up = up_with<Activation>;
    using op = gated<Activation, Storage, Packing, accurate, default_evaluator, up>;
    add_row<op, Activation>(name, storage, packing, "accurate", keeps::h, Backend::run(op{}));
    if constexpr (sizeof(Storage) == 2) {
      constexpr int spent = Packing::template spent_bits<piece_bits_v<Activation>>;
      using format = typename storage_traits<Storage>::format;
      using precise = typename select_approximant<accurate, Activation, format, spent>::type;
      using quick = typename select_approximant<fast, Activation, format, spent>::type;
      if constexpr (!invact::detail::is_same_v<quick, precise>) {
        using quick_op = gated<Activation, Storage, Packing, fast, default_evaluator, up>;
        add_row<quick_op, Activation>(name, storage, packing, "fast", keeps::h, Backend::run(quick_op{}));
      }
      if constexpr (!is_clamped<Activation> && !only_checked) {
        using plain = inverted<Activation, Storage, Packing>;
        add_row<plain, Activation>(name, storage, packing, "accurate", keeps::y,
                                   Backend::run_keeping(plain{}));
      }
    }
  }

  template <class Op, class Activation>
  void add_row(const char* name, const char* storage, const char* packing, const char* approximant,
               keeps kept, accuracy::gated_runner run) {
    gated_row r{name, storage, packing, approximant, kept, unit_of<Op>(), std::move(run)};
    if (is_clamped<Activation>) r.of.up = {7, 1};
    r.of.keeps_y = kept == keeps::y;
    rows.push_back(std::move(r));
  }
};

template <class Backend, class Storage>
std::vector<gated_row> gated_rows(const char* storage) {
  gated_row_maker<Backend> maker;
#define INVACT_ADD(name) maker.template add<invact::name, Storage>(#name, storage);
#if INVACT_TEST_SAMPLE
  // A table, a closed form with flat ends, no piece, a limit; the whole catalogue is in the other report.
  INVACT_ADD(silu)
  INVACT_ADD(hardswish)
  INVACT_ADD(relu)
  INVACT_ADD(sigmoid)
#else
  INVACT_CATALOGUE(INVACT_ADD)
#endif
#undef INVACT_ADD
  maker.template add<invact::clamped_swish, Storage>("clamped_swish", storage);
  return std::move(maker.rows);
}

}  // namespace report
