# amaranth: UnusedElaboratable=no
"""Add, subtract or skip: products without a multiplier, where one factor is -1, 0 or 1."""

from typing import Any

from amaranth.hdl import Mux, Value
from amaranth.lib import data

from golden.formats import Format
from golden.ranges import Range, levels_range
from hw.blocks.grid import Dot, Grid
from hw.blocks.interface import Operand
from hw.formats import level, level_shape, shape_of

__all__ = ["SelectDot", "SelectGrid", "selects"]


def selects(fmt: Format) -> bool:
    """True if every level is -1, 0 or 1, as in ternary, binary and single bits."""
    return levels_range(fmt) in Range(-1, 1)


class SelectDot(Dot):
    """Sum of elements, each added, subtracted or skipped by an element of -1, 0 or 1.

    That selecting element is the weight, or, if weights have other levels, the activation. The
    other element comes with its negative, computed once at the edge, so that a term is a
    multiplexer: a 4-input LUT per bit. See :class:`Dot`.
    """

    @property
    def selector(self) -> Operand:
        """Operand that selects."""
        return "weights" if selects(self.weights) else "activations"

    def prepared(self, operand: Operand) -> Any:
        """Shape of a selecting level, or of a level and its negative."""
        fmt = self.format(operand)
        if operand == self.selector:
            return level_shape(fmt)
        negative = levels_range(fmt) * Range(-1, -1)
        return data.StructLayout({"plus": level_shape(fmt), "minus": shape_of(negative.format)})

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Level of a code, with its negative unless it selects."""
        plus = level(self.format(operand), code)
        return plus if operand == self.selector else {"plus": plus, "minus": -plus}

    def term(self, weight: Any, activation: Any) -> Value:
        """Return an element, its negative or 0."""
        select, other = ((weight, activation) if self.selector == "weights"
                         else (activation, weight))
        # The lowest bit is 0 for 0 alone; the highest bit of a signed level is 1 for -1 alone.
        chosen = other.plus
        if select.shape().signed:
            chosen = Mux(select[-1], other.minus, chosen)
        return Mux(select[0], chosen, 0)


class SelectGrid(Grid):
    """A grid of :class:`SelectDot`."""

    title = "add, subtract or skip"
    dot = SelectDot
