#include <memory>

#include <invact/invact.hpp>

#include "support/catch.hpp"

using namespace invact;

namespace {

// Codes and mask bits for which the table, filled in shares, has another gradient than the op.
template <class Op>
int differing_entries(const Op& op) {
  using storage = typename Op::storage_type;
  using traits = storage_traits<storage>;
  const auto table = std::make_unique<gradient_table<Op>>();
  constexpr int threads = 96;
  for (int thread = 0; thread < threads; ++thread) table->fill(op, thread, threads);
  int wrong = 0;
  for (uint32 piece = 0; piece < (1u << Op::mask_bits); ++piece) {
    for (int c = 0; c < 256; ++c) {
      const storage y = traits::from_code(static_cast<uint8>(c));
      const float want = op.gradient_factor(y, piece), got = table->gradient_factor(y, piece);
      wrong += float_bits(want) != float_bits(got) && !(is_nan(want) && is_nan(got));
      fragment<float, 2> dy{3.0f, -1.0f};
      typename Op::template pieces<2> kept;
      kept.insert(1, piece);
      const auto dx = table->backward(dy, fragment<storage, 2>{traits::from_code(0), y}, kept);
      wrong += !(dx[1] == -got) && !is_nan(got);
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("a gradient table has the op's gradient of every code and mask") {
  const float scale = 1.3f;
  CHECK(differing_entries(scaled<gelu, float8_e4m3>(&scale)) == 0);
  CHECK(differing_entries(scaled<softplus, float8_e5m2>(&scale)) == 0);
  CHECK(differing_entries(scaled<silu, float8_e4m3, refined_bitmask<2>>(&scale)) == 0);
}
