// Gated units, h = silu(g) * u, around GEMMs: fused into epilogues, as elementwise kernels behind plain GEMMs, and
// with g and u kept and h computed again. Each operation is first searched for its fastest kernel and settings; then
// pairs take turns, A B B A, and a pair's ratio is the median of its rounds', with a 95 % confidence interval of that
// median. Then what one layer keeps from its forward to its backward, and the most that it holds in each, by
// cudaMemGetInfo.
//
//   gated_gemm_bench [--rounds=N] [--search=N] [M,N,K ...]
//
// --rounds   of A B B A for each pair, 40 if not given
// --search   timed calls of each kernel and setting in the search, 5 if not given
// M,N,K      tokens, units and model width, in place of (8192, 14336, 4096), (8192, 4096, 1024), (2048, 3072, 768)
//
// Prints Markdown; on a terminal, what it does to stderr. Exit status 77: no GPU of compute capability 9.0.
#include "contest.cuh"
#include "gated.hpp"

namespace {

using namespace bench;
using element = __nv_bfloat16;
using mantissa_bit = invact::swiglu<element, invact::mantissa_bit>;
using bitmask = invact::swiglu<element>;
using recompute = invact::gated_recompute<invact::silu, element>;

// The factors of one shape: g and u are N(0, 1). Backwards take the first N rows of B.
class factors {
 public:
  explicit factors(const gemm_problem& p)
      : problem(p), a_(int64{p.m} * p.k), b_(2 * int64{p.n} * p.k), workspace_(64 << 20) {
    fill_factors(a_, b_, p.k);
  }
  int64 units() const { return int64{problem.m} * problem.n; }
  int64 mask_bytes() const { return problem.m * mask_stride(problem) / 8; }

  // [h | u] in one tensor.
  gated_tensors with(element* hu, uint8* mask, element* d) {
    element* const u = hu == nullptr ? nullptr : hu + problem.n;
    return {a_.get(), b_.get(), hu, u, 2 * int64{problem.n}, mask, d, workspace_.get(), 64u << 20};
  }
  invact::gated_shape shape() const {
    invact::gated_shape s;
    s.rows = problem.m;
    s.cols = s.ld_dh = problem.n;
    s.ld_g = s.ld_h = s.ld_u = s.ld_dg = s.ld_du = 2 * int64{problem.n};
    s.mask_stride_bits = mask_stride(problem);
    return s;
  }
  // Of ops that recompute h is a tensor of its own.
  invact::gated_shape shape_of_recompute() const {
    invact::gated_shape s = shape();
    s.ld_h = problem.n;
    return s;
  }

  gemm_problem problem;

 private:
  device_array<element> a_, b_;
  device_array<uint8> workspace_;
};

void measure_times(const contest& c, factors& f, const winners<gated_tensors>& w, element* hu_bitmask,
                   element* hu_mantissa_bit, element* gu, element* dh, element* h, element* dgu,
                   uint8* mask) {
  const gemm_problem& p = f.problem;
  const invact::gated_shape s = f.shape(), of_recompute = f.shape_of_recompute();
  const auto fused = [&](const char* name) { return w.at(name).run(); };
  element* const u_bitmask = hu_bitmask + p.n;
  element* const u_mantissa_bit = hu_mantissa_bit + p.n;

  std::map<std::string, work> all;
  for (const auto& each : w) all[each.first] = each.second.run();
  all["unfused_forward_bitmask"] = behind(fused("plain_forward"), [=](cudaStream_t stream) {
    check(invact::device::forward_interleaved(bitmask{}, s, gu, hu_bitmask, u_bitmask, mask, stream));
  });
  all["unfused_forward_mantissa_bit"] = behind(fused("plain_forward"), [=](cudaStream_t stream) {
    check(invact::device::forward_interleaved(mantissa_bit{}, s, gu, hu_mantissa_bit, u_mantissa_bit,
                                              stream));
  });
  all["recompute_forward"] = behind(fused("plain_forward"), [=](cudaStream_t stream) {
    check(invact::device::forward_interleaved(recompute{}, of_recompute, gu, h, stream));
  });
  all["unfused_backward_bitmask"] = behind(fused("plain_backward"), [=](cudaStream_t stream) {
    check(invact::device::backward_interleaved(bitmask{}, s, dh, hu_bitmask, u_bitmask, mask, dgu, stream));
  });
  all["unfused_backward_mantissa_bit"] = behind(fused("plain_backward"), [=](cudaStream_t stream) {
    check(invact::device::backward_interleaved(mantissa_bit{}, s, dh, hu_mantissa_bit, u_mantissa_bit, dgu,
                                               stream));
  });
  // h too, which the product for the second matrix's gradient needs.
  all["recompute_backward"] = behind(fused("plain_backward"), [=](cudaStream_t stream) {
    check(invact::device::backward_interleaved(recompute{}, of_recompute, dh, gu, dgu, h, stream));
  });
  const auto both = [&](const char* name, const std::string& forward, const std::string& backward) {
    all[name] = behind(all.at(forward), all.at(backward));
  };
  both("fused_bitmask_both", "forward_bitmask", "backward_bitmask");
  both("fused_mantissa_bit_both", "forward_mantissa_bit", "backward_mantissa_bit");
  both("fused_mantissa_bit_fast_both", "forward_mantissa_bit_packed", "backward_mantissa_bit_fast");
  both("unfused_bitmask_both", "unfused_forward_bitmask", "unfused_backward_bitmask");
  both("unfused_mantissa_bit_both", "unfused_forward_mantissa_bit", "unfused_backward_mantissa_bit");
  both("recompute_both", "recompute_forward", "recompute_backward");
  both("plain_both", "plain_forward", "plain_backward");

  compare_pairs(c, all,
                {{"forward_bitmask", "plain_forward"},
                 {"forward_bitmask_packed", "plain_forward"},
                 {"forward_mantissa_bit", "plain_forward"},
                 {"forward_mantissa_bit_packed", "plain_forward"},
                 {"unfused_forward_bitmask", "plain_forward"},
                 {"recompute_forward", "plain_forward"},
                 {"forward_bitmask", "unfused_forward_bitmask"},
                 {"forward_mantissa_bit", "unfused_forward_mantissa_bit"},
                 {"forward_mantissa_bit", "recompute_forward"},
                 {"backward_bitmask", "plain_backward"},
                 {"backward_bitmask_fast", "plain_backward"},
                 {"backward_mantissa_bit", "plain_backward"},
                 {"backward_mantissa_bit_fast", "plain_backward"},
                 {"backward_mantissa_bit_separate", "backward_mantissa_bit"},
                 {"recompute_backward", "plain_backward"},
                 {"backward_bitmask", "unfused_backward_bitmask"},
                 {"backward_mantissa_bit", "unfused_backward_mantissa_bit"},
                 {"backward_mantissa_bit", "recompute_backward"},
                 {"fused_bitmask_both", "unfused_bitmask_both"},
                 {"fused_bitmask_both", "recompute_both"},
                 {"fused_mantissa_bit_both", "recompute_both"},
                 {"fused_mantissa_bit_fast_both", "recompute_both"},
                 {"unfused_mantissa_bit_both", "recompute_both"},
                 {"fused_mantissa_bit_both", "plain_both"},
                 {"recompute_both", "plain_both"}});
}

// Allocations, and how much of the GPU's memory they take at most.
class arena {
 public:
  arena() : free_before_(free_now()) {}
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;
  ~arena() {
    for (const auto& each : held_) cudaFree(each.second);
  }
  template <class T>
  T* take(const char* name, int64 n) {
    void* data = nullptr;
    check(cudaMalloc(&data, static_cast<std::size_t>(n) * sizeof(T)));
    held_[name] = data;
    most_ = std::max(most_, now());
    return static_cast<T*>(data);
  }
  void give_back(const char* name) {
    check(cudaDeviceSynchronize());
    check(cudaFree(held_.at(name)));
    held_.erase(name);
  }
  double now() const { return free_before_ - free_now(); }
  // The most since the last call.
  double most() {
    const double m = most_;
    most_ = now();
    return m;
  }

 private:
  static double free_now() {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total));
    return static_cast<double>(free);
  }

  double free_before_, most_ = 0;
  std::map<std::string, void*> held_;
};

// One layer, for real, with what each way needs and no longer than it does: from the product that makes g and u to
// their gradients, without the factors, which are the same for all. The second matrix's gradient needs h: where h is
// overwritten, that product comes first.
void measure_memory(factors& f, const winners<gated_tensors>& w) {
  const gemm_problem& p = f.problem;
  const invact::gated_shape s = f.shape(), of_recompute = f.shape_of_recompute();
  const int64 units = f.units();
  const auto run = [&](const char* name, const gated_tensors& t) {
    w.at(name).prepare(p, t);
    w.at(name).run()(nullptr);
  };
  std::printf(
      "\n| way | kept, bytes a unit | most in the forward | most in the backward | most, MiB |\n"
      "|---|---|---|---|---|\n");
  const auto report = [&](const char* way, double forward, double kept, double backward) {
    const double n = static_cast<double>(units);
    std::printf("| %s | %.3f | %.3f | %.3f | %.1f |\n", way, kept / n, forward / n, backward / n,
                std::max(forward, backward) / (1 << 20));
    std::fflush(stdout);
  };
  {
    arena m;
    element* const hu = m.take<element>("hu", 2 * units);
    uint8* const mask = m.take<uint8>("mask", f.mask_bytes());
    run("forward_bitmask", f.with(hu, mask, nullptr));
    const double forward = m.most(), kept = m.now();
    element* const dgu = m.take<element>("dgu", 2 * units);
    run("backward_bitmask", f.with(hu, mask, dgu));
    check(cudaDeviceSynchronize());
    report("fused, bitmask", forward, kept, m.most());
  }
  {
    arena m;
    element* const hu = m.take<element>("hu", 2 * units);
    run("forward_mantissa_bit", f.with(hu, nullptr, nullptr));
    const double forward = m.most(), kept = m.now();
    run("backward_mantissa_bit_separate", f.with(hu, nullptr, hu));
    check(cudaDeviceSynchronize());
    report("fused, mantissa bit, gradients in place of h and u", forward, kept, m.most());
  }
  {
    arena m;
    element* const gu = m.take<element>("gu", 2 * units);
    run("plain_forward", f.with(nullptr, nullptr, gu));
    element* const hu = m.take<element>("hu", 2 * units);
    check(invact::device::forward_interleaved(mantissa_bit{}, s, gu, hu, hu + p.n, nullptr));
    m.give_back("gu");
    const double forward = m.most(), kept = m.now();
    element* const dh = m.take<element>("dh", units);
    run("plain_backward", f.with(hu, nullptr, dh));
    check(invact::device::backward_gated(mantissa_bit{}, s, dh, hu, hu + p.n, hu, hu + p.n, nullptr));
    check(cudaDeviceSynchronize());
    report("unfused, mantissa bit, gradients in place of h and u", forward, kept, m.most());
  }
  for (const bool keeps_h : {false, true}) {
    arena m;
    element* const gu = m.take<element>("gu", 2 * units);
    run("plain_forward", f.with(nullptr, nullptr, gu));
    element* h = m.take<element>("h", units);
    check(invact::device::forward_interleaved(recompute{}, of_recompute, gu, h, nullptr));
    if (!keeps_h) m.give_back("h");
    const double forward = m.most(), kept = m.now();
    element* const dh = m.take<element>("dh", units);
    run("plain_backward", f.with(nullptr, nullptr, dh));
    if (!keeps_h) h = m.take<element>("h", units);
    check(invact::device::backward_interleaved(recompute{}, of_recompute, dh, gu, gu, keeps_h ? nullptr : h,
                                               nullptr));
    check(cudaDeviceSynchronize());
    report(keeps_h ? "g, u and h kept, gradients in place of g and u"
                   : "g and u kept, h computed again, gradients in place of g and u",
           forward, kept, m.most());
  }
}

void measure(const contest& c, const gemm_problem& p) {
  std::printf(
      "\n## %d tokens, %d units, K %d\n\n| operation | us | fastest kernel | tried |\n|---|---|---|---|\n",
      p.m, p.n, p.k);
  factors f(p);
  winners<gated_tensors> w;
  {
    const int64 units = f.units();
    device_array<element> hu_bitmask(2 * units), hu_mantissa_bit(2 * units), gu(2 * units), dh(units),
        h(units), dgu(2 * units);
    device_array<uint8> mask(f.mask_bytes());
    // What the backwards read.
    gu.fill_normal(3);
    check(invact::device::forward_interleaved(bitmask{}, f.shape(), gu.get(), hu_bitmask.get(),
                                              hu_bitmask.get() + p.n, mask.get(), nullptr));
    check(invact::device::forward_interleaved(mantissa_bit{}, f.shape(), gu.get(), hu_mantissa_bit.get(),
                                              hu_mantissa_bit.get() + p.n, nullptr));
    check(cudaDeviceSynchronize());
    const auto add = [&](const std::string& name, gated_kernels kernels) {
      const bool is_bitmask = name.find("bitmask") != std::string::npos;
      element* d = dgu.get();
      if (name == "plain_forward") d = gu.get();
      if (name == "plain_backward") d = dh.get();
      w[name] = search(c, name, std::move(kernels), p,
                       f.with((is_bitmask ? hu_bitmask : hu_mantissa_bit).get(), mask.get(), d));
    };
#define INVACT_ADD(name) add(#name, gated_##name());
    INVACT_GATED_OPERATIONS(INVACT_ADD)
#undef INVACT_ADD
    measure_times(c, f, w, hu_bitmask.get(), hu_mantissa_bit.get(), gu.get(), dh.get(), h.get(), dgu.get(),
                  mask.get());
  }
  measure_memory(f, w);
}

}  // namespace

int main(int argc, char** argv) {
  bench::contest c{};
  c.program = "gated_gemm_bench";
  c.title = "Gated units around GEMMs";
  c.rounds = 40;
  c.calls = 5;
  c.problems = {{8192, 14336, 4096}, {8192, 4096, 1024}, {2048, 3072, 768}};
  c.shows_progress = true;
  return bench::run_contest(argc, argv, c, measure);
}
