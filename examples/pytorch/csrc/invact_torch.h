/* The library's ops for languages that call C: forward and backward over contiguous tensors, on the CPU or on a GPU.

   activation   "gelu", "gelu_tanh", "silu", "quick_gelu" or "mish"
   storage      "float", "half" or "bfloat16": the type of every tensor but the mask
   packing      "bitmask", whose mask has (n + 7) / 8 bytes, or "mantissa_bit", whose mask is ignored and may be null
   n            elements, of gated units units; not negative
   pointers     aligned as their elements. y may be x, dx may be dy, h may be g, dg may be dh or h, du may be u; no other
                tensors overlap
   on_gpu       whether the pointers are to memory of the current CUDA device, where the call is asynchronous in `stream` (a
                cudaStream_t) and allocates nothing; else the call is done when it returns
   Returns 0, or a status of which invact_torch_message tells the meaning; nothing is written then. */
#ifndef INVACT_TORCH_H
#define INVACT_TORCH_H

#if defined(_WIN32)
#define INVACT_TORCH_API __declspec(dllexport)
#else
#define INVACT_TORCH_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* y = f(x) and, with the bitmask, the pieces of x. */
INVACT_TORCH_API int invact_torch_forward(const char* activation, const char* storage, const char* packing,
                                          long long n, const void* x, void* y, void* mask, int on_gpu, void* stream);

/* dx = dy * f'(x), of the y and mask that a forward wrote. */
INVACT_TORCH_API int invact_torch_backward(const char* activation, const char* storage, const char* packing,
                                           long long n, const void* dy, const void* y, const void* mask, void* dx,
                                           int on_gpu, void* stream);

/* y = f(x + bias) of a matrix of rows * cols elements, bias of cols elements, added in float. The mask has (cols + 7) / 8 bytes
   a row. */
INVACT_TORCH_API int invact_torch_forward_with_bias(const char* activation, const char* storage, const char* packing,
                                                    long long rows, long long cols, const void* x, const void* bias,
                                                    void* y, void* mask, int on_gpu, void* stream);

/* dx, and its sum over the rows in float: the bias's gradient, of cols elements. workspace: on a GPU so many bytes, aligned to
   4, as the function below says; else not used. */
INVACT_TORCH_API int invact_torch_backward_with_bias(const char* activation, const char* storage, const char* packing,
                                                     long long rows, long long cols, const void* dy, const void* y,
                                                     const void* mask, void* dx, float* bias_gradient, void* workspace,
                                                     int on_gpu, void* stream);
INVACT_TORCH_API long long invact_torch_bias_workspace_bytes(long long rows, long long cols);

/* Gated units: h = f(g) * u. */
INVACT_TORCH_API int invact_torch_gated_forward(const char* activation, const char* storage, const char* packing,
                                                long long n, const void* g, const void* u, void* h, void* mask,
                                                int on_gpu, void* stream);

/* dg and du, of the h and mask that a forward wrote, and of u. */
INVACT_TORCH_API int invact_torch_gated_backward(const char* activation, const char* storage, const char* packing,
                                                 long long n, const void* dh, const void* h, const void* u,
                                                 const void* mask, void* dg, void* du, int on_gpu, void* stream);

/* Whether calls with on_gpu can succeed: 0 of a build without CUDA. */
INVACT_TORCH_API int invact_torch_has_cuda(void);

/* What a status means, in English. */
INVACT_TORCH_API const char* invact_torch_message(int status);

#ifdef __cplusplus
}
#endif

#endif
