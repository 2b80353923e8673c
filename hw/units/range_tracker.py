"""Smallest and largest result on a stream."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.formats import Format, IntFormat
from hw.delay import delay
from hw.formats import shape_of
from hw.shared import Shared

__all__ = ["RangeTracker"]


class RangeTracker(Shared):
    """Track minimum and maximum of a stream of integers, as dynamic quantization needs them.

    The tracker only observes a stream, such as a tile's ``o``: ``i`` is valid in the cycle of each
    transfer (``o.valid & o.ready``). :func:`golden.runtimes.onnx_ops.dynamic_range` has the scale
    and zero point that follow.

    ``minimum`` and ``maximum`` are those of all results since ``clear``, or since the reset.
    Without any result they are the ends of the format, exchanged: ``minimum > maximum``.

    Latency is :attr:`latency` cycles, one for each level of a tree of comparisons and one for the
    two registers: a transfer ``k`` cycles ago is counted if ``k >= latency``. Throughput is one
    transfer per cycle.

    Parameters
    ----------
    results : IntFormat
        Format of each result.
    outputs : int
        Results per transfer.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        ``codes``, ``[outputs]``, and ``keep``, a bit for each: 0 for results that do not count,
        such as those of rows and columns that only fill a job.
    clear : In(1)
        Forget all earlier cycles; a transfer in this cycle is the first that counts.
    minimum, maximum : Out(results)
        Smallest and largest result; ``clear`` has the same latency as a transfer.
    """

    i: stream.Interface
    clear: Signal
    minimum: Signal
    maximum: Signal

    def __init__(self, *, results: Format, outputs: int):
        if not isinstance(results, Format):
            raise TypeError(f"Results must be a Format, not {results!r}")
        if not isinstance(results, IntFormat):
            raise ValueError(f"Results must be of an integer format, not {results}")
        if operator.index(outputs) < 1:
            raise ValueError(f"Outputs must be a positive integer, not {outputs!r}")
        self.results = results
        self.outputs = outputs
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "codes": data.ArrayLayout(shape_of(results), outputs),
                "keep": outputs,
            }), always_ready=True)),
            "clear": In(1),
            "minimum": Out(shape_of(results)),
            "maximum": Out(shape_of(results)),
        })

    @property
    def latency(self) -> int:
        """Cycles from a transfer to the first cycle in which it is counted."""
        return ceil_log2(self.outputs) + 1

    def body(self, platform):
        m = Module()
        fmt = self.results

        # Results that do not count become an end of the format, which changes nothing.
        lows, highs = [], []
        for k in range(self.outputs):
            counts = self.i.valid & self.i.p.keep[k]
            lows.append(Mux(counts, self.i.p.codes[k], fmt.max))
            highs.append(Mux(counts, self.i.p.codes[k], fmt.min))

        # A level of the tree per cycle. Its registers are reset, since their values would count.
        for level in range(1, self.latency):
            lows = self._level(m, lows, lambda a, b: a < b, f"low_{level}", fmt.max)
            highs = self._level(m, highs, lambda a, b: a > b, f"high_{level}", fmt.min)
        clear = delay(m, self.clear, self.latency - 1, "clear", reset_less=False)

        low = Signal(shape_of(fmt), init=fmt.max)
        high = Signal(shape_of(fmt), init=fmt.min)
        m.d.sync += [
            low.eq(Mux(clear | (lows[0] < low), lows[0], low)),
            high.eq(Mux(clear | (highs[0] > high), highs[0], high)),
        ]
        m.d.comb += [self.minimum.eq(low), self.maximum.eq(high)]
        return m

    def _level(self, m, values, wins, name, init):
        """Registers of the winner of each pair, and of a value without a partner."""
        winners = [Mux(wins(*pair), *pair)
                   for pair in zip(values[::2], values[1::2], strict=False)]
        winners += values[2 * len(winners):]
        registers = [Signal(shape_of(self.results), name=f"{name}_{k}", init=init)
                     for k in range(len(winners))]
        m.d.sync += [register.eq(winner)
                     for register, winner in zip(registers, winners, strict=True)]
        return registers
