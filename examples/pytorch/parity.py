#!/usr/bin/env python3
"""Whether training with invact's activations comes to what training with PyTorch's does, as a statistical test says.

    PYTHONPATH=examples/pytorch python3 examples/pytorch/parity.py [--json FILE] [--plot FILE] [--seeds N] [--steps N]
                                                                [--text DIR]

Two models from scratch on text: a GPT that predicts the next byte, and a BERT-like classifier, which as BERT does has two tasks at
once: to tell which kind of file 128 bytes are from, and to fill in the 15 % of them that are masked. In float32 and under
autocast to bfloat16, each with PyTorch's GELU, with either packing, and as the control with a gradient that is a step function of
one bit, the best one for x ~ N(0, 1) (FewBit's scheme, arXiv 2202.00441). All seeds
of a variant train at once, as one batched product; a seed has the same initialisation and data in every variant.

The margin of equivalence is fixed before: a quarter of the control's effect, measured in a pilot of other seeds. Two one-sided
t-tests of the paired differences (TOST) at 5 % say whether a packing is equivalent, and Mann and Whitney's p is printed beside
it. Exit status 1 where a packing is not shown equivalent, the control not shown worse than standard, or its effect in the
pilot not told from nothing, so that the margin means nothing.
"""

import argparse
import hashlib
import json
import math
import pathlib
import sys
import time

import numpy
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

import invact

LENGTH = 128
KINDS = (".hpp", ".cpp", ".cu", ".cuh", ".py", ".md", ".txt")
LEARNING_RATE = 2e-3
MASKED = 0.15
MASK = 0  # a byte that no text has
LEVEL = 0.05
MARGIN = 0.25
PILOT = 10_000  # seeds from there on


class OneBit(torch.autograd.Function):
    """GELU whose derivative is one of two levels, below and above 0: the means of f' there."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        return functional.gelu(x)

    @staticmethod
    def backward(ctx, dy):
        (above,) = ctx.saved_tensors
        return dy * torch.where(above, OneBit.HIGH, OneBit.LOW).to(dy.dtype)


def looks(device):
    """What the classifier adds to scores, [4, LENGTH, LENGTH]: of its heads one looks to the left, one to the right, one around and
    one anywhere, the nearer the more (as ALiBi, arXiv 2108.12409), so that it learns in a few hundred steps what stands beside what.
    Without, it learns in these little more than how often each byte is, and that by whichever gradient."""
    position = torch.arange(LENGTH, device=device)
    ahead = position - position[:, None]
    near = -ahead.abs().float()
    left, right = near.masked_fill(ahead >= 0, -math.inf), near.masked_fill(ahead <= 0, -math.inf)
    left[0, 0] = right[-1, -1] = 0  # that looks at itself, as there is nothing else
    return torch.stack([left, right, near / 4, torch.zeros_like(near)])


def one_bit_levels():
    """E[f'(x) | x < 0] and E[f'(x) | x > 0] of GELU under N(0, 1), by quadrature."""
    x = numpy.linspace(-12, 0, 200_001)
    density = numpy.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    slope = stats.norm.cdf(x) + x * density
    low = 2 * float(numpy.trapezoid(slope * density, x))
    return low, 1 - low


OneBit.LOW, OneBit.HIGH = one_bit_levels()

VARIANTS = {
    "standard": functional.gelu,
    "bitmask": lambda x: invact.gelu(x, packing="bitmask"),
    "mantissa_bit": lambda x: invact.gelu(x, packing="mantissa_bit"),
    "one bit of gradient": OneBit.apply,
}


class Linear(nn.Module):
    """Of every seed a linear layer of its own: x is [seeds, rows, inputs]."""

    def __init__(self, generators, inputs, outputs, scale=1.0):
        super().__init__()
        deviation = scale / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.stack([torch.randn(inputs, outputs, generator=g) * deviation for g in generators]))
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, outputs))

    def forward(self, x):
        return torch.baddbmm(self.bias, x, self.weight)


class Norm(nn.Module):
    def __init__(self, seeds, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(seeds, 1, width)), nn.Parameter(torch.zeros(seeds, 1, width))

    def forward(self, x):
        return functional.layer_norm(x, x.shape[-1:]) * self.weight + self.bias


class Block(nn.Module):
    def __init__(self, generators, width, heads, activation):
        super().__init__()
        seeds = len(generators)
        self.heads, self.activation = heads, activation
        self.norms = nn.ModuleList([Norm(seeds, width), Norm(seeds, width)])
        self.qkv, self.out = Linear(generators, width, 3 * width), Linear(generators, width, width, 0.5)
        self.up, self.down = Linear(generators, width, 4 * width), Linear(generators, 4 * width, width, 0.5)

    def forward(self, x, scores):
        """scores: what is added to those of attention, or None where a byte sees those before it."""
        seeds, rows, width = x.shape
        q, k, v = self.qkv(self.norms[0](x)).view(seeds, rows // LENGTH, LENGTH, 3, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        if scores is not None:
            scores = scores.to(q.dtype)
        a = functional.scaled_dot_product_attention(q, k, v, attn_mask=scores, is_causal=scores is None)
        x = x + self.out(a.transpose(2, 3).reshape(seeds, rows, width))
        return x + self.down(self.activation(self.up(self.norms[1](x))))


class Model(nn.Module):
    """Bytes [seeds, samples, LENGTH] to logits of every byte's next, or of what every byte is and of the whole's kind."""

    def __init__(self, seeds, activation, task, width=96, heads=4, layers=3):
        super().__init__()
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.task = task
        self.embedding = nn.Parameter(torch.stack([torch.randn(256, width, generator=g) * 0.3 for g in generators]))
        self.position = nn.Parameter(torch.stack([torch.randn(LENGTH, width, generator=g) * 0.3 for g in generators]))
        self.blocks = nn.ModuleList(Block(generators, width, heads, activation) for _ in range(layers))
        self.norm = Norm(len(seeds), width)
        self.head = Linear(generators, width, 256)
        self.kind = Linear(generators, width, len(KINDS)) if task == "classifier" else None

    def forward(self, text):
        seeds, samples, length = text.shape
        index = torch.arange(seeds, device=text.device)[:, None, None]
        x = (self.embedding[index, text] + self.position[:, None]).reshape(seeds, samples * length, -1)
        scores = None if self.task == "gpt" else looks(text.device)
        for block in self.blocks:
            x = block(x, scores)
        x = self.norm(x)
        if self.task == "gpt":
            return self.head(x)
        return self.head(x), self.kind(x.view(seeds, samples, length, -1).mean(2))


def texts(folder):
    """Of each kind of file all bytes, one file after another, in a fixed order."""
    found = {kind: [] for kind in KINDS}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix in found and path.is_file() and not {"build", ".git", ".deps", "results"} & set(parts):
            found[path.suffix].append(path.read_bytes())
    return {kind: numpy.frombuffer(b"".join(parts), dtype=numpy.uint8) for kind, parts in found.items()}


class Data:
    """Windows of the text, nine tenths of every kind to train on, the rest held out."""

    def __init__(self, folder, device):
        parts = list(texts(folder).values())
        if min(len(part) for part in parts) < 20 * LENGTH:
            raise SystemExit(f"parity.py: --text {folder}: too little text of some kind of {', '.join(KINDS)}")
        self.device = device
        self.digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
        self.train = self.joined([part[: len(part) * 9 // 10] for part in parts])
        self.held_out = self.joined([part[len(part) * 9 // 10:] for part in parts])

    @staticmethod
    def joined(parts):
        """(all bytes, where each part begins, how long it is)."""
        sizes = torch.tensor([len(part) for part in parts])
        return torch.from_numpy(numpy.concatenate(parts)), sizes.cumsum(0) - sizes, sizes

    @staticmethod
    def windows(text, samples, generator):
        """(bytes [samples, LENGTH + 1], kinds [samples], which bytes are masked [samples, LENGTH])."""
        all_, begins, sizes = text
        kinds = torch.randint(len(sizes), (samples,), generator=generator)
        room = sizes[kinds] - LENGTH
        starts = begins[kinds] + (torch.rand(samples, generator=generator, dtype=torch.float64) * room).long()
        masked = torch.rand(samples, LENGTH, generator=generator) < MASKED
        return all_[starts[:, None] + torch.arange(LENGTH + 1)], kinds, masked

    def batches(self, seeds, steps, samples):
        """All batches of all seeds: of each of the above [steps, seeds, samples, ...]."""
        drawn = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(1_000_000 + seed)
            drawn.append([part.view(steps, samples, *part.shape[1:])
                          for part in self.windows(self.train, steps * samples, generator)])
        return [torch.stack(part, 1).to(self.device) for part in zip(*drawn)]

    def test(self, samples):
        return [part.to(self.device) for part in self.windows(self.held_out, samples, torch.Generator().manual_seed(7))]


def losses(model, text, kinds, masked):
    """Mean loss of each seed."""
    def entropy(logits, targets):
        return functional.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")

    text = text.long()
    seeds, before = len(text), text[..., :-1]
    if model.task == "gpt":
        return entropy(model(before), text[..., 1:].reshape(seeds, -1)).mean(1)
    of_bytes, of_kinds = model(before.masked_fill(masked, MASK))
    weights = masked.reshape(seeds, -1).float()
    filled_in = (entropy(of_bytes, before.reshape(seeds, -1)) * weights).sum(1) / weights.sum(1)
    return filled_in + entropy(of_kinds, kinds).mean(1)


def train(seeds, variant, task, dtype, data, options):
    """Held-out loss of each seed, and the mean training loss over steps."""
    model = Model(seeds, VARIANTS[variant], task).to(data.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=options.steps)
    autocast = torch.autocast(data.device, dtype=torch.bfloat16, enabled=dtype == "bfloat16")
    batches = data.batches(seeds, options.steps, options.samples)
    curve = []
    for number in range(options.steps):
        with autocast:
            loss = losses(model, *(part[number] for part in batches))
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimizer.step()
        schedule.step()
        curve.append(loss.detach())
    model.eval()
    held_out = data.test(options.test)
    total = 0
    with torch.no_grad(), autocast:
        for begin in range(0, options.test, 64):
            part = [whole[begin: begin + 64].expand(len(seeds), *whole[begin: begin + 64].shape) for whole in held_out]
            total = total + losses(model, *part) * part[0].shape[1]
    return (total / options.test).cpu().double().numpy(), torch.stack(curve).cpu().numpy()


def equivalence(differences, margin):
    """p of TOST, and the 90 % interval of the mean difference."""
    n = len(differences)
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(n)
    if error == 0:
        return float(abs(mean) >= margin), mean, mean
    lower = stats.t.sf((mean + margin) / error, n - 1)
    upper = stats.t.cdf((mean - margin) / error, n - 1)
    half = stats.t.ppf(1 - LEVEL, n - 1) * error
    return max(lower, upper), mean - half, mean + half


def contest(task, dtype, data, options, say):
    seeds, pilot = list(range(options.seeds)), [PILOT + seed for seed in range(options.seeds)]
    effects = (train(pilot, "one bit of gradient", task, dtype, data, options)[0] -
               train(pilot, "standard", task, dtype, data, options)[0])
    effect, told = effects.mean(), stats.ttest_1samp(effects, 0, alternative="greater").pvalue
    margin = MARGIN * abs(effect)
    say(f"{task} {dtype}: the control's effect in the pilot is {effect:+.5f} nats (p {told:.2g}), the margin {margin:.5f}")
    results, curves = {}, {}
    for variant in VARIANTS:
        results[variant], curves[variant] = train(seeds, variant, task, dtype, data, options)
    row = {"task": task, "dtype": dtype, "effect": effect, "told": told, "margin": margin, "variants": {}}
    for variant, values in results.items():
        differences = values - results["standard"]
        row["variants"][variant] = {"loss": values.tolist(), "curve": curves[variant].mean(1).tolist(),
                                    "band": curves[variant].std(1).tolist()}
        if variant == "standard":
            say(f"  standard: {values.mean():.5f} ± {values.std(ddof=1):.5f} nats")
            continue
        p, low, high = equivalence(differences, margin)
        worse = stats.ttest_1samp(differences, 0, alternative="greater").pvalue
        ranks = stats.mannwhitneyu(values, results["standard"]).pvalue
        row["variants"][variant].update({"tost": p, "interval": [low, high], "difference": differences.mean(),
                                         "paired t": worse, "Mann-Whitney": ranks})
        verdict = ("equivalent" if p < LEVEL else "NOT shown equivalent") if variant in ("bitmask", "mantissa_bit") else (
            "worse" if worse < LEVEL else "NOT shown worse")
        say(f"  {variant}: {differences.mean():+.5f} nats, 90 % interval {low:+.5f} to {high:+.5f}; TOST p {p:.2g}, paired t, "
            f"worse, p {worse:.2g}, Mann-Whitney p {ranks:.2g}: {verdict}")
    return row


def passed(row):
    variants = row["variants"]
    return (row["told"] < LEVEL and all(variants[packing]["tost"] < LEVEL for packing in ("bitmask", "mantissa_bit")) and
            variants["one bit of gradient"]["paired t"] < LEVEL)


def plot(rows, path):
    """Loss curves with bands over the seeds, and box plots of the differences of held-out loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(rows), figsize=(5 * len(rows), 8), squeeze=False)
    for (top, bottom), row in zip(axes.T, rows):
        for variant, values in row["variants"].items():
            curve, band = numpy.array(values["curve"]), numpy.array(values["band"])
            (line,) = top.plot(curve, label=variant, linewidth=1)
            top.fill_between(range(len(curve)), curve - band, curve + band, alpha=0.15, color=line.get_color())
        top.set_title(f"{row['task']}, {row['dtype']}")
        top.set_xlabel("step")
        names = [name for name in row["variants"] if name != "standard"]
        standard = numpy.array(row["variants"]["standard"]["loss"])
        bottom.boxplot([numpy.array(row["variants"][name]["loss"]) - standard for name in names])
        bottom.set_xticks(range(1, len(names) + 1), names, fontsize=7)
        bottom.axhspan(-row["margin"], row["margin"], color="k", alpha=0.1)
        bottom.axhline(0, color="k", linewidth=0.5)
    axes[0][0].set_ylabel("training loss, nats")
    axes[0][0].legend()
    axes[1][0].set_ylabel("held-out loss over standard's, nats; band: margin")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json")
    parser.add_argument("--plot")
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--samples", type=int, default=16, help="of a batch")
    parser.add_argument("--test", type=int, default=1024, help="held-out samples")
    parser.add_argument("--text", default=str(pathlib.Path(__file__).resolve().parents[2]))
    parser.add_argument("--tasks", default="gpt,classifier")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    options = parser.parse_args()
    start = time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = Data(options.text, device)
    device_name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    sizes = {name: getattr(options, name) for name in ("seeds", "steps", "samples", "test")}
    rows = []
    for task in options.tasks.split(","):
        for dtype in options.dtypes.split(","):
            rows.append(contest(task, dtype, data, options, say))
            if options.json:
                with open(options.json, "w") as file:
                    json.dump({"torch": torch.__version__, "device": device_name, "text": data.digest, "options": sizes, "rows": rows}, file)
    if options.plot:
        plot(rows, options.plot)
    return 0 if all(map(passed, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
