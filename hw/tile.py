# amaranth: UnusedElaboratable=no
"""The MAC tile: jobs of exact sums, requantized, on streams."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.contracts import MultiplyShift
from golden.formats import BlockScaled, Format, LoadedCodebook, element_of
from hw.accumulate import Accumulator
from hw.beside import flags_of, outside_of, row_sum_of, states_of
from hw.blocks import Block, block_for
from hw.blocks.scaled import ScaledBlock
from hw.config import TileConfig
from hw.delay import delay
from hw.entrance import JOB_QUEUE, Entrance
from hw.fixed_parameters import FixedParameters
from hw.heads import levels_of, look_up, table_of
from hw.lut import Table
from hw.parameters import ParameterStore
from hw.ports import payloads
from hw.requantize import Requantizer
from hw.shared import Shared
from hw.shared_exponent import SharedExponent

__all__ = ["MacTile", "FIFO_LATENCY"]

FIFO_LATENCY = 2
"""Cycles through an empty SyncFIFOBuffered."""


def _known(fmt: Format) -> Format:
    # What the block is given: of a loaded codebook the levels, of a block-scaled format elements.
    return fmt.range if isinstance(fmt, LoadedCodebook) else element_of(fmt)


class MacTile(Shared):
    """Compute jobs of ``rows * cols`` sums over ``K <= depth`` products, and requantize each.

    A job is one transfer on ``i_job`` and ``beats = ceil(K / lanes)`` transfers on each of
    ``i_activations`` and ``i_weights``, which are taken together. Its ``rows * cols`` outputs
    leave row by row, ``outputs`` at a time. Column ``c`` of a job uses record
    ``group * cols + c`` of the parameter set that was current when the job was accepted; see
    :class:`~hw.parameters.ParameterStore`. Jobs follow one another in order, without a gap.

    ::

        i_job ---------> queue --+                 i_parameters --> ParameterStore
                                 |                                        |
        i_activations --+        v                                        v
                        +--> (beat) --> Block --> Accumulator --> Requantizer --> queue --> o
        i_weights ------+                         two banks        ``outputs``

    An operand that is a loaded codebook becomes its levels in front of the block, by the table
    that the first words of a parameter set bring: that of the set whose records the job uses. An
    output that is one has the levels nearest to the results likewise.

    Where an operand is block-scaled, sums are in units of the job's ``base``: see
    :class:`~hw.blocks.scaled.ScaledBlock`. A beat is of one block of each vector, and brings their
    exponents. A job one of whose blocks is outside of the window has results without meaning; with
    them, and with all results after them until a reset, ``outside`` is set.

    Where the output is block-scaled, each 32 results of a row share an exponent, which their
    largest one decides: see :class:`~hw.shared_exponent.SharedExponent`.

    With ``lut``, a :class:`~hw.lut.Table` follows each requantizer; where it is loaded, the first
    words of a parameter set are its, and a job uses the one that came with its records.

    Inside, nothing stalls: a valid bit travels with the data. What enters, and when, is up to the
    :class:`~hw.entrance.Entrance`: a job with at least ``rows * cols / outputs`` beats never waits
    while ``o`` is ready, and there is no combinational path from ``o.ready`` to any other ready.
    A job out of range is dropped whole there, and sets ``error``.

    Latency from a job's last beat to its first output is :attr:`latency` cycles, unstalled.
    Throughput is one beat, and ``outputs`` results, per cycle.

    A reset at any time leaves the tile idle; parameters are then to be sent again.

    Parameters
    ----------
    config : TileConfig
        What the tile is.

    Members
    -------
    i_job : In(stream.Signature(StructLayout))
        ``beats``, 1 to ``ceil(depth / lanes)``, and ``group``; with contract ``stochastic`` also
        ``states``, ``[rows]``: what each row's first output draws. Column ``c`` draws ``c`` draws
        later. Where an operand is block-scaled also ``base``, the least combined code of exponents.
    i_activations : In(stream.Signature(StructLayout))
        ``codes`` of activations, ``[rows][lanes]``; where these are block-scaled also
        ``exponents``, ``[rows]``. ``last`` marks a job's last beat.
    i_weights : In(stream.Signature(StructLayout))
        Of weights, ``[cols][lanes]``, likewise.
    i_parameters : In(stream.Signature(StructLayout))
        ``word`` and ``last``. There is none where parameters are fixed.
    o : Out(stream.Signature(StructLayout))
        ``codes`` is ``[outputs]``; ``exponent``, where the output is block-scaled, is the code of
        their block's; ``outside``, where an operand is block-scaled, says whether a
        block was, of this job or before; ``last`` marks a job's last.
    error : Out(1)
        Whether a job was out of range, or a ``last`` of an operand not where its job ends; it
        stays set until a reset.
    """

    i_job: stream.Interface
    i_activations: stream.Interface
    i_weights: stream.Interface
    i_parameters: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: TileConfig):
        self.config = c = config
        self._block = block_for(target=c.target, weights=_known(c.weights),
                                activations=_known(c.activations),
                                rows=c.rows, cols=c.cols, lanes=c.lanes)
        if c.block_scaled:
            self._block = ScaledBlock(block=self._block, weights=c.weights,
                                      activations=c.activations, window=c.window)
        self._requantizers = [
            Requantizer(contract=c.contract, sums=c.accumulator, total=c.sum_format,
                        output=c.output_format, record=c.record, fixed=c.fixed,
                        row_sum=c.row_sum if c.zero_points == "both" else None,
                        propagates=c.propagates)
            for _ in range(c.outputs)]
        codes = c.lut
        if isinstance(codes, tuple):
            codes = tuple(c.output_format.encode(codes).tolist())
        self._tables = [Table(codes=None if codes == "loaded" else codes)
                        for _ in range(0 if codes is None else c.outputs)]
        self._beside = data.StructLayout({**({"outside": 1} if c.block_scaled else {}), "last": 1})
        self._shared = None
        if isinstance(c.output, BlockScaled):
            assert isinstance(c.contract, MultiplyShift)  # or the contract had refused it
            self._shared = SharedExponent(contract=c.contract, total=c.sum_format, output=c.output,
                                          outputs=c.outputs, propagates=c.propagates,
                                          beside=self._beside.size)
        super().__init__({
            **{name: (Out if name == "o" else In)(stream.Signature(payload.layout))
               for name, payload in payloads(c).items()},
            "error": Out(1),
        })

    @property
    def block(self) -> Block:
        """The block that makes the sums, of elements where these are block-scaled."""
        return self._block.block if isinstance(self._block, ScaledBlock) else self._block

    @property
    def latency(self) -> int:
        """Cycles from a job's last beat to its first output."""
        return (self._block.latency + Accumulator.latency + ParameterStore.latency
                + self._result_latency + (self._shared.latency if self._shared else 0)
                + FIFO_LATENCY)

    @property
    def _result_latency(self) -> int:
        # From a total and its record to its result, but for a shared exponent.
        return self._requantizers[0].latency + (Table.latency if self._tables else 0)

    @property
    def _reading(self) -> int:
        # Cycles by which a table is read after the records: its bank is in use until a job's last
        # result has been looked up or found in it.
        requantizer, head = self._requantizers[0], self.config.head
        if "lut" in head:
            return ParameterStore.latency + requantizer.latency
        return ParameterStore.latency + requantizer.table_latency if "output" in head else 0

    @property
    def total_latency(self) -> int:
        """Cycles from a job's last beat to its first total."""
        return self._block.latency + Accumulator.latency

    @property
    def release_latency(self) -> int:
        """Cycles from a job's last total to its last use of its parameter set."""
        return self._reading

    @property
    def output_queue(self) -> int:
        """Transfers that the output queue holds: as many as one per cycle has under way."""
        return self.latency

    def body(self, platform):
        m = Module()
        c = self.config
        block = m.submodules.block = self._block
        reading = self._reading
        store = m.submodules.store = self._store(
            max_jobs=JOB_QUEUE + block.latency + 3 + reading)
        entrance = m.submodules.entrance = Entrance(config=c, room=self.output_queue)
        accumulator = m.submodules.accumulator = Accumulator(
            sums=block.sums, total=c.accumulator, count=c.rows * c.cols, outputs=c.outputs)
        results = m.submodules.results = SyncFIFOBuffered(
            width=self.o.payload.shape().size, depth=self.output_queue)

        # Jobs and their beats enter.
        if isinstance(store, ParameterStore):
            wiring.connect(m, wiring.flipped(self.i_parameters), store.i)
        wiring.connect(m, wiring.flipped(self.i_job), entrance.i_job)
        job = entrance.job
        m.d.comb += [
            entrance.current.ready.eq(store.ready),
            entrance.current.bank.eq(store.current),
            entrance.current.whole.eq(store.whole),
            store.accept.eq(entrance.accept),
            block.i.valid.eq(entrance.enter),
            self.error.eq(entrance.error),
        ]
        for name in ("activations", "weights"):
            outer, inner = getattr(self, f"i_{name}"), getattr(entrance, f"i_{name}")
            m.d.comb += [
                inner.valid.eq(outer.valid),
                inner.payload.eq(outer.p.last),
                outer.ready.eq(inner.ready),
            ]
            if isinstance(getattr(c, name), BlockScaled):
                m.d.comb += block.i.p[f"{name}_exponents"].eq(outer.p.exponents)
            m.d.comb += block.i.p[name].eq(levels_of(m, c, name, outer.p.codes, job.bank, store))

        # Sums arrive at the accumulator, and with them what the drain must know of their job.
        arrived = delay(m, entrance.last, block.latency, "last", reset_less=False)
        arrived_group = delay(m, job.group, block.latency, "group")
        arrived_bank = delay(m, job.bank, block.latency, "bank")
        m.d.comb += [
            accumulator.i.valid.eq(block.o.valid),
            accumulator.i.p.last.eq(arrived),
        ]
        m.d.comb += [accumulator.i.p.sums[row * c.cols + col].eq(block.o.p[row][col])
                     for row in range(c.rows) for col in range(c.cols)]

        # Totals leave row by row, with the records of their columns.
        steps_per_row = c.cols // c.outputs
        base = Signal(store.address.index.shape())
        bank = Signal(store.current.shape())
        column = Signal(range(steps_per_row))
        row_ends = Signal()
        step = Signal()
        finished = delay(m, step & accumulator.o.p.last, reading, "finished", reset_less=False)
        finished_bank = delay(m, bank, reading, "finished_bank")
        m.d.comb += [
            step.eq(accumulator.o.valid & accumulator.o.ready),
            row_ends.eq(column == steps_per_row - 1),
            store.address.index.eq(base + column),
            store.address.bank.eq(bank),
            store.finish.valid.eq(finished),
            store.finish.bank.eq(finished_bank),
        ]
        with m.If(step):
            m.d.sync += column.eq(column + 1)
            with m.If(row_ends):
                m.d.sync += column.eq(0)
        with m.If(arrived):
            m.d.sync += [
                base.eq(arrived_group * steps_per_row),
                bank.eq(arrived_bank),
            ]

        # The read of the records takes a cycle, and so do the totals.
        totals = delay(m, accumulator.o.p.totals, store.latency, "totals")
        stepped = delay(m, step, store.latency, "step", reset_less=False)
        for k, requantizer in enumerate(self._requantizers):
            m.submodules[f"requantizer_{k}"] = requantizer
            m.d.comb += [
                requantizer.i.p["sum"].eq(totals[k]),
                requantizer.i.p.parameters.eq(store.records[k]),
                requantizer.i.valid.eq(stepped),
            ]
        if "output" in c.head:
            table = table_of(m, c, "output", finished_bank, store)
            m.d.comb += [requantizer.table.eq(table) for requantizer in self._requantizers]
        if c.zero_points == "both":
            row_sum = row_sum_of(m, c, block, arrived, step & row_ends)
            row_sum = delay(m, row_sum, store.latency, "row_sum")
            m.d.comb += [requantizer.i.p.row_sum.eq(row_sum) for requantizer in self._requantizers]

        if c.propagates:
            flags = delay(m, flags_of(m, c, block, arrived, step), store.latency, "flags")
            m.d.comb += [requantizer.i.p.flags.eq(flags[k])
                         for k, requantizer in enumerate(self._requantizers)]
        if c.draws:
            states = states_of(m, c, arrived, delay(m, job.states, block.latency, "states"),
                               step, row_ends)
            m.d.comb += [
                requantizer.i.p.state.eq(delay(m, state, store.latency, f"state_{k}"))
                for k, (requantizer, state) in enumerate(
                    zip(self._requantizers, states, strict=True))]

        codes = [requantizer.o.payload for requantizer in self._requantizers]
        valid = self._requantizers[0].o.valid
        if self._tables:
            codes = look_up(m, c, self._tables, codes, finished_bank, store)
            valid = delay(m, valid, Table.latency, "looked_up", reset_less=False)

        beside = Signal(self._beside)
        m.d.comb += beside.last.eq(accumulator.o.p.last)
        if isinstance(block, ScaledBlock):
            m.d.comb += [
                block.i.p.base.eq(job.base),
                beside.outside.eq(outside_of(m, block, arrived)),
            ]
        beside = delay(m, beside, store.latency + self._result_latency, "beside")

        result: Any = Signal(self.o.payload.shape())
        if self._shared is not None:
            shared = m.submodules.shared_exponent = self._shared
            m.d.comb += [
                *(shared.i.p.items[k].eq(code) for k, code in enumerate(codes)),
                shared.i.p.beside.eq(beside),
                shared.i.valid.eq(valid),
                result.exponent.eq(shared.o.p.exponent),
            ]
            codes, valid = shared.o.p.codes, shared.o.valid
            beside = data.View(self._beside, shared.o.p.beside)
        m.d.comb += [
            *(result.codes[k].eq(code) for k, code in enumerate(codes)),
            *(result[name].eq(beside[name]) for name in self._beside.members),
            results.w_data.eq(result),
            results.w_en.eq(valid),
            self.o.payload.eq(results.r_data),
            self.o.valid.eq(results.r_rdy),
            results.r_en.eq(self.o.ready),
        ]

        # What is under way always fits the output queue.
        leaves = self.o.valid & self.o.ready
        under_way = Signal(range(self.output_queue + 1))
        m.d.sync += under_way.eq(under_way + step - leaves)
        m.d.comb += [
            accumulator.o.ready.eq(under_way != self.output_queue),
            entrance.leaves.eq(leaves),
            entrance.stalls.eq(accumulator.o.valid & ~accumulator.o.ready),
        ]
        return m

    def _store(self, max_jobs: int) -> ParameterStore | FixedParameters:
        """What the records are read from."""
        c = self.config
        if c.parameters is None:
            return ParameterStore(record=c.record, channels=c.groups * c.cols, outputs=c.outputs,
                                  max_jobs=max_jobs, head=sum(c.head.values()))
        return FixedParameters(record={name: c.record[name] for name in c.fixed_per_channel},
                               values=c.fixed_per_channel, channels=c.groups * c.cols,
                               outputs=c.outputs)
