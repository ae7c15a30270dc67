"""Modules over the functions of ops.py. packing: "bitmask", one bit an element beside the result, or "mantissa_bit", none."""

from torch import nn

from invact import ops
from invact._library import check_packing


class _Packed(nn.Module):
    def __init__(self, *, packing="bitmask"):
        super().__init__()
        check_packing(f"invact.{type(self).__name__}", packing)
        self.packing = packing

    def extra_repr(self):
        return f"packing={self.packing!r}"


class _WithApproximation(_Packed):
    def __init__(self, approximate="none", *, packing="bitmask"):
        super().__init__(packing=packing)
        ops.gelu_named(type(self).__name__, approximate)
        self.approximate = approximate

    def extra_repr(self):
        return f"approximate={self.approximate!r}, {super().extra_repr()}"


class _Activation(_Packed):
    """Called with a bias, which it adds along the last dimension first: see ops.gelu."""


class GELU(_WithApproximation, _Activation):
    """torch.nn.GELU that keeps its result and not its input for the backward."""

    def forward(self, input, bias=None):
        return ops.gelu(input, self.approximate, packing=self.packing, bias=bias)


class SiLU(_Activation):
    """torch.nn.SiLU that keeps its result and not its input for the backward."""

    def forward(self, input, bias=None):
        return ops.silu(input, packing=self.packing, bias=bias)


class QuickGELU(_Activation):
    """x * sigmoid(1.702 x) that keeps its result and not its input for the backward."""

    def forward(self, input, bias=None):
        return ops.quick_gelu(input, packing=self.packing, bias=bias)


class Mish(_Activation):
    """torch.nn.Mish that keeps its result and not its input for the backward."""

    def forward(self, input, bias=None):
        return ops.mish(input, packing=self.packing, bias=bias)


class SwiGLU(_Packed):
    """silu(gate) * up that keeps its result and up, and not gate, for the backward."""

    def forward(self, gate, up):
        return ops.swiglu(gate, up, packing=self.packing)


class GeGLU(_WithApproximation):
    """gelu(gate) * up that keeps its result and up, and not gate, for the backward."""

    def forward(self, gate, up):
        return ops.geglu(gate, up, self.approximate, packing=self.packing)
