/* The library's forward and backward over one run of elements, for benchmarks in other languages and so that the
   benchmarks of one build share one copy of the kernels. Names as in the library: activation one of the catalogue,
   with its default parameters, storage "float", "half" or "bfloat16", packing "bitmask" or "mantissa_bit". An
   activation that keeps no bit ignores the packing, and what keeps none beside y the mask.
   Returns a cudaError_t, cudaErrorInvalidValue for an unknown name. */
#ifndef INVACT_BENCH_C_INTERFACE_H
#define INVACT_BENCH_C_INTERFACE_H

#ifdef __cplusplus
extern "C" {
#endif

int invact_bench_forward(const char* activation, const char* storage, const char* packing, long long n,
                         const void* x, void* y, void* mask, void* stream);
int invact_bench_backward(const char* activation, const char* storage, const char* packing, long long n,
                          const void* dy, const void* y, const void* mask, void* dx, void* stream);

/* Bits that an element keeps beside y, 0 or 1; -1 for an unknown name. */
int invact_bench_mask_bits(const char* activation, const char* storage, const char* packing);

/* The gradient factor g that the backward multiplies dy with, unrounded: what a scheme's accuracy is measured by. */
int invact_bench_gradient_factor(const char* activation, const char* storage, const char* packing,
                                 long long n, const void* y, const void* mask, float* g, void* stream);

/* Rows of bfloat16, f "gelu" or "silu", a bias of `cols` elements before it, also bfloat16. The backward writes its
   gradient too, in float; workspace: as many bytes as the query says. */
int invact_bench_forward_with_bias(const char* activation, const char* packing, long long rows,
                                   long long cols, const void* x, const void* bias, void* y, void* mask,
                                   void* stream);
long long invact_bench_bias_workspace_bytes(long long rows, long long cols);
int invact_bench_backward_with_bias_gradient(const char* activation, const char* packing, long long rows,
                                             long long cols, const void* dy, const void* y,
                                             const void* mask, void* dx, float* bias_gradient,
                                             void* workspace, void* stream);

/* Gated units in bfloat16, h = f(g) * u, f "gelu" or "silu". Packing "recompute" keeps g, which its backward takes as
   `kept`, as the others take h, and writes h again, unless that is null; the others ignore h. */
int invact_bench_gated_forward(const char* activation, const char* packing, long long n, const void* g, const void* u,
                               void* h, void* mask, void* stream);
int invact_bench_gated_backward(const char* activation, const char* packing, long long n, const void* dh,
                                const void* kept, const void* u, const void* mask, void* dg, void* du, void* h,
                                void* stream);

#ifdef __cplusplus
}
#endif

#endif
