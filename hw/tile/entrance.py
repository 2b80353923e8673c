# amaranth: UnusedElaboratable=no
"""Where jobs and beats enter a tile: what is out of range is dropped, what is left may enter."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from hw.shared import Shared
from hw.tile.config import TileConfig
from hw.tile.ports import payloads

__all__ = ["Entrance", "JOB_QUEUE", "bank_bits", "current_layout", "told_layout"]

JOB_QUEUE = 3
"""Jobs that wait beside the one whose beats enter; a buffered FIFO of 3 takes one per cycle."""


def bank_bits(config: TileConfig) -> int:
    """Width of the number of a bank of parameters: none where these are fixed."""
    return 1 if config.parameters is None else 0


def current_layout(config: TileConfig) -> data.StructLayout:
    """Layout of what a job must know of the parameter set that it would use.

    Whether there is one (``ready``), its ``bank``, and how many reads of ``outputs`` records each
    are ``whole`` in it.
    """
    return data.StructLayout({"ready": 1, "bank": bank_bits(config), "whole": range(
        config.groups * config.cols // config.outputs + 1)})


def told_layout(config: TileConfig) -> data.StructLayout:
    """Layout of what results must know of a job, and of its parameter set."""
    job = payloads(config)["i_job"].layout.members
    return data.StructLayout({"bank": bank_bits(config), **{
        name: job[name] for name in ("group", "states") if name in job}})


class Entrance(Shared):
    """Accept jobs, and take as many beats of both operands as each of them has.

    A job is accepted once there is a parameter set, and uses the one that is current then. It is
    out of range where its ``beats`` is 0 or above the most that a sum takes, or where that set
    has not all records of its group. Such a job is dropped whole: its beats are taken, and none of
    them enters; of 0 beats none is taken. It uses no set.

    Beats enter freely except a job's last one, which moves the totals over to the accumulator's
    second bank. It enters only when that bank is sure to be free by the time it gets there:

    - *promised* outputs (of every earlier last beat, which have not left the tile yet) fit the
      output queue, so that the drain of the second bank cannot stall any more, and
    - *backlog*, the cycles by which that drain, without a stall, would outlast the way from
      here to the accumulator, is zero. After a stall it may be too small, but then it does not
      count: a drain that has stalled keeps the queue full, but for one place, until its end; so
      when its promised outputs fit at most one total is left.

    A job of at least ``rows * cols / outputs`` beats never waits while the tile's outputs leave.
    There is no combinational path from ``leaves`` to any ready. The two operands' readies depend on
    each other's valid.

    Throughput is one job, and one beat, per cycle; a job's beats enter from two cycles after it.

    Parameters
    ----------
    config : TileConfig
        Of the tile.
    room : int
        Transfers that the output queue holds.

    Members
    -------
    i_job : In(stream.Signature(StructLayout))
        As the tile's.
    i_activations, i_weights : In(stream.Signature(1))
        Of the operands' beats ``tlast``, which marks the last one of a job.
    current : In(current_layout(config))
    accept : Out(1)
        A job that will use the current set is accepted in this cycle. No bits, as ``bank``, where
        parameters are fixed.
    job : Out(StructLayout)
        The job whose beats enter, and its set's ``bank``.
    enter, last : Out(1)
        A beat of it enters in this cycle, and it is the last one.
    leaves : In(1)
        An output leaves the tile in this cycle.
    error : Out(1)
        Set in the cycle after a job out of range is accepted, or a beat is taken whose ``tlast`` of
        either operand is not what it should be; it stays until reset.
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

        # Jobs are accepted. Those of 0 beats are done with at once.
        given = self.i_job.p
        arrives = Signal()
        accepted = Signal(layout)
        m.d.comb += [
            self.i_job.ready.eq(queue.w_rdy & self.current.ready),
            arrives.eq(self.i_job.valid & self.i_job.ready),
            *(accepted[name].eq(given[name]) for name in self.i_job.payload.shape().members),
            accepted.bank.eq(self.current.bank),
            accepted.dropped.eq(self._out_of_range()),
            self.accept.eq(arrives & ~accepted.dropped),
            queue.w_data.eq(accepted),
            queue.w_en.eq(arrives & (given.beats != 0)),
        ]

        # Beats are taken, as many as the job at the head of the queue has.
        head = Signal(layout)
        beat = Signal(range((1 << len(given.beats)) - 1))
        ends = Signal()
        last_may_enter = Signal()
        may_be_taken = Signal()
        taken = Signal()
        operands = self.i_activations, self.i_weights
        m.d.comb += [
            head.eq(queue.r_data),
            *(self.job[name].eq(head[name]) for name in self.job.shape().members),
            ends.eq(beat + 1 == head.beats),
            may_be_taken.eq(queue.r_rdy & (~ends | head.dropped | last_may_enter)),
            self.i_activations.ready.eq(may_be_taken & self.i_weights.valid),
            self.i_weights.ready.eq(may_be_taken & self.i_activations.valid),
            taken.eq(may_be_taken & self.i_activations.valid & self.i_weights.valid),
            queue.r_en.eq(taken & ends),
            self.enter.eq(taken & ~head.dropped),
            self.last.eq(self.enter & ends),
        ]
        with m.If(taken):
            m.d.sync += beat.eq(beat + 1)
            with m.If(ends):
                m.d.sync += beat.eq(0)

        with m.If(arrives & accepted.dropped):
            m.d.sync += self.error.eq(1)
        with m.If(taken & ((operands[0].payload != ends) | (operands[1].payload != ends))):
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
        found = (job.beats == 0) | ((job.group + 1) * reads > self.current.whole)
        if c.max_beats < (1 << len(job.beats)) - 1:  # or no code is above
            found |= job.beats > c.max_beats
        return found
