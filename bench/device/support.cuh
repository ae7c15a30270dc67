// What the device benchmarks share: memory filled with normal numbers, and the race that times them.
#pragma once

#include <invact/invact.cuh>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using invact::int64;
using invact::storage_traits;
using invact::uint32;
using invact::uint64;
using invact::uint8;

// Exit status that ctest reports as skipped.
constexpr int skipped = 77;

inline void check(cudaError_t status) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an allocation that failed must not fail the next launch
  throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(status));
}

// Whether there is a GPU; says so where there is none.
inline bool has_gpu() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) return true;
  std::printf("skipped: no GPU\n");
  return false;
}

// Takes NAME=VALUE out of a program's arguments.
inline long take_option(int& argc, char** argv, const char* name, long otherwise) {
  const std::size_t length = std::strlen(name);
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], name, length) != 0 || argv[i][length] != '=') continue;
    const long value = std::strtol(argv[i] + length + 1, nullptr, 10);
    // argv[argc] is null and moves along.
    std::copy(argv + i + 1, argv + argc + 1, argv + i);
    --argc;
    return value;
  }
  return otherwise;
}

// Standard normal numbers: a hash of the index, then Box and Muller's transform.
template <class T>
__global__ void fill_normal_kernel(int64 n, uint64 seed, T* out) {
  const int64 stride = int64{blockDim.x} * gridDim.x;
  for (int64 i = int64{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) {
    uint64 h = (static_cast<uint64>(i) + (seed << 40)) * 0x9e3779b97f4a7c15ull;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
    h ^= h >> 31;
    const float u = (static_cast<float>(static_cast<uint32>(h >> 40)) + 0.5f) * 0x1p-24f;
    const float v = static_cast<float>(static_cast<uint32>(h) >> 8) * 0x1p-24f;
    out[i] = storage_traits<T>::round(sqrtf(-2.0f * __logf(u)) * cospif(2.0f * v));
  }
}

template <class T>
class device_array {
 public:
  // A cudaMalloc'ed array: aligned to 256 bytes.
  explicit device_array(int64 n) : n_(n) {
    check(cudaMalloc(&data_, std::max<std::size_t>(1, static_cast<std::size_t>(n) * sizeof(T))));
  }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;
  ~device_array() { cudaFree(data_); }

  T* get() { return data_; }
  int64 size() const { return n_; }

  void fill_normal(uint64 seed) {
    fill_normal_kernel<<<1024, 256>>>(n_, seed, data_);
    check(cudaGetLastError());
    check(cudaDeviceSynchronize());
  }

 private:
  int64 n_;
  T* data_ = nullptr;
};

// A device-to-device memcpy that reads and writes, together, as many bytes as what it stands beside, in floats and at
// least one. Its source is random like the tensors: what the memory's wires carry changes their power.
class memcpy_of {
 public:
  explicit memcpy_of(int64 bytes) : from_(floats(bytes)), to_(floats(bytes)) { from_.fill_normal(99); }
  void operator()(cudaStream_t stream, int64 bytes) {
    check(cudaMemcpyAsync(to_.get(), from_.get(), static_cast<std::size_t>(floats(bytes)) * sizeof(float),
                          cudaMemcpyDeviceToDevice, stream));
  }

 private:
  static int64 floats(int64 bytes) {
    return std::max<int64>(1, bytes / 2 / static_cast<int64>(sizeof(float)));
  }

  device_array<float> from_;
  device_array<float> to_;
};

// Keeps the stream busy while the host fills it, so that no launch latency is timed.
template <class = void>
__global__ void hold_kernel(uint64 nanoseconds) {
  uint64 start, now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
  do {
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - start < nanoseconds);
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Contestants that take turns on one stream, each between two events; another begins in every round. A
// contestant of a few microseconds is `batch` of its calls, in a graph, so that the gaps between
// launches do not count.
class race {
 public:
  using work = std::function<void(cudaStream_t)>;

  explicit race(int batch) : batch_(batch) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  race(const race&) = delete;
  race& operator=(const race&) = delete;
  ~race() {
    for (const entry& e : entries_) {
      if (e.graph != nullptr) cudaGraphExecDestroy(e.graph);
    }
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
    cudaStreamDestroy(stream_);
  }

  // Runs it once, to load its code and warm up, before it is ever timed. Returns its number.
  std::size_t add(work run) {
    for (std::size_t events = entries_.empty() ? 2 : 1; events > 0; --events) {
      events_.push_back(nullptr);
      check(cudaEventCreate(&events_.back()));
    }
    run(stream_);
    check(cudaStreamSynchronize(stream_));
    cudaGraphExec_t exec = nullptr;
    if (batch_ > 1) {
      cudaGraph_t graph = nullptr;
      check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
      for (int i = 0; i < batch_; ++i) run(stream_);
      check(cudaStreamEndCapture(stream_, &graph));
      const cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
      cudaGraphDestroy(graph);
      check(status);
    }
    entries_.push_back({std::move(run), exec, {}});
    return entries_.size() - 1;
  }

  // One turn of everybody.
  void round() {
    hold_kernel<><<<1, 1, 0, stream_>>>(100000);
    check(cudaGetLastError());
    check(cudaEventRecord(events_[0], stream_));
    const std::size_t count = entries_.size();
    for (std::size_t k = 0; k < count; ++k) {
      entry& e = entries_[(rounds_ + k) % count];
      if (e.graph != nullptr) {
        check(cudaGraphLaunch(e.graph, stream_));
      } else {
        e.run(stream_);
      }
      check(cudaEventRecord(events_[k + 1], stream_));
    }
    check(cudaStreamSynchronize(stream_));
    for (std::size_t k = 0; k < count; ++k) {
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, events_[k], events_[k + 1]));
      entries_[(rounds_ + k) % count].seconds.push_back(1e-3 * static_cast<double>(milliseconds) / batch_);
    }
    ++rounds_;
  }

  // Rounds that are not counted: clocks settle, graphs are uploaded.
  void warm_up(int rounds) {
    for (int i = 0; i < rounds; ++i) round();
    for (entry& e : entries_) e.seconds.clear();
  }

  // Seconds of one call of a contestant: the last, and the median.
  double last(std::size_t contestant) const { return entries_[contestant].seconds.back(); }
  double median_of(std::size_t contestant) const { return median(entries_[contestant].seconds); }

  cudaStream_t stream() const { return stream_; }

 private:
  struct entry {
    work run;
    cudaGraphExec_t graph;
    std::vector<double> seconds;
  };

  int batch_;
  cudaStream_t stream_ = nullptr;
  std::vector<cudaEvent_t> events_;
  std::vector<entry> entries_;
  std::size_t rounds_ = 0;
};

// Calls of one graph: 20 where one call, of n elements, takes a few microseconds.
constexpr int batch_of(int64 n) { return n <= int64{1} << 24 ? 20 : 1; }

// The library's kernels over one run of elements, launched as its own entry points do but with a policy
// of the caller's choice. All tensors are aligned.
template <int Threads, int Fragments, int Resident, class Op, class T>
void forward_run(const Op& op, int64 n, const T* x, T* y, uint8* mask, cudaStream_t stream) {
  constexpr int size = invact::detail::fragment_size<T>;
  const int64 blocks = invact::detail::ceil_div(n, invact::detail::tile_elements<Threads, Fragments, size>);
  const auto kernel = invact::detail::forward_run_kernel<Threads, Resident, Fragments, size, true, Op, T>;
  check(invact::detail::launch(static_cast<unsigned>(blocks), Threads, stream, kernel, op, n, x, y, mask));
}
template <int Threads, int Fragments, int Resident, class Op, class T>
void backward_run(const Op& op, int64 n, const T* dy, const T* y, const uint8* mask, T* dx,
                  cudaStream_t stream) {
  constexpr int size = invact::detail::fragment_size<T>;
  const int64 blocks = invact::detail::ceil_div(n, invact::detail::tile_elements<Threads, Fragments, size>);
  const auto kernel = invact::detail::backward_run_kernel<Threads, Resident, Fragments, size, true, Op, T, T>;
  check(invact::detail::launch(static_cast<unsigned>(blocks), Threads, stream, kernel, op, n, dy, y, mask, dx));
}

}  // namespace bench
