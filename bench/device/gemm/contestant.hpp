// Contestants of gemm_bench and gated_gemm_bench: kernels that multiply row-major bfloat16 A of M x K by B^T and write
// D, with an epilogue over tensors of their own.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bench {

struct gemm_problem {
  int m, n, k;
};

// Bits from one row of a mask to the next.
inline std::int64_t mask_stride(const gemm_problem& p) { return (std::int64_t{p.n} + 127) / 128 * 128; }

// One kernel: an operation with a tile, a cluster and a schedule.
template <class Tensors>
class contestant {
 public:
  virtual ~contestant() = default;
  // The settings that only run time knows, as rasters.
  virtual int settings() const = 0;
  virtual std::string name(int setting) const = 0;
  // Empty where it can run; else why it cannot.
  virtual std::string prepare(const gemm_problem&, const Tensors&, int setting) = 0;
  virtual void run(cudaStream_t) = 0;
};
// Of one operation: what the best of them takes is its time.
template <class Tensors>
using contestants = std::vector<std::unique_ptr<contestant<Tensors>>>;

}  // namespace bench
