// What must not depend on where and how an element is computed: in a pair, in a fragment or alone, and at the
// corners on the device or the host. How accurate the device's arithmetic is, the accuracy report tells.
//
// Exit status: 0 all hold, 1 one does not, 77 skipped, because there is no GPU.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <invact/invact.hpp>


namespace {

using namespace invact;

int failures = 0;

void require(bool holds, const char* what) {
  if (holds) return;
  std::printf("    FAILED: %s\n", what);
  ++failures;
}

void cuda(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::printf("CUDA: %s\n", cudaGetErrorString(status));
  std::exit(1);
}

template <class T>
class device_array {
 public:
  explicit device_array(std::size_t n) : n_(n) { cuda(cudaMalloc(&data_, n * sizeof(T))); }
  explicit device_array(const std::vector<T>& from) : device_array(from.size()) {
    cuda(cudaMemcpy(data_, from.data(), n_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  device_array(const device_array&) = delete;
  ~device_array() { cudaFree(data_); }
  T* get() { return data_; }
  std::vector<T> copy() const {
    std::vector<T> to(n_);
    cuda(cudaMemcpy(to.data(), data_, n_ * sizeof(T), cudaMemcpyDeviceToHost));
    return to;
  }

 private:
  std::size_t n_;
  T* data_ = nullptr;
};

template <class Op>
__global__ void forward_kernel(int n, const float* x, typename Op::storage_type* y, uint8* piece) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  const auto e = Op{}.forward(x[i]);
  y[i] = e.y;
  piece[i] = static_cast<uint8>(e.piece);
}

template <class Op>
__global__ void gradient_kernel(int n, const typename Op::storage_type* y, const uint8* piece, float* g) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) g[i] = Op{}.gradient_factor(y[i], piece[i]);
}

// Counts the elements that encode_pair() encodes otherwise than encode(), bit for bit, over every float y, with
// any other in the other half and any pieces.
template <class Format>
__global__ void pair_kernel(uint32 first, uint32* wrong) {
  const uint32 bits = first + blockIdx.x * blockDim.x + threadIdx.x;
  const uint32 mixed = (bits ^ (bits >> 15)) * 0x2c1b3c6du;
  const float y[2] = {float_from_bits(bits), float_from_bits(mixed ^ (mixed >> 12))};
  for (uint32 pieces = 0; pieces < 4; ++pieces) {
    const auto a = mantissa_bit::encode_pair<gelu, Format>(y[0], y[1], pieces & 1u, pieces >> 1);
    const auto b = mantissa_bit::encode_pair<gelu, Format>(y[1], y[0], pieces >> 1, pieces & 1u);
    const auto one = mantissa_bit::encode<gelu, Format>(y[0], pieces & 1u);
    const auto other = mantissa_bit::encode<gelu, Format>(y[1], pieces >> 1);
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

unsigned blocks(std::size_t n) { return static_cast<unsigned>((n + 255) / 256); }

template <class Op>
struct results {
  std::vector<typename Op::storage_type> y;
  std::vector<uint8> piece;
};

template <class Op>
results<Op> forward(const std::vector<float>& x) {
  device_array<float> in(x);
  device_array<typename Op::storage_type> y(x.size());
  device_array<uint8> piece(x.size());
  forward_kernel<Op><<<blocks(x.size()), 256>>>(static_cast<int>(x.size()), in.get(), y.get(), piece.get());
  cuda(cudaGetLastError());
  return {y.copy(), piece.copy()};
}

template <class Op>
std::vector<float> gradient(const std::vector<typename Op::storage_type>& y,
                            const std::vector<uint8>& piece) {
  device_array<typename Op::storage_type> in(y);
  device_array<uint8> pieces(piece);
  device_array<float> g(y.size());
  gradient_kernel<Op>
      <<<blocks(y.size()), 256>>>(static_cast<int>(y.size()), in.get(), pieces.get(), g.get());
  cuda(cudaGetLastError());
  return g.copy();
}

// NaN, infinities, zeros and underflow: bit for bit what the host gives, whose tests say what that is.
template <class Op>
void check_corners() {
  using traits = storage_traits<typename Op::storage_type>;
  std::vector<float> x;
  for (const uint32 bits : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0x7f800000u, 0xff800000u, 0u,
                            0x80000000u, 0xff7fffffu, 0xc47a0000u, 0xc2f00000u, 0xc3000000u})
    x.push_back(float_from_bits(bits));
  const results<Op> got = forward<Op>(x);
  const std::vector<float> g = gradient<Op>(got.y, got.piece);
  bool same = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto host = Op{}.forward(x[i]);
    const float y = traits::load(got.y[i]), y_host = traits::load(host.y),
                g_host = Op{}.gradient_factor(host.y, host.piece);
    if (is_nan(x[i])) {
      same = same && is_nan(y) && is_nan(g[i]) && got.piece[i] == 0;
    } else {
      same = same && float_bits(y) == float_bits(y_host) && got.piece[i] == host.piece &&
             std::fabs(g[i] - g_host) < 1e-5f;
    }
  }
  require(same, "NaN, infinities, zeros or underflow");
}

template <class Format>
void check_pairs() {
  device_array<uint32> wrong(std::vector<uint32>{0});
  for (uint32 first = 0; first < 16; ++first)
    pair_kernel<Format><<<1u << 20, 256>>>(first << 28, wrong.get());
  cuda(cudaGetLastError());
  require(wrong.copy()[0] == 0, "a pair is encoded as its elements are");
}

// An odd step visits the floats in an order in which neighbours differ in everything.
template <class Op>
void check_fragments() {
  constexpr uint32 step = 0x9e3779b1u;
  device_array<uint32> wrong(std::vector<uint32>{0});
  fragment_kernel<Op, 8><<<1u << 13, 256>>>(step, wrong.get());
  fragment_kernel<Op, 3><<<1u << 13, 256>>>(step, wrong.get());
  fragment_kernel<Op, 32><<<1u << 11, 256>>>(step, wrong.get());
  cuda(cudaGetLastError());
  require(wrong.copy()[0] == 0, "a fragment call equals scalar calls");
}

template <class Op>
void check(const char* name) {
  std::printf("%s\n", name);
  check_corners<Op>();
  check_fragments<Op>();
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
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::printf("skipped: there is no GPU here\n");
    return 77;
  }
  cudaDeviceProp properties{};
  cuda(cudaGetDeviceProperties(&properties, 0));
#if defined(__USE_FAST_MATH__)
  const char* const flags = ", --use_fast_math";
#else
  const char* const flags = "";
#endif
  std::printf("%s%s\n", properties.name, flags);
  check_pairs<binary32_format>();
  check_pairs<bfloat16_format>();
  check_pairs<binary16_format>();
  check_activation<gelu>("GELU");
  check_activation<silu>("SiLU");
  std::printf(failures == 0 ? "all hold\n" : "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
