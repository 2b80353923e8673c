"""Average and maximum of windows that arrive beat by beat."""

import operator

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import stream

from golden.formats import IntFormat
from golden.ranges import levels_range
from hw.delay import delay
from hw.formats import shape_of
from hw.payload import Payload
from hw.pipeline import Pipeline
from hw.targets.fabric import GENERIC, Fabric
from hw.units.unit import Unit, vector

__all__ = ["AveragePool", "MaxPool", "reciprocals"]

MOST = 1 << 12
"""Largest window of an average pool: the size of its table of constants."""


class _Pool(Unit):
    """Base class of the pools: one result for each beat marked last, of taps in any order."""

    i: stream.Interface

    def __init__(self, *, values: IntFormat, lanes: int, fabric: Fabric = GENERIC):
        self.values = values
        super().__init__(
            lanes=lanes, fabric=fabric,
            inputs={"i": vector(values, lanes, last="last tap of a window")},
            output=vector(values, lanes, last=""),
            parameters=Payload.of({"clamp_min": values, "clamp_max": values}))

    def completes(self) -> Value:
        return self.i.p["last"]


class MaxPool(_Pool):
    """Largest level of each window, clamped.

    ======  ==========================================
    cycle   registers
    ======  ==========================================
    1       largest so far
    2       clamped
    ======  ==========================================

    Latency, throughput (a beat per cycle) and stalls are those of :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    values : IntFormat
        Format of the elements, in and out.
    lanes : int
        Elements of a vector, each with a window of its own.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i, o, parameters
        Vectors of taps, with ``last`` at a window's last; vectors; ``clamp_min``, ``clamp_max``.
    """

    def compute(self, m: Module, transferred: Value) -> tuple[Value, int]:
        first = Signal(init=1)
        with m.If(transferred):
            m.d.sync += first.eq(self.i.p["last"])

        def largest(pipe: Pipeline, k: int) -> Value:
            value, best = self.i.p["values"][k], Signal(shape_of(self.values), reset_less=True)
            with m.If(transferred & (first | (value > best))):
                m.d.sync += best.eq(value)
            pipe.advance(1)
            return pipe.clamp(best)

        return self.each_lane(m, largest)


class AveragePool(_Pool):
    """Mean of the raw levels of each window, ties away from zero, clamped.

    As in TFLite no zero point is subtracted, and a window has as many taps as were sent. The
    division is exact: ``|mean| = floor((|sum| + floor(n / 2)) / n)`` is a multiplication by
    ``ceil(2**k / n)`` and a shift. :func:`reciprocals` finds a ``k`` that is exact for every sum
    of ``n`` levels and every ``n`` up to ``window``.

    ======  ==========================================
    cycle   registers
    ======  ==========================================
    1       sum, and the number of taps
    2       magnitude of the sum plus half the number; reciprocal of the number
    3       product of the two
    4       product shifted, with its sign, clamped
    ======  ==========================================

    Latency, throughput (a beat per cycle, windows of one tap among them) and stalls are those of
    :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    values : IntFormat
        Format of the elements, in and out.
    lanes : int
        Elements of a vector, each with a window of its own.
    window : int
        Most taps of a window; one with more gives a result without meaning.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i, o, parameters
        Vectors of taps, with ``last`` at a window's last; vectors; ``clamp_min``, ``clamp_max``.
    """

    def __init__(self, *, values: IntFormat, lanes: int, window: int, fabric: Fabric = GENERIC):
        if not 1 <= operator.index(window) <= MOST:
            raise ValueError(f"Window must be in range [1, {MOST}], not {window!r}")
        self.window = window
        super().__init__(values=values, lanes=lanes, fabric=fabric)

    def compute(self, m: Module, transferred: Value) -> tuple[Value, int]:
        places, table = reciprocals(self.values, self.window)
        total = shape_of(levels_range(self.values).times(self.window).format)

        # Cycle 1, and the number of taps before the current one.
        before, taps = Signal(range(self.window)), Signal(range(self.window + 1), reset_less=True)
        m.d.sync += taps.eq(before + 1)
        with m.If(transferred):
            m.d.sync += before.eq(Mux(self.i.p["last"], 0, before + 1))
        # Cycle 2.
        reciprocal = Signal(range(max(table) + 1), reset_less=True)
        m.d.sync += reciprocal.eq(Array([Const(0), *map(Const, table)])[taps])

        def mean(pipe: Pipeline, k: int) -> Value:
            partial = Signal(total, name=f"partial_{k}")
            sums = Signal(total, name=f"sum_{k}", reset_less=True)
            with m.If(transferred):
                m.d.sync += [
                    sums.eq(partial + self.i.p["values"][k]),
                    partial.eq(Mux(self.i.p["last"], 0, partial + self.i.p["values"][k])),
                ]
            pipe.advance(1)
            # An unsigned sum is never below 0.
            below = sums < 0 if self.values.signed else Const(0)
            pipe.hold("negative", below)
            magnitude = Mux(below, -sums, sums)[:total.width] if self.values.signed else sums
            dividend = pipe.add(magnitude, taps >> 1, f"dividend_{k}",
                                range(_dividend(self.values, self.window) + 1))
            late = delay(m, reciprocal, pipe.stage - 2, f"reciprocal_{k}")
            product = pipe.multiply(dividend, late, f"product_{k}")
            # At most the largest level's magnitude.
            size, negative = (product >> places)[:self.values.bits], pipe.take("negative")
            return pipe.clamp(Mux(negative, -size, size) if self.values.signed else size)

        return self.each_lane(m, mean)


def reciprocals(values: IntFormat, window: int) -> tuple[int, list[int]]:
    """Return ``(k, [ceil(2**k / n) for n = 1 .. window])`` with which division is exact.

    With ``r = ceil(2**k / n)`` and ``e = n * r - 2**k`` a dividend ``d`` gives ``d * r / 2**k =
    d / n + d * e / (n * 2**k)``. The fraction of ``d / n`` is at most ``1 - 1 / n``, so the floor
    is the same if ``d * e < 2**k``. ``k`` is the smallest for which that holds for the largest
    dividend of every ``n``.

    Parameters
    ----------
    values : IntFormat
        Format of the elements.
    window : int
        Largest ``n``.
    """
    places = 0
    while True:
        table = [-(-(1 << places) // n) for n in range(1, window + 1)]
        if all(_dividend(values, n) * (n * table[n - 1] - (1 << places)) < 1 << places
               for n in range(1, window + 1)):
            return places, table
        places += 1


def _dividend(values: IntFormat, taps: int) -> int:
    # Largest magnitude of a sum of so many taps, plus half their number.
    return levels_range(values).magnitude * taps + taps // 2
