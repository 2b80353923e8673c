"""When the ports of a simulated design stall: the same cycles in every simulator."""

from bisect import bisect

import numpy as np

__all__ = ["PERIOD", "SHARES", "draws"]

PERIOD = 4096
"""Cycles after which the draws repeat."""

SHARES = 256
"""A port stalls in a cycle whose draw is less than ``SHARES`` times its share of stalls."""

# Of a span of cycles: probability, shortest and longest. In a free one a port never stalls, in a
# blocked one always: long enough for queues to run full, or empty. Elsewhere it depends.
_FREE, _BLOCKED, _MIXED = range(3)
_SPANS = {_FREE: (0.25, 16, 96), _BLOCKED: (0.1, 16, 200), _MIXED: (0.65, 16, 160)}


def draws(ports: int, seed: int | tuple[int, int]) -> np.ndarray:
    """Draw for each cycle and port, each port on its own.

    Returns
    -------
    array of uint8, ``(PERIOD, ports)``
    """
    rng = np.random.default_rng(seed)
    found = rng.integers(1, SHARES - 1, size=(PERIOD, ports), dtype=np.uint8)
    limits = np.cumsum([chance for chance, _, _ in _SPANS.values()])
    bounds = (limits / limits[-1]).tolist()
    for port in range(ports):
        start = 0
        while start < PERIOD:
            kind = bisect(bounds, rng.random())  # as slow Generator.choice draws
            _, shortest, longest = _SPANS[kind]
            span = slice(start, start + int(rng.integers(shortest, longest, endpoint=True)))
            if kind != _MIXED:
                found[span, port] = SHARES - 1 if kind == _FREE else 0
            start = span.stop
    return found
