// What the device-wide calls refuse, what they report, and sizes beyond 32 bits.
#include "device_support.cuh"

#include <cstdio>
#include <limits>

namespace device_arguments {

using namespace device_test;
using invact::bfloat16;
using masked = invact::inverted<invact::gelu, bfloat16>;
using maskless = invact::inverted<invact::silu, bfloat16, invact::mantissa_bit>;

constexpr int64 most = std::numeric_limits<int64>::max();

struct tensors {
  guarded<bfloat16> host{64 * 64};
  guarded<uint8> host_mask{64 * 8};
  guarded<float> host_sums{64};
  on_device<bfloat16> x{host};
  on_device<bfloat16> y{host};
  on_device<bfloat16> dy{host};
  on_device<bfloat16> dx{host};
  on_device<uint8> mask{host_mask};
  on_device<float> sums{host_sums};
  on_device<uint8> space{host_mask};

  // Whether no call has written anything.
  void check_untouched() {
    succeed(cudaDeviceSynchronize());
    for (auto* t : {&x, &y, &dy, &dx}) {
      guarded<bfloat16> back = host;
      t->copy_to(back);
      CHECK(back.untouched());
    }
    guarded<uint8> bits = host_mask;
    mask.copy_to(bits);
    CHECK(bits.untouched());
    guarded<float> back = host_sums;
    sums.copy_to(back);
    CHECK(back.untouched());
  }
};

constexpr cudaError_t invalid = cudaErrorInvalidValue;

TEST_CASE("runs with bad arguments are refused before anything is written", "[sanitize]") {
  tensors t;
  bfloat16* const null = nullptr;
  namespace d = invact::device;
  const masked op;
  for (const int64 n : {int64{-1}, most, most / 2}) {
    CHECK(d::forward(op, n, t.x.data(), t.y.data(), t.mask.data()) == invalid);
    CHECK(d::backward(op, n, t.dy.data(), t.y.data(), t.mask.data(), t.dx.data()) == invalid);
    CHECK(d::forward(maskless{}, n, t.x.data(), t.y.data()) == invalid);
    CHECK(d::backward(maskless{}, n, t.dy.data(), t.y.data(), t.dx.data()) == invalid);
  }
  uint8* const no_mask = nullptr;
  CHECK(d::forward(op, 8, null, t.y.data(), t.mask.data()) == invalid);
  CHECK(d::forward(op, 8, t.x.data(), null, t.mask.data()) == invalid);
  CHECK(d::forward(op, 8, t.x.data(), t.y.data(), no_mask) == invalid);
  CHECK(d::backward(op, 8, null, t.y.data(), t.mask.data(), t.dx.data()) == invalid);
  CHECK(d::backward(op, 8, t.dy.data(), null, t.mask.data(), t.dx.data()) == invalid);
  CHECK(d::backward(op, 8, t.dy.data(), t.y.data(), no_mask, t.dx.data()) == invalid);
  CHECK(d::backward(op, 8, t.dy.data(), t.y.data(), t.mask.data(), null) == invalid);
  t.check_untouched();
  CHECK(d::forward(op, 0, null, null, no_mask) == cudaSuccess);
  CHECK(d::backward(op, 0, null, null, no_mask, null) == cudaSuccess);
  t.check_untouched();
}

// Every call that takes a shape; true where all of them refuse it.
bool all_refuse(tensors& t, const matrix_shape& s) {
  namespace d = invact::device;
  const masked op;
  const std::size_t bytes = 64 * 8;
  bool refused = true;
  const auto refuse = [&](cudaError_t status) { refused = refused && status == invalid; };
  refuse(d::forward(op, s, t.x.data(), t.y.data(), t.mask.data()));
  refuse(d::forward_with_bias(op, s, t.x.data(), t.dy.data(), t.y.data(), t.mask.data()));
  refuse(d::backward(op, s, t.dy.data(), t.y.data(), t.mask.data(), t.dx.data()));
  refuse(d::backward_with_bias_gradient(op, s, t.dy.data(), t.y.data(), t.mask.data(), t.dx.data(),
                                        t.sums.data(), t.space.data(), bytes));
  return refused;
}

TEST_CASE("matrices with bad shapes are refused before anything is written", "[sanitize]") {
  tensors t;
  const auto with = [](auto member, int64 value) {
    matrix_shape s = invact::device::dense_shape(masked{}, 4, 16);
    s.*member = value;
    return s;
  };
  for (const int64 rows : {int64{-1}, most}) CHECK(all_refuse(t, with(&matrix_shape::rows, rows)));
  for (const int64 cols : {int64{-1}, int64{17}, most})
    CHECK(all_refuse(t, with(&matrix_shape::cols, cols)));
  for (const int64 ld : {int64{15}, int64{-1}, most}) CHECK(all_refuse(t, with(&matrix_shape::ld_y, ld)));
  for (const int64 bits : {int64{8}, int64{17}, int64{-16}, most}) {
    CHECK(all_refuse(t, with(&matrix_shape::mask_stride_bits, bits)));
  }
  CHECK(all_refuse(t, invact::device::dense_shape(masked{}, 1, most / 2)));
  namespace d = invact::device;
  CHECK(d::forward(masked{}, with(&matrix_shape::ld_x, 15), t.x.data(), t.y.data(), t.mask.data()) ==
        invalid);
  CHECK(d::backward(masked{}, with(&matrix_shape::ld_dy, 15), t.dy.data(), t.y.data(), t.mask.data(),
                    t.dx.data()) == invalid);
  CHECK(d::backward(masked{}, with(&matrix_shape::ld_dx, 15), t.dy.data(), t.y.data(), t.mask.data(),
                    t.dx.data()) == invalid);
  t.check_untouched();
}

TEST_CASE("null tensors, groups and workspaces that do not fit are refused", "[sanitize]") {
  tensors t;
  namespace d = invact::device;
  const masked op;
  bfloat16* const null = nullptr;
  const matrix_shape s = d::dense_shape(op, 1024, 64);
  CHECK(d::forward(op, s, null, t.y.data(), t.mask.data()) == invalid);
  CHECK(d::forward_with_bias(op, s, t.x.data(), null, t.y.data(), t.mask.data()) == invalid);
  CHECK(d::backward(op, s, t.dy.data(), t.y.data(), t.mask.data(), null) == invalid);

  const auto with_workspace = [&](float* sums, void* space, std::size_t bytes) {
    return d::backward_with_bias_gradient(op, s, t.dy.data(), t.y.data(), t.mask.data(), t.dx.data(), sums,
                                          space, bytes);
  };
  const std::size_t needed = d::bias_gradient_workspace_bytes(s);
  REQUIRE(needed > 0);
  CHECK(with_workspace(t.sums.data(), t.space.data(), needed - 1) == invalid);
  CHECK(with_workspace(t.sums.data(), nullptr, needed) == invalid);
  CHECK(with_workspace(t.sums.data(), t.space.data() + 1, needed) == invalid);
  CHECK(with_workspace(nullptr, t.space.data(), needed) == invalid);

  plain_copy<invact::int32> counts({1, 1, 1});
  const auto ragged = [&](int64 groups, const invact::int32* c) {
    return d::forward(op, d::ragged_shape{s, groups, c}, t.x.data(), t.y.data(), t.mask.data());
  };
  CHECK(ragged(0, counts.data()) == invalid);
  CHECK(ragged(-1, counts.data()) == invalid);
  CHECK(ragged(3, counts.data()) == invalid);  // 1024 rows are not three equal groups
  CHECK(ragged(2, nullptr) == invalid);
  t.check_untouched();
}

TEST_CASE("an earlier error that is not sticky is neither reported nor swallowed") {
  tensors t;
  void* too_much = nullptr;
  REQUIRE(cudaMalloc(&too_much, std::size_t{1} << 60) == cudaErrorMemoryAllocation);
  CHECK(invact::device::forward(masked{}, 8, t.x.data(), t.y.data(), t.mask.data()) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  succeed(cudaDeviceSynchronize());
}

TEST_CASE("a launch that fails is reported") {
  tensors t;
  cudaStream_t stream;
  succeed(cudaStreamCreate(&stream));
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  // A stream whose capture was broken takes no launch.
  CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(invact::device::forward(masked{}, 8, t.x.data(), t.y.data(), t.mask.data(), stream) ==
        cudaErrorStreamCaptureInvalidated);
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream, &graph);
  cudaGetLastError();
  succeed(cudaStreamDestroy(stream));
}

__device__ float input_of(int64 i) {
  // Multiplicative hashing: values of both pieces, different for indices 2^31 and 2^32 apart.
  const invact::uint64 h = static_cast<invact::uint64>(i) * 0x9e3779b97f4a7c15ull;
  return static_cast<float>(static_cast<int>(h >> 44) & 0xffff) * (8.0f / 0x10000) - 5.0f;
}

__global__ void fill(int64 n, bfloat16* x) {
  for (int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x; i < n; i += int64{gridDim.x} * blockDim.x) {
    x[i] = storage_traits<bfloat16>::round(input_of(i));
  }
}

// Counts what is not the scalar op's forward and backward, in place over x, with dy = 1.
template <class Op>
__global__ void count_wrong(int64 n, const bfloat16* y, const uint8* mask, const bfloat16* dx,
                            unsigned long long* wrong) {
  const Op op;
  for (int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x; i < n; i += int64{gridDim.x} * blockDim.x) {
    const auto e = op.forward(storage_traits<bfloat16>::load(storage_traits<bfloat16>::round(input_of(i))));
    const uint32 piece = Op::mask_bits == 0 ? 0 : (mask[i / 8] >> (i % 8)) & 1u;
    const bfloat16 wanted = storage_traits<bfloat16>::round(op.backward(1.0f, e.y, e.piece));
    if (y[i].bits != e.y.bits || piece != e.piece || dx[i].bits != wanted.bits) atomicAdd(wrong, 1ull);
  }
}

__global__ void fill_ones(int64 n, bfloat16* x) {
  for (int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x; i < n; i += int64{gridDim.x} * blockDim.x) {
    x[i] = storage_traits<bfloat16>::round(1.0f);
  }
}

// As one run, or as one group of ragged rows of eight, all of them there.
template <class Op>
void check_large(int64 n, bool as_rows) {
  std::size_t free = 0, total = 0;
  succeed(cudaMemGetInfo(&free, &total));
  const std::size_t needed =
      static_cast<std::size_t>(n) * 2 * sizeof(bfloat16) + static_cast<std::size_t>(n) / 8 + (1 << 20);
  if (free < needed) {
    std::printf("skipped: %lld elements need %zu bytes of device memory\n", static_cast<long long>(n),
                needed);
    return;
  }
  bfloat16* y = nullptr;
  bfloat16* dx = nullptr;
  uint8* mask = nullptr;
  unsigned long long* wrong = nullptr;
  succeed(cudaMalloc(&y, static_cast<std::size_t>(n) * sizeof(bfloat16)));
  succeed(cudaMalloc(&dx, static_cast<std::size_t>(n) * sizeof(bfloat16)));
  succeed(cudaMalloc(&mask, static_cast<std::size_t>(n) / 8 + 1));
  succeed(cudaMalloc(&wrong, sizeof *wrong));
  succeed(cudaMemset(wrong, 0, sizeof *wrong));
  fill<<<4096, 256>>>(n, y);
  fill_ones<<<4096, 256>>>(n, dx);
  if (as_rows) {
    plain_copy<invact::int32> counts({static_cast<invact::int32>(n / 8)});
    const invact::device::ragged_shape s{invact::device::dense_shape(Op{}, n / 8, 8), 1, counts.data()};
    succeed(call_forward(Op{}, s, y, y, mask));
    succeed(call_backward(Op{}, s, dx, y, mask, dx));
  } else {
    succeed(call_forward(Op{}, n, y, y, mask));
    succeed(call_backward(Op{}, n, dx, y, mask, dx));
  }
  count_wrong<Op><<<4096, 256>>>(n, y, mask, dx, wrong);
  unsigned long long count = 1;
  succeed(cudaMemcpy(&count, wrong, sizeof count, cudaMemcpyDeviceToHost));
  CHECK(count == 0);
  for (void* p : {static_cast<void*>(y), static_cast<void*>(dx), static_cast<void*>(mask),
                  static_cast<void*>(wrong)}) {
    succeed(cudaFree(p));
  }
}

TEST_CASE("more than 2^31 elements") {
  const int64 n = (int64{1} << 31) + 3;
  check_large<masked>(n, false);
  check_large<maskless>(n, false);
}

TEST_CASE("more than 2^31 elements in rows") { check_large<masked>((int64{1} << 31) + 8, true); }

__global__ void count_changed(int64 n, const bfloat16* x, unsigned long long* changed) {
  for (int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x; i < n; i += int64{gridDim.x} * blockDim.x) {
    if (x[i].bits != storage_traits<bfloat16>::round(input_of(i)).bits) atomicAdd(changed, 1ull);
  }
}

TEST_CASE("of more than 2^31 ragged rows those that are not there stay as they are") {
  const int64 rows = (int64{1} << 31) + (int64{1} << 22);
  std::size_t free = 0, total = 0;
  succeed(cudaMemGetInfo(&free, &total));
  if (free < static_cast<std::size_t>(rows) * sizeof(bfloat16) + (1 << 20)) {
    std::printf("skipped: %lld rows need more device memory\n", static_cast<long long>(rows));
    return;
  }
  bfloat16* x = nullptr;
  unsigned long long* changed = nullptr;
  succeed(cudaMalloc(&x, static_cast<std::size_t>(rows) * sizeof(bfloat16)));
  succeed(cudaMalloc(&changed, sizeof *changed));
  succeed(cudaMemset(changed, 0, sizeof *changed));
  fill<<<4096, 256>>>(rows, x);
  plain_copy<invact::int32> none({0});
  const invact::device::ragged_shape s{invact::device::dense_shape(maskless{}, rows, 1), 1, none.data()};
  succeed(invact::device::forward(maskless{}, s, x, x));
  succeed(invact::device::backward(maskless{}, s, x, x, x));
  count_changed<<<4096, 256>>>(rows, x, changed);
  unsigned long long count = 1;
  succeed(cudaMemcpy(&count, changed, sizeof count, cudaMemcpyDeviceToHost));
  CHECK(count == 0);
  succeed(cudaFree(x));
  succeed(cudaFree(changed));
}

// Rows that are 2^30 elements apart give what the same rows give next to one another.
template <class Op>
void check_far_rows() {
  constexpr int64 rows = 5, cols = 27, near = 32, far = (int64{1} << 30) + 8;
  const std::size_t extent = (static_cast<std::size_t>(rows - 1) * far + cols) * sizeof(bfloat16);
  std::size_t free = 0, total = 0;
  succeed(cudaMemGetInfo(&free, &total));
  if (free < 2 * extent + (1 << 20)) {
    std::printf("skipped: rows 2^30 elements apart need %zu bytes of device memory\n", 2 * extent);
    return;
  }
  bfloat16 *y = nullptr, *dx = nullptr;
  succeed(cudaMalloc(&y, extent));
  succeed(cudaMalloc(&dx, extent));
  guarded<bfloat16> values(rows * near), bias(cols);
  for (int64 i = 0; i < rows * near; ++i) values[i] = storage_traits<bfloat16>::round(static_cast<float>(i % 61 - 30) / 8);
  for (int64 c = 0; c < cols; ++c) bias[c] = storage_traits<bfloat16>::round(static_cast<float>(c) / 16);
  const guarded<uint8> blank_mask(rows * 4);
  const guarded<float> blank_sums(cols);
  on_device<bfloat16> near_y(values), near_dx(values), added(bias);
  on_device<uint8> near_mask(blank_mask), far_mask(blank_mask);
  on_device<float> near_sums(blank_sums), far_sums(blank_sums);
  constexpr std::size_t row_bytes = cols * sizeof(bfloat16);
  for (int64 r = 0; r < rows; ++r) {
    succeed(cudaMemcpy(y + r * far, values.data() + r * near, row_bytes, cudaMemcpyHostToDevice));
    succeed(cudaMemcpy(dx + r * far, values.data() + r * near, row_bytes, cudaMemcpyHostToDevice));
  }
  const auto call = [&](int64 ld, bfloat16* own_y, bfloat16* own_dx, uint8* mask, float* sums) {
    matrix_shape s = invact::device::dense_shape(Op{}, rows, cols);
    s.ld_x = s.ld_y = s.ld_dy = s.ld_dx = ld;
    succeed(call_forward_with_bias(Op{}, s, own_y, static_cast<const bfloat16*>(added.data()), own_y, mask));
    succeed(call_backward_with_bias_gradient(Op{}, s, own_dx, own_y, mask, own_dx, sums, static_cast<void*>(nullptr),
                                             std::size_t{0}));
  };
  call(near, near_y.data(), near_dx.data(), near_mask.data(), near_sums.data());
  call(far, y, dx, far_mask.data(), far_sums.data());
  const auto same = [&](const void* a, const void* b, std::size_t bytes) {
    std::vector<unsigned char> host_a(bytes), host_b(bytes);
    succeed(cudaMemcpy(host_a.data(), a, bytes, cudaMemcpyDeviceToHost));
    succeed(cudaMemcpy(host_b.data(), b, bytes, cudaMemcpyDeviceToHost));
    return host_a == host_b;
  };
  for (int64 r = 0; r < rows; ++r) {
    CHECK(same(y + r * far, near_y.data() + r * near, row_bytes));
    CHECK(same(dx + r * far, near_dx.data() + r * near, row_bytes));
  }
  CHECK(same(far_mask.data(), near_mask.data(), rows * 4));
  CHECK(same(far_sums.data(), near_sums.data(), cols * sizeof(float)));
  succeed(cudaFree(y));
  succeed(cudaFree(dx));
}

TEST_CASE("rows more than 2^31 elements apart") {
  check_far_rows<masked>();
  check_far_rows<maskless>();
}

TEST_CASE("matrices with no columns are done at once") {
  const matrix_shape s = invact::device::dense_shape(masked{}, 7, 0);
  bfloat16* const none = nullptr;
  uint8* const no_mask = nullptr;
  float* const no_sums = nullptr;
  CHECK(call_forward(masked{}, s, none, none, no_mask) == cudaSuccess);
  CHECK(call_forward_with_bias(masked{}, s, none, none, none, no_mask) == cudaSuccess);
  CHECK(call_backward(masked{}, s, none, none, no_mask, none) == cudaSuccess);
  CHECK(invact::device::bias_gradient_workspace_bytes(s) == 0);
  CHECK(call_backward_with_bias_gradient(masked{}, s, none, none, no_mask, none, no_sums, static_cast<void*>(nullptr),
                                         std::size_t{0}) == cudaSuccess);
}

TEST_CASE("the size of a workspace needs no counts, and survives any shape") {
  namespace d = invact::device;
  const matrix_shape s = d::dense_shape(masked{}, 8 * 4096, 4096);
  CHECK(d::bias_gradient_workspace_bytes(d::ragged_shape{s, 8, nullptr}) == std::size_t{32} * 8 * 4096 * 4);
  const int64 huge = int64{1} << 62;
  CHECK(d::bias_gradient_workspace_bytes(
            d::ragged_shape{d::dense_shape(masked{}, huge, huge), huge, nullptr}) == 0);
  CHECK(d::bias_gradient_workspace_bytes(d::dense_shape(masked{}, -1, 8)) == 0);
  // No rows, but more groups than their sums can have bytes.
  guarded<float> sums(8);
  bfloat16* const null = nullptr;
  CHECK(d::backward_with_bias_gradient(
            maskless{}, d::ragged_shape{d::dense_shape(maskless{}, 0, 1024), huge, nullptr}, null, null,
            null, sums.data(), static_cast<void*>(nullptr), std::size_t{0}) == invalid);
}

TEST_CASE("where there is no mask a null literal is the stream") {
  namespace d = invact::device;
  bfloat16* const none = nullptr;
  const matrix_shape empty = d::dense_shape(maskless{}, 0, 8);
  CHECK(d::forward(maskless{}, 0, none, none, nullptr) == cudaSuccess);
  CHECK(d::forward(maskless{}, 0, none, none, 0) == cudaSuccess);
  CHECK(d::forward(maskless{}, empty, none, none, nullptr) == cudaSuccess);
  CHECK(d::forward_with_bias(maskless{}, empty, none, none, none, nullptr) == cudaSuccess);
  CHECK(d::backward(maskless{}, 0, none, none, none, nullptr) == cudaSuccess);
  CHECK(d::backward(maskless{}, empty, none, none, none, nullptr) == cudaSuccess);
  // Where there is one it is the mask, and a mask is needed.
  bfloat16 x{};
  CHECK(d::forward(masked{}, 1, &x, &x, nullptr) == invalid);
}

}  // namespace device_arguments
