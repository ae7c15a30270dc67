"""Contestants that take turns on one stream, and what becomes of their times."""

import random
import statistics

import torch

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


def balanced_orders(names, rounds):
    """Orders of so many rounds at least, in which each name has each place equally often: a place sets clocks and power, and
    what is in the cache. Of as many rounds as there are names each is the one before, one place on; then the names are
    shuffled, so that others follow one another. The same in every run."""
    shuffled, orders = random.Random(1), []
    while len(orders) < rounds:
        first = shuffled.sample(names, len(names))
        orders += [first[k:] + first[:k] for k in range(len(names))]
    return orders


def race(contestants, iterations, batch=1, hold=1_000_000):
    """Median seconds of one call of each, which take turns between events; `iterations` rounds, rounded up to a multiple of
    the contestants. With batch above 1 a turn is a graph of BATCH calls. hold: cycles for which the stream is kept busy first, while the host fills
    it, so that no launch latency is timed."""
    works = {name: capture(work) if batch > 1 else work for name, work in contestants.items()}
    names = list(works)
    seconds = {name: [] for name in names}
    orders = balanced_orders(names, iterations)
    for number in range(-3, len(orders)):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(len(names) + 1)]
        torch.cuda._sleep(hold)
        order = orders[number]
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
        pair[0]()
        pair[1]()

    return run
