"""Sums of many terms."""

from collections.abc import Sequence

from amaranth.hdl import Value, ValueLike

__all__ = ["adder_tree"]


def adder_tree(terms: Sequence[ValueLike]) -> Value:
    """Exact sum of ``terms``, by pairs: depth grows with the logarithm of their number."""
    values = [Value.cast(term) for term in terms]
    if not values:
        raise ValueError("Terms must not be empty")
    while len(values) > 1:
        pairs = [a + b for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[2 * len(pairs):]
    return values[0]
