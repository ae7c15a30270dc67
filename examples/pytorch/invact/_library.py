"""The shared library, found and loaded, and its calls on tensors."""

import ctypes
import os
import pathlib

import torch

# dtype: the library's name of the storage type.
STORAGES = {torch.float32: "float", torch.float16: "half", torch.bfloat16: "bfloat16"}
PACKINGS = ("bitmask", "mantissa_bit")
NAME = "libinvact_torch.so"
# How many sizes and tensors each function of the C interface takes.
FUNCTIONS = {"forward": (1, 3), "backward": (1, 4), "forward_with_bias": (2, 4), "backward_with_bias": (2, 6),
             "gated_forward": (1, 4), "gated_backward": (1, 6)}


def check_packing(where, packing):
    if packing not in PACKINGS:
        raise ValueError(f"{where}: packing must be one of {', '.join(map(repr, PACKINGS))}, not {packing!r}")


def _find():
    """INVACT_TORCH_LIBRARY, else beside this package, else in a build folder of the repository."""
    given = os.environ.get("INVACT_TORCH_LIBRARY")
    if given:
        return pathlib.Path(given)
    here = pathlib.Path(__file__).resolve().parent
    candidates = [here / NAME, *sorted(here.parents[2].glob(f"build/*/examples/pytorch/{NAME}"),
                                       key=lambda path: path.stat().st_mtime, reverse=True)]
    for path in candidates:
        if path.exists():
            return path
    raise ImportError(f"invact: no {NAME}: build the target invact_torch (examples/pytorch), or set INVACT_TORCH_LIBRARY")


def _load():
    path = _find()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"invact: cannot load {path}: {error}") from None
    text, pointer, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_longlong
    for name, (sizes, tensors) in FUNCTIONS.items():
        function = getattr(library, f"invact_torch_{name}")
        function.argtypes = [text] * 3 + [number] * sizes + [pointer] * tensors + [ctypes.c_int, pointer]
    library.invact_torch_bias_workspace_bytes.argtypes = [number] * 2
    library.invact_torch_bias_workspace_bytes.restype = number
    library.invact_torch_message.restype = text
    return library


_library = _load()
_functions = {name: getattr(_library, f"invact_torch_{name}") for name in FUNCTIONS}


def bias_workspace_bytes(rows, cols):
    return _library.invact_torch_bias_workspace_bytes(rows, cols)


def call(function, activation, packing, *tensors, size=None):
    """Tensors as the C interface takes them, all contiguous in the same order of elements; a mask without elements is none.
    The first says type, device and, but for what takes (rows, cols), size."""
    first = tensors[0]
    arguments = (activation.encode(), STORAGES[first.dtype].encode(), packing.encode(), *(size or (first.numel(),)),
                 *[t.data_ptr() for t in tensors])
    if not first.is_cuda:
        status = _functions[function](*arguments, 0, None)
    elif first.get_device() == torch.cuda.current_device():
        status = _functions[function](*arguments, 1, torch._C._cuda_getCurrentRawStream(first.get_device()))
    else:
        with torch.cuda.device(first.device):
            status = _functions[function](*arguments, 1, torch.cuda.current_stream().cuda_stream)
    if status != 0:
        raise RuntimeError(f"invact: {function} of {activation}: {_library.invact_torch_message(status).decode()}")
