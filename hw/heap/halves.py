"""Bits as the pins and tables of carry cells."""

from collections.abc import Iterable
from functools import cache
from itertools import permutations, product

from hw.heap.heap import WIRE, Bit
from hw.heap.program import HIGH, Half, Lookup, Pins

__all__ = ["ZERO", "end", "half", "is_wire", "may_be_second", "split", "table_of"]

ZERO = Bit(0, ())
"""Bit that is 0."""


def is_wire(bit: Bit) -> bool:
    """Return True if a bit is a wire as it is."""
    return bit.table == WIRE and len(bit.wires) == 1


def _pins(wires: Iterable[int]) -> Pins:
    a, b, c, d = [*wires, HIGH, HIGH, HIGH, HIGH][:4]
    return a, b, c, d


def may_be_second(y: Bit, x: Bit = ZERO) -> bool:
    """Return True if a half can add ``y`` to ``x``: it is 0 where the pins c and d are."""
    return _places(x, y) is not None


def _places(x: Bit, y: Bit) -> tuple[int, ...] | None:
    # Pins of the wires of y, such that y is 0 where the pins c and d are 0; None if there are none.
    return _places_of(len(x.wires), y.table, len(y.wires))


@cache
def _places_of(others: int, table: int, wires: int) -> tuple[int, ...] | None:
    if wires <= 1:
        return (2,)[:wires]
    if wires == 2:
        return None if table & 1 else (2, 3)
    for low in permutations(range(3)) if others <= 1 else ():
        if not any(table >> (value << low.index(0)) & 1 for value in (0, 1)):
            return tuple(1 + low[place] for place in range(3))
    return None


def half(x: Bit, y: Bit, wire: int, column: int) -> Half:
    """Return the half that adds two bits, whose sum is ``wire``, of a column."""
    places = _places(x, y)
    assert places is not None, "the second bit of a half is 0 where its pins are"
    pins = [*x.wires, HIGH, HIGH][:2] + [HIGH, HIGH]
    for place, own in zip(places, y.wires, strict=True):
        pins[place] = own
    return Half(_table(x.table, len(x.wires), y.table, places), _pins(pins), wire, column)


@cache
def _table(x: int, wires: int, y: int, places: tuple[int, ...]) -> int:
    table = 0
    for index in range(16):
        first = x >> (index & (1 << wires) - 1) & 1
        at = sum((index >> place & 1) << k for k, place in enumerate(places))
        # Pins c and d are never both 0 for a bit of fewer wires: one of them is 1.
        second = y >> at & 1 if index >> 2 else 0
        table |= (first ^ second) << index
    return table


def split(bits: list[Bit]) -> tuple[Bit | None, Bit | None] | None:
    """Return a bit to inject, or None, and the second of a half, or None; None if impossible."""
    if len(bits) > 2:
        return None
    for injected, second in product((None, *bits), repeat=2):
        if ([injected, second].count(None) == 2 - len(bits) and (injected is not second)
                and (injected is None or len(injected.wires) <= 2)
                and (second is None or may_be_second(second))):
            return injected, second
    return (None, None) if not bits else None


def end(injected: Bit | None, carry: int | None, column: int) -> Half:
    """Return the half between two segments: its sum is the carry, its own carry ``injected``."""
    # With c and d 1, its function is 0.
    bit = ZERO if injected is None else injected
    size = (1 << len(bit.wires)) - 1
    table = sum((bit.table >> (i & size) & 1) << i for i in range(4))
    a, b, *_ = _pins(bit.wires)
    return Half(table, (a, b, HIGH, HIGH), carry, column)


def table_of(bit: Bit, out: int) -> Lookup:
    """Return the table that makes a bit the wire ``out``."""
    size = (1 << len(bit.wires)) - 1
    return Lookup(sum((bit.table >> (i & size) & 1) << i for i in range(16)), _pins(bit.wires), out)
