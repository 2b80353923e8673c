"""Products of wide factors: parts that multipliers of 18 bits take, and the sum of their products.

A factor is the sum of its parts, each times a power of two. All parts but the highest are unsigned
and have :data:`LOW` bits. Products that do not overlap share a *row*, which costs no adder. Rows
are added in pairs, a register for each level of that tree.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Value

__all__ = ["LOW", "MOST", "Part", "Row", "plan", "row_of", "row_sum", "rows_of"]

MOST = 18
"""Most bits of a part, a sign included."""

LOW = MOST - 1
"""Bits of an unsigned part: with a sign it would have ``MOST``."""


class Part(NamedTuple):
    """Product of a part of each factor.

    Parameters
    ----------
    place : int
        Its unit is ``2**place``.
    a, b : Value
        Parts.
    """

    place: int
    a: Value
    b: Value

    @property
    def signed(self) -> bool:
        """Whether the product may be negative."""
        return self.a.shape().signed or self.b.shape().signed

    @property
    def end(self) -> int:
        """Place above the product's highest bit."""
        return self.place + len(self.a) + len(self.b)


def plan(a: Value, b: Value) -> list[list[Part]]:
    """Return the rows of the product ``a * b``, those of the lowest parts first.

    Parts of a row ascend and do not overlap; all but the last are unsigned.
    """
    signed = a.shape().signed or b.shape().signed
    return rows_of(_parts(a, signed), _parts(b, signed))


def rows_of(one: Iterable[tuple[int, Value]], other: Iterable[tuple[int, Value]]
            ) -> list[list[Part]]:
    """Return the rows of a product, from the parts of each factor and their places."""
    parts = sorted((Part(i + j, x, y) for i, x in one for j, y in other),
                   key=lambda part: part.place)
    rows: list[list[Part]] = []
    for part in parts:
        row = next((row for row in rows if not row[-1].signed and row[-1].end <= part.place), None)
        if row is None:
            rows.append([part])
        else:
            row.append(part)
    return rows


def _parts(x: Value, signed: bool) -> list[tuple[int, Value]]:
    """Parts of a factor and their places; beside a signed factor each has room for a sign."""
    cuts, most = [0], LOW if signed and not x.shape().signed else MOST
    while len(x) - cuts[-1] > most:
        cuts.append(cuts[-1] + LOW)
    top = x[cuts[-1]:]
    return [*((cut, x[cut:cut + LOW]) for cut in cuts[:-1]),
            (cuts[-1], top.as_signed() if x.shape().signed else top)]


class Row(NamedTuple):
    """Number whose unit is ``2**place``."""

    place: int
    value: Value


def row_of(parts: Sequence[Part], products: Sequence[Value]) -> Row:
    """Return the row of some products."""
    bits: list[Any] = []
    place = parts[0].place
    for part, product in zip(parts, products, strict=True):
        bits += [Const(0, part.place - place), product]
        place = part.end
    value = Cat(bits)
    return Row(parts[0].place, value.as_signed() if parts[-1].signed else value)


def row_sum(one: Row, other: Row) -> Row:
    """Return the sum of two rows; the bits below the higher one need no adder."""
    low, high = sorted((one, other), key=lambda row: row.place)
    above = high.place - low.place
    total = (low.value >> above) + high.value
    below = Cat(low.value, low.value[-1].replicate(above))[:above]
    value = Cat(below, total)
    return Row(low.place, value.as_signed() if total.shape().signed else value)
