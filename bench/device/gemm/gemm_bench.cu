// GEMMs with their epilogues: stock CUTLASS, cuBLASLt with fused epilogues and with our elementwise kernels behind it, and
// ours. For every shape each operation is first searched for its fastest kernel and settings; then pairs of winners take
// turns, A B B A, and a pair's ratio is the median of its rounds', with a 95 % confidence interval of that median.
//
//   gemm_bench [--rounds=N] [--search=N] [M,N,K ...]
//
// --rounds   of A B B A for each pair, 60 if not given
// --search   timed calls of each kernel and setting in the search, 7 if not given
// M,N,K      shapes, in place of (8192, 16384, 4096), (8192, 14336, 4096), (8192, 4096, 1024), (2048, 3072, 768)
//
// Prints Markdown. A backward multiplies dY * W^T, as many numbers, by f'(x). Exit status 77: no GPU of compute
// capability 9.0.
#include "contest.cuh"
#include "cublaslt.hpp"
#include "gemm.hpp"

namespace {

using namespace bench;
using element = __nv_bfloat16;
using mantissa_bit = invact::inverted<invact::gelu, element, invact::mantissa_bit>;
using bitmask = invact::inverted<invact::gelu, element>;

// The tensors of one shape. x is N(0, 1), as A * B^T.
class tensors {
 public:
  explicit tensors(const gemm_problem& p)
      : problem(p),
        count(int64{p.m} * p.n),
        a_(int64{p.m} * p.k),
        b_(int64{p.n} * p.k),
        bias_(p.n),
        d_(count),
        x_(count),
        y_bitmask_(count),
        y_mantissa_bit_(count),
        mask_(p.m * mask_stride(p) / 8),
        written_mask_(p.m * mask_stride(p) / 8),
        bias_gradient_(std::max(p.m, p.n)),
        workspace_(64 << 20) {
    fill_factors(a_, b_, p.k);
    x_.fill_normal(3);
    check(cudaMemset(bias_.get(), 0, static_cast<std::size_t>(p.n) * sizeof(element)));
    check(invact::device::forward(mantissa_bit{}, count, x_.get(), y_mantissa_bit_.get(), nullptr));
    check(invact::device::forward(bitmask{}, shape(), x_.get(), y_bitmask_.get(), mask_.get(), nullptr));
    check(cudaDeviceSynchronize());
  }

  invact::matrix_shape shape() const {
    invact::matrix_shape s;
    s.rows = problem.m;
    s.cols = s.ld_x = s.ld_y = s.ld_dy = s.ld_dx = problem.n;
    s.mask_stride_bits = mask_stride(problem);
    return s;
  }

  // What an operation takes. Forwards that keep x write it over what backwards read, which is as random.
  gemm_tensors of(const std::string& operation) {
    element* aux = x_.get();
    if (operation.rfind("backward_mantissa_bit", 0) == 0) aux = y_mantissa_bit_.get();
    if (operation.rfind("backward_bitmask", 0) == 0) aux = y_bitmask_.get();
    // What forwards write is not what backwards read.
    uint8* mask = operation.rfind("backward", 0) == 0 ? mask_.get() : written_mask_.get();
    return {a_.get(),         b_.get(), bias_.get(), d_.get(), aux, mask, bias_gradient_.get(),
            workspace_.get(), 64u << 20};
  }

  gemm_problem problem;
  int64 count;

  device_array<element>& d() { return d_; }
  element* y_mantissa_bit() { return y_mantissa_bit_.get(); }
  element* y_bitmask() { return y_bitmask_.get(); }
  uint8* mask() { return mask_.get(); }
  uint8* written_mask() { return written_mask_.get(); }

 private:
  device_array<element> a_, b_, bias_, d_, x_, y_bitmask_, y_mantissa_bit_;
  device_array<uint8> mask_, written_mask_;
  device_array<float> bias_gradient_;
  device_array<uint8> workspace_;
};

void measure(const contest& c, const gemm_problem& p) {
  tensors t(p);
  std::printf("\n## %d x %d x %d\n\n| operation | us | fastest kernel | tried |\n|---|---|---|---|\n", p.m,
              p.n, p.k);
  std::vector<gemm_operation> operations = cublaslt_operations();
#define INVACT_ADD(name) operations.push_back({#name, bench::name});
  INVACT_GEMM_OPERATIONS(INVACT_ADD)
#undef INVACT_ADD
  winners<gemm_tensors> w;
  std::map<std::string, work> all;
  for (const gemm_operation& operation : operations) {
    const std::string& name = operation.name;
    w[name] = search(c, name, operation.kernels(), p, t.of(name));
    all[name] = w[name].run();
  }

  // Unfused: cuBLASLt, then our elementwise kernel over D in place.
  element* d = t.d().get();
  all["unfused_forward_mantissa_bit"] = behind(all.at("cublaslt_bias"), [&, d](cudaStream_t s) {
    check(invact::device::forward(mantissa_bit{}, t.count, d, d, s));
  });
  all["unfused_forward_bitmask"] = behind(all.at("cublaslt_bias"), [&, d](cudaStream_t s) {
    check(invact::device::forward(bitmask{}, t.shape(), d, d, t.written_mask(), s));
  });
  all["unfused_backward_mantissa_bit"] = behind(all.at("cublaslt_none"), [&, d](cudaStream_t s) {
    check(invact::device::backward(mantissa_bit{}, t.count, d, t.y_mantissa_bit(), d, s));
  });
  all["unfused_backward_bitmask"] = behind(all.at("cublaslt_none"), [&, d](cudaStream_t s) {
    check(invact::device::backward(bitmask{}, t.shape(), d, t.y_bitmask(), t.mask(), d, s));
  });
  // Forwards and backwards together.
  const auto both = [&](const char* name, const std::string& forward, const std::string& backward) {
    all[name] = behind(all.at(forward), all.at(backward));
  };
  both("fused_both", "forward_mantissa_bit", "backward_mantissa_bit_node");
  both("fused_bitmask_both", "forward_bitmask", "backward_bitmask");
  both("unfused_both", "unfused_forward_mantissa_bit", "unfused_backward_mantissa_bit");
  both("cublaslt_both", "cublaslt_gelu_aux", "cublaslt_dgelu");
  both("stock_both", "forward_gelu_aux", "backward_dgelu");
  both("mainloop_both", "identity", "identity");
  both("cublaslt_mainloop_both", "cublaslt_none", "cublaslt_none");

  compare_pairs(c, all,
                {{"forward_mantissa_bit", "identity"},
                 {"forward_mantissa_bit", "forward_gelu_taylor"},
                 {"forward_bitmask", "forward_mantissa_bit"},
                 {"forward_mantissa_bit", "forward_gelu_aux"},
                 {"forward_mantissa_bit", "cublaslt_gelu_aux"},
                 {"forward_mantissa_bit", "unfused_forward_mantissa_bit"},
                 {"forward_bitmask", "unfused_forward_bitmask"},
                 {"forward_bitmask", "cublaslt_relu_aux"},
                 {"backward_mantissa_bit", "backward_multiply"},
                 {"backward_mantissa_bit_node", "backward_multiply"},
                 {"backward_bitmask", "backward_multiply"},
                 {"backward_mantissa_bit", "backward_dgelu"},
                 {"backward_mantissa_bit_node", "backward_dgelu"},
                 {"backward_bitmask", "backward_dgelu"},
                 {"backward_mantissa_bit", "cublaslt_dgelu"},
                 {"backward_mantissa_bit", "unfused_backward_mantissa_bit"},
                 {"backward_mantissa_bit_bias_gradient", "cublaslt_dgelu_bgrad"},
                 {"backward_mantissa_bit_bias_gradient", "backward_mantissa_bit_node"},
                 {"forward_mantissa_bit_accurate", "forward_mantissa_bit"},
                 {"forward_bitmask_accurate", "forward_bitmask"},
                 {"backward_mantissa_bit_accurate", "backward_mantissa_bit"},
                 {"backward_bitmask_accurate", "backward_bitmask"},
                 {"fused_both", "cublaslt_both"},
                 {"fused_bitmask_both", "cublaslt_both"},
                 {"unfused_both", "cublaslt_both"},
                 {"fused_both", "unfused_both"},
                 {"fused_both", "stock_both"},
                 {"mainloop_both", "cublaslt_mainloop_both"},
                 {"fused_both", "mainloop_both"},
                 {"cublaslt_both", "cublaslt_mainloop_both"}});
}

}  // namespace

int main(int argc, char** argv) {
  bench::contest c{};
  c.program = "gemm_bench";
  c.title = "GEMM epilogues";
  c.rounds = 60;
  c.calls = 7;
  c.problems = {{8192, 16384, 4096}, {8192, 14336, 4096}, {8192, 4096, 1024}, {2048, 3072, 768}};
  return bench::run_contest(argc, argv, c, measure);
}
