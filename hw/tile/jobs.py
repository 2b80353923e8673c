# amaranth: UnusedElaboratable=no
"""Queue of a tile's jobs, each checked on its way."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hw.shared import Shared
from hw.tile.config import TileConfig
from hw.tile.ports import payloads

__all__ = ["DROPPING", "JOB_QUEUE", "JobQueue", "bank_bits", "current_layout", "queued_layout"]

JOB_QUEUE = 3
"""Jobs that wait, two in the queue and the one whose beats enter."""


DROPPING = 2
"""Cycles from a job out of range to its drop, and to the tile's ``error``."""


def bank_bits(config: TileConfig) -> int:
    """Width of the number of a parameter bank: 0 for fixed parameters."""
    return 1 if config.parameters is None else 0


def current_layout(config: TileConfig) -> data.StructLayout:
    """Layout of the state of the current parameter set, which a new job would use.

    ``ready`` is set once there is a set; ``bank`` is its bank; ``whole`` counts its complete reads
    of ``outputs`` records.
    """
    return data.StructLayout({"ready": 1, "bank": bank_bits(config), "whole": range(
        config.groups * config.cols // config.outputs + 1)})


def queued_layout(config: TileConfig) -> data.StructLayout:
    """Layout of a job in the queue, with its set's ``bank``; ``dropped``: it was out of range."""
    job = payloads(config)["i_job"].layout.members
    return data.StructLayout({**job, "bank": bank_bits(config), "dropped": 1})


class JobQueue(Shared):
    """Accept jobs once there is a parameter set, check them, and keep two.

    A job uses the set that is current when it is accepted. It is out of range if its ``beats`` is
    0 or above the longest job's, or if that set lacks records of its group. The check is in the
    next cycle, and ``drop`` says in the one after that a job was out of range. A job of no beats
    goes no further.

    ==============  ================================================
    cycle           contents
    ==============  ================================================
    0               a job is accepted
    1               it is checked, and offered if no other waits
    2               ``drop``, if it was out of range
    ==============  ================================================

    Throughput is one job per cycle. There is no combinational path from ``o.ready`` to
    ``i.ready``.

    Parameters
    ----------
    config : TileConfig
        Configuration of the tile.

    Members
    -------
    i : In(stream.Signature(StructLayout))
        Jobs, as on the tile's stream.
    current : In(current_layout(config))
    accept : Out(1)
        A job is accepted in this cycle. No bits, like ``bank``, for fixed parameters.
    drop : Out(StructLayout)
        ``valid``: the job accepted two cycles ago, which would have used ``bank``, was out of
        range.
    o : Out(stream.Signature(queued_layout(config)))
        Jobs.
    """

    i: stream.Interface
    current: data.View
    accept: Signal
    drop: data.View
    o: stream.Interface

    def __init__(self, *, config: TileConfig):
        self.config = c = config
        super().__init__({
            "i": In(stream.Signature(payloads(c)["i_job"].layout)),
            "current": In(current_layout(c)),
            "accept": Out(bank_bits(c)),
            "drop": Out(data.StructLayout({"valid": 1, "bank": bank_bits(c)})),
            "o": Out(stream.Signature(queued_layout(c))),
        })

    def body(self, platform):
        m = Module()
        job: Any = Signal(self.i.payload.shape(), reset_less=True)
        current: Any = Signal(self.current.shape(), reset_less=True)
        here, fresh = Signal(), Signal()
        checked: Any = Signal(self.o.payload.shape())
        waiting = Signal(self.o.payload.shape(), reset_less=True)
        waits, full, accepts = Signal(), Signal(), Signal()

        # Cycle 0.
        m.d.comb += [
            full.eq(here & waits),
            self.i.ready.eq(~full & self.current.ready),
            accepts.eq(self.i.valid & self.i.ready),
            self.accept.eq(accepts),
        ]
        m.d.sync += [
            fresh.eq(accepts),
            here.eq(full | (accepts & (self.i.p.beats != 0))),
        ]
        with m.If(~full):
            m.d.sync += [job.eq(self.i.p), current.eq(self.current)]

        # Cycle 1: to the output, or to the place where a job waits, if that is free.
        out_of_range = Signal()
        m.d.comb += [
            out_of_range.eq(self._out_of_range(job, current)),
            *(checked[name].eq(job[name]) for name in self.i.payload.shape().members),
            checked.bank.eq(current.bank),
            checked.dropped.eq(out_of_range),
            self.o.valid.eq(here | waits),
            Value.cast(self.o.payload).eq(Mux(waits, waiting, checked)),
        ]
        m.d.sync += [self.drop.valid.eq(fresh & out_of_range), self.drop.bank.eq(current.bank)]
        m.d.sync += waits.eq((here | waits) & ~self.o.ready)
        with m.If(~waits):
            m.d.sync += waiting.eq(checked)
        return m

    def _out_of_range(self, job: Any, current: Any) -> Value:
        c = self.config
        reads = c.cols // c.outputs
        # The last read of the group; without an adder, if reads are a power of two.
        read = (Cat(Const(reads - 1, (reads - 1).bit_length()), job.group)
                if reads & (reads - 1) == 0 else job.group * reads + (reads - 1))
        out_of_range = (job.beats == 0) | (read >= current.whole)
        if c.max_beats < (1 << len(job.beats)) - 1:  # or no code is above
            out_of_range |= job.beats > c.max_beats
        return out_of_range
