# amaranth: UnusedElaboratable=no
"""MAC arrays with their accumulators, as a tile has them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from exactmac.density.simulation import Emitted, simulated
from golden import ops
from golden.inner_products import weights_term
from hw import emit
from hw.delay import delay
from hw.formats import shape_of
from hw.payload import Field, Payload
from hw.tile.array import MacArray
from hw.tile.config import TileConfig
from sim.backend import Mismatch

__all__ = ["Array", "ArrayTotals"]

BEATS = 6_000
"""Cycles of a verification."""


class ArrayTotals(wiring.Component):
    """Array of a tile, whose totals leave one by one, a register behind the term of their row.

    Parameters
    ----------
    config : TileConfig
        Tile with one output.

    Members
    -------
    activations, weights : In
        Codes of a beat.
    valid, last : In(1)
    total : Out(shape_of(config.accumulator))
    given : Out(1)
        ``total`` is one of a job.
    """

    activations: Signal
    weights: Signal
    valid: Signal
    last: Signal
    total: Signal
    given: Signal

    def __init__(self, config: TileConfig):
        self.config = config
        self.array = MacArray(config)
        beat = self.array.i.payload.shape()
        super().__init__({
            **{name: In(beat[name].width) for name in ("activations", "weights")},
            "valid": In(1), "last": In(1), "total": Out(shape_of(config.accumulator)),
            "given": Out(1)})

    @property
    def latency(self) -> int:
        """Cycles from a job's last beat to its first total."""
        return self.array.latency + 2

    def elaborate(self, platform):
        m = Module()
        m.submodules.array = array = self.array
        i: Any = array.i.p
        totals: Any = array.totals
        total = Signal.like(self.total, reset_less=True)
        given = delay(m, array.o.valid, 2, "given", reset_less=False)
        term = totals.term if self.config.inner_product != "direct" else 0
        m.d.comb += [
            *(Value.cast(i[name]).eq(getattr(self, name)) for name in ("activations", "weights")),
            array.i.valid.eq(self.valid), i.last.eq(self.last), array.o.ready.eq(1),
            self.total.eq(total), self.given.eq(given)]
        m.d.sync += total.eq(totals.totals[0] - term)
        return m


@dataclass(frozen=True)
class Array:
    """Array on an ECP5, without DSPs.

    Parameters
    ----------
    format : str
        Name of the format of weights and activations.
    inner_product : str
        As a tile has it.
    rows, cols, lanes : int
    """

    format: str
    inner_product: str = "direct"
    rows: int = 2
    cols: int = 16
    lanes: int = 16

    @cached_property
    def config(self) -> TileConfig:
        """Tile of the array."""
        return TileConfig.of(weights=self.format, activations=self.format, output=self.format,
                             rows=self.rows, cols=self.cols, lanes=self.lanes, channels=self.cols,
                             target="ecp5", dsp=0,
                             inner_product=self.inner_product, zero_points="activations")

    @property
    def macs(self) -> int:
        """Products in a cycle."""
        return self.config.macs

    @property
    def bits(self) -> int:
        """Bits of the two codes of a product."""
        return self.config.weights.bits + self.config.activations.bits

    def built(self) -> Emitted:
        """Return the array's Verilog."""
        component = ArrayTotals(self.config)
        return Emitted("array", emit.modules(component, "array"), component.latency,
                       self.config.fabric.models or "", resets=True)

    def verify(self, emitted: Emitted) -> int:
        """Compare the totals of Verilog with golden; return how many are equal.

        Jobs are as short as the array allows, or as long as its depth, at the ends of the formats
        or at random; ``valid`` is random.

        Raises
        ------
        Mismatch
            If totals differ.
        """
        c, rng = self.config, np.random.default_rng(1)
        x, w, valid, last = self._stimulus(rng)
        inputs = Payload((Field("activations", c.activations.bits, (c.rows, c.lanes)),
                          Field("weights", c.weights.bits, (c.cols, c.lanes)),
                          Field("valid", 1), Field("last", 1)))
        output = Payload((Field("total", c.accumulator.bits), Field("given", 1)))
        words = inputs.pack({"activations": c.activations.encode(x), "valid": valid,
                             "weights": c.weights.encode(w), "last": last})
        found = simulated(emitted, inputs, output, words, fast=False)
        given = output.unpack(found, "given").reshape(-1) == 1
        got = c.accumulator.decode(output.unpack(found, "total").reshape(-1)[given])
        sums = ops.matmul(x, w.transpose(0, 2, 1))
        if c.inner_product != "direct":
            sums = sums + weights_term(c.inner_product, w, c.weights, c.activations)[:, None]
        ends = np.flatnonzero(last)
        each = np.cumsum(sums * valid[:, None, None], axis=0)[ends]
        want = np.diff(each, axis=0, prepend=0).reshape(-1)
        differ = np.flatnonzero(got != want) if len(got) == len(want) else [len(got)]
        if len(differ):
            raise Mismatch(f"total {differ[0]} of {len(want):,} is wrong, or missing")
        return len(want)

    def _stimulus(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        # Levels of the beats, whether each is valid, and whether it is a job's last one.
        c = self.config
        x, w = (rng.integers(fmt.min, fmt.max + 1, (BEATS, vectors, c.lanes)) for fmt, vectors in (
            (c.activations, c.rows), (c.weights, c.cols)))
        valid = (rng.random(BEATS) < 0.8).astype(np.int64)
        # The totals of the last job leave before the end.
        valid[BEATS - ArrayTotals(c).latency - c.steps:] = 0
        last, begin, number = np.zeros(BEATS, np.int64), 0, 0
        while True:
            places = begin + np.flatnonzero(valid[begin:])
            length = c.max_beats if number % 3 == 0 else int(rng.integers(c.steps, c.max_beats + 1))
            if len(places) < length:
                # What is left belongs to no job.
                valid[begin:] = 0
                return x, w, valid, last
            stop = int(places[length - 1]) + 1
            for each, fmt, turn in ((x, c.activations, 1), (w, c.weights, 2)):
                if number % 3 == 0:
                    each[begin:stop] = (fmt.min, fmt.max)[number // 3 // turn % 2]
                elif number % 3 == 1:
                    each[begin:stop] = rng.choice([fmt.min, fmt.max], each[begin:stop].shape)
            last[stop - 1] = 1
            begin, number = stop, number + 1
