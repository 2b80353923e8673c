"""Accumulators of a job's sums, and the bank from which finished ones leave."""

import operator
from typing import Literal

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat
from hw.formats import shape_of
from hw.shared import Shared

__all__ = ["Accumulator"]


class Accumulator(Shared):
    """Adds up ``count`` sums beat by beat, and hands a job's totals over ``outputs`` at a time.

    There are two banks: one accumulates, the other holds the totals of the job before and shifts
    them out on ``o``. The beat marked ``last`` adds its sums, moves the totals over and clears the
    first bank, so the next job's first beat may follow in the next cycle. Clearing after a job,
    not before one, costs nothing: it is the registers' own synchronous reset.

    Nothing stalls: a ``last`` beat must not arrive before the transfer that empties the second
    bank, at the earliest in the same cycle. The sender sees to that.

    With ``merge="or"`` it is flags that are gathered, not sums that are added up.

    The totals are offered :attr:`latency` cycle after their last beat. A beat, and ``outputs``
    totals, per cycle.

    Parameters
    ----------
    sums : IntFormat
        Of the sums of one beat.
    total : IntFormat
        Of the totals, which must be wide enough for every job.
    count : int
        Sums side by side.
    outputs : int
        Totals per transfer on ``o``; a divisor of ``count``.
    merge : "add" or "or"
        What becomes of the sums of a job's beats.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        ``sums`` is ``[count]``; ``last`` marks a job's last beat.
    o : Out(stream.Signature(StructLayout))
        ``totals`` is ``[outputs]``, in the order of ``sums``; ``last`` marks a job's last.
    """

    i: stream.Interface
    o: stream.Interface

    latency = 1

    def __init__(self, *, sums: IntFormat, total: IntFormat, count: int, outputs: int,
                 merge: Literal["add", "or"] = "add"):
        if operator.index(count) < 1:
            raise ValueError(f"Count must be a positive integer, not {count!r}")
        if operator.index(outputs) < 1 or count % outputs:
            raise ValueError(f"Outputs must be a divisor of the {count} sums, not {outputs!r}")
        if sums.min < total.min or sums.max > total.max:
            raise ValueError(f"Total must be a format that holds the sums of {sums}, not {total}")
        self.sums = sums
        self.total = total
        self.count = count
        self.outputs = outputs
        self.merge = merge
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "sums": data.ArrayLayout(shape_of(sums), count),
                "last": 1,
            }), always_ready=True)),
            "o": Out(stream.Signature(data.StructLayout({
                "totals": data.ArrayLayout(shape_of(total), outputs),
                "last": 1,
            }))),
        })

    def body(self, platform):
        m = Module()
        steps = self.count // self.outputs
        accumulators = [Signal(shape_of(self.total), name=f"accumulator_{k}")
                        for k in range(self.count)]
        finished = [Signal(shape_of(self.total), name=f"finished_{k}", reset_less=True)
                    for k in range(self.count)]
        remaining = Signal(range(steps + 1))

        totals = [Signal(shape_of(self.total), name=f"total_{k}") for k in range(self.count)]
        combine = operator.add if self.merge == "add" else operator.or_
        m.d.comb += [total.eq(combine(accumulators[k], self.i.p.sums[k]))
                     for k, total in enumerate(totals)]
        m.d.comb += [
            self.o.valid.eq(remaining != 0),
            self.o.p.last.eq(remaining == 1),
        ]
        m.d.comb += [self.o.p.totals[k].eq(finished[k]) for k in range(self.outputs)]

        with m.If(self.o.valid & self.o.ready):
            m.d.sync += remaining.eq(remaining - 1)
            for k in range(self.count - self.outputs):
                m.d.sync += finished[k].eq(finished[k + self.outputs])

        with m.If(self.i.valid):
            m.d.sync += [accumulator.eq(total)
                         for accumulator, total in zip(accumulators, totals, strict=True)]
            with m.If(self.i.p.last):
                m.d.sync += remaining.eq(steps)
                m.d.sync += [accumulator.eq(0) for accumulator in accumulators]
                m.d.sync += [register.eq(total)
                             for register, total in zip(finished, totals, strict=True)]
        return m
