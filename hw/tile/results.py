# amaranth: UnusedElaboratable=no
"""Results of a job's totals: records, requantizers, tables, a shared exponent, a queue."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.contracts import LFSR_BITS, MultiplyShift
from golden.formats import BlockScaled
from hw.arith import leap
from hw.delay import FIFO_LATENCY, delay
from hw.requantize.lut import Table
from hw.requantize.shared_exponent import SharedExponent
from hw.shared import Shared
from hw.tile.array import step_layout, totals_layout
from hw.tile.config import TileConfig
from hw.tile.dsps import requantizer_of
from hw.tile.entrance import told_layout
from hw.tile.fixed_parameters import FixedParameters
from hw.tile.jobs import DROPPING, JOB_QUEUE, bank_bits, current_layout
from hw.tile.parameters import ParameterStore, head_word
from hw.tile.ports import payloads
from hw.tile.tables import look_up, table_of

__all__ = ["Results", "States"]


class States(Shared):
    """Random states for the totals of a step, from the state of each row's first total.

    Parameters
    ----------
    rows : int
    outputs : int
        Totals of a step, all of one row; each total has the state after that of the one before.

    Members
    -------
    first : In(ArrayLayout(LFSR_BITS, rows))
        States of the job whose last sums arrive.
    arrives, step, row_ends : In(1)
        The last sums of a job arrive; totals leave; these are the last totals of their row.
    o : Out(ArrayLayout(LFSR_BITS, outputs))
        State of each total.
    """

    first: data.View
    arrives: Signal
    step: Signal
    row_ends: Signal
    o: data.View

    def __init__(self, *, rows: int, outputs: int):
        self.rows = rows
        self.outputs = outputs
        super().__init__({
            "first": In(data.ArrayLayout(LFSR_BITS, rows)),
            "arrives": In(1), "step": In(1), "row_ends": In(1),
            "o": Out(data.ArrayLayout(LFSR_BITS, outputs)),
        })

    def body(self, platform):
        m = Module()
        rows = Signal(data.ArrayLayout(LFSR_BITS, self.rows), name="row_states", reset_less=True)
        with m.If(self.step):
            m.d.sync += rows[0].eq(leap(rows[0], self.outputs))
            with m.If(self.row_ends):
                m.d.sync += [rows[row].eq(rows[row + 1]) for row in range(self.rows - 1)]
        with m.If(self.arrives):
            m.d.sync += rows.eq(self.first)
        m.d.comb += [self.o[k].eq(leap(rows[0], k)) for k in range(self.outputs)]
        return m


class Results(Shared):
    """Requantize a job's totals in order, and queue the results.

    ::

        i_parameters --> ParameterStore
                              |
                              v
        steps, totals --> Requantizer --> Table --> SharedExponent --> queue --> o

    ``outputs`` totals of a row go through as many requantizers, with the records of their columns:
    column ``c`` of a job has record ``group * cols + c`` of the set that was current when the job
    was accepted. With ``lut``, a :class:`~hw.requantize.lut.Table` follows each requantizer. For a
    block-scaled output, one :class:`~hw.requantize.shared_exponent.SharedExponent` follows all.

    Steps wait only while the queue has no room for all results under way. Latency from a step to
    its outputs is :attr:`latency` cycles; throughput is a step, and ``outputs`` results, per cycle.

    Parameters
    ----------
    config : TileConfig
        Configuration of the tile.
    before : int
        Cycles from a job's last beat to its first step.

    Members
    -------
    i_parameters : In(stream.Signature(StructLayout))
        Words of parameter sets, as on the tile's stream.
    current : Out(current_layout(config))
        Parameter set that a new job would use.
    accept : In(1)
        A job is accepted, which will use the current set, unless it is dropped.
    drop : In(StructLayout)
        ``valid``: a job accepted two cycles ago will not use its set, in ``bank``.
    write : Out(StructLayout)
        Words that load tables; only for a tile with such tables.
    arrives : In(1)
        The first step of a job is offered in the next cycle.
    job : In(told_layout(config))
        That job.
    steps : In(stream.Signature(step_layout(config)))
    totals : In(totals_layout(config))
        Totals of the step that was transferred in the cycle before.
    o : Out(stream.Signature(StructLayout))
        Outputs, as on the tile's stream.
    leaves : Out(1)
        An output leaves in this cycle.
    """

    i_parameters: stream.Interface
    current: data.View
    accept: Signal
    drop: data.View
    write: data.View
    arrives: Signal
    job: data.View
    steps: stream.Interface
    totals: data.View
    o: stream.Interface
    leaves: Signal

    def __init__(self, *, config: TileConfig, before: int):
        self.config = c = config
        self.before = before
        self._requantizers = [requantizer_of(c) for _ in range(c.outputs)]
        codes = c.lut
        if isinstance(codes, tuple):
            codes = tuple(c.output_format.encode(codes).tolist())
        self._tables = [Table(codes=None if codes == "loaded" else codes)
                        for _ in range(0 if codes is None else c.outputs)]
        self._sidebands = data.StructLayout(
            {**({"outside": 1} if c.block_scaled else {}), "last": 1})
        self._shared = None
        if isinstance(c.output, BlockScaled):
            assert isinstance(c.contract, MultiplyShift)  # or the contract had refused it
            self._shared = SharedExponent(contract=c.contract, total=c.sum_format, output=c.output,
                                          outputs=c.outputs, propagates=c.propagates,
                                          sidebands=self._sidebands.size, fabric=c.fabric)
        streams = payloads(c)
        super().__init__({
            **({"i_parameters": In(stream.Signature(streams["i_parameters"].layout))}
               if c.parameters is None else {}),
            **({"write": Out(head_word(sum(c.head.values())))} if c.head else {}),
            "current": Out(current_layout(c)),
            "accept": In(bank_bits(c)),
            "drop": In(data.StructLayout({"valid": 1, "bank": bank_bits(c)})),
            "arrives": In(1),
            "job": In(told_layout(c)),
            "steps": In(stream.Signature(step_layout(c))),
            "totals": In(totals_layout(c)),
            "o": Out(stream.Signature(streams["o"].layout)),
            "leaves": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from a step to its outputs."""
        return (ParameterStore.latency + self._result_latency
                + (self._shared.latency if self._shared else 0) + FIFO_LATENCY)

    @property
    def queue(self) -> int:
        """Depth of the output queue: the transfers under way at one per cycle."""
        return self.before + self.latency

    @property
    def release_latency(self) -> int:
        """Cycles from a job's last step to its last use of its parameter set.

        A loaded table and thresholds in memories are read later than the records; their bank is
        in use until a job's last result has been read from it.
        """
        requantizer, head = self._requantizers[0], self.config.head
        if "lut" in head:
            return ParameterStore.latency + requantizer.latency
        late = "output" in head or self.config.apart
        return (ParameterStore.latency + requantizer.table_latency if late
                else ParameterStore.reading)

    @property
    def _result_latency(self) -> int:
        # Cycles from a total and its record to its result, without a shared exponent.
        return self._requantizers[0].latency + (Table.latency if self._tables else 0)

    def body(self, platform):
        m = Module()
        c, reading = self.config, self.release_latency
        store = m.submodules.store = self._store()
        results = m.submodules.results = SyncFIFOBuffered(
            width=self.o.payload.shape().size, depth=self.queue)
        if isinstance(store, ParameterStore):
            wiring.connect(m, wiring.flipped(self.i_parameters), store.i)
            m.d.comb += store.drop.eq(self.drop)
            if c.head:
                m.d.comb += self.write.eq(store.write)
        write = self.write if c.head else None
        m.d.comb += [
            self.current.ready.eq(store.ready),
            self.current.bank.eq(store.current),
            self.current.whole.eq(store.whole),
            store.accept.eq(self.accept),
        ]

        # Totals leave row by row, with the records of their columns.
        place: Any = self.steps.p
        steps_per_row = c.cols // c.outputs
        base = Signal(store.address.index.shape())
        bank = Signal(store.current.shape())
        step = Signal()
        finished = delay(m, step & place.last, reading, "finished", reset_less=False)
        finished_bank = delay(m, bank, reading, "finished_bank")
        m.d.comb += [
            step.eq(self.steps.valid & self.steps.ready),
            store.address.index.eq(base + place.column),
            store.address.bank.eq(bank),
            store.finish.valid.eq(finished),
            store.finish.bank.eq(finished_bank),
        ]
        with m.If(self.arrives):
            m.d.sync += [
                base.eq(self.job.group * steps_per_row),
                bank.eq(self.job.bank),
            ]

        # The totals wait for their records, which are read a cycle before the totals are there.
        early: Any = delay(m, self.totals, store.latency - 2, "totals")
        waiting: Any = Signal.like(early)
        m.d.comb += waiting.eq(early)
        if c.inner_product != "direct":
            # Modulo the accumulator's size, which the difference does not exceed.
            m.d.comb += [waiting.totals[k].eq(early.totals[k] - early.term)
                         for k in range(c.outputs)]
        late: Any = delay(m, waiting, 1, "totals_last")
        valid = delay(m, step, store.latency, "step", reset_less=False)
        inputs: dict[str, list[Value]] = {"sum": [late.totals[k] for k in range(c.outputs)]}
        if c.zero_points == "both":
            inputs["row_sum"] = [late.row_sum] * c.outputs
        if c.propagates:
            inputs["flags"] = [late.flags[k] for k in range(c.outputs)]
        if c.draws:
            states = m.submodules.states = States(rows=c.rows, outputs=c.outputs)
            m.d.comb += [
                states.first.eq(self.job.states),
                states.arrives.eq(self.arrives),
                states.step.eq(step),
                states.row_ends.eq(place.column == steps_per_row - 1),
            ]
            drawn: Any = delay(m, states.o, store.latency, "states")
            inputs["state"] = [drawn[k] for k in range(c.outputs)]
        if isinstance(store, ParameterStore) and c.apart:
            inputs["place"] = [delay(m, Cat(store.address.index, bank), store.latency, "place")
                               ] * c.outputs
            field = store.field
            m.d.comb += [each for k, requantizer in enumerate(self._requantizers) for each in (
                requantizer.write.valid.eq(field.valid[k]),
                requantizer.write.place.eq(Cat(field.index, field.bank)),
                requantizer.write.step.eq(field.number),
                requantizer.write.threshold.eq(field.value),
            )]
        for k, requantizer in enumerate(self._requantizers):
            m.submodules[f"requantizer_{k}"] = requantizer
            m.d.comb += [
                *(requantizer.i.p[name].eq(values[k]) for name, values in inputs.items()),
                requantizer.i.p.parameters.eq(store.records[k]),
                requantizer.i.valid.eq(valid),
            ]
        if "output" in c.head:
            table = table_of(m, c, "output", finished_bank, write)
            m.d.comb += [requantizer.table.eq(table) for requantizer in self._requantizers]

        codes = [requantizer.o.payload for requantizer in self._requantizers]
        valid = self._requantizers[0].o.valid
        if self._tables:
            codes = look_up(m, c, self._tables, codes, finished_bank, write)
            valid = delay(m, valid, Table.latency, "looked_up", reset_less=False)
        marks: Any = Signal(self._sidebands)
        m.d.comb += marks.last.eq(delay(m, place.last, store.latency, "last"))
        if c.block_scaled:
            m.d.comb += marks.outside.eq(late.outside)
        marks = delay(m, marks, self._result_latency, "marks")

        result: Any = Signal(self.o.payload.shape())
        if self._shared is not None:
            shared = m.submodules.shared_exponent = self._shared
            m.d.comb += [
                *(shared.i.p.items[k].eq(code) for k, code in enumerate(codes)),
                shared.i.p.sidebands.eq(marks),
                shared.i.valid.eq(valid),
                result.exponent.eq(shared.o.p.exponent),
            ]
            codes, valid = shared.o.p.codes, shared.o.valid
            marks = data.View(self._sidebands, shared.o.p.sidebands)
        m.d.comb += [
            *(result.codes[k].eq(code) for k, code in enumerate(codes)),
            *(result[name].eq(marks[name]) for name in self._sidebands.members),
            results.w_data.eq(result),
            results.w_en.eq(valid),
            self.o.payload.eq(results.r_data),
            self.o.valid.eq(results.r_rdy),
            results.r_en.eq(self.o.ready),
        ]

        # The results under way always fit the output queue.
        room = Signal(range(-1, self.queue), init=self.queue - 1)  # for these after the next step
        m.d.sync += room.eq(room - step + self.leaves)
        m.d.comb += [
            self.leaves.eq(self.o.valid & self.o.ready),
            self.steps.ready.eq(room >= 0),
        ]
        return m

    @property
    def _max_jobs(self) -> int:
        # Jobs that wait, jobs of no beats until they are dropped, and jobs between their last beat
        # and their last use of the set. Last beats are `steps` cycles apart or more, but for
        # cycles in which steps wait.
        steps = self.config.steps
        ended = -(-(self.before + steps - 1 + self.release_latency) // steps)
        return JOB_QUEUE + DROPPING + ended

    def _store(self) -> ParameterStore | FixedParameters:
        """Source of the records: a store, or fixed parameters."""
        c = self.config
        if c.parameters is None:
            return ParameterStore(
                record=c.stored, channels=c.groups * c.cols, outputs=c.outputs,
                max_jobs=self._max_jobs, head=sum(c.head.values()), apart=c.apart,
                fabric=c.fabric)
        return FixedParameters(record={name: c.record[name] for name in c.fixed_per_channel},
                               values=c.fixed_per_channel, channels=c.groups * c.cols,
                               outputs=c.outputs)
