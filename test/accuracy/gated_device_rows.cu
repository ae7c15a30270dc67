// The rows of gated units in bfloat16 and half, run by a GPU in its own arithmetic.
#include "accuracy/gated_add_rows.hpp"
#include "support/device_runner.cuh"

namespace report {

namespace {

using invact::storage_traits;

template <class Op>
__global__ void forward_kernel(Op op, std::size_t n, const float* g, const float* u, std::uint32_t* h,
                               std::uint32_t* piece) {
  const std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x;
  if (i >= n) return;
  const auto e = op.forward(g[i], u[i]);
  h[i] = storage_traits<typename Op::storage_type>::to_code(e.h);
  piece[i] = e.piece;
}

template <class Op>
__global__ void backward_kernel(Op op, std::size_t n, const std::uint32_t* kept, const float* u,
                                const std::uint32_t* piece, float* dg, float* du) {
  using traits = storage_traits<typename Op::storage_type>;
  const std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x;
  if (i >= n) return;
  const auto d = op.backward(1.0f, traits::from_code(static_cast<typename traits::code>(kept[i])), u[i], piece[i]);
  dg[i] = d.dg;
  du[i] = d.du;
}

unsigned blocks(std::size_t n) { return static_cast<unsigned>((n + 255) / 256); }

struct device_gated_backend {
  template <class Op>
  static accuracy::gated_runner run(Op op) {
    return {[op](const std::vector<float>& g, const std::vector<float>& u, accuracy::codes& h,
                 accuracy::codes& piece) {
              device_array<float> of_g(g), of_u(u);
              device_array<std::uint32_t> out(g.size()), pieces(g.size());
              forward_kernel<<<blocks(g.size()), 256>>>(op, g.size(), of_g.data(), of_u.data(), out.data(),
                                                        pieces.data());
              check_cuda(cudaGetLastError());
              h = out.host();
              piece = pieces.host();
            },
            [op](const accuracy::codes& kept, const std::vector<float>& u, const accuracy::codes& piece,
                 std::vector<float>& dg, std::vector<float>& du) {
              device_array<std::uint32_t> in(kept), pieces(piece);
              device_array<float> of_u(u), to_g(u.size()), to_u(u.size());
              backward_kernel<<<blocks(u.size()), 256>>>(op, u.size(), in.data(), of_u.data(), pieces.data(),
                                                         to_g.data(), to_u.data());
              check_cuda(cudaGetLastError());
              dg = to_g.host();
              du = to_u.host();
            }};
  }
  // The host's: the rows of inverted have a report of their own on the device.
  template <class Op>
  static accuracy::gated_runner run_keeping(Op op) {
    return host_keeping_runner(op);
  }
};

}  // namespace

std::vector<gated_row> device_gated_rows() {
  if (!has_device()) return {};
  std::vector<gated_row> rows = gated_rows<device_gated_backend, invact::bfloat16>("bfloat16");
  gated_row_maker<device_gated_backend> more;
  more.add<invact::silu, invact::binary16>("silu", "binary16");
  more.add<invact::gelu, invact::binary16>("gelu", "binary16");
  more.add<invact::silu, float>("silu", "float");
  more.add<invact::gelu, float>("gelu", "float");
  for (gated_row& r : more.rows) rows.push_back(std::move(r));
  return rows;
}

}  // namespace report
