"""In which order contestants take their turns."""

import random


def balanced_orders(names, rounds):
    """Orders of so many rounds at least, in which each name has each place equally often, and comes after each other name
    equally often: a place sets clocks and power, and who was before what is in the caches. Squares of Williams (1949), one of as
    many rounds as there are names or, if that is odd, two, with the names drawn anew each time. The same in every run.

    >>> from collections import Counter
    >>> for n in range(2, 13):
    ...     orders = balanced_orders([f"contestant {k}" for k in range(n)], 15)
    ...     places = Counter((place, name) for order in orders for place, name in enumerate(order))
    ...     pairs = Counter(pair for order in orders for pair in zip(order, order[1:]))
    ...     assert len(orders) >= 15 and len(places) == n * n and len(pairs) == n * (n - 1)
    ...     assert len(set(places.values())) == len(set(pairs.values())) == 1
    >>> balanced_orders(["alone"], 3)
    [['alone'], ['alone'], ['alone']]
    """
    n = len(names)
    zigzag = [(place + 1) // 2 * (1 if place % 2 else -1) % n for place in range(n)]
    square = [[(step + row) % n for step in zigzag] for row in range(n)]
    if n > 1 and n % 2:
        square += [order[::-1] for order in square]
    draw, orders = random.Random(1), []
    while len(orders) < rounds:
        drawn = draw.sample(names, n)
        orders += [[drawn[k] for k in order] for order in draw.sample(square, len(square))]
    return orders
