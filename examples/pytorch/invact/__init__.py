"""Activations for PyTorch that train without their input: drop-in modules and functions over the library's kernels."""

from invact.convert import Report, convert, unsaved
from invact.modules import GELU, GeGLU, Mish, QuickGELU, SiLU, SwiGLU
from invact.ops import geglu, gelu, mish, quick_gelu, silu, swiglu

__all__ = ["GELU", "GeGLU", "Mish", "QuickGELU", "Report", "SiLU", "SwiGLU", "convert", "geglu", "gelu", "mish",
           "quick_gelu", "silu", "swiglu", "unsaved"]
