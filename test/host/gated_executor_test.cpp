#include <invact/host/gated.hpp>

#include "gated_support.hpp"

#include <limits>

namespace {

using namespace host_test;
using invact::bfloat16;
using invact::binary16;
using invact::bitmask;
using invact::gelu;
using invact::mantissa_bit;
using invact::silu;

// Both widths of storage and both packings.
#define FEW_OPS (invact::swiglu<float, mantissa_bit>), (invact::geglu<bfloat16, bitmask>)
// Where compiling all takes minutes.
#if INVACT_TEST_FEW_OPS
#define EVERY_OP FEW_OPS
#define RECOMPUTING_OPS (invact::gated_recompute<silu, bfloat16>)
#else
#define RECOMPUTING_OPS (invact::gated_recompute<silu, bfloat16>), (invact::gated_recompute<gelu, float>)
#define EVERY_OP                                                                      \
  FEW_OPS, (invact::geglu<float, bitmask>), (invact::swiglu<bfloat16, mantissa_bit>), \
      (invact::swiglu<binary16, bitmask>), (invact::reglu<bfloat16>), (invact::clamped_swiglu<bfloat16>)
#endif
#define PLAIN_OPS (plain_gated_op<bfloat16, 2>), (plain_recompute_op<float>)

struct on_host {
  template <class T>
  class buffer {
   public:
    explicit buffer(const guarded<T>& host) : own_(host) {}
    T* data() { return own_.data(); }
    void copy_to(guarded<T>& host) const { host = own_; }

   private:
    guarded<T> own_;
  };
  template <class Op>
  static auto scalar(const Op& op, const std::vector<unit_in<typename Op::storage_type>>& in) {
    std::vector<unit_out<typename Op::storage_type>> out;
    for (const auto& unit : in) out.push_back(scalar_unit(op, unit));
    return out;
  }
#define INVACT_TEST_CALL(name)                      \
  template <class... Arguments>                     \
  static bool name(const Arguments&... arguments) { \
    invact::host::name(arguments...);               \
    return true;                                    \
  }
  INVACT_TEST_CALL(forward_gated)
  INVACT_TEST_CALL(forward_interleaved)
  INVACT_TEST_CALL(backward_gated)
  INVACT_TEST_CALL(backward_interleaved)
  template <class Call>
  static void rows(const gated_problem&, const gated_shape& shape, const Call& call) {
    call(shape);
  }
  static void done(bool) {}
};

template <class Op, class Types, bool Interleaved>
gated_data<Op, Types, Interleaved> data_of(const gated_problem& p, unsigned seed, const Op& op = {}) {
  return {p, seed, [](const Op& of, const auto& in) { return on_host::scalar(of, in); }, op};
}
template <class Op, class Types, bool Interleaved>
void check(const gated_problem& p, unsigned seed, const Op& op = {}) {
  auto d = data_of<Op, Types, Interleaved>(p, seed, op);
  check_calls<on_host>(d);
}

// Around every block, byte and task boundary.
const int64 sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 71, 72, 73, 1000, 16384, 16391, 40009};

const gated_problem matrices[] = {{1, 1, 1},
                                  {1, 3, 7, 2, 8},
                                  {1, 5, 8},
                                  {1, 2, 9, 1, 16},
                                  {1, 0, 5},
                                  {1, 5, 0, 3},
                                  {1, 65, 130, 0, 0, 1},
                                  {1, 130, 65, 3, 8, 3},
                                  {1, 2, 16403, 5, 8},
                                  {1, 4200, 3, 1, 8, 1}};

}  // namespace

TEMPLATE_TEST_CASE("host gated runs equal the scalar op bit for bit at every size and alignment", "[host]",
                   EVERY_OP, RECOMPUTING_OPS, PLAIN_OPS) {
  for (const int64 n : sizes) {
    for (int shift = 0; shift < 3; ++shift) {
      check<TestType, own_types<TestType>, false>(gated_problem::run(n, shift),
                                                  static_cast<unsigned>(n + shift));
    }
  }
}

TEMPLATE_TEST_CASE("host gated matrices equal the scalar op and leave the gaps between rows alone",
                   "[host]", EVERY_OP, RECOMPUTING_OPS, PLAIN_OPS) {
  unsigned seed = 100;
  for (const gated_problem& p : matrices) check<TestType, own_types<TestType>, false>(p, ++seed);
}

TEMPLATE_TEST_CASE("host interleaved units equal the scalar op of the u that is kept", "[host]", FEW_OPS,
                   RECOMPUTING_OPS, PLAIN_OPS) {
  unsigned seed = 200;
  for (const gated_problem& p : matrices) check<TestType, own_types<TestType>, true>(p, ++seed);
}

TEST_CASE("host gated units take and give tensors of any storage type", "[host]") {
  using act = invact::swiglu<bfloat16>;
  using again = invact::gated_recompute<silu, bfloat16>;
  for (const gated_problem& p : {gated_problem{1, 5, 77, 2, 8}, gated_problem{1, 1, 1000}}) {
    check<act, gated_types<float, float, bfloat16, float, binary16>, false>(p, 301);
    check<act, gated_types<float, bfloat16, binary16, float>, true>(p, 302);
    check<again, gated_types<bfloat16, float, binary16, bfloat16, float>, false>(p, 303);
    // Its forward alone: the backward takes what is stored.
    check<again, gated_types<float, bfloat16, float, float>, false>(p, 304);
  }
}

TEST_CASE("host gated units have the parameters of their op", "[host]") {
  using clamped = invact::clamped_swiglu<bfloat16>;
  const clamped op(invact::clamped_swish{1.25f, 3.0f}, invact::clamped_up{2.0f, 0.5f});
  for (const gated_problem& p : matrices) check<clamped, own_types<clamped>, false>(p, 351, op);
}

TEMPLATE_TEST_CASE("of host gated units an output may overwrite any input that is as large", "[host]",
                   EVERY_OP, RECOMPUTING_OPS) {
  for (gated_problem p :
       {gated_problem::run(1003), gated_problem{1, 37, 130, 3, 8}, gated_problem{1, 2, 16393, 1}}) {
    p.one_ld = true;
    auto d = data_of<TestType, own_types<TestType>, false>(p, 401);
    check_in_place<on_host>(d);
  }
}

TEMPLATE_TEST_CASE("gradients of host interleaved units may overwrite what was kept", "[host]",
                   RECOMPUTING_OPS) {
  for (gated_problem p : {gated_problem{1, 37, 130, 3}, gated_problem{1, 1, 16393}}) {
    p.one_ld = true;
    auto d = data_of<TestType, own_types<TestType>, true>(p, 402);
    check_pairs_in_place<on_host>(d);
  }
}

TEMPLATE_TEST_CASE("host gates and ups in one matrix become h and ups, and their gradients", "[host]",
                   EVERY_OP) {
  for (gated_problem p : {gated_problem{1, 9, 13, 13}, gated_problem{1, 21, 64, 64, 8},
                          gated_problem{1, 3, 100, 107, 0, 1}}) {
    p.one_ld = true;
    auto d = data_of<TestType, own_types<TestType>, false>(p, 501);
    check_joined<on_host>(d);
  }
}
