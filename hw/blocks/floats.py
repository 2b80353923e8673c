# amaranth: UnusedElaboratable=no
"""Products of floats: significands multiplied, exponents added, and nothing rounded."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from golden.formats import FloatFormat
from golden.ranges import dot_range
from hw.blocks.grid import Dot, Grid, add
from hw.blocks.interface import Operand
from hw.blocks.sum_tree import tree_latency
from hw.formats import level, level_shape, most_shift, shape_of, unpacked

__all__ = ["FloatDot", "FloatGrid"]


class FloatDot(Dot):
    """Sum of products of floats, or of floats and other levels.

    A product of two is ``+-(p * q) << (e + f)``, of significands and shifts; that of a float and
    another level ``+-(p * level) << e``. All bits are kept: a sum is as wide as its range.

    The sign is dealt with before the shift, where the product is narrow.

    ===========  ====================================================
    cycle        contents
    ===========  ====================================================
    0            the vectors
    1            products of significands, and their shifts
    2            products
    3 ...        sums of up to 4, 16, 64 ... products
    ===========  ====================================================

    Latency is ``2 + ceil(log4(lanes))`` cycles. See :class:`~hw.blocks.grid.Dot`.
    """

    @classmethod
    def cycles(cls, lanes: int) -> int:
        """Latency of a product of ``lanes`` elements."""
        return 2 + tree_latency(lanes)

    def prepared(self, operand: Operand) -> Any:
        """Shape of what a product takes; the significand of what is no float is a level."""
        fmt = self.format(operand)
        if not isinstance(fmt, FloatFormat):
            return data.StructLayout({"negative": 0, "significand": level_shape(fmt), "shift": 0})
        return data.StructLayout({"negative": 1, "significand": fmt.mantissa_bits + 1,
                                  "shift": ceil_log2(most_shift(fmt) + 1)})

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Sign, significand and shift of a code."""
        fmt = self.format(operand)
        if not isinstance(fmt, FloatFormat):
            return {"significand": level(fmt, code)}
        return dict(zip(("negative", "significand", "shift"), unpacked(fmt, code), strict=True))

    def term(self, m: Module, weight: Any, activation: Any) -> Value:
        """Return the product of two significands, with its sign."""
        product = weight.significand * activation.significand
        return Mux(weight.negative ^ activation.negative, -product, product)

    def body(self, platform):
        m = Module()
        one = dot_range(self.weights, self.activations, 1)
        products = []
        for k in range(self.lanes):
            weight, activation = self.i.weights[k], self.i.activations[k]
            term = self.term(m, weight, activation)
            exponent = weight.shift + activation.shift
            significand = Signal(term.shape(), name=f"significand_{k}", reset_less=True)
            shift = Signal(exponent.shape(), name=f"shift_{k}", reset_less=True)
            product = Signal(shape_of(one.format), name=f"product_{k}", reset_less=True)
            m.d.sync += [
                significand.eq(term),
                shift.eq(exponent),
                product.eq(significand << shift),
            ]
            products.append(product)
        m.d.comb += self.o.eq(add(m, products, one))
        return m


class FloatGrid(Grid):
    """A grid of :class:`FloatDot`."""

    title = "significands multiplied and shifted"
    dot = FloatDot
