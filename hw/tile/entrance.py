# amaranth: UnusedElaboratable=no
"""Entrance of a tile: jobs and beats in, those of jobs out of range dropped."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hw.shared import Shared
from hw.tile.config import TileConfig
from hw.tile.ports import payloads

__all__ = ["Entrance", "JOB_QUEUE", "bank_bits", "current_layout", "told_layout"]

JOB_QUEUE = 3
"""Depth of the job queue; a buffered FIFO of 3 takes one job per cycle."""


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


def told_layout(config: TileConfig) -> data.StructLayout:
    """Layout of a job's fields that its results need, with the bank of its parameter set."""
    job = payloads(config)["i_job"].layout.members
    return data.StructLayout({"bank": bank_bits(config), **{
        name: job[name] for name in ("group", "states") if name in job}})


class Entrance(Shared):
    """Accept jobs, and take the beats of both operands for each.

    A job is accepted once there is a parameter set, and uses the set that is current then. A job
    is out of range if its ``beats`` is 0 or above the longest job's, or if that set lacks records
    of its group. Such a job is dropped whole: its beats are taken, but none enters the array. It
    uses no set.

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
    each other's valid.

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
        A job that will use the current set is accepted in this cycle. No bits, like ``bank``, for
        fixed parameters.
    job : Out(StructLayout)
        Job whose beats enter, and its set's ``bank``.
    enter, last : Out(1)
        A beat of that job enters in this cycle, and it is the last one.
    leaves : In(1)
        An output leaves the tile in this cycle.
    error : Out(1)
        Set in the cycle after a job out of range is accepted, or after a beat with a wrong
        ``tlast`` of either operand; stays set until a reset.
    """

    i_job: stream.Interface
    i_activations: stream.Interface
    i_weights: stream.Interface
    current: data.View
    accept: Signal
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
            "job": Out(data.StructLayout({**job.members, "bank": bank})),
            "enter": Out(1),
            "last": Out(1),
            "leaves": In(1),
            "error": Out(1),
        })

    def body(self, platform):
        m = Module()
        c = self.config
        layout = data.StructLayout({**self.job.shape().members, "dropped": 1})
        queue = m.submodules.queue = SyncFIFOBuffered(width=layout.size, depth=JOB_QUEUE)

        # Jobs are accepted. A job of 0 beats ends at once.
        job = self.i_job.p
        arrives = Signal()
        accepted = Signal(layout)
        m.d.comb += [
            self.i_job.ready.eq(queue.w_rdy & self.current.ready),
            arrives.eq(self.i_job.valid & self.i_job.ready),
            *(accepted[name].eq(job[name]) for name in self.i_job.payload.shape().members),
            accepted.bank.eq(self.current.bank),
            accepted.dropped.eq(self._out_of_range()),
            self.accept.eq(arrives & ~accepted.dropped),
            queue.w_data.eq(accepted),
            queue.w_en.eq(arrives & (job.beats != 0)),
        ]

        # Beats of the job at the head of the queue are taken.
        head = Signal(layout)
        beat = Signal(range((1 << len(job.beats)) - 1))
        ends = Signal()
        last_may_enter = Signal()
        may_transfer = Signal()
        transferred = Signal()
        operands = self.i_activations, self.i_weights
        m.d.comb += [
            head.eq(queue.r_data),
            *(self.job[name].eq(head[name]) for name in self.job.shape().members),
            ends.eq(beat + 1 == head.beats),
            may_transfer.eq(queue.r_rdy & (~ends | head.dropped | last_may_enter)),
            self.i_activations.ready.eq(may_transfer & self.i_weights.valid),
            self.i_weights.ready.eq(may_transfer & self.i_activations.valid),
            transferred.eq(may_transfer & self.i_activations.valid & self.i_weights.valid),
            queue.r_en.eq(transferred & ends),
            self.enter.eq(transferred & ~head.dropped),
            self.last.eq(self.enter & ends),
        ]
        with m.If(transferred):
            m.d.sync += beat.eq(beat + 1)
            with m.If(ends):
                m.d.sync += beat.eq(0)

        with m.If(arrives & accepted.dropped):
            m.d.sync += self.error.eq(1)
        with m.If(transferred & ((operands[0].payload != ends) | (operands[1].payload != ends))):
            m.d.sync += self.error.eq(1)

        # See the class for the two conditions on a last beat.
        promised = Signal(range(self.room + c.steps + 1))
        backlog = Signal(range(c.steps))
        m.d.sync += promised.eq(promised + Mux(self.last, c.steps, 0) - self.leaves)
        m.d.comb += last_may_enter.eq((promised <= self.room) & (backlog == 0))
        with m.If(self.last):
            m.d.sync += backlog.eq(c.steps - 1)
        with m.Elif(backlog != 0):
            m.d.sync += backlog.eq(backlog - 1)
        return m

    def _out_of_range(self):
        c, job = self.config, self.i_job.p
        reads = c.cols // c.outputs
        out_of_range = (job.beats == 0) | ((job.group + 1) * reads > self.current.whole)
        if c.max_beats < (1 << len(job.beats)) - 1:  # or no code is above
            out_of_range |= job.beats > c.max_beats
        return out_of_range
