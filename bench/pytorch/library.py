"""invact's kernels as c_interface.h offers them, on PyTorch's current stream."""

import ctypes

import torch

STORAGES = ("bfloat16", "half", "float")
PACKINGS = ("bitmask", "mantissa_bit")


class Library:
    def __init__(self, path):
        self._library = ctypes.CDLL(path)
        text, pointer = ctypes.c_char_p, ctypes.c_void_p
        for function, texts, pointers in (("forward", 3, 4), ("backward", 3, 5), ("gradient_factor", 3, 4),
                                          ("gated_forward", 2, 5), ("gated_backward", 2, 8)):
            getattr(self._library, f"invact_bench_{function}").argtypes = (
                [text] * texts + [ctypes.c_longlong] + [pointer] * pointers)
        self._library.invact_bench_mask_bits.argtypes = [text] * 3
        long = ctypes.c_longlong
        self._library.invact_bench_forward_with_bias.argtypes = [text] * 2 + [long] * 2 + [pointer] * 5
        self._library.invact_bench_backward_with_bias_gradient.argtypes = [text] * 2 + [long] * 2 + [pointer] * 7
        self._library.invact_bench_bias_workspace_bytes.argtypes = [long] * 2
        self._library.invact_bench_bias_workspace_bytes.restype = long

    def _call(self, function, names, size, *tensors):
        status = getattr(self._library, f"invact_bench_{function}")(
            *(name.encode() for name in names), *(size if isinstance(size, tuple) else (size,)), *(None if t is None else t.data_ptr() for t in tensors),
            torch.cuda.current_stream().cuda_stream)
        if status != 0:
            raise RuntimeError(f"invact: {function} of {', '.join(names)}: cudaError_t {status}")

    # names: activation, storage, packing.

    def mask_bits(self, *names):
        """Bits an element that are kept beside y."""
        bits = self._library.invact_bench_mask_bits(*(name.encode() for name in names))
        if bits < 0:
            raise RuntimeError(f"invact: no op of {', '.join(names)}")
        return bits

    def mask(self, *names, n):
        bits = self.mask_bits(*names)
        return torch.empty((n + 7) // 8, dtype=torch.uint8, device="cuda") if bits else None

    def forward(self, names, x, y, mask):
        self._call("forward", names, x.numel(), x, y, mask)

    def backward(self, names, dy, y, mask, dx):
        self._call("backward", names, y.numel(), dy, y, mask, dx)

    def gradient_factor(self, names, y, mask, g):
        self._call("gradient_factor", names, y.numel(), y, mask, g)

    # names: activation, packing. bfloat16.

    def forward_with_bias(self, names, x, bias, y, mask):
        self._call("forward_with_bias", names, tuple(x.shape), x, bias, y, mask)

    def bias_workspace_bytes(self, rows, cols):
        return self._library.invact_bench_bias_workspace_bytes(rows, cols)

    def backward_with_bias_gradient(self, names, dy, y, mask, dx):
        """The bias's gradient, in float."""
        rows, cols = dy.shape
        workspace = torch.empty(self.bias_workspace_bytes(rows, cols), dtype=torch.uint8, device="cuda")
        gradient = torch.empty(cols, dtype=torch.float32, device="cuda")
        self._call("backward_with_bias_gradient", names, (rows, cols), dy, y, mask, dx, gradient, workspace)
        return gradient

    def gated_forward(self, names, g, u, h, mask):
        self._call("gated_forward", names, g.numel(), g, u, h, mask)

    def gated_backward(self, names, dh, kept, u, mask, dg, du):
        self._call("gated_backward", names, dh.numel(), dh, kept, u, mask, dg, du, None)
