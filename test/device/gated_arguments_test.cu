// What the device-wide calls of gated units refuse, and sizes beyond 32 bits.
#include "device_support.cuh"
#include "host/gated_support.hpp"

#include <cstdio>
#include <limits>

namespace device_gated_arguments {

using namespace device_test;
using invact::bfloat16;
using masked = invact::swiglu<bfloat16>;
using maskless = invact::swiglu<bfloat16, invact::mantissa_bit>;
using recompute = invact::gated_recompute<invact::silu, bfloat16>;
namespace dev = invact::device;

constexpr cudaError_t invalid = cudaErrorInvalidValue;
constexpr int64 most = std::numeric_limits<int64>::max();

struct pointers {
  bfloat16 *g = nullptr, *u = nullptr, *h = nullptr, *dh = nullptr, *dg = nullptr, *du = nullptr;
  uint8* mask = nullptr;
};

// Of n units, a gated_shape or a ragged one; n is not interleaved.
template <class Where>
cudaError_t status_of(gated_call which, const Where& where, const pointers& p, const masked& op = {}) {
  if constexpr (!std::is_same_v<Where, int64>) {
    if (which == forward_interleaved) return dev::forward_interleaved(op, where, p.g, p.h, p.u, p.mask);
    if (which == backward_interleaved)
      return dev::backward_interleaved(op, where, p.dh, p.h, p.u, p.mask, p.dg);
    if (which == forward_interleaved_again) return dev::forward_interleaved(recompute{}, where, p.g, p.h);
    if (which == backward_interleaved_again)
      return dev::backward_interleaved(recompute{}, where, p.dh, p.g, p.dg, p.h);
  }
  switch (which) {
    case forward_gated:
      return dev::forward_gated(op, where, p.g, p.u, p.h, p.mask);
    case backward_gated:
      return dev::backward_gated(op, where, p.dh, p.h, p.u, p.mask, p.dg, p.du);
    case forward_gated_again:
      return dev::forward_gated(recompute{}, where, p.g, p.u, p.h);
    case backward_gated_again:
      return dev::backward_gated(recompute{}, where, p.dh, p.g, p.u, p.dg, p.du, p.h);
    default:
      return cudaErrorUnknown;
  }
}

// Tensors for up to 64 x 64 pairs, of which no refused call writes a byte.
struct tensors {
  guarded<bfloat16> host{2 * 64 * 64};
  guarded<uint8> host_mask{64 * 8};
  on_device<bfloat16> g{host}, u{host}, h{host}, dh{host}, dg{host}, du{host};
  on_device<uint8> mask{host_mask};

  pointers all() { return {g.data(), u.data(), h.data(), dh.data(), dg.data(), du.data(), mask.data()}; }

  template <class Where>
  void check_refused(int calls, const Where& where, const pointers& p) {
    each_gated_call([&](gated_call which) {
      CAPTURE(which);
      if (calls & which) CHECK(status_of(which, where, p) == invalid);
    });
  }
  template <class Where>
  void check_refused(int calls, const Where& where) {
    check_refused(calls, where, all());
  }
  void check_untouched() {
    succeed(cudaDeviceSynchronize());
    for (auto* t : {&g, &u, &h, &dh, &dg, &du}) {
      guarded<bfloat16> back = host;
      t->copy_to(back);
      CHECK(back.untouched());
    }
    guarded<uint8> bits = host_mask;
    mask.copy_to(bits);
    CHECK(bits.untouched());
  }
};

TEST_CASE("runs of gated units with bad arguments are refused before anything is written", "[sanitize]") {
  tensors t;
  constexpr int runs = separate_forwards | separate_backwards;
  // The last has more blocks than a grid.
  for (const int64 n : {int64{-1}, most, most / 2, int64{1} << 43}) t.check_refused(runs, n);
  const auto without = [&](auto member) {
    pointers p = t.all();
    p.*member = nullptr;
    return p;
  };
  const int64 n = 8;
  t.check_refused(calls_of_g, n, without(&pointers::g));
  t.check_refused(runs, n, without(&pointers::u));
  t.check_refused(separate_forwards | backward_gated, n, without(&pointers::h));
  t.check_refused(separate_backwards, n, without(&pointers::dh));
  t.check_refused(separate_backwards, n, without(&pointers::dg));
  t.check_refused(separate_backwards, n, without(&pointers::du));
  t.check_refused(forward_gated | backward_gated, n, without(&pointers::mask));
  t.check_untouched();
}

TEST_CASE("matrices of gated units with bad shapes are refused before anything is written", "[sanitize]") {
  tensors t;
  const auto with = [](auto member, int64 value) {
    gated_shape s = dev::dense_gated_shape(masked{}, 4, 16, true);
    s.*member = value;
    return s;
  };
  for (const int64 rows : {int64{-1}, most})
    t.check_refused(forwards | backwards, with(&gated_shape::rows, rows));
  for (const int64 cols : {int64{-1}, int64{17}, most, most / 2})
    t.check_refused(forwards | backwards, with(&gated_shape::cols, cols));
  // Between one and two times the columns a leading dimension is too small for pairs alone.
  t.check_refused(calls_of_pairs, with(&gated_shape::ld_g, 31));
  t.check_refused(interleaved_backwards, with(&gated_shape::ld_dg, 31));
  for (const int64 ld : {int64{15}, int64{0}, int64{-1}, most, most / 4}) {
    t.check_refused(calls_of_g | calls_of_pairs, with(&gated_shape::ld_g, ld));
    t.check_refused(calls_with_u, with(&gated_shape::ld_u, ld));
    t.check_refused(forwards | backwards, with(&gated_shape::ld_h, ld));
    t.check_refused(backwards, with(&gated_shape::ld_dh, ld));
    t.check_refused(backwards, with(&gated_shape::ld_dg, ld));
    t.check_refused(separate_backwards, with(&gated_shape::ld_du, ld));
  }
  for (const int64 bits : {int64{8}, int64{17}, int64{-16}, most, most / 8 * 8}) {
    t.check_refused(masked_calls, with(&gated_shape::mask_stride_bits, bits));
  }
  for (const bool interleaved : {false, true}) {
    t.check_refused(forwards | backwards, dev::dense_gated_shape(masked{}, -1, 2, interleaved));
    t.check_refused(forwards | backwards, dev::dense_gated_shape(masked{}, 2, -1, interleaved));
    t.check_refused(forwards | backwards, dev::dense_gated_shape(masked{}, 1, most, interleaved));
    t.check_refused(forwards | backwards, dev::dense_gated_shape(masked{}, 1, most / 2, interleaved));
  }
  // More bands of rows than a grid has blocks.
  gated_shape many = dev::dense_gated_shape(masked{}, int64{1} << 42, 1, true);
  many.ld_g = many.ld_u = many.ld_h = many.ld_dh = many.ld_dg = many.ld_du = 3;
  t.check_refused(forwards | backwards, many);
  t.check_untouched();
}

TEST_CASE("null tensors of gated units, and groups that do not fit, are refused", "[sanitize]") {
  tensors t;
  const gated_shape s = dev::dense_gated_shape(masked{}, 4, 16, true);
  const auto without = [&](auto member) {
    pointers p = t.all();
    p.*member = nullptr;
    return p;
  };
  t.check_refused(calls_of_g | calls_of_pairs, s, without(&pointers::g));
  t.check_refused(calls_with_u, s, without(&pointers::u));
  // What is computed again is optional.
  t.check_refused(forwards | backward_gated | backward_interleaved, s, without(&pointers::h));
  t.check_refused(backwards, s, without(&pointers::dh));
  t.check_refused(backwards, s, without(&pointers::dg));
  t.check_refused(separate_backwards, s, without(&pointers::du));
  t.check_refused(masked_calls, s, without(&pointers::mask));

  plain_copy<invact::int32> counts({1, 1, 1});
  // Four rows are not three equal groups.
  for (const int64 groups : {int64{0}, int64{-1}, int64{3}}) {
    t.check_refused(forwards | backwards, dev::ragged_gated_shape{s, groups, counts.data()});
  }
  t.check_refused(forwards | backwards, dev::ragged_gated_shape{s, 2, nullptr});
  t.check_untouched();
}

TEST_CASE("gated ops with parameters outside their range are refused") {
  tensors t;
  using clamped = invact::clamped_swiglu<bfloat16>;
  const gated_shape s = dev::dense_gated_shape(clamped{}, 4, 16, true);
  const pointers p = t.all();
  for (const clamped& op : {clamped(invact::clamped_swish{-1.0f, 7.0f}),
                            clamped(invact::clamped_swish{}, invact::clamped_up{0.0f, 1.0f})}) {
    CHECK(dev::forward_gated(op, 8, p.g, p.u, p.h, p.mask) == invalid);
    CHECK(dev::forward_gated(op, s, p.g, p.u, p.h, p.mask) == invalid);
    CHECK(dev::forward_interleaved(op, s, p.g, p.h, p.u, p.mask) == invalid);
    CHECK(dev::backward_gated(op, 8, p.dh, p.h, p.u, p.mask, p.dg, p.du) == invalid);
    CHECK(dev::backward_gated(op, s, p.dh, p.h, p.u, p.mask, p.dg, p.du) == invalid);
    CHECK(dev::backward_interleaved(op, s, p.dh, p.h, p.u, p.mask, p.dg) == invalid);
  }
  t.check_untouched();
}

TEST_CASE("empty gated tensors are done at once, and may be null") {
  const pointers none;
  each_gated_call([&](gated_call which) {
    CAPTURE(which);
    for (const gated_shape& s :
         {dev::dense_gated_shape(masked{}, 0, 9, true), dev::dense_gated_shape(masked{}, 9, 0, true)}) {
      CHECK(status_of(which, s, none) == cudaSuccess);
    }
    CHECK(status_of(which,
                    dev::ragged_gated_shape{dev::dense_gated_shape(masked{}, 0, 9, true), 3, nullptr},
                    none) == cudaSuccess);
    if (which & (separate_forwards | separate_backwards))
      CHECK(status_of(which, int64{0}, none) == cudaSuccess);
  });
}

TEST_CASE("where a gated op keeps no mask a null literal is the stream") {
  bfloat16* const none = nullptr;
  const gated_shape empty = dev::dense_gated_shape(maskless{}, 0, 8, true);
  CHECK(dev::forward_gated(maskless{}, 0, none, none, none, nullptr) == cudaSuccess);
  CHECK(dev::forward_gated(maskless{}, empty, none, none, none, nullptr) == cudaSuccess);
  CHECK(dev::forward_interleaved(maskless{}, empty, none, none, none, nullptr) == cudaSuccess);
  CHECK(dev::forward_interleaved(recompute{}, empty, none, none, nullptr) == cudaSuccess);
  CHECK(dev::backward_gated(maskless{}, 0, none, none, none, none, none, nullptr) == cudaSuccess);
  CHECK(dev::backward_gated(maskless{}, empty, none, none, none, none, none, nullptr) == cudaSuccess);
  CHECK(dev::backward_interleaved(maskless{}, empty, none, none, none, none, nullptr) == cudaSuccess);
  // Of one that computes h again a first one is h.
  CHECK(dev::backward_gated(recompute{}, empty, none, none, none, none, none, nullptr, nullptr) ==
        cudaSuccess);
  CHECK(dev::backward_interleaved(recompute{}, empty, none, none, none, nullptr, nullptr) == cudaSuccess);
  // Where there is one it is the mask, and a mask is needed.
  bfloat16 x{};
  CHECK(dev::forward_gated(masked{}, 1, &x, &x, &x, nullptr) == invalid);
}

// Multiplicative hashing: values different for indices 2^31 and 2^32 apart, and for the three tensors.
__device__ bfloat16 input_of(int64 i, int tensor) {
  const invact::uint64 hash = static_cast<invact::uint64>(3 * i + tensor) * 0x9e3779b97f4a7c15ull;
  return storage_traits<bfloat16>::round(
      static_cast<float>(static_cast<int>(hash >> 44) & 0xffff) * (8.0f / 0x10000) - 5.0f);
}

__global__ void fill_inputs(int64 n, bfloat16* g, bfloat16* u, bfloat16* dh) {
  for (int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x; i < n; i += int64{gridDim.x} * blockDim.x) {
    g[i] = input_of(i, 0);
    u[i] = input_of(i, 1);
    dh[i] = input_of(i, 2);
  }
}

// Counts what is not h over g and u unchanged; or, with gradients, h unchanged, du over u and dg over dh.
__global__ void count_wrong(int64 n, const bfloat16* h, const bfloat16* u, const bfloat16* dh,
                            bool with_gradients, unsigned long long* wrong) {
  using traits = storage_traits<bfloat16>;
  const maskless op;
  for (int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x; i < n; i += int64{gridDim.x} * blockDim.x) {
    const float up = traits::load(input_of(i, 1));
    const bfloat16 unit = op.forward(traits::load(input_of(i, 0)), up).h;
    const auto d = op.backward(traits::load(input_of(i, 2)), unit, up);
    const bfloat16 wanted_u = with_gradients ? traits::round(d.du) : input_of(i, 1);
    const bfloat16 wanted_dh = with_gradients ? traits::round(d.dg) : input_of(i, 2);
    if (h[i].bits != unit.bits || u[i].bits != wanted_u.bits || dh[i].bits != wanted_dh.bits)
      atomicAdd(wrong, 1ull);
  }
}

TEST_CASE("more than 2^31 gated units") {
  const int64 n = (int64{1} << 31) + 3;
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(bfloat16);
  std::size_t free = 0, total = 0;
  succeed(cudaMemGetInfo(&free, &total));
  if (free < 3 * bytes + (1 << 20)) {
    std::printf("skipped: %lld units need %zu bytes of device memory\n", static_cast<long long>(n),
                3 * bytes);
    return;
  }
  bfloat16 *g_h = nullptr, *u_du = nullptr, *dh_dg = nullptr;
  unsigned long long* wrong = nullptr;
  for (bfloat16** tensor : {&g_h, &u_du, &dh_dg}) succeed(cudaMalloc(tensor, bytes));
  succeed(cudaMalloc(&wrong, sizeof *wrong));
  succeed(cudaMemset(wrong, 0, sizeof *wrong));
  fill_inputs<<<4096, 256>>>(n, g_h, u_du, dh_dg);
  const auto check_none_wrong = [&](bool with_gradients) {
    count_wrong<<<4096, 256>>>(n, g_h, u_du, dh_dg, with_gradients, wrong);
    unsigned long long count = 1;
    succeed(cudaMemcpy(&count, wrong, sizeof count, cudaMemcpyDeviceToHost));
    CHECK(count == 0);
  };
  succeed(dev::forward_gated(maskless{}, n, g_h, u_du, g_h));
  check_none_wrong(false);
  succeed(dev::backward_gated(maskless{}, n, dh_dg, g_h, u_du, dh_dg, u_du));
  check_none_wrong(true);
  for (bfloat16* tensor : {g_h, u_du, dh_dg}) succeed(cudaFree(tensor));
  succeed(cudaFree(wrong));
}

}  // namespace device_gated_arguments
