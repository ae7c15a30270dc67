// The host executor against a scalar loop that saves x, one core, and against memcpy of the same bytes.
//
// Every benchmark runs both sides in turn inside each iteration, so that a change of clock or a busy
// neighbour hits both, and reports the executor's own time per element as its time. Counters:
//   vs_libm     time of the scalar loop (std::erf for GELU, std::exp for SiLU; the argument of std::erf
//               is a double, as x * M_SQRT1_2 is) over the executor's
//   vs_libm_f   the same with libm's float functions
//   vs_memcpy   the executor's time over that of a memcpy that moves the same bytes
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace {

using invact::int64;
using invact::storage_traits;
using invact::uint8;

// 64 Ki elements: all tensors stay in the L2 cache, so that arithmetic is measured and not memory.
constexpr int64 elements = 1 << 16;

// Real is the type of libm's functions.
template <class Real>
float value(invact::gelu, float x) {
  const Real root_half = static_cast<Real>(0.70710678118654752440);
  return static_cast<float>(Real(0.5) * static_cast<Real>(x) *
                            (1 + std::erf(static_cast<Real>(x) * root_half)));
}
template <class Real>
float slope(invact::gelu, float x) {
  const Real v = static_cast<Real>(x);
  const Real root_half = static_cast<Real>(0.70710678118654752440);
  const Real density = static_cast<Real>(0.39894228040143267794) * std::exp(Real(-0.5) * v * v);
  return static_cast<float>(Real(0.5) * (1 + std::erf(v * root_half)) + v * density);
}
template <class Real>
float value(invact::silu, float x) {
  const Real v = static_cast<Real>(x);
  return static_cast<float>(v / (1 + std::exp(-v)));
}
template <class Real>
float slope(invact::silu, float x) {
  const Real v = static_cast<Real>(x);
  const Real s = 1 / (1 + std::exp(-v));
  return static_cast<float>(s * (1 + v * (1 - s)));
}

template <class Real, class Activation, class T>
void libm_forward(const T* x, T* y) {
  for (int64 i = 0; i < elements; ++i) {
    y[i] = storage_traits<T>::round(value<Real>(Activation{}, storage_traits<T>::load(x[i])));
  }
}
template <class Real, class Activation, class T>
void libm_backward(const T* dy, const T* x, T* dx) {
  for (int64 i = 0; i < elements; ++i) {
    dx[i] = storage_traits<T>::round(storage_traits<T>::load(dy[i]) *
                                     slope<Real>(Activation{}, storage_traits<T>::load(x[i])));
  }
}

template <class Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

enum class pass { forward, backward, both };

template <class Activation, class T, class Packing, pass Pass>
void elementwise(benchmark::State& state) {
#if defined(_OPENMP)
  omp_set_num_threads(1);
#endif
  using op = invact::inverted<Activation, T, Packing>;
  constexpr bool forward = Pass != pass::backward;
  constexpr bool backward = Pass != pass::forward;
  std::vector<T> x(elements), y(elements), dy(elements), dx(elements), other(elements);
  std::vector<uint8> mask(static_cast<std::size_t>(invact::mask_bytes(elements, op::mask_bits)));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (T& v : x) v = storage_traits<T>::round(normal(random));
  for (T& v : dy) v = storage_traits<T>::round(normal(random));

  const auto run_forward = [&] {
    if constexpr (op::mask_bits > 0) {
      invact::host::forward(op{}, elements, x.data(), y.data(), mask.data());
    } else {
      invact::host::forward(op{}, elements, x.data(), y.data());
    }
  };
  const auto run_backward = [&] {
    if constexpr (op::mask_bits > 0) {
      invact::host::backward(op{}, elements, dy.data(), y.data(), mask.data(), dx.data());
    } else {
      invact::host::backward(op{}, elements, dy.data(), y.data(), dx.data());
    }
  };
  run_forward();

  // Bytes that the executor reads and writes; a memcpy of half of them moves as many.
  const std::size_t bytes = (forward ? 2 : 0) * elements * sizeof(T) +
                            (backward ? 3 : 0) * elements * sizeof(T) +
                            mask.size() * ((forward ? 1 : 0) + (backward ? 1 : 0));
  std::vector<unsigned char> from(bytes / 2, 1), to(bytes / 2);

  double own = 0, libm = 0, libm_float = 0, copy = 0;
  for (auto _ : state) {
    const double t = seconds([&] {
      if (forward) run_forward();
      if (backward) run_backward();
    });
    state.SetIterationTime(t);
    own += t;
    libm += seconds([&] {
      if (forward) libm_forward<double, Activation>(x.data(), other.data());
      if (backward) libm_backward<double, Activation>(dy.data(), x.data(), other.data());
    });
    libm_float += seconds([&] {
      if (forward) libm_forward<float, Activation>(x.data(), other.data());
      if (backward) libm_backward<float, Activation>(dy.data(), x.data(), other.data());
    });
    copy += seconds([&] { std::memcpy(to.data(), from.data(), bytes / 2); });
  }
  state.SetItemsProcessed(state.iterations() * elements);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  state.counters["vs_libm"] = libm / own;
  state.counters["vs_libm_f"] = libm_float / own;
  state.counters["vs_memcpy"] = own / copy;
}

#define INVACT_BENCH(activation, storage, packing)                                                   \
  BENCHMARK_TEMPLATE(elementwise, invact::activation, storage, invact::packing, pass::forward)       \
      ->Name(#activation "/" #storage "/" #packing "/forward")                                       \
      ->UseManualTime();                                                                             \
  BENCHMARK_TEMPLATE(elementwise, invact::activation, storage, invact::packing, pass::backward)      \
      ->Name(#activation "/" #storage "/" #packing "/backward")                                      \
      ->UseManualTime();                                                                             \
  BENCHMARK_TEMPLATE(elementwise, invact::activation, storage, invact::packing, pass::both)          \
      ->Name(#activation "/" #storage "/" #packing "/both")                                          \
      ->UseManualTime()

using invact::bfloat16;
using invact::binary16;

INVACT_BENCH(gelu, float, bitmask);
INVACT_BENCH(gelu, float, mantissa_bit);
INVACT_BENCH(gelu, bfloat16, bitmask);
INVACT_BENCH(gelu, bfloat16, mantissa_bit);
INVACT_BENCH(gelu, binary16, bitmask);
INVACT_BENCH(gelu, binary16, mantissa_bit);
INVACT_BENCH(silu, float, bitmask);
INVACT_BENCH(silu, float, mantissa_bit);
INVACT_BENCH(silu, bfloat16, bitmask);
INVACT_BENCH(silu, bfloat16, mantissa_bit);
INVACT_BENCH(silu, binary16, bitmask);
INVACT_BENCH(silu, binary16, mantissa_bit);

}  // namespace

BENCHMARK_MAIN();
