#include <vector>

#include <invact/invact.hpp>

#include "support/catch.hpp"

using namespace invact;

TEST_CASE("the bitmask's bytes are those of NumPy's packbits with bitorder little") {
  // x < T on elements 0, 3, 4, 9 and 10 of 11: numpy.packbits([1,0,0,1,1,0,0,0,0,1,1], bitorder='little').
  const float x[11] = {-2.0f, 1.0f, -0.5f, -0.76f, -9.0f, 0.0f, -0.75f, 3.0f, -0.0f, -1.0f, -30.0f};
  const inverted<gelu, bfloat16> op;
  std::vector<unsigned> bytes;
  for (int first = 0; first < 11; first += 8) {
    fragment<float, 8> in{};
    for (int i = 0; i < 8 && first + i < 11; ++i) in[i] = x[first + i];
    inverted<gelu, bfloat16>::pieces<8> kept;
    op.forward(in, kept);
    bytes.push_back(kept.bits);
  }
  CHECK(bytes == std::vector<unsigned>{0x19u, 0x06u});
}

TEST_CASE("a mask has one bit an element, rounded up to bytes") {
  CHECK(mask_bytes(0) == 0);
  CHECK(mask_bytes(1) == 1);
  CHECK(mask_bytes(8) == 1);
  CHECK(mask_bytes(9) == 2);
  CHECK(mask_bytes(3, 2) == 1);
  CHECK(mask_bytes(5, 2) == 2);
  CHECK(mask_bytes(9, 0) == 0);
  CHECK(mask_bytes(int64{1} << 40) == int64{1} << 37);
}

TEST_CASE("the bitmask leaves y as ordinary rounding gives it") {
  const inverted<gelu, binary16> op;
  using traits = storage_traits<binary16>;
  using evaluator = inverted<gelu, binary16>::evaluator_type;
  for (float x = -6.0f; x < 6.0f; x += 0.001f) {
    const float y = evaluator::evaluate(gelu{}, x);
    CHECK(traits::to_code(op.forward(x).y) == binary16_format::round(y));
  }
}
