"""Tables of the peers that approximate f' in their own ways, fitted here in float64: nothing of theirs is copied.

Tempo's scheme (arXiv 2210.10246): g = f'(f^-1(y)) by a polynomial of degree 12 in y on each of a few segments of each
monotone piece. FewBit's (arXiv 2202.00441): f' by a step function of x, whose step is what is kept.
"""

import dataclasses
import functools
import math

import numpy

DEGREE = 12
# What a segment's polynomial may be off: a fifth of the largest error that any decoder of bfloat16 has (GELU: 0.0111).
LARGEST_ERROR = 0.0022
BITS = 4


def normal_density(x):
    return numpy.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def normal_probability(x):
    return 0.5 * numpy.vectorize(math.erfc)(-x / math.sqrt(2))


def value(activation, x):
    """f in float64."""
    x = numpy.asarray(x, dtype=numpy.float64)
    return x * (normal_probability(x) if activation == "gelu" else 1 / (1 + numpy.exp(-x)))


def slope(activation, x):
    """f' in float64."""
    x = numpy.asarray(x, dtype=numpy.float64)
    if activation == "gelu":
        return normal_probability(x) + x * normal_density(x)
    s = 1 / (1 + numpy.exp(-x))
    return s * (1 + x * (1 - s))


def bisect(function, low, high):
    """Where each element's increasing function crosses zero."""
    low, high = numpy.array(low, dtype=numpy.float64), numpy.array(high, dtype=numpy.float64)
    for _ in range(80):
        middle = 0.5 * (low + high)
        below = function(middle) < 0
        low, high = numpy.where(below, middle, low), numpy.where(below, high, middle)
    return 0.5 * (low + high)


@functools.lru_cache(maxsize=None)
def minimum(activation):
    """(T, f(T)) of the stationary point."""
    t = float(bisect(lambda x: slope(activation, x), -2.0, 0.0))
    return t, float(value(activation, t))


def inverse(activation, y, left):
    """x of y on the left or the right piece."""
    t, _ = minimum(activation)
    if left:
        return bisect(lambda x: y - value(activation, x), numpy.full_like(y, -60), numpy.full_like(y, t))
    return bisect(lambda x: value(activation, x) - y, numpy.full_like(y, t), numpy.maximum(y, 0) + 2)


def gradient_factor(activation, y, left):
    return slope(activation, inverse(activation, y, left))


@dataclasses.dataclass
class Segment:
    """g at y <= end, from the end of the segment before on: a polynomial in scale * y + offset, highest power first."""
    end: float
    scale: float
    offset: float
    coefficients: tuple
    error: float


def fit_segment(activation, left, begin, end):
    """begin and end are distances from y_min. Near that g is a square root: points as dense as Chebyshev's at both
    ends."""
    _, lowest = minimum(activation)
    s = numpy.cos(numpy.pi * (numpy.arange(2000) + 0.5) / 2000)
    distance = 0.5 * (end - begin) * (s + 1) + begin
    g = gradient_factor(activation, lowest + distance, left)
    fit = numpy.polynomial.chebyshev.Chebyshev.fit(s, g, DEGREE, domain=[-1, 1])
    power = fit.convert(kind=numpy.polynomial.Polynomial).coef
    scale = 2 / (end - begin)
    return Segment(lowest + end, scale, -1 - (lowest + begin) * scale, tuple(float(c) for c in power[::-1]),
                   float(numpy.abs(fit(s) - g).max()))


@functools.lru_cache(maxsize=None)
def tempo(activation, left):
    """As few segments as reach LARGEST_ERROR, the longest from y_min on first. Beyond the last g is 1: its own."""
    _, lowest = minimum(activation)
    whole = -lowest
    if not left:
        x = float(bisect(lambda x: 0.1 * LARGEST_ERROR - numpy.abs(slope(activation, x) - 1), 2.0, 60.0))
        whole = float(value(activation, x)) - lowest
    segments, begin = [], 0.0
    while begin < whole:
        end = whole
        segment = fit_segment(activation, left, begin, end)
        if segment.error > LARGEST_ERROR:
            low, high = 0.0, 1.0
            for _ in range(40):
                middle = 0.5 * (low + high)
                if fit_segment(activation, left, begin, begin + middle * (whole - begin)).error > LARGEST_ERROR:
                    high = middle
                else:
                    low = middle
            end = begin + low * (whole - begin)
            segment = fit_segment(activation, left, begin, end)
        segments.append(segment)
        begin = end
    return tuple(segments)


@functools.lru_cache(maxsize=None)
def fewbit(activation):
    """(bounds, levels, RMS error) of the step function with 2^BITS steps whose RMS error under N(0, 1) is least, its bounds
    on a grid: dynamic programming over the number of steps, each level the mean of f' over its interval."""
    x = numpy.linspace(-6, 6, 601)
    weight = normal_density(x)
    weight /= weight.sum()
    g = slope(activation, x)
    sums = [numpy.concatenate(([0], numpy.cumsum(weight * g**k))) for k in range(3)]

    def cost(i, j):
        """Of one level for the points i to j - 1."""
        mass, first, second = (total[j] - total[i] for total in sums)
        return second - first * first / mass

    n = len(x)
    index = numpy.arange(n + 1)
    best = numpy.full(n + 1, numpy.inf)
    best[0] = 0
    cuts = []
    for _ in range(1 << BITS):
        after, cut = numpy.full(n + 1, numpy.inf), numpy.zeros(n + 1, dtype=int)
        for j in range(1, n + 1):
            total = best[:j] + cost(index[:j], j)
            cut[j] = int(total.argmin())
            after[j] = total[cut[j]]
        best = after
        cuts.append(cut)
    ends = [n]
    for cut in reversed(cuts):
        ends.append(int(cut[ends[-1]]))
    ends = ends[::-1]
    bounds = tuple(float(0.5 * (x[i - 1] + x[i])) for i in ends[1:-1])
    levels = tuple(float((sums[1][j] - sums[1][i]) / (sums[0][j] - sums[0][i])) for i, j in zip(ends, ends[1:]))
    return bounds, levels, float(math.sqrt(max(0.0, best[n])))
