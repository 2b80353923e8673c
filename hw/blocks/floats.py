# amaranth: UnusedElaboratable=no
"""Products of floats: significands multiplied, exponents added, and nothing rounded."""

from typing import Any

from amaranth.hdl import Mux, Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from golden.formats import FloatFormat
from hw.blocks.grid import Dot, Grid
from hw.blocks.interface import Operand
from hw.formats import level, level_shape, most_shift, shape_of, unpacked
from hw.pipeline import Pipeline

__all__ = ["FloatDot", "FloatGrid"]


class FloatDot(Dot):
    """Sum of products of floats, or of floats and other levels.

    The product of two floats is ``+-(p * q) << (e + f)``, of significands and shifts; the product
    of a float and another level is ``+-(p * level) << e``. All bits are kept: a sum is as wide as
    its range. The sign is applied before the shift, where the product is narrow.

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

    def prepared(self, operand: Operand) -> Any:
        """Shape of a product's operand; the significand of a non-float is its level."""
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

    def term(self, weight: Any, activation: Any) -> Value:
        """Return the product of two significands, with its sign."""
        product = weight.significand * activation.significand
        return Mux(weight.negative ^ activation.negative, -product, product)

    def summand(self, pipe: Pipeline, k: int) -> Value:
        """Return a product, shifted after the register of its significand."""
        weight, activation = self.i.weights[k], self.i.activations[k]
        pipe.hold("shift", weight.shift + activation.shift)
        significand = pipe.register(self.term(weight, activation), f"significand_{k}")
        return pipe.shift_left(significand, pipe.take("shift"), f"product_{k}",
                               shape_of(self.tree.term.format))


class FloatGrid(Grid):
    """A grid of :class:`FloatDot`."""

    title = "significands multiplied and shifted"
    dot = FloatDot
