"""Contestants that take turns on one stream, and what becomes of their times."""

import functools
import statistics

import torch

from orders import balanced_orders

# Calls of one graph where a call takes a few microseconds.
BATCH = 20


def batch_of(log2n):
    return BATCH if log2n <= 24 else 1


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


@functools.cache
def _others_bytes():
    """Twice what any GPU's L2 holds, and where their largest goes."""
    return torch.zeros(1 << 26, dtype=torch.int32, device="cuda"), torch.zeros((), dtype=torch.int32, device="cuda")


def empty_l2():
    """Reads other bytes, so that a contestant does not find in L2 what the one before it has left of tensors that both work on:
    from which end of them a kernel begins would decide how much of it is of use."""
    others, largest = _others_bytes()
    torch.amax(others, 0, out=largest)


def race(contestants, iterations, batch=1, hold=1_000_000):
    """Median seconds of one call of each, which take turns between events, each with an L2 that holds none of its tensors;
    `iterations` rounds, rounded up to whole squares of balanced_orders. With batch above 1 a turn is a graph of BATCH calls. hold:
    cycles for which the stream is kept busy first, while the host fills it, so that no launch latency is timed."""
    works = {name: capture(work) if batch > 1 else work for name, work in contestants.items()}
    names = list(works)
    seconds = {name: [] for name in names}
    orders = balanced_orders(names, iterations)
    for number in range(-3, len(orders)):
        events = {name: [torch.cuda.Event(enable_timing=True) for _ in range(2)] for name in names}
        torch.cuda._sleep(hold)
        for name in orders[number]:
            empty_l2()
            events[name][0].record()
            works[name]()
            events[name][1].record()
        torch.cuda.synchronize()
        if number < 0:  # warms up
            continue
        for name, (begin, end) in events.items():
            seconds[name].append(begin.elapsed_time(end) * 1e-3 / batch)
    return {name: statistics.median(values) for name, values in seconds.items()}


def microseconds(contestants, *arguments, **options):
    return {name: 1e6 * value for name, value in race(contestants, *arguments, **options).items()}


DIRECTIONS = ("forward", "backward", "both")


def by_direction(pairs, wholes, rounds, batch):
    """(direction, microseconds by name) of contestants that are pairs of a forward and a backward; wholes, which cannot be
    told apart, take part in both."""
    for index, direction in enumerate(DIRECTIONS):
        if direction == "both":
            works = {**{name: both(pair) for name, pair in pairs.items()}, **wholes}
        else:
            works = {name: pair[index] for name, pair in pairs.items()}
        if direction == "backward":
            # What each keeps between its directions; of a tensor that several write, all that read it.
            for forward, _ in pairs.values():
                forward()
        yield direction, microseconds(works, rounds, batch)


def both(pair):
    def run():
        y = pair[0]()
        pair[1]()
        return y  # where it is new, it is there while the backward runs: the next layer needs it

    return run
