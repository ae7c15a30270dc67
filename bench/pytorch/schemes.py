"""Peers that are no PyTorch operation, as Triton kernels: what saves x, and the schemes of three papers.

All are elementwise over contiguous tensors, compute in float32 with the functions that PyTorch uses (erf for GELU), and
take their launch (elements of a program, warps) from elementwise.Launches. Each has a forward (x) -> y and what it keeps, and a
backward (dy, kept) -> dx.

  save_x      keeps x
  recompute   keeps x, and its backward writes y again for the linear layer whose weight gradient needs it
  paper       keeps y and a bit: inverted activations by the formulas of arXiv 2407.15545
  tempo       keeps y and a byte: polynomials (fits.tempo)
  fewbit      keeps 4 bits: a step function of x (fits.fewbit); y is left to the next layer, its backward does not read it
"""

import functools

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

import fits

# (elements of a program, warps) to choose from: 4 to 32 elements a thread.
LAUNCHES = ((512, 4), (1024, 4), (2048, 4), (2048, 8), (4096, 4), (4096, 8), (8192, 8))


@triton.jit
def _value(x, GELU: tl.constexpr):
    if GELU:
        return 0.5 * x * (1 + tl.math.erf(x * 0.7071067811865476))
    return x / (1 + tl.exp(-x))


@triton.jit
def _slope(x, GELU: tl.constexpr):
    if GELU:
        return 0.5 + 0.5 * tl.math.erf(x * 0.7071067811865476) + x * 0.3989422804014327 * tl.exp(-0.5 * x * x)
    s = 1 / (1 + tl.exp(-x))
    return s * (1 + x * (1 - s))


@triton.jit
def _power(x, exponent: tl.constexpr):
    # The hardware's logarithm: tl.log2 is a polynomial of its own, twice as long as all the rest.
    return tl.exp2(exponent * libdevice.fast_log2f(x))


@triton.jit
def _paper_factor(y, left, GELU: tl.constexpr):
    if GELU:
        v = tl.maximum(y + 0.1699712075, 0)
        root = tl.sqrt(v)
        u = tl.minimum(v * (1 / 0.1699712075), 1)
        g_left = 0.0012176598 - 0.2964121013 * _power(u, 0.4423632932) * _power(1 - u, 0.831270529)
        z = -2.1198850898 - v
        g_right = 1 + (-1.3837179712 + 1.55842018435 * root + 0.0440457480 * v) * tl.exp(0.0321467368 * z * z * z)
        return tl.where(left, g_left, g_right)
    v = tl.maximum(y + 0.2784645428, 0)
    root = tl.sqrt(v)
    r_left = -0.5076843705 * root + (0.3574942049 * v + 0.0796313977) * v + 0.2171770076
    z = -5.7706133027 - v
    r_right = 1 + (-1.310856402 + 0.848589647 * root - 0.1629905126 * v) * tl.exp(0.0026961640 * z * z * z)
    r = tl.where(left, r_left, r_right)
    return r * (1 - y) + y


@triton.jit
def _segment(y, factor, C: tl.constexpr, FROM: tl.constexpr):
    """factor, where y is beyond the segment, else its polynomial. C: end, scale, offset, coefficients."""
    s = y * C[FROM + 1] + C[FROM + 2]
    sum = s * C[FROM + 3] + C[FROM + 4]
    for i in tl.static_range(5, 16):
        sum = sum * s + C[FROM + i]
    return tl.where(y <= C[FROM], sum, factor)


@triton.jit
def _tempo_factor(y, left, LEFT: tl.constexpr, LEFTS: tl.constexpr, RIGHT: tl.constexpr, RIGHTS: tl.constexpr):
    g_left = y * 0
    for k in tl.static_range(0, LEFTS):
        g_left = _segment(y, g_left, LEFT, (LEFTS - 1 - k) * 16)
    g_right = y * 0 + 1
    for k in tl.static_range(0, RIGHTS):
        g_right = _segment(y, g_right, RIGHT, (RIGHTS - 1 - k) * 16)
    return tl.where(left, g_left, g_right)


@triton.jit
def _elements(n, BLOCK: tl.constexpr):
    element = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    return element, element < n


@triton.jit
def _rows(n, BLOCK: tl.constexpr):
    """Elements of a program as rows of 8: a byte of a bitmask a row."""
    row = tl.program_id(0) * (BLOCK // 8) + tl.arange(0, BLOCK // 8)
    element = row[:, None] * 8 + tl.arange(0, 8)[None, :]
    return row, element, row < n // 8, element < n


@triton.jit
def _kept(kept_ptr, n, BITS: tl.constexpr, FLAT: tl.constexpr, BLOCK: tl.constexpr):
    """Elements, whether they are there, and BITS kept bits of each. FLAT: each element reads the word of its row; else a
    row reads it once, which in float takes a way through shared memory."""
    if FLAT:
        element, inside = _elements(n, BLOCK)
        bits = tl.load(kept_ptr + element // 8, inside, 0).to(tl.int32) >> (BITS * (element % 8))
    else:
        row, element, row_inside, inside = _rows(n, BLOCK)
        bits = tl.load(kept_ptr + row, row_inside, 0).to(tl.int32)[:, None] >> (BITS * tl.arange(0, 8)[None, :])
    return element, inside, bits & ((1 << BITS) - 1)


@triton.jit
def _save_x_forward(x_ptr, y_ptr, n, GELU: tl.constexpr, BLOCK: tl.constexpr):
    element, inside = _elements(n, BLOCK)
    x = tl.load(x_ptr + element, inside, 0).to(tl.float32)
    tl.store(y_ptr + element, _value(x, GELU), inside)


@triton.jit
def _save_x_backward(dy_ptr, x_ptr, dx_ptr, y_ptr, n, GELU: tl.constexpr, AGAIN: tl.constexpr, BLOCK: tl.constexpr):
    element, inside = _elements(n, BLOCK)
    x = tl.load(x_ptr + element, inside, 0).to(tl.float32)
    dy = tl.load(dy_ptr + element, inside, 0).to(tl.float32)
    tl.store(dx_ptr + element, dy * _slope(x, GELU), inside)
    if AGAIN:
        tl.store(y_ptr + element, _value(x, GELU), inside)


@triton.jit
def _paper_forward(x_ptr, y_ptr, mask_ptr, n, T: tl.constexpr, GELU: tl.constexpr, BLOCK: tl.constexpr):
    row, element, row_inside, inside = _rows(n, BLOCK)
    x = tl.load(x_ptr + element, inside, 0).to(tl.float32)
    tl.store(y_ptr + element, _value(x, GELU), inside)
    left = (x < T).to(tl.int32)
    tl.store(mask_ptr + row, tl.sum(left << tl.arange(0, 8)[None, :], axis=1).to(tl.uint8), row_inside)


@triton.jit
def _paper_backward(dy_ptr, y_ptr, mask_ptr, dx_ptr, n, GELU: tl.constexpr, FLAT: tl.constexpr, BLOCK: tl.constexpr):
    element, inside, left = _kept(mask_ptr, n, 1, FLAT, BLOCK)
    y = tl.load(y_ptr + element, inside, 0).to(tl.float32)
    dy = tl.load(dy_ptr + element, inside, 0).to(tl.float32)
    tl.store(dx_ptr + element, dy * _paper_factor(y, left != 0, GELU), inside)


@triton.jit
def _tempo_forward(x_ptr, y_ptr, mask_ptr, n, T: tl.constexpr, GELU: tl.constexpr, BLOCK: tl.constexpr):
    element, inside = _elements(n, BLOCK)
    x = tl.load(x_ptr + element, inside, 0).to(tl.float32)
    tl.store(y_ptr + element, _value(x, GELU), inside)
    tl.store(mask_ptr + element, (x < T).to(tl.uint8), inside)


@triton.jit
def _tempo_backward(dy_ptr, y_ptr, mask_ptr, dx_ptr, n, LEFT: tl.constexpr, LEFTS: tl.constexpr, RIGHT: tl.constexpr,
                    RIGHTS: tl.constexpr, LOWEST: tl.constexpr, BLOCK: tl.constexpr):
    element, inside = _elements(n, BLOCK)
    y = tl.load(y_ptr + element, inside, 0).to(tl.float32)
    dy = tl.load(dy_ptr + element, inside, 0).to(tl.float32)
    left = tl.load(mask_ptr + element, inside, 0) != 0
    # Storage rounds some y to below y_min, where the polynomials are not.
    y = tl.maximum(y, LOWEST)
    tl.store(dx_ptr + element, dy * _tempo_factor(y, left, LEFT, LEFTS, RIGHT, RIGHTS), inside)


@triton.jit
def _fewbit_forward(x_ptr, y_ptr, codes_ptr, n, BOUNDS: tl.constexpr, GELU: tl.constexpr, BLOCK: tl.constexpr):
    row, element, row_inside, inside = _rows(n, BLOCK)
    x = tl.load(x_ptr + element, inside, 0).to(tl.float32)
    tl.store(y_ptr + element, _value(x, GELU), inside)
    # How many of the 15 bounds are below x, by bisection.
    eight = x > BOUNDS[7]
    four = x > tl.where(eight, BOUNDS[11], BOUNDS[3])
    two = x > tl.where(eight, tl.where(four, BOUNDS[13], BOUNDS[9]), tl.where(four, BOUNDS[5], BOUNDS[1]))
    above = tl.where(four, tl.where(two, BOUNDS[14], BOUNDS[12]), tl.where(two, BOUNDS[10], BOUNDS[8]))
    below = tl.where(four, tl.where(two, BOUNDS[6], BOUNDS[4]), tl.where(two, BOUNDS[2], BOUNDS[0]))
    one = x > tl.where(eight, above, below)
    code = eight.to(tl.int32) * 8 + four.to(tl.int32) * 4 + two.to(tl.int32) * 2 + one.to(tl.int32)
    # A word of 8 codes.
    tl.store(codes_ptr + row, tl.sum(code << (4 * tl.arange(0, 8)[None, :]), axis=1), row_inside)


@triton.jit
def _fewbit_backward(dy_ptr, codes_ptr, levels_ptr, dx_ptr, n, FLAT: tl.constexpr, BLOCK: tl.constexpr):
    element, inside, code = _kept(codes_ptr, n, 4, FLAT, BLOCK)
    dy = tl.load(dy_ptr + element, inside, 0).to(tl.float32)
    tl.store(dx_ptr + element, dy * tl.load(levels_ptr + code), inside)


def _flat(segments):
    return tuple(number for s in segments for number in (s.end, s.scale, s.offset, *s.coefficients))


class Scheme:
    """What all schemes have: x -> y and kept, dy and kept -> dx. n is a multiple of 8."""

    name = None

    def __init__(self, activation, forward_launch=LAUNCHES[1], backward_launch=LAUNCHES[1]):
        self.activation = activation
        self.gelu = activation == "gelu"
        self.forward_launch, self.backward_launch = forward_launch, backward_launch

    def extra(self, n):
        """What is kept beside y, or None."""
        return None

    @staticmethod
    def _go(kernel, launch, n, *arguments, **constants):
        block, warps = launch
        kernel[(triton.cdiv(n, block),)](*arguments, n, **constants, BLOCK=block, num_warps=warps)


class SaveX(Scheme):
    name = "save_x"
    again = False

    def forward(self, x, y, extra):
        self._go(_save_x_forward, self.forward_launch, x.numel(), x, y, GELU=self.gelu)

    def backward(self, dy, x, y, extra, dx):
        self._go(_save_x_backward, self.backward_launch, dy.numel(), dy, x, dx, y, GELU=self.gelu, AGAIN=self.again)


class Recompute(SaveX):
    name = "recompute"
    again = True


def _flat_in(tensor):
    return tensor.element_size() == 4


class Paper(Scheme):
    name = "paper"

    def extra(self, n):
        return torch.empty(n // 8, dtype=torch.uint8, device="cuda")

    def forward(self, x, y, extra):
        self._go(_paper_forward, self.forward_launch, x.numel(), x, y, extra, T=fits.minimum(self.activation)[0],
                 GELU=self.gelu)

    def backward(self, dy, x, y, extra, dx):
        self._go(_paper_backward, self.backward_launch, dy.numel(), dy, y, extra, dx, GELU=self.gelu, FLAT=_flat_in(dy))


class Tempo(Scheme):
    name = "tempo"

    def extra(self, n):
        return torch.empty(n, dtype=torch.uint8, device="cuda")

    def forward(self, x, y, extra):
        self._go(_tempo_forward, self.forward_launch, x.numel(), x, y, extra, T=fits.minimum(self.activation)[0],
                 GELU=self.gelu)

    def backward(self, dy, x, y, extra, dx):
        left, right = (fits.tempo(self.activation, side) for side in (True, False))
        self._go(_tempo_backward, self.backward_launch, dy.numel(), dy, y, extra, dx, LEFT=_flat(left),
                 LEFTS=len(left), RIGHT=_flat(right), RIGHTS=len(right), LOWEST=fits.minimum(self.activation)[1])


@functools.lru_cache(maxsize=None)
def _levels(activation):
    return torch.tensor(fits.fewbit(activation)[1], dtype=torch.float32, device="cuda")


class FewBit(Scheme):
    name = "fewbit"

    def extra(self, n):
        return torch.empty(n // 8, dtype=torch.int32, device="cuda")

    def forward(self, x, y, extra):
        self._go(_fewbit_forward, self.forward_launch, x.numel(), x, y, extra, BOUNDS=fits.fewbit(self.activation)[0],
                 GELU=self.gelu)

    def backward(self, dy, x, y, extra, dx):
        self._go(_fewbit_backward, self.backward_launch, dy.numel(), dy, extra, _levels(self.activation), dx,
                 FLAT=_flat_in(dy))


SCHEMES = {scheme.name: scheme for scheme in (SaveX, Recompute, Paper, Tempo, FewBit)}
