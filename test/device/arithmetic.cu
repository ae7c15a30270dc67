// What must not depend on where and how an element is computed: in a pair, in a fragment or alone, and at the
// corners on the device or the host. How accurate the device's arithmetic is, the accuracy report tells.
//
// Exit status: 0 all hold, 1 one does not, 77 skipped, because there is no GPU.
#include <cmath>
#include <cstdio>
#include <vector>

#include <invact/invact.hpp>

#include "support/bounds.hpp"
#include "support/device_runner.cuh"
#include "support/op_runner.hpp"

namespace {

using namespace invact;

int failures = 0;

void require(bool holds, const char* what) {
  if (holds) return;
  std::printf("    FAILED: %s\n", what);
  ++failures;
}

// Counts the elements that encode_pair() encodes otherwise than encode(), bit for bit, over every float y, with
// any other in the other half and any pieces.
template <class Activation, class Format>
__global__ void pair_kernel(uint32 first, uint32* wrong) {
  const uint32 bits = first + blockIdx.x * blockDim.x + threadIdx.x;
  const uint32 mixed = (bits ^ (bits >> 15)) * 0x2c1b3c6du;
  const float y[2] = {float_from_bits(bits), float_from_bits(mixed ^ (mixed >> 12))};
  for (uint32 pieces = 0; pieces < 4; ++pieces) {
    const auto a = mantissa_bit::encode_pair<Activation, Format>(y[0], y[1], pieces & 1u, pieces >> 1);
    const auto b = mantissa_bit::encode_pair<Activation, Format>(y[1], y[0], pieces >> 1, pieces & 1u);
    const auto one = mantissa_bit::encode<Activation, Format>(y[0], pieces & 1u);
    const auto other = mantissa_bit::encode<Activation, Format>(y[1], pieces >> 1);
    if (a[0] != one || b[1] != one || a[1] != other || b[0] != other) atomicAdd(wrong, 1u);
  }
}

// Counts the elements that a fragment call gives another y or piece than a scalar call.
template <class Op, int N>
__global__ void fragment_kernel(uint32 step, uint32* wrong) {
  using traits = storage_traits<typename Op::storage_type>;
  fragment<float, N> x;
  INVACT_UNROLL
  for (int i = 0; i < N; ++i)
    x[i] = float_from_bits(((blockIdx.x * blockDim.x + threadIdx.x) * N + static_cast<uint32>(i)) * step);
  typename Op::template pieces<N> kept;
  const auto y = Op{}.forward(x, kept);
  INVACT_UNROLL
  for (int i = 0; i < N; ++i) {
    const auto e = Op{}.forward(x[i]);
    if (traits::to_code(e.y) != traits::to_code(y[i]) || e.piece != kept[i]) atomicAdd(wrong, 1u);
  }
}

// NaN, infinities, zeros and underflow: bit for bit what the host gives, whose tests say what that is.
template <class Op>
void check_corners() {
  std::vector<float> x;
  for (const uint32 bits : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0x7f800000u, 0xff800000u, 0u, 0x80000000u,
                            0xff7fffffu, 0xc47a0000u, 0xc2f00000u, 0xc3000000u})
    x.push_back(float_from_bits(bits));
  accuracy::codes y[2], piece[2];
  std::vector<float> g[2];
  const accuracy::runner runners[] = {host_runner(Op{}), device_runner(Op{})};
  for (int i = 0; i < 2; ++i) {
    runners[i].forward(x, y[i], piece[i]);
    runners[i].gradient(y[i], piece[i], g[i]);
  }
  bool same = piece[0] == piece[1];
  for (std::size_t i = 0; i < x.size(); ++i) {
    same = same && (y[0][i] == y[1][i] || is_nan(x[i]));
    same = same && (is_nan(x[i]) ? is_nan(g[1][i]) : std::fabs(g[0][i] - g[1][i]) < 1e-5f);
  }
  require(same, "NaN, infinities, zeros or underflow");
}

template <class Activation, class Format>
void check_pairs() {
  device_array<uint32> wrong(std::vector<uint32>{0});
  for (uint32 first = 0; first < 16; ++first)
    pair_kernel<Activation, Format><<<1u << 20, 256>>>(first << 28, wrong.data());
  check_cuda(cudaGetLastError());
  require(wrong.host()[0] == 0, "a pair is encoded as its elements are");
}
template <class Activation>
void check_pairs() {
  check_pairs<Activation, binary32_format>();
  check_pairs<Activation, bfloat16_format>();
  check_pairs<Activation, binary16_format>();
}

// An odd step visits the floats in an order in which neighbours differ in everything.
template <class Op>
void check_fragments() {
  constexpr uint32 step = 0x9e3779b1u;
  device_array<uint32> wrong(std::vector<uint32>{0});
  fragment_kernel<Op, 8><<<1u << 13, 256>>>(step, wrong.data());
  fragment_kernel<Op, 3><<<1u << 13, 256>>>(step, wrong.data());
  fragment_kernel<Op, 32><<<1u << 11, 256>>>(step, wrong.data());
  check_cuda(cudaGetLastError());
  require(wrong.host()[0] == 0, "a fragment call equals scalar calls");
}

template <class Op>
void check(const char* name) {
  std::printf("%s\n", name);
  check_corners<Op>();
  check_fragments<Op>();
}

// Of packed ops the device's own hyperbolic tangent is part of the forward: how far y is off, and that pieces are kept.
template <class Activation, class Reference>
void check_packed(const char* name, const Reference& reference) {
  std::printf("%s packed\n", name);
  using op = inverted<Activation, bfloat16, bitmask, packed, packed>;
  check_fragments<op>();
  check_fragments<inverted<Activation, bfloat16, mantissa_bit, packed, packed>>();
  std::vector<float> x;
  for (float v = -12; v < 12; v += 0.00037f) x.push_back(v);
  accuracy::codes y, piece;
  device_runner(op{}).forward(x, y, piece);
  bool near = true, kept = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = static_cast<double>(x[i]), want = reference(a);
    const double got = static_cast<double>(bfloat16_format::load(static_cast<uint16>(y[i])));
    const double ulp = std::ldexp(1.0, std::ilogb(std::fmax(std::fabs(got), 0x1p-126)) - 7);
    const double error = std::fabs(got - want);
    near = near && error <= bounds::packed_relative_to_x * std::fabs(a) + ulp / 2;
    if (a > -1) near = near && error <= bounds::packed_ulp * ulp;
    if (std::fabs(x[i] - Activation::stationary_point) > 0x1p-11f)
      kept = kept && piece[i] == static_cast<uint32>(x[i] < Activation::stationary_point);
  }
  require(near, "y is as near as promised");
  require(kept, "the piece");
}

template <class Activation>
void check_activation(const char* name) {
  std::printf("== %s\n", name);
  check<inverted<Activation, bfloat16>>("bfloat16 bitmask accurate");
  check<inverted<Activation, bfloat16, bitmask, fast>>("bfloat16 bitmask fast");
  check<inverted<Activation, bfloat16, mantissa_bit>>("bfloat16 mantissa_bit accurate");
  check<inverted<Activation, bfloat16, mantissa_bit, fast>>("bfloat16 mantissa_bit fast");
  check<inverted<Activation, binary16>>("half bitmask accurate");
  check<inverted<Activation, binary16, bitmask, fast>>("half bitmask fast");
  check<inverted<Activation, binary16, mantissa_bit>>("half mantissa_bit accurate");
  check<inverted<Activation, binary16, mantissa_bit, fast>>("half mantissa_bit fast");
  check<inverted<Activation, float>>("float bitmask accurate");
  check<inverted<Activation, float, mantissa_bit>>("float mantissa_bit accurate");
}

}  // namespace

int main() {
  if (!has_device()) {
    std::printf("skipped: there is no GPU here\n");
    return 77;
  }
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, 0));
#if defined(__USE_FAST_MATH__)
  const char* const flags = ", --use_fast_math";
#else
  const char* const flags = "";
#endif
  std::printf("%s%s\n", properties.name, flags);
  // Of negative and of positive y.
  check_pairs<gelu>();
  check_pairs<prelu>();
  check_activation<gelu>("GELU");
  check_activation<silu>("SiLU");
  check_packed<gelu>("GELU", [](double x) { return 0.5 * x * std::erfc(-x * std::sqrt(0.5)); });
  check_packed<silu>("SiLU", [](double x) { return x / (1 + std::exp(-x)); });
  std::printf(failures == 0 ? "all hold\n" : "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
