"""Constant tables as logic."""

from collections.abc import Sequence

from amaranth.hdl import Const, Mux, Shape, Value

__all__ = ["lookup"]


def lookup(index: Value, table: Sequence[int], shape: Shape) -> Value:
    """``table[index]`` as ``shape``, by multiplexers: no tool makes a memory of them.

    Equal halves of the table are built once, so constant bits of the index cost nothing. ``table``
    has ``2**len(index)`` entries that fit ``shape``.
    """
    if len(table) != 1 << len(index):
        raise ValueError(f"Table must have {1 << len(index)} entries, not {len(table)}")
    if min(table) == max(table):
        return Const(table[0], shape)
    half = len(table) // 2
    below, low, high = index[:-1], table[:half], table[half:]
    if low == high:
        return lookup(below, low, shape)
    chosen = Mux(index[-1], lookup(below, high, shape), lookup(below, low, shape))
    return chosen.as_signed() if shape.signed else chosen.as_unsigned()
