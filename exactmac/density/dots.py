# amaranth: UnusedElaboratable=no
"""Dot products with an accumulator: as this project builds them, and as plain Verilog."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from exactmac.density.plain import has_plain, plain_dot
from exactmac.density.simulation import Emitted, compared, simulated
from golden.formats import Format, IntFormat, parse
from golden.inner_products import InnerProduct, offset, sums_range
from golden.ranges import dot_range
from hw import emit
from hw.blocks import Block, block_for
from hw.blocks.folded import FoldedGrid
from hw.blocks.heaps import HeapGrid
from hw.blocks.interface import OPERANDS, Operand
from hw.delay import delay
from hw.formats import shape_of
from hw.heap import addend, affine, late_of
from hw.payload import Field, Payload
from hw.targets.fabric import Fabric

__all__ = ["AccumulatedDot", "DEPTH", "DotProduct", "addends_of", "stimulus",
           "total_format", "totals"]

DEPTH = 1024
"""Most products of a total, which decides the accumulator's width."""

BEATS = 100_000
"""Cycles of a verification."""

BOOTH_BITS = 4
"""Least width of operands that Yosys's pass recodes."""


class AccumulatedDot(wiring.Component):
    """Cell of one sum of products, with the accumulator that the sum is added to.

    In a cycle with ``clear``, ``total`` becomes 0; else with ``valid``, the sum of the products is
    added to it. It has that value :attr:`latency` cycles later.

    A bit heap has what an array computes once for each vector as inputs: the addends, or, for an
    inner product of codes, activations as codes that are never negative. Its sums are those of a
    cell, both terms included. Any other block has its edges inside.

    Parameters
    ----------
    weights, activations : Format
        Formats of the elements.
    lanes, depth : int
        Products in a cycle, and most products of a total.
    fabric : Fabric
    inner_product : str
        As a tile has it.

    Members
    -------
    activations, weights : In(lanes * bits)
        Codes.
    activations_addend, weights_addend : In
        Addends, :attr:`late` cycles after the codes; only for a bit heap that has them.
    valid, clear : In(1)
    total : Out(shape_of(total_format(...)))
    """

    activations: Signal
    weights: Signal
    valid: Signal
    clear: Signal
    total: Signal

    def __init__(self, *, weights: Format, activations: Format, lanes: int, depth: int,
                 fabric: Fabric, inner_product: InnerProduct = "direct"):
        total = total_format(inner_product, weights, activations, depth)
        self.block = block_for(fabric=fabric, weights=weights, activations=activations, rows=1,
                               cols=1, lanes=lanes, total=total, inner_product=inner_product)
        self.addends = addends_of(self.block)
        super().__init__({
            "activations": In(lanes * activations.bits), "weights": In(lanes * weights.bits),
            **{f"{name}_addend": In(fmt.width) for name, fmt in self.addends.items()},
            "valid": In(1), "clear": In(1), "total": Out(shape_of(total))})

    @property
    def latency(self) -> int:
        """Cycles from a vector to the total with it."""
        return self.block.cell.latency + 1

    def elaborate(self, platform):
        m = Module()
        m.submodules.cell = cell = self.block.cell
        if isinstance(self.block, HeapGrid):
            for name in OPERANDS:
                edge: Any = cell.i[name]
                m.d.comb += Value.cast(edge.codes).eq(getattr(self, name))
                if name in self.addends:
                    m.d.comb += edge.addend.eq(getattr(self, f"{name}_addend"))
        elif isinstance(self.block, FoldedGrid):
            m.d.comb += [Value.cast(cell.i[name]).eq(getattr(self, name)) for name in OPERANDS]
        else:
            beat: Any = Signal(self.block.beat)
            m.d.comb += [Value.cast(beat[name]).eq(getattr(self, name)) for name in OPERANDS]
            m.d.comb += [cell.i[name].eq(self.block.edge(m, name, beat)[0]) for name in OPERANDS]
        valid, clear = (delay(m, value, cell.latency, name)
                        for name, value in (("valid", self.valid), ("clear", self.clear)))
        total = Signal.like(self.total, reset_less=True)
        following = Signal.like(self.total)
        m.d.comb += [following.eq(cell.add_to(m, total)), self.total.eq(total)]
        with m.If(valid):
            m.d.sync += total.eq(following)
        with m.If(clear):
            m.d.sync += total.eq(0)
        return m


def total_format(inner_product: InnerProduct, weights: Format, activations: Format, depth: int
                 ) -> IntFormat:
    """Format of a total of so many products, as an accumulator of a tile has it."""
    if inner_product == "direct":
        return dot_range(weights, activations, depth).format
    return sums_range(inner_product, weights, activations, depth).format


def addends_of(block: Block) -> dict[Operand, IntFormat]:
    """Return the formats of the addends that a bit heap takes, by operand."""
    if not isinstance(block, HeapGrid):
        return {}
    return {name: one.sum_format for name in OPERANDS
            if (one := block.cell.vector_sum(name)) is not None}


@dataclass(frozen=True)
class DotProduct:
    """Dot product of vectors of two formats, added to an accumulator.

    Inputs and output are those of an :class:`AccumulatedDot`.

    Parameters
    ----------
    weights, activations : str
        Names of the formats.
    lanes : int
        Products in a cycle.
    inner_product : str
        ``direct``, or ``codes``, which is built on fabrics with carry cells alone.
    """

    weights: str
    activations: str
    lanes: int = 16
    inner_product: Literal["direct", "codes"] = "direct"

    @cached_property
    def formats(self) -> tuple[Format, Format]:
        """Formats of weights and activations."""
        return parse(self.weights), parse(self.activations)

    @property
    def bits(self) -> int:
        """Bits of the two codes of a product."""
        return sum(fmt.bits for fmt in self.formats)

    @property
    def total(self) -> IntFormat:
        """Format of the accumulator."""
        return total_format(self.inner_product, *self.formats, DEPTH)

    def built(self, fabric: Fabric) -> Emitted:
        """Return this project's dot product on a fabric."""
        weights, activations = self.formats
        component = AccumulatedDot(weights=weights, activations=activations, lanes=self.lanes,
                                   depth=DEPTH, fabric=fabric,
                                   inner_product=self.inner_product)
        text = emit.modules(component, "dot")
        return Emitted("dot", text, component.latency, fabric.models or "", tuple(
            (name, fmt.width) for name, fmt in component.addends.items()))

    def has_plain(self) -> bool:
        """Whether there is a plain one."""
        return has_plain(*self.formats)

    def has_booth(self) -> bool:
        """Whether Yosys's pass for Booth's multiplication changes the plain one."""
        return self.has_plain() and min(fmt.bits for fmt in self.formats) >= BOOTH_BITS

    def plain(self) -> Emitted:
        """Return the dot product as one writes it by hand."""
        text, latency = plain_dot("dot", *self.formats, self.lanes, DEPTH)
        return Emitted("dot", text, latency)

    def verify(self, emitted: Emitted) -> int:
        """Compare Verilog with numpy, cycle by cycle; return the number of equal totals.

        The beats have the ends of the formats, in totals of the most products too, and random
        codes; ``valid`` and ``clear`` are random.

        Raises
        ------
        Mismatch
            If a total differs.
        """
        weights, activations = self.formats
        rng = np.random.default_rng(1)
        w, a, valid, clear = stimulus(weights, activations, self.lanes, rng)
        inputs = Payload((Field("activations", activations.bits, (self.lanes,)),
                          Field("weights", weights.bits, (self.lanes,)),
                          Field("valid", 1), Field("clear", 1),
                          *(Field(f"{name}_addend", width) for name, width in emitted.addends)))
        output = Payload((Field("total", self.total.bits),))
        codes = {"weights": weights.encode(w), "activations": activations.encode(a),
                 "valid": valid, "clear": clear}
        if self.inner_product == "codes":
            # Numbers that are never negative are their own codes.
            w, a = w + offset(weights), a + offset(activations)
            codes["activations"] = a
        for name, width in emitted.addends:
            own, other, levels = ((activations, weights, a) if name == "activations"
                                  else (weights, activations, w))
            late = late_of(self.lanes)
            sums = ((levels - affine(own).offset) // affine(own).scale).sum(axis=1)
            sums = np.concatenate([np.zeros(late, np.int64), sums[:-late]])
            codes[f"{name}_addend"] = sums * addend(own, other) & (1 << width) - 1
        found = output.unpack(simulated(emitted, inputs, output, inputs.pack(codes)), "total")
        want = totals(w, a, valid, clear) & (1 << self.total.bits) - 1
        return compared("total", found[emitted.latency:], want[:len(want) - emitted.latency])


def stimulus(weights: Format, activations: Format, lanes: int, rng: np.random.Generator
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return levels of weights and of activations, ``(beats, lanes)``, valid, and clear.

    Each total begins with a beat of ``clear``, which may be valid, too.
    """
    levels = [rng.choice(fmt.levels(), (BEATS, lanes)) for fmt in (weights, activations)]
    ends = [np.array([fmt.min, fmt.max, fmt.idle]) for fmt in (weights, activations)]
    valid, clear = np.zeros(BEATS, np.int64), np.zeros(BEATS, np.int64)
    most, begin, number = DEPTH // lanes, 0, 0
    while begin < BEATS:
        # One total of three has the same ends in all beats, one has ends at random.
        length = most if number % 3 == 0 else int(rng.integers(1, most + 1))
        active = rng.random(2 * length) < (1.0 if number % 2 else 0.8)
        active[np.cumsum(active) > length] = False
        active = np.concatenate([rng.random(1) < 0.5, active])
        stop = min(begin + len(active), BEATS)
        valid[begin:stop], clear[begin] = active[:stop - begin], 1
        for place, (each, corners) in enumerate(zip(levels, ends, strict=True)):
            if number % 3 == 0:
                each[begin:stop] = corners[number // 3 // 3**place % 3]
            elif number % 3 == 1:
                each[begin:stop] = rng.choice(corners, (stop - begin, lanes))
        begin, number = stop, number + 1
    return levels[0], levels[1], valid, clear


def totals(weights: np.ndarray, activations: np.ndarray, valid: np.ndarray, clear: np.ndarray
           ) -> np.ndarray:
    """Return the total behind each beat, by one sum over all of them."""
    sums = (weights * activations).sum(axis=1) * (valid & ~clear)
    if int(np.abs(sums).max()) * len(sums) >= 1 << 63:
        sums = sums.astype(object)
    ends = np.cumsum(sums)
    begins = np.flatnonzero(clear)
    return ends - ends[begins[np.cumsum(clear) - 1]]
