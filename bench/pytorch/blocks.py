"""Blocks of a transformer, forward and backward: time, and the bytes that activations take, as requested of the allocator.

  act          y = f(x)
  linear_act   y = f(x W1 + b1)
  mlp          f(x W1 + b1) W2 + b2
  glu          (f(x Wg) * (x Wu)) Wd

  standard         eager PyTorch
  checkpoint       eager, f and the linear layer after it under torch.utils.checkpoint (glu: the product as well), whose
                   recomputation ends at f, before the product of matrices
  recompute        eager, one autograd.Function of f and the layer after it, which keeps x and computes y again
  compile          torch.compile
  compile, budget  torch.compile with activation_memory_budget 0.8. Where f is the block's last, all that there is to save is
                   f's x, and the partitioner computes even the product before it again
  bitmask, mantissa_bit   eager with invact's kernels: y over x, and dx over dy where the layer after it made dy
  ..., bias        the same, where the layer before has a bias, by an autograd.Function of that layer and f: f's kernels add
                   the bias and sum its gradient
Without a layer after f there is nothing to recompute: y is what the next one reads.

Weights, biases, their gradients' buffers, the block's input and dy are there before and are not counted; gradients of
weights are made anew and are. Of `act`, x is counted, which the layer before it made.
"""

import functools

import torch
from torch._functorch import config as functorch_config
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from timing import microseconds

# tokens, hidden, ffn
MODELS = {"BERT-base": (32 * 512, 768, 3072), "ViT-B": (64 * 197, 768, 3072), "Llama-3.1-8B": (8192, 4096, 14336)}
ACTIVATIONS = {"gelu": functional.gelu, "silu": functional.silu}
BLOCKS = ("act", "linear_act", "mlp", "glu")
PACKINGS = ("bitmask", "mantissa_bit")
BIAS = ", bias"
STORAGE = "bfloat16"
ITEM = 2
BUDGET = 0.8


class Inverted(torch.autograd.Function):
    """f by invact. `over`: y over x and dx over dy, which must then be nobody else's."""

    @staticmethod
    def forward(ctx, x, library, names, over_x, over_dy):
        ctx.library, ctx.names, ctx.over_dy = library, names, over_dy
        y = x if over_x else torch.empty_like(x)
        if over_x:
            ctx.mark_dirty(x)
        mask = library.mask(*names, n=x.numel())
        library.forward(names, x, y, mask)
        ctx.save_for_backward(y, mask)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, mask = ctx.saved_tensors
        dx = dy if ctx.over_dy else torch.empty_like(dy)
        ctx.library.backward(ctx.names, dy, y, mask, dx)
        return dx, None, None, None, None


class InvertedLinear(torch.autograd.Function):
    """f(x W + b) by invact, y over the product, the bias and its gradient in f's kernels. over_dy as above. y is there
    until the gradients are."""

    @staticmethod
    def forward(ctx, x, weight, bias, library, names, over_dy):
        ctx.library, ctx.names, ctx.over_dy = library, names, over_dy
        y = functional.linear(x, weight)
        activation, storage, packing = names
        mask = library.mask(activation, storage, packing, n=y.numel())
        library.forward_with_bias((activation, packing), y, bias, y, mask)
        ctx.save_for_backward(x, weight, y, mask)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, y, mask = ctx.saved_tensors
        dx = dy if ctx.over_dy else torch.empty_like(dy)
        activation, _, packing = ctx.names
        dbias = ctx.library.backward_with_bias_gradient((activation, packing), dy, y, mask, dx).to(dy.dtype)
        return dx @ weight, dx.t() @ x, dbias, None, None, None


class InvertedGate(torch.autograd.Function):
    """f(g) * u by invact, h over g and dg over dh."""

    @staticmethod
    def forward(ctx, g, u, library, activation, packing):
        ctx.library, ctx.names = library, (activation, packing)
        mask = library.mask(activation, STORAGE, packing, n=g.numel())
        library.gated_forward(ctx.names, g, u, g, mask)
        ctx.mark_dirty(g)
        ctx.save_for_backward(g, u, mask)
        return g

    @staticmethod
    def backward(ctx, dh):
        h, u, mask = ctx.saved_tensors
        du = torch.empty_like(dh)
        ctx.library.gated_backward(ctx.names, dh, h, u, mask, dh, du)
        return dh, du, None, None, None


class RecomputedLinear(torch.autograd.Function):
    """f(x) W + b that keeps x."""

    @staticmethod
    def forward(ctx, x, weight, bias, function, slope):
        ctx.function, ctx.slope = function, slope
        ctx.save_for_backward(x, weight)
        return functional.linear(function(x), weight, bias)

    @staticmethod
    def backward(ctx, dz):
        x, weight = ctx.saved_tensors
        y = ctx.function(x)
        dweight = dz.t() @ y
        del y
        dbias = dz.sum(0) if ctx.needs_input_grad[2] else None
        dy = dz @ weight
        return ctx.slope(dy, x), dweight, dbias, None, None


class RecomputedGate(torch.autograd.Function):
    """(f(g) * u) W that keeps g and u."""

    @staticmethod
    def forward(ctx, g, u, weight, function, slope):
        ctx.function, ctx.slope = function, slope
        ctx.save_for_backward(g, u, weight)
        return functional.linear(function(g).mul_(u), weight)

    @staticmethod
    def backward(ctx, dz):
        g, u, weight = ctx.saved_tensors
        y = ctx.function(g)
        dweight = dz.t() @ (y * u)
        dh = dz @ weight
        du = y.mul_(dh)
        return ctx.slope(dh.mul_(u), g), du, dweight, None, None


class Case:
    """One block of one model: parameters and input, from allocate() to free(), and a function of both for each variant."""

    def __init__(self, block, model, activation, library):
        self.block, self.activation, self.library = block, activation, library
        self.tokens, self.hidden, self.ffn = MODELS[model]

    def allocate(self):
        block, tokens, hidden, ffn = self.block, self.tokens, self.hidden, self.ffn
        generator = torch.Generator(device="cuda").manual_seed(5)

        def normal(*shape, deviation):
            return (torch.empty(shape, dtype=torch.bfloat16, device="cuda")
                    .normal_(std=deviation, generator=generator).requires_grad_())

        self.x = normal(tokens, ffn if block == "act" else hidden, deviation=1)
        self.parameters = []
        # PyTorch's linear layers keep their weights as [out, in].
        if block in ("linear_act", "mlp"):
            self.parameters += [normal(ffn, hidden, deviation=hidden**-0.5), normal(ffn, deviation=0.1)]
        if block == "mlp":
            self.parameters += [normal(hidden, ffn, deviation=ffn**-0.5), normal(hidden, deviation=0.1)]
        if block == "glu":
            self.parameters = [normal(*shape, deviation=shape[1]**-0.5)
                               for shape in ((ffn, hidden), (ffn, hidden), (hidden, ffn))]
        self.dout = normal(tokens, hidden if block in ("mlp", "glu") else ffn, deviation=1).detach()

    def free(self):
        del self.x, self.parameters, self.dout

    def slope(self, dy, x):
        return getattr(torch.ops.aten, self.activation + "_backward")(dy, x)

    def variants(self, with_compiled):
        f, linear = ACTIVATIONS[self.activation], functional.linear

        def inverted(packing, over_x, over_dy):
            names = (self.activation, STORAGE, packing)
            return lambda x: Inverted.apply(x, self.library, names, over_x, over_dy)

        def biased(packing, over_dy):
            names = (self.activation, STORAGE, packing)
            return lambda x, w, b: InvertedLinear.apply(x, w, b, self.library, names, over_dy)

        def checkpointed(function, *arguments):
            return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)

        if self.block in ("act", "linear_act"):
            before = (lambda x: x) if self.block == "act" else linear
            made = {"standard": lambda x, *p: f(before(x, *p)),
                    "checkpoint": lambda x, *p: checkpointed(f, before(x, *p))}
            for packing in PACKINGS:
                act = inverted(packing, self.block != "act", False)
                made[packing] = lambda x, *p, act=act: act(before(x, *p))
                if self.block == "linear_act":
                    made[packing + BIAS] = biased(packing, False)
        elif self.block == "mlp":
            def mlp(act):
                return lambda x, w1, b1, w2, b2: linear(act(linear(x, w1, b1)), w2, b2)

            made = {"standard": mlp(f),
                    "checkpoint": lambda x, w1, b1, w2, b2: checkpointed(
                        lambda z: linear(f(z), w2, b2), linear(x, w1, b1)),
                    "recompute": lambda x, w1, b1, w2, b2: RecomputedLinear.apply(
                        linear(x, w1, b1), w2, b2, f, self.slope)}
            for packing in PACKINGS:
                made[packing] = mlp(inverted(packing, True, True))
                first = biased(packing, True)
                made[packing + BIAS] = lambda x, w1, b1, w2, b2, first=first: linear(first(x, w1, b1), w2, b2)
        else:
            def glu(gate):
                return lambda x, wg, wu, wd: linear(gate(linear(x, wg), linear(x, wu)), wd)

            made = {"standard": glu(lambda g, u: f(g) * u),
                    "checkpoint": lambda x, wg, wu, wd: checkpointed(
                        lambda g, u: linear(f(g) * u, wd), linear(x, wg), linear(x, wu)),
                    "recompute": lambda x, wg, wu, wd: RecomputedGate.apply(
                        linear(x, wg), linear(x, wu), wd, f, self.slope)}
            made.update({packing: glu(lambda g, u, packing=packing: InvertedGate.apply(
                g, u, self.library, self.activation, packing)) for packing in PACKINGS})
        if with_compiled:
            # Each a function of its own, so that each is compiled by itself.
            standard = made["standard"]
            made["compile"] = torch.compile(lambda *a: standard(*a), dynamic=False)
            made["compile, budget"] = torch.compile(lambda *a: standard(*a), dynamic=False)
        return made

    def step(self, function):
        def run():
            with torch.enable_grad():
                out = function(self.x, *self.parameters)
                torch.autograd.grad(out, (self.x, *self.parameters), self.dout)

        return run

    def expected(self, variant):
        """Bytes kept between forward and backward, with the block's output; of what is not eager None."""
        if variant.startswith("compile"):
            return None
        y = self.tokens * self.ffn * ITEM
        out = self.tokens * self.hidden * ITEM if self.block in ("mlp", "glu") else 0
        ours = variant.removesuffix(BIAS) in PACKINGS
        # Tensors of y's size.
        kept = {"act": 1 if ours else 2, "linear_act": 1 if ours else 2,
                "mlp": 2 if variant == "standard" else 1, "glu": 4 if variant == "standard" else 2}[self.block]
        return kept * y + out + (self.tokens * self.ffn // 8 if variant.startswith("bitmask") else 0)

    def expected_peak(self, variant):
        """Largest sum of live tensors over forward and backward, of the standard variant and of ours: at the activation's
        backward or at a linear layer's after it. The caller holds the block's output to the end."""
        packing = variant.removesuffix(BIAS)
        if variant != "standard" and packing not in PACKINGS:
            return None
        ours = packing in PACKINGS
        y, x, weight = (size * ITEM for size in (self.tokens * self.ffn, self.tokens * self.hidden, self.ffn * self.hidden))
        bias = self.ffn * ITEM
        mask = self.tokens * self.ffn // 8 if packing == "bitmask" else 0
        f_at = 2 if ours else 3
        if self.block == "act":  # x, y and dx, of ours y and dx
            return f_at * y + mask
        # The layer before f: y or the output, dx, and what it makes of dx.
        first = x + weight + sum_bytes(self.tokens, self.ffn)
        if self.block == "mlp":
            # The output, gradients of the second layer, and x, y and dy, of ours y and dy; at f x, dy and dx, y and dy.
            second = x + weight + sum_bytes(self.tokens, self.hidden)
            if variant != packing:
                return max(2 * y + mask + second, 2 * (y + x + weight) + mask + self.hidden * ITEM + bias)
            return max(f_at * y + mask + second, x + weight + self.hidden * ITEM + y + first)
        if self.block == "linear_act":
            if variant != packing:
                # y and dx; with them the sums in float, rounded or not yet, or the gradients.
                sums = self.library.bias_workspace_bytes(self.tokens, self.ffn) + 2 * bias
                return 2 * y + mask + max(sums, x + weight + bias)
            return max(f_at * y + mask, 2 * y + first)
        # The output, a weight's gradient, and g, f(g), u, dh, du and the gradient of f(g); of ours h, u, dh and du.
        return x + weight + (4 if ours else 6) * y + mask

    def memory(self, function):
        """Bytes kept after the forward, and the peak over both."""
        def requested(which):
            return torch.cuda.memory_stats()[f"requested_bytes.all.{which}"]

        torch.cuda.synchronize()
        before = requested("current")
        torch.cuda.reset_peak_memory_stats()
        with torch.enable_grad():
            x = self.x
            if self.block == "act":
                # A layer before that keeps nothing, whose result lives as long as somebody needs it.
                x = Copy.apply(x)
                out = function(x)
                del x
            else:
                out = function(x, *self.parameters)
            kept = requested("current") - before
            gradients = torch.autograd.grad(out, (self.x, *self.parameters), self.dout)
        peak = requested("peak") - before
        del out, gradients
        return kept, peak


@functools.lru_cache(maxsize=None)
def sum_bytes(rows, cols):
    """What PyTorch's sum over rows, a bias's gradient, takes: its result and scratch memory of its own choice, measured."""
    summand = torch.empty(rows, cols, dtype=torch.bfloat16, device="cuda")
    summand.sum(0)
    before = torch.cuda.memory_stats()["requested_bytes.all.current"]
    torch.cuda.reset_peak_memory_stats()
    summand.sum(0)
    return torch.cuda.memory_stats()["requested_bytes.all.peak"] - before


class Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dx):
        return dx


def gradients_of(case, function):
    with torch.enable_grad():
        out = function(case.x, *case.parameters)
        return [out.detach(), *torch.autograd.grad(out, (case.x, *case.parameters), case.dout)]


def check(case, name, got, wanted):
    """So that all compute the same: in bfloat16, with f' as accurate as y's bits say it."""
    for index, (a, b) in enumerate(zip(got, wanted)):
        error = ((a.double() - b.double()).norm() / b.double().norm()).item()
        if not error <= 0.02:
            raise RuntimeError(f"{case.block} {case.activation}, {name}: result {index} is {error:.3g} of its norm from "
                               "the standard one's")


@functools.lru_cache(maxsize=None)
def case_of(library, block, model, activation, with_compiled):
    """Kept, for what takes seconds to compile."""
    case = Case(block, model, activation, library)
    return case, case.variants(with_compiled)


def measure(library, block, model, activation, options):
    case, variants = case_of(library, block, model, activation, options.compile)
    case.allocate()
    wanted = gradients_of(case, variants["standard"])
    row = {"part": "blocks", "block": block, "model": model, "activation": activation, "kept": {}, "peak": {},
           "expected": {}, "expected_peak": {}}
    for name, function in variants.items():
        # Where a graph is compiled, the first call cuts it in two, by this budget.
        with functorch_config.patch(activation_memory_budget=BUDGET if name == "compile, budget" else 1.0):
            got = gradients_of(case, function)
        check(case, name, got, wanted)
        del got
        row["kept"][name], row["peak"][name] = case.memory(function)
        row["expected"][name] = case.expected(name)
        row["expected_peak"][name] = case.expected_peak(name)
    del wanted
    row["us"] = microseconds({name: case.step(function) for name, function in variants.items()}, options.rounds,
                             hold=12_000_000)
    case.free()
    return row


def measure_all(library, options):
    for model in MODELS:
        for block in BLOCKS:
            for activation in ACTIVATIONS:
                yield measure(library, block, model, activation, options)
                torch.cuda.empty_cache()
