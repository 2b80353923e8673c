# amaranth: UnusedElaboratable=no
"""Products of floats: significands multiplied, exponents added, and nothing rounded."""

from dataclasses import replace
from functools import cached_property
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from golden.formats import FloatFormat, Format, IntFormat
from golden.ranges import dot_range, levels_range
from hw.blocks.grid import Dot, Grid
from hw.blocks.interface import AddingCell, Operand
from hw.formats import (
    level,
    level_shape,
    most_shift,
    raise_of,
    shape_of,
    unpacked,
    unpacked_raised,
)
from hw.heap import HeapSum, Program, magnitudes_program
from hw.pipeline import Pipeline, dry_run
from hw.targets.fabric import Fabric

__all__ = ["FloatDot", "FloatGrid", "FloatHeapDot", "FloatHeapGrid"]


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


class FloatHeapDot(FloatDot, AddingCell):
    """Sum of products of floats, or of floats and other levels, whose aligned bits are one heap.

    A product is a magnitude and a sign. Magnitudes are multiplied and shifted to their places, so
    that what is shifted has no sign above; the heap adds their bits, complemented for minus. All
    levels that are no floats have a magnitude, too.

    Latency is that of product, shift and program; a sum per cycle.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements.
    lanes : int
        Elements of each vector.
    fabric : Fabric
        Fabric with carry cells of four inputs.
    total : IntFormat, optional
        Format of an accumulator, to which the heap's last stage adds the sum.

    Members
    -------
    i, o
        Those of :class:`~hw.blocks.grid.Dot`; with an accumulator, ``o`` is its next value.
    before, keep
        Those of :class:`~hw.blocks.interface.AddingCell`; only with an accumulator.
    """

    def __init__(self, *, weights: Format, activations: Format, lanes: int, fabric: Fabric,
                 total: IntFormat | None = None):
        super().__init__(weights=weights, activations=activations, lanes=lanes, total=total,
                         fabric=replace(fabric, dsp=0))

    def prepared(self, operand: Operand) -> Any:
        """Shape of a product's operand, whose significand is never negative."""
        fmt = self.format(operand)
        if isinstance(fmt, FloatFormat):
            return data.StructLayout({"negative": 1, "significand": fmt.mantissa_bits + 1,
                                      "shift": fmt.exponent_bits})
        return data.StructLayout({"negative": level_shape(fmt).signed,
                                  "significand": _most(fmt).bit_length(), "shift": 0})

    def prepare(self, operand: Operand, code: Value) -> Any:
        """Sign, magnitude and raised shift of a code."""
        fmt = self.format(operand)
        if isinstance(fmt, FloatFormat):
            return dict(zip(("negative", "significand", "shift"), unpacked_raised(fmt, code),
                            strict=True))
        value = level(fmt, code)
        if not value.shape().signed:
            return {"significand": value}
        return {"significand": Mux(value[-1], -value, value), "negative": value[-1]}

    @property
    def width(self) -> int:
        """Bits of a product's magnitude."""
        return (_most(self.weights) * _most(self.activations)).bit_length()

    @property
    def significands(self) -> tuple[IntFormat, IntFormat]:
        """Formats of a weight's and an activation's significand."""
        one, other = (IntFormat(self.prepared(name).members["significand"], signed=False)
                      for name in ("weights", "activations"))
        return one, other

    @property
    def product(self) -> Program | None:
        """Program of the product of two significands; None if it is left to synthesis."""
        return self.fabric.product_program(*self.significands)

    def summand(self, pipe: Pipeline, k: int) -> Value:
        """Return a product: its magnitude, below its sign."""
        weight, activation = self.i.weights[k], self.i.activations[k]
        floats = [fmt for fmt in (self.weights, self.activations) if isinstance(fmt, FloatFormat)]
        most, below = sum(map(most_shift, floats)), sum(map(raise_of, floats))
        pipe.hold("negative", weight.negative ^ activation.negative)
        pipe.hold("places", (weight.shift + activation.shift)[:(most + below).bit_length()])
        product = pipe.multiply(activation.significand, weight.significand, f"product_{k}")
        product = pipe.shift_left(product, pipe.take("places"), f"aligned_{k}", self.width + below)
        return Cat(product[below:self.width + below], pipe.take("negative"))

    @cached_property
    def sum(self) -> HeapSum:
        """Component of the compiled heap."""
        return HeapSum(program=magnitudes_program(
            self.width, self.lanes, dot_range(self.weights, self.activations, self.lanes),
            total=0 if self.total is None else self.total.width, most=self.fabric.most_halves))

    @property
    def latency(self) -> int:
        """Cycles from the vectors to the sum of their products."""
        return dry_run(lambda m: self.summand_pipe(m, 0)[1]).stage + self.sum.latency

    def body(self, platform):
        m = Module()
        m.submodules.sum = heap = self.sum
        m.d.comb += [
            heap.i.eq(Cat(self.summand_pipe(m, k)[0] for k in range(self.lanes))),
            self.o.eq(heap.o),
        ]
        self.take_accumulator(m, heap)
        return m


def _most(fmt: Format) -> int:
    reach = levels_range(fmt)
    return max(-reach.lo, reach.hi)


class FloatHeapGrid(Grid):
    """A grid of :class:`FloatHeapDot`.

    Parameters
    ----------
    **block
        Parameters of :class:`~hw.blocks.interface.Block`.
    total : IntFormat, optional
        Format of an array's accumulators; only cells in an array add to them.
    """

    title = "significands multiplied and shifted, bit heaps"

    def __init__(self, *, weights: Format, activations: Format, rows: int, cols: int, lanes: int,
                 fabric: Fabric, total: IntFormat | None = None):
        self.total = total
        super().__init__(weights=weights, activations=activations, rows=rows, cols=cols,
                         lanes=lanes, fabric=fabric)

    @property
    def cell(self) -> FloatHeapDot:
        """Dot product of one pair of vectors."""
        return FloatHeapDot(weights=self.weights, activations=self.activations, lanes=self.lanes,
                            fabric=self.fabric, total=self.total)
