"""Stalls of the ports of a simulated design, in the same cycles in every simulator."""

from bisect import bisect

import numpy as np

__all__ = ["PERIOD", "SHARES", "draws"]

PERIOD = 4096
"""Cycles after which the draws repeat."""

SHARES = 256
"""A port stalls in a cycle whose draw is less than ``SHARES`` times its share of stalls."""

# Spans of cycles: probability, shortest and longest. In a free span a port never stalls, in a
# blocked span always: long enough for queues to run full, or empty. In a mixed span the draw
# decides.
_FREE, _BLOCKED, _MIXED = range(3)
_SPANS = {_FREE: (0.25, 16, 96), _BLOCKED: (0.1, 16, 200), _MIXED: (0.65, 16, 160)}


def draws(ports: int, seed: int | tuple[int, int]) -> np.ndarray:
    """Draw numbers for each cycle and port, independent between ports.

    Returns
    -------
    array of uint8, ``(PERIOD, ports)``
    """
    rng = np.random.default_rng(seed)
    numbers = rng.integers(1, SHARES - 1, size=(PERIOD, ports), dtype=np.uint8)
    limits = np.cumsum([chance for chance, _, _ in _SPANS.values()])
    bounds = (limits / limits[-1]).tolist()
    for port in range(ports):
        start = 0
        while start < PERIOD:
            kind = bisect(bounds, rng.random())  # draws as Generator.choice does, which is slow
            _, shortest, longest = _SPANS[kind]
            span = slice(start, start + int(rng.integers(shortest, longest, endpoint=True)))
            if kind != _MIXED:
                numbers[span, port] = SHARES - 1 if kind == _FREE else 0
            start = span.stop
    return numbers
