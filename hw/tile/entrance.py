# amaranth: UnusedElaboratable=no
"""Entrance of a tile: jobs and beats in, those of jobs out of range dropped."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.delay import delay
from hw.shared import Shared
from hw.tile.config import TileConfig
from hw.tile.jobs import DROPPING, JobQueue, bank_bits, current_layout
from hw.tile.ports import payloads

__all__ = ["Entrance", "told_layout"]


def told_layout(config: TileConfig) -> data.StructLayout:
    """Layout of a job's fields that its results need, with the bank of its parameter set."""
    job = payloads(config)["i_job"].layout.members
    return data.StructLayout({"bank": bank_bits(config), **{
        name: job[name] for name in ("group", "states") if name in job}})


class Entrance(Shared):
    """Accept jobs, and take the beats of both operands for each.

    The :class:`~hw.tile.jobs.JobQueue` accepts jobs, and checks them. A job out of range is
    dropped whole: its beats are taken, but none enters the array. It uses no set.

    Beats enter freely except a job's last one, which moves the totals over to the accumulator's
    second bank. It enters only when that bank is sure to be free by the time it gets there:

    - *promised* outputs fit the output queue, so that the drain of the second bank cannot stall
      any more. These are the outputs of all earlier last beats that have not left the tile yet.
    - *backlog* is zero. It counts the cycles by which that drain, without a stall, would outlast
      the path from here to the accumulator. After a stall it may be too small, but then it does
      not count: a stalled drain keeps the queue full, but for one place, until its end; so when
      its promised outputs fit, at most one total is left.

    A job of at least ``rows * cols / outputs`` beats never waits while the tile's outputs leave.
    There is no combinational path from ``leaves`` to any ready. The two operands' readies depend on
    each other's valid. What decides on a beat are bits of registers, without a comparison: that it
    is a job's last one, and the signs of both counts.

    Throughput is one job, and one beat, per cycle. A job's first beat may enter two cycles after
    the job.

    Parameters
    ----------
    config : TileConfig
        Configuration of the tile.
    room : int
        Transfers that the output queue holds.

    Members
    -------
    i_job : In(stream.Signature(StructLayout))
        Jobs, as on the tile's stream.
    i_activations, i_weights : In(stream.Signature(1))
        ``tlast`` of the operands' beats, which marks the last beat of a job.
    current : In(current_layout(config))
    accept : Out(1)
        A job is accepted in this cycle, which will use the current set, unless it is dropped. No
        bits, like ``bank``, for fixed parameters.
    drop : Out(StructLayout)
        ``valid``: the job accepted two cycles ago will not use its set, in ``bank``.
    job : Out(StructLayout)
        Job whose beats enter, and its set's ``bank``.
    enter, last : Out(1)
        A beat of that job enters in this cycle, and it is the last one.
    leaves : In(1)
        An output leaves the tile in this cycle.
    error : Out(1)
        Set :data:`~hw.tile.jobs.DROPPING` cycles after a job out of range is accepted, or a beat
        with a wrong ``tlast`` of either operand is taken; stays set until a reset.
    """

    i_job: stream.Interface
    i_activations: stream.Interface
    i_weights: stream.Interface
    current: data.View
    accept: Signal
    drop: data.View
    job: data.View
    enter: Signal
    last: Signal
    leaves: Signal
    error: Signal

    def __init__(self, *, config: TileConfig, room: int):
        self.config = c = config
        self.room = room
        bank = bank_bits(c)
        job = payloads(c)["i_job"].layout
        super().__init__({
            "i_job": In(stream.Signature(job)),
            "i_activations": In(stream.Signature(1)),
            "i_weights": In(stream.Signature(1)),
            "current": In(current_layout(c)),
            "accept": Out(bank),
            "drop": Out(data.StructLayout({"valid": 1, "bank": bank})),
            "job": Out(data.StructLayout({**job.members, "bank": bank})),
            "enter": Out(1),
            "last": Out(1),
            "leaves": In(1),
            "error": Out(1),
        })

    def body(self, platform):
        m = Module()
        c = self.config
        queue = m.submodules.queue = JobQueue(config=c)
        wiring.connect(m, wiring.flipped(self.i_job), queue.i)
        m.d.comb += [
            queue.current.eq(self.current),
            self.accept.eq(queue.accept),
            self.drop.eq(queue.drop),
        ]

        # Beats of the job at the head are taken.
        head: Any = Signal(queue.o.payload.shape(), reset_less=True)
        there = Signal()
        ends = Signal()
        last_may_enter = Signal()
        may_transfer = Signal()
        transferred = Signal()
        operands = self.i_activations, self.i_weights
        m.d.comb += [
            *(self.job[name].eq(head[name]) for name in self.job.shape().members),
            may_transfer.eq(there & (~ends | head.dropped | last_may_enter)),
            self.i_activations.ready.eq(may_transfer & self.i_weights.valid),
            self.i_weights.ready.eq(may_transfer & self.i_activations.valid),
            transferred.eq(may_transfer & self.i_activations.valid & self.i_weights.valid),
            queue.o.ready.eq(~there | (transferred & ends)),
            self.enter.eq(transferred & ~head.dropped),
            self.last.eq(self.enter & ends),
        ]
        # Number of the beat after the next one: what it ends, the next beat ends once it is taken.
        ahead = Signal(range(max(1 << len(head.beats), 3)), init=2)
        with m.If(queue.o.ready):
            m.d.sync += [head.eq(queue.o.payload), there.eq(queue.o.valid)]
        # What comes next is known before it is known whether a beat is taken.
        first = ~there | ends
        with m.If(~there | transferred):
            m.d.sync += [
                ends.eq(Mux(first, queue.o.p.beats == 1, ahead == head.beats)),
                ahead.eq(Mux(first, 2, ahead + 1)),
            ]

        # Both kinds of fault are reported DROPPING cycles later.
        wrong, before = Signal(), Signal()
        m.d.comb += [
            wrong.eq(transferred & Cat(each.payload != ends for each in operands).any()),
            self.error.eq(before | queue.drop.valid
                          | delay(m, wrong, DROPPING, "wrong", reset_less=False)),
        ]
        m.d.sync += before.eq(self.error)

        # See the class for the two conditions on a last beat. What is not promised counts down
        # from the queue's room, and the backlog up from below 0.
        unpromised = Signal(range(-c.steps, self.room + 1), init=self.room)
        backlog = Signal(range(-c.steps, 1))
        m.d.sync += unpromised.eq(unpromised - Mux(self.last, c.steps, 0) + self.leaves)
        m.d.comb += last_may_enter.eq((unpromised >= 0) & (backlog >= 0))
        with m.If(self.last):
            m.d.sync += backlog.eq(1 - c.steps)
        with m.Elif(backlog < 0):
            m.d.sync += backlog.eq(backlog + 1)
        return m
