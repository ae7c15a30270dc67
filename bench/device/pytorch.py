#!/usr/bin/env python3
"""PyTorch's activations, eager and compiled, beside invact's kernels and a copy of the same bytes, in one process.

    bench/device/pytorch.py --library build/gpu/bench/libinvact_bench_c.so [--json FILE] [--iterations N] [--quick]

All of them take turns on one stream, each between two events; reported are medians. The kernels of invact are
called through c_interface.h. PyTorch's eager kernels write into memory that is there already (`out=`), so that no
allocation is timed. 2^20 and 2^24 elements: every contestant is a CUDA graph of 20 calls, so that neither the host nor
the gaps between launches are timed; torch.compile and autograd are compared at 2^29 only. --quick: 2^29 elements
of bfloat16 only, without torch.compile. Exit status 77 without PyTorch or without a GPU.
"""

import argparse
import ctypes
import json
import statistics
import sys
import time

try:
    import torch
except ImportError:
    torch = None

SKIPPED = 77
BATCH = 20
STORAGES = ("bfloat16", "half", "float")
PACKINGS = ("bitmask", "mantissa_bit")
DIRECTIONS = ("forward", "backward", "both")
# name: (invact's name, PyTorch's forward and backward and their further arguments)
ACTIVATIONS = {
    "gelu": ("gelu", "gelu", {"approximate": "none"}),
    "gelu_tanh": (None, "gelu", {"approximate": "tanh"}),
    "silu": ("silu", "silu", {}),
}


class Library:
    """invact's forward and backward, on PyTorch's current stream."""

    def __init__(self, path):
        library = ctypes.CDLL(path)
        text, pointer = ctypes.c_char_p, ctypes.c_void_p
        self._forward = library.invact_bench_forward
        self._forward.argtypes = [text] * 3 + [ctypes.c_longlong] + [pointer] * 4
        self._backward = library.invact_bench_backward
        self._backward.argtypes = [text] * 3 + [ctypes.c_longlong] + [pointer] * 5

    @staticmethod
    def _check(status):
        if status != 0:
            raise RuntimeError(f"invact: cudaError_t {status}")

    @staticmethod
    def _names(*names):
        return [name.encode() for name in names]

    def forward(self, names, x, y, mask):
        stream = torch.cuda.current_stream().cuda_stream
        self._check(self._forward(*self._names(*names), x.numel(), x.data_ptr(), y.data_ptr(), mask.data_ptr(),
                                  stream))

    def backward(self, names, dy, y, mask, dx):
        stream = torch.cuda.current_stream().cuda_stream
        self._check(self._backward(*self._names(*names), y.numel(), dy.data_ptr(), y.data_ptr(), mask.data_ptr(),
                                   dx.data_ptr(), stream))


class Tensors:
    def __init__(self, storage, n):
        dtype = getattr(torch, storage)
        generator = torch.Generator(device="cuda").manual_seed(1)

        def normal():
            return torch.empty(n, dtype=dtype, device="cuda").normal_(generator=generator)

        def empty():
            return torch.empty(n, dtype=dtype, device="cuda")

        self.x, self.dy = normal(), normal()
        self.y = {packing: empty() for packing in PACKINGS}
        self.dx = empty()
        self.mask = torch.empty((n + 7) // 8, dtype=torch.uint8, device="cuda")
        # What PyTorch writes, and the copies: a forward's bytes are those of one tensor copied, a backward's
        # of one and a half.
        self.out = empty()
        self.source = torch.cat((self.dy, self.x[: n // 2]))
        self.target = torch.empty_like(self.source)


def eager(activation, t):
    _, name, arguments = ACTIVATIONS[activation]
    forward = getattr(torch.ops.aten, name).out
    backward = getattr(torch.ops.aten, name + "_backward").grad_input

    def run_forward():
        forward(t.x, **arguments, out=t.out)

    def run_backward():
        backward(t.dy, t.x, **arguments, grad_input=t.dx)

    return run_forward, run_backward


def compiled(activation, t):
    _, name, arguments = ACTIVATIONS[activation]
    torch._dynamo.reset()
    forward_op = getattr(torch.ops.aten, name)
    backward_op = getattr(torch.ops.aten, name + "_backward")
    forward = torch.compile(lambda x: forward_op(x, **arguments), dynamic=False)
    backward = torch.compile(lambda dy, x: backward_op(dy, x, **arguments), dynamic=False)
    # Compiled at the first call, which is not timed.
    forward(t.x)
    backward(t.dy, t.x)
    torch.cuda.synchronize()

    def run_forward():
        forward(t.x)

    def run_backward():
        backward(t.dy, t.x)

    return run_forward, run_backward


def autograd(activation, t):
    """What a user runs; its forward and backward cannot be told apart by the caller."""
    _, name, arguments = ACTIVATIONS[activation]
    function = getattr(torch.nn.functional, name)
    x = t.x.detach().requires_grad_()

    def run():
        with torch.enable_grad():
            torch.autograd.grad(function(x, **arguments), x, t.dy)

    return run


def ours(library, activation, storage, packing, t):
    names = (ACTIVATIONS[activation][0], storage, packing)

    def run_forward():
        library.forward(names, t.x, t.y[packing], t.mask)

    def run_backward():
        library.backward(names, t.dy, t.y[packing], t.mask, t.dx)

    return run_forward, run_backward


def copies(t):
    n = t.x.numel()

    def run_forward():
        t.target[:n].copy_(t.source[:n])

    def run_backward():
        t.target.copy_(t.source)

    return run_forward, run_backward


def check_results(library, activation, storage, t):
    """So that what is timed is what it is said to be: a kernel that did nothing would be the fastest."""
    run_forward, run_backward = eager(activation, t)
    for packing in PACKINGS:
        our_forward, our_backward = ours(library, activation, storage, packing, t)
        our_forward()
        run_forward()
        part = slice(0, 1 << 20)
        difference = (t.y[packing][part].float() - t.out[part].float()).abs().max().item()
        t.dx.zero_()
        our_backward()
        dx = t.dx[part].float()
        run_backward()
        gradient = (dx - t.dx[part].float()).abs().max().item()
        # A code of bfloat16 near the largest |x|, and the error floor of its gradient times the largest |dy|.
        if not (difference <= 0.07 and gradient <= 0.2):
            raise RuntimeError(f"invact {activation} {storage} {packing}: y is {difference:.3g} and dx "
                               f"{gradient:.3g} from PyTorch's")


def run_both(pair):
    def run():
        pair[0]()
        pair[1]()

    return run


def capture(work):
    """A graph of BATCH calls, on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(BATCH):
            work()
    return graph.replay


def race(contestants, iterations, batch):
    """Median seconds of one call of each, which take turns; another begins in every round."""
    works = {name: capture(work) if batch > 1 else work for name, work in contestants.items()}
    names = list(works)
    seconds = {name: [] for name in names}
    for number in range(-3, iterations):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(len(names) + 1)]
        # Keeps the stream busy while the host fills it: no launch latency is timed.
        torch.cuda._sleep(1_000_000)
        order = [names[(number + k) % len(names)] for k in range(len(names))]
        events[0].record()
        for name, event in zip(order, events[1:]):
            works[name]()
            event.record()
        torch.cuda.synchronize()
        if number < 0:  # warms up
            continue
        for name, begin, end in zip(order, events, events[1:]):
            seconds[name].append(begin.elapsed_time(end) * 1e-3 / batch)
    return {name: statistics.median(values) for name, values in seconds.items()}


def try_compiled(make, batch, options):
    """What make() gives, pairs by name, and what went wrong. Nothing where torch.compile is not compared."""
    if batch > 1 or options.quick:
        return {}, None
    try:
        return make(), None
    except Exception as error:  # of any class: a missing C compiler, a Triton that does not fit
        return {}, f"torch.compile: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def race_directions(pairs, autograds, iterations, batch):
    """Microseconds of each contestant, by direction."""
    us = {}
    for index, direction in enumerate(DIRECTIONS):
        contestants = {name: run_both(pair) if direction == "both" else pair[index] for name, pair in pairs.items()}
        if direction == "both":
            contestants.update(autograds)
        if direction == "backward":
            # What each keeps between its directions.
            for pair in pairs.values():
                pair[0]()
        us[direction] = {name: 1e6 * value for name, value in race(contestants, iterations, batch).items()}
    return us


def measure(library, activation, storage, log2n, t, options):
    """One row a direction: microseconds of each contestant."""
    batch = BATCH if log2n <= 24 else 1
    pairs = {"copy": copies(t), "eager": eager(activation, t)}
    if ACTIVATIONS[activation][0] is not None:
        check_results(library, activation, storage, t)
        for packing in PACKINGS:
            pairs[packing] = ours(library, activation, storage, packing, t)
    made, problem = try_compiled(lambda: {"compile": compiled(activation, t)}, batch, options)
    pairs.update(made)
    autograds = {"autograd": autograd(activation, t)} if batch == 1 else {}
    us = race_directions(pairs, autograds, options.iterations, batch)
    return [{"activation": activation, "storage": storage, "direction": direction, "log2n": log2n,
             "bytes": {"forward": 2, "backward": 3, "both": 5}[direction] * t.x.numel() * t.x.element_size(),
             "us": us[direction]} for direction in DIRECTIONS], problem


def measure_all(library, options):
    for log2n in (29,) if options.quick else (29, 24, 20):
        for storage in STORAGES[:1] if options.quick else STORAGES:
            t = Tensors(storage, 1 << log2n)
            for activation in ACTIVATIONS:
                yield measure(library, activation, storage, log2n, t, options)
            del t
            torch.cuda.empty_cache()


def figures(us):
    """What eager takes over what each other takes."""
    return ", ".join(f"{name} {value:.1f} us ({us['eager'] / value:.3f})" for name, value in us.items())


def run(description, library_class, measure_all, contest):
    """The program of the command line. measure_all(library, options) yields rows and a problem or None, some at a time;
    contest(row) names a row."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--library", dest="shared_object", required=True, help="libinvact_bench_c.so of the build")
    parser.add_argument("--json", help="write the rows there")
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if torch is None or not torch.cuda.is_available():
        print("skipped: " + ("no PyTorch" if torch is None else "no GPU"))
        return SKIPPED

    start = time.monotonic()
    library = library_class(options.shared_object)
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}; in parentheses: eager's time over it",
          flush=True)
    rows, problems = [], []
    with torch.no_grad():
        for measured, problem in measure_all(library, options):
            rows += measured
            if problem is not None and problem not in problems:
                problems.append(problem)
                print(problem, flush=True)
            for row in measured:
                print(f"[{time.monotonic() - start:4.0f} s] {contest(row)} {row['direction']} 2^{row['log2n']}: "
                      f"{figures(row['us'])}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"torch": torch.__version__, "gpu": torch.cuda.get_device_name(), "rows": rows,
                       "problems": problems}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(run(__doc__, Library, measure_all, lambda row: f"{row['activation']} {row['storage']}"))
