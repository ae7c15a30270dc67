"""One activation over one run of elements: PyTorch, eager and compiled, the schemes of schemes.py, and invact.

Eager and invact write into memory that is there already, so that no allocation is timed. `compile, y again` is the backward
that torch.compile makes where an activation_memory_budget has y computed again for the next layer: (dy, x) -> dx, y.
`autograd` is what a user of eager runs; its directions cannot be told apart by the caller.
"""

import concurrent.futures
import functools
import multiprocessing

import torch

import fits
import schemes
from library import PACKINGS, STORAGES
from timing import DIRECTIONS, batch_of, by_direction, race

# invact's name: PyTorch's operator and its further arguments.
OPERATORS = {"gelu": ("gelu", {"approximate": "none"}), "silu": ("silu", {})}
SIZES = (10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 29, 30)
# Where a launch is chosen, and up to which size it holds.
TUNED_AT = ((16, 18), (20, 20), (22, 22), (24, 25), (27, 99))
# Tensors' worth of memory that a contest takes: those of Tensors, and what torch.compile and autograd allocate.
ALLOCATED = 12
# Bytes that an element takes in the directions besides those of the tensors, and tensors.
TENSORS = {"forward": 2, "backward": 3}
EXTRA_BYTES = {"bitmask": 1 / 8, "paper": 1 / 8, "tempo": 1, "fewbit": 1 / 2}
BACKWARD_TENSORS = {"recompute": 4, "compile, y again": 4, "fewbit": 2}


def bytes_of(contestant, direction, storage):
    """Of one element, every tensor counted once."""
    if direction == "both":
        return sum(bytes_of(contestant, d, storage) for d in TENSORS)
    tensors = TENSORS[direction]
    if direction == "backward":
        tensors = BACKWARD_TENSORS.get(contestant, tensors)
    return tensors * dtype(storage).itemsize + EXTRA_BYTES.get(contestant, 0)


def dtype(storage):
    return getattr(torch, storage)


class Tensors:
    def __init__(self, storage, n):
        generator = torch.Generator(device="cuda").manual_seed(1)

        def empty():
            return torch.empty(n, dtype=dtype(storage), device="cuda")

        self.x, self.dy = (empty().normal_(generator=generator) for _ in range(2))
        self.y, self.dx = empty(), empty()
        # A backward's bytes are those of one and a half tensors copied.
        self.source = torch.cat((self.dy, self.x[: n // 2]))
        self.target = torch.empty_like(self.source)


def eager(activation, t):
    name, arguments = OPERATORS[activation]
    forward = getattr(torch.ops.aten, name).out
    backward = getattr(torch.ops.aten, name + "_backward").grad_input
    return (lambda: forward(t.x, **arguments, out=t.y),
            lambda: backward(t.dy, t.x, **arguments, grad_input=t.dx))


_compiled = {}


def compiled(activation, t):
    """The pairs of `compile` and of `compile, y again`. A shape is compiled once, and is kept."""
    if activation not in _compiled:
        name, arguments = OPERATORS[activation]
        forward_op, backward_op = getattr(torch.ops.aten, name), getattr(torch.ops.aten, name + "_backward")
        _compiled[activation] = [torch.compile(function, dynamic=False) for function in (
            lambda x: forward_op(x, **arguments), lambda dy, x: backward_op(dy, x, **arguments),
            lambda dy, x: (backward_op(dy, x, **arguments), forward_op(x, **arguments)))]
    forward, backward, again = _compiled[activation]
    forward(t.x), backward(t.dy, t.x), again(t.dy, t.x)
    return {"compile": (lambda: forward(t.x), lambda: backward(t.dy, t.x)),
            "compile, y again": (lambda: forward(t.x), lambda: again(t.dy, t.x))}


def autograd(function, t):
    x = t.x.detach().requires_grad_()

    def run():
        with torch.enable_grad():
            torch.autograd.grad(function(x), x, t.dy)

    return run


def ours(library, activation, storage, packing, t):
    names = (activation, storage, packing)
    mask = library.mask(*names, n=t.x.numel())
    return (lambda: library.forward(names, t.x, t.y, mask), lambda: library.backward(names, t.dy, t.y, mask, t.dx))


def pair_of(scheme, t):
    extra = scheme.extra(t.x.numel())
    return (lambda: scheme.forward(t.x, t.y, extra), lambda: scheme.backward(t.dy, t.x, t.y, extra, t.dx))


def copies(t):
    n = t.x.numel()
    return (lambda: t.target[:n].copy_(t.source[:n])), (lambda: t.target.copy_(t.source))


def build_schemes(case):
    """In a process of its own: every launch of every scheme once, whose code Triton then has on disk."""
    activation, storage, launch = case
    t = Tensors(storage, 1 << 13)
    for scheme in schemes.SCHEMES.values():
        for run in pair_of(scheme(activation, launch, launch), t):
            run()
    torch.cuda.synchronize()


def build_all():
    cases = [(activation, storage, launch) for activation in OPERATORS for storage in STORAGES
             for launch in schemes.LAUNCHES]
    with concurrent.futures.ProcessPoolExecutor(min(12, multiprocessing.cpu_count()),
                                                multiprocessing.get_context("spawn")) as pool:
        list(pool.map(build_schemes, cases))


class Launches:
    """The fastest launch of each scheme and direction, by size."""

    def __init__(self):
        self._known = {}

    def scheme(self, name, activation, storage, log2n):
        log2n = next(at for at, until in TUNED_AT if log2n <= until)
        key = (name, activation, storage, log2n)
        if key not in self._known:
            t = Tensors(storage, 1 << log2n)
            chosen = []
            for direction in range(2):
                pairs = {launch: pair_of(schemes.SCHEMES[name](activation, launch, launch), t)
                         for launch in schemes.LAUNCHES}
                for forward, _ in pairs.values():
                    forward()
                seconds = race({launch: pair[direction] for launch, pair in pairs.items()}, 21, batch_of(log2n))
                chosen.append(min(seconds, key=seconds.get))
            self._known[key] = chosen
        return schemes.SCHEMES[name](activation, *self._known[key])

    def chosen(self):
        return [{"scheme": name, "activation": activation, "storage": storage, "log2n": log2n, "forward": forward,
                 "backward": backward}
                for (name, activation, storage, log2n), (forward, backward) in self._known.items()]


def contest(library, launches, activation, storage, log2n, t, with_compiled):
    pairs = {"copy": copies(t), "eager": eager(activation, t)}
    for packing in PACKINGS:
        pairs[packing] = ours(library, activation, storage, packing, t)
    for name in schemes.SCHEMES:
        pairs[name] = pair_of(launches.scheme(name, activation, storage, log2n), t)
    if with_compiled:
        pairs.update(compiled(activation, t))
    return pairs


def measure(library, launches, activation, storage, log2n, options):
    """Rows, one a direction."""
    t = Tensors(storage, 1 << log2n)
    batch = batch_of(log2n)
    pairs = contest(library, launches, activation, storage, log2n, t, options.compile)
    name, arguments = OPERATORS[activation]
    function = functools.partial(getattr(torch.nn.functional, name), **arguments)
    wholes = {"autograd": autograd(function, t)} if batch == 1 else {}
    for direction, us in by_direction(pairs, wholes, options.rounds, batch):
        yield {"part": "elementwise", "activation": activation, "storage": storage, "direction": direction,
               "log2n": log2n, "us": us, "bytes": {name: bytes_of(name, direction, storage) * t.x.numel() for name in us}}


def fits_memory(storage, log2n):
    return ALLOCATED * dtype(storage).itemsize << log2n <= torch.cuda.get_device_properties(0).total_memory


def measure_all(library, options, launches):
    for log2n in options.sizes or SIZES:
        for storage in options.storages:
            if not fits_memory(storage, log2n):
                print(f"left out, as the GPU has too little memory: {storage} 2^{log2n}", flush=True)
                continue
            for activation in OPERATORS:
                yield from measure(library, launches, activation, storage, log2n, options)
            torch.cuda.empty_cache()


PROFILED_AT = 28


def profile(library, launches, with_compiled):
    """Runs each contestant once in each direction, a kernel each, where a profiler looks; (activation, direction, name) in
    that order."""
    order = []
    for activation in OPERATORS:
        t = Tensors("bfloat16", 1 << PROFILED_AT)
        pairs = contest(library, launches, activation, "bfloat16", PROFILED_AT, t, with_compiled)
        for name, pair in pairs.items():
            if name == "copy":  # not a kernel
                continue
            for direction, run in zip(DIRECTIONS, pair):
                run()
                torch.cuda.synchronize()
                torch.cuda.profiler.start()
                run()
                torch.cuda.synchronize()
                torch.cuda.profiler.stop()
                order.append((activation, direction, name))
    return order


# Errors of the gradient factor.

# Largest error for x from -8 to 8, and RMS error over x ~ N(0, 1), of the paper's formulas in double precision at y as stored.
PAPER_ERRORS = {("gelu", "bfloat16"): (0.0328, 3.89e-3), ("gelu", "half"): (0.0205, 3.14e-3), ("gelu", "float"): (0.0187, 3.19e-3),
                ("silu", "bfloat16"): (0.0164, 1.74e-3), ("silu", "half"): (6.52e-3, 5.06e-4), ("silu", "float"): (2.91e-3, 3.47e-4)}
# The largest error that any decoder of y has, of both functions: in bfloat16 0.0120, and as the root of an ULP.
FLOOR = {"bfloat16": 0.0120, "half": 0.0120 * 2**-1.5, "float": 0.0120 * 2**-8}


def encode(activation, x, storage, packing):
    """y of float64's x as stored, by the definition of the formats (README.md, What is stored), and its mask."""
    y = torch.from_numpy(fits.value(activation, x.cpu().numpy())).cuda()
    left = x < fits.minimum(activation)[0]
    stored = y.to(dtype(storage))
    if packing == "bitmask":
        weights = 1 << torch.arange(8, device="cuda")
        return stored, (left.reshape(-1, 8) * weights).sum(1).to(torch.uint8)
    code = stored.view(torch.int32 if storage == "float" else torch.int16)
    truncated = code - (stored.double().abs() > y.abs()).to(code.dtype)
    odd = truncated + ((truncated & 1) ^ left.to(code.dtype))
    return torch.where(y < 0, odd, code).view(dtype(storage)), None


# What y may be off: a rounding of the storage, and of float32's arithmetic.
ROUNDING = {"bfloat16": 2.0**-8, "half": 2.0**-11, "float": 2.0**-21}


def check_forward(name, x, y, activation, storage):
    wanted = torch.from_numpy(fits.value(activation, x.double().cpu().numpy())).cuda()
    # In half a subnormal is off by more of itself.
    if not ((y.double() - wanted).abs() <= 1.01 * ROUNDING[storage] * wanted.abs() + 1e-6).all():
        raise RuntimeError(f"{name} {activation} {storage}: y is further than a rounding from f(x)")


def errors(library, activation, storage, launches):
    """A row a scheme: largest and RMS error of g over x ~ N(0, 1), x in float64 and y as stored. What saves x keeps the x
    it is given: its error is that of its arithmetic."""
    n = 1 << 22
    x = torch.empty(n, dtype=torch.float64, device="cuda").normal_(generator=torch.Generator("cuda").manual_seed(3))
    x[: 1 << 16] = torch.linspace(-8, 8, 1 << 16, dtype=torch.float64, device="cuda")
    wanted = torch.from_numpy(fits.slope(activation, x.cpu().numpy())).cuda()
    one = torch.ones(n, dtype=torch.float32, device="cuda")
    result = {}

    def add(name, g):
        difference = g.double() - wanted
        result[name] = (difference.abs().max().item(), difference[1 << 16:].square().mean().sqrt().item())

    g = torch.empty_like(one)
    for packing in PACKINGS:
        y, mask = encode(activation, x, storage, packing)
        library.gradient_factor((activation, storage, packing), y, mask, g)
        add(packing, g)
    y, mask = encode(activation, x, storage, "bitmask")
    for name in schemes.SCHEMES:
        scheme = launches.scheme(name, activation, storage, 22)
        extra = scheme.extra(n)
        own_x = x.to(torch.float32)
        own_y = torch.empty_like(y)
        scheme.forward(own_x, own_y, extra)
        check_forward(name, own_x, own_y, activation, storage)
        scheme.backward(one, own_x, own_y.zero_() if name == "recompute" else y, extra, g)
        if name == "recompute":
            check_forward("recompute's second", own_x, own_y, activation, storage)
        add(name, g)
    check_own(library, activation, storage, x, result)
    check(activation, storage, result)
    return [{"part": "accuracy", "activation": activation, "storage": storage, "scheme": name, "largest": largest,
             "rms": rms} for name, (largest, rms) in result.items()]


def check_own(library, activation, storage, x, result):
    """That what invact's forward writes is decoded as well as what the definition of its formats says, but for the quarter of
    an ULP, in float 4 ULP, that it may be further from f(x): at the minimum the error is as the root of that."""
    stored = x.to(dtype(storage))
    for packing in PACKINGS:
        names = (activation, storage, packing)
        y, g, mask = torch.empty_like(stored), torch.empty_like(stored, dtype=torch.float32), library.mask(*names, n=len(x))
        library.forward(names, stored, y, mask)
        library.gradient_factor(names, y, mask, g)
        wanted = torch.from_numpy(fits.slope(activation, stored.double().cpu().numpy())).cuda()
        largest = (g.double() - wanted).abs().max().item()
        if not largest <= (4 if storage == "float" else 1.1) * result[packing][0]:
            raise RuntimeError(f"{packing} {activation} {storage}: its own y decodes with an error of {largest:.3g}, above "
                               f"{result[packing][0]:.3g}")


def check(activation, storage, result):
    """Each is what it is said to be."""
    largest, rms = PAPER_ERRORS[activation, storage]
    if not (0.9 <= result["paper"][0] / largest <= 1.1 and 0.9 <= result["paper"][1] / rms <= 1.1):
        raise RuntimeError(f"paper {activation} {storage}: errors {result['paper']}, not {(largest, rms)}")
    # Tempo: the floor, what decoding at the stored y costs, the fit.
    expected = {"save_x": (1e-5, 1e-6), "recompute": (1e-5, 1e-6), "fewbit": (1, 1.02 * fits.fewbit(activation)[2]),
                "tempo": (1.5 * FLOOR[storage] + fits.LARGEST_ERROR, fits.LARGEST_ERROR)}
    if storage == "bfloat16":
        # The floor's RMS is 1.43e-3 and 1.52e-3.
        expected["tempo"] = (expected["tempo"][0], 2.0e-3)
        expected["bitmask"] = (1.05 * FLOOR[storage], 1.1 * 1.52e-3)
    for name, bounds in expected.items():
        if not all(error <= bound for error, bound in zip(result[name], bounds)):
            raise RuntimeError(f"{name} {activation} {storage}: errors {result[name]}, above {bounds}")
