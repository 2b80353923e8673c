# amaranth: UnusedElaboratable=no
"""Smallest and largest result of tensors that enter on a stream."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from golden.formats import Format
from hw.delay import delay
from hw.payload import Field, Payload
from hw.shared import Shared
from hw.units.range_tracker import RangeTracker

__all__ = ["TensorRange"]


class TensorRange(Shared):
    """Smallest and largest result of each of many tensors: tensors go in, their ends come out.

    It is a :class:`~hw.units.range_tracker.RangeTracker` between two streams. The transfer
    marked ``last`` ends a tensor, and its ends are valid :attr:`latency` cycles later. No other
    tensor enters before they have left. Transfers of a tensor enter one per cycle.

    Parameters
    ----------
    results, outputs
        Parameters of :class:`~hw.units.range_tracker.RangeTracker`.

    Members
    -------
    i : In(stream.Signature(StructLayout))
        ``codes``, ``[outputs]``, ``keep``, a bit for each code that counts, and ``last``.
    o : Out(stream.Signature(StructLayout))
        ``ends``: minimum and maximum.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, results: Format, outputs: int):
        # It checks the parameters.
        self._tracker = RangeTracker(results=results, outputs=outputs)
        self.results = results
        self.outputs = outputs
        self.payloads = {
            "i": Payload((Field("codes", results, (outputs,)), Field("keep", 1, (outputs,))),
                         "the tensor's last transfer"),
            "o": Payload((Field("ends", results, (2,)),))}
        super().__init__({"i": In(stream.Signature(self.payloads["i"].layout)),
                          "o": Out(stream.Signature(self.payloads["o"].layout))})

    @property
    def latency(self) -> int:
        """Cycles from the last transfer of a tensor to the first in which its ends are valid."""
        return self._tracker.latency

    def body(self, platform):
        m = Module()
        tracker = m.submodules.tracker = self._tracker.twin()
        # Whether a tensor has ended whose ends have not left yet.
        ended, taken, left, last = (Signal(name=name) for name in
                                    ("ended", "taken", "left", "last"))
        m.d.comb += [
            self.i.ready.eq(~ended),
            taken.eq(self.i.valid & self.i.ready),
            last.eq(taken & self.i.p["last"]),
            left.eq(self.o.valid & self.o.ready),
            tracker.i.valid.eq(taken),
            tracker.i.p["codes"].eq(self.i.p["codes"]),
            tracker.i.p["keep"].eq(self.i.p["keep"]),
            tracker.clear.eq(left),
            self.o.p["ends"][0].eq(tracker.minimum),
            self.o.p["ends"][1].eq(tracker.maximum),
        ]
        counted = delay(m, last, self.latency - 1, "counted", reset_less=False)
        with m.If(last):
            m.d.sync += ended.eq(1)
        with m.If(counted):
            m.d.sync += self.o.valid.eq(1)
        with m.If(left):
            m.d.sync += [self.o.valid.eq(0), ended.eq(0)]
        return m
