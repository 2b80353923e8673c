# amaranth: UnusedElaboratable=no
"""Products by constant tables."""

from typing import Any

from amaranth.hdl import Cat, Value

from golden.ranges import dot_range
from hw.arith import lookup
from hw.blocks.grid import Dot, Grid
from hw.formats import levels_by_code, shape_of

__all__ = ["TableDot", "TableGrid"]


class TableDot(Dot):
    """Sum of products, each a constant function of the two codes; see :class:`Dot`.

    As logic, a table of up to four bits takes a LUT per bit of the product; a table of up to six
    bits takes a LUT of xc7.
    """

    def term(self, weight: Any, activation: Any) -> Value:
        """Return the product of two codes."""
        products = [x * y for y in levels_by_code(self.activations)
                    for x in levels_by_code(self.weights)]
        shape = shape_of(dot_range(self.weights, self.activations, 1).format)
        return lookup(Cat(weight, activation), products, shape)


class TableGrid(Grid):
    """A grid of :class:`TableDot`."""

    title = "products looked up"
    dot = TableDot
