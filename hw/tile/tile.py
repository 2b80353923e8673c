# amaranth: UnusedElaboratable=no
"""The MAC tile: jobs of exact sums, requantized, on streams."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import BlockScaled
from hw.blocks import Block
from hw.delay import delay
from hw.shared import Shared
from hw.tile.array import MacArray
from hw.tile.config import TileConfig
from hw.tile.entrance import Entrance, told_layout
from hw.tile.ports import payloads
from hw.tile.results import Results
from hw.tile.tables import levels_of

__all__ = ["MacTile"]


class MacTile(Shared):
    """Compute jobs of ``rows * cols`` sums over ``K <= depth`` products, and requantize each.

    A job is one transfer on ``i_job`` and ``beats = ceil(K / lanes)`` transfers on each of
    ``i_activations`` and ``i_weights``. The two are taken together. A job's ``rows * cols`` outputs
    leave row by row, ``outputs`` at a time. Column ``c`` of a job uses record
    ``group * cols + c`` of the parameter set that was current when the job was accepted; see
    :class:`~hw.tile.parameters.ParameterStore`. Jobs follow one another in order, without a gap.

    ::

             Entrance                MacArray                      Results
        i_job ---------> queue --+                 i_parameters --> ParameterStore
                                 |                                        |
        i_activations --+        v                                        v
                        +--> (beat) --> cells, two banks -----> Requantizer --> queue --> o
        i_weights ------+                                        ``outputs``

    Loaded codebooks: the first words of a parameter set are the tables of levels, and a job uses
    the tables of its own set. Codes of an operand become levels in front of the array. If the
    output is a loaded codebook, each result becomes the nearest level of its table.

    Block-scaled operands: sums are in units of the job's ``base``, see
    :class:`~hw.blocks.scaled.ScaledBlock`. A beat holds elements of one block of each vector, and
    brings the blocks' exponents. A job with a block outside of the window has results without
    meaning; ``outside`` is set with these and with all later results until a reset.

    Block-scaled output: each 32 results of a row share an exponent, which the largest decides; see
    :class:`~hw.requantize.shared_exponent.SharedExponent`.

    With ``lut``, a :class:`~hw.requantize.lut.Table` follows each requantizer. A loaded table
    comes in the first words of a parameter set, and a job uses the table of its own set.

    Inside, nothing stalls: a valid bit travels with the data. The
    :class:`~hw.tile.entrance.Entrance` decides what enters, and when: a job with at least
    ``rows * cols / outputs`` beats never waits while ``o`` is ready, and there is no combinational
    path from ``o.ready`` to any other ready. It drops a job out of range whole, and sets ``error``.

    Latency from a job's last beat to its first output is :attr:`latency` cycles, unstalled.
    Throughput is one beat, and ``outputs`` results, per cycle.

    A reset at any time leaves the tile idle; the host then sends parameters again.

    Parameters
    ----------
    config : TileConfig
        Configuration of the tile.

    Members
    -------
    i_job : In(stream.Signature(StructLayout))
        ``beats``, 1 to ``ceil(depth / lanes)``, and ``group``. With contract ``stochastic`` also
        ``states``, ``[rows]``, the random state of each row's first output; column ``c`` is ``c``
        draws later. For block-scaled operands also ``base``, the least combined code of exponents.
    i_activations : In(stream.Signature(StructLayout))
        ``codes`` of activations, ``[rows][lanes]``; for a block-scaled format also ``exponents``,
        ``[rows]``. ``last`` marks a job's last beat.
    i_weights : In(stream.Signature(StructLayout))
        ``codes`` of weights, ``[cols][lanes]``; else as ``i_activations``.
    i_parameters : In(stream.Signature(StructLayout))
        ``word`` and ``last``. A tile with fixed parameters has no such stream.
    o : Out(stream.Signature(StructLayout))
        ``codes``, ``[outputs]``; for a block-scaled output ``exponent``, the code of the block's
        exponent; for block-scaled operands ``outside``, set after a block outside of the window,
        of this job or an earlier one. ``last`` marks a job's last transfer.
    error : Out(1)
        Set by a job out of range, and by a ``last`` of an operand that is not at its job's end;
        stays set until a reset.
    """

    i_job: stream.Interface
    i_activations: stream.Interface
    i_weights: stream.Interface
    i_parameters: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: TileConfig):
        self.config = config
        self._array = MacArray(config)
        self._results = Results(config=config, before=self._array.latency)
        super().__init__({
            **{name: (Out if name == "o" else In)(stream.Signature(payload.layout))
               for name, payload in payloads(config).items()},
            "error": Out(1),
        })

    @property
    def block(self) -> Block:
        """Block that computes the sums; for block-scaled operands, the block of their elements."""
        return self._array.block

    @property
    def latency(self) -> int:
        """Cycles from a job's last beat to its first output."""
        return self.total_latency + self._results.latency

    @property
    def total_latency(self) -> int:
        """Cycles from a job's last beat to the first step of its totals."""
        return self._array.latency

    @property
    def release_latency(self) -> int:
        """Cycles from a job's last step to its last use of its parameter set."""
        return self._results.release_latency

    @property
    def output_queue(self) -> int:
        """Depth of the output queue: the transfers under way at one per cycle."""
        return self._results.queue

    def body(self, platform):
        m = Module()
        c = self.config
        entrance = m.submodules.entrance = Entrance(config=c, room=self.output_queue)
        array = m.submodules.array = self._array
        results = m.submodules.results = self._results
        if c.parameters is None:
            wiring.connect(m, wiring.flipped(self.i_parameters), results.i_parameters)
        wiring.connect(m, wiring.flipped(self.i_job), entrance.i_job)
        wiring.connect(m, array.o, results.steps)
        wiring.connect(m, results.o, wiring.flipped(self.o))
        write = results.write if c.head else None
        job, beat = entrance.job, array.i.p
        m.d.comb += [
            entrance.current.eq(results.current),
            entrance.leaves.eq(results.leaves),
            results.accept.eq(entrance.accept),
            results.drop.eq(entrance.drop),
            results.totals.eq(array.totals),
            self.error.eq(entrance.error),
            array.i.valid.eq(entrance.enter),
            beat.last.eq(entrance.last),
        ]
        for name in ("activations", "weights"):
            outer, inner = getattr(self, f"i_{name}"), getattr(entrance, f"i_{name}")
            m.d.comb += [
                inner.valid.eq(outer.valid),
                inner.payload.eq(outer.p.last),
                outer.ready.eq(inner.ready),
                beat[name].eq(levels_of(m, c, name, outer.p.codes, job.bank, write)),
            ]
            if isinstance(getattr(c, name), BlockScaled):
                m.d.comb += beat[f"{name}_exponents"].eq(outer.p.exponents)
        if c.block_scaled:
            m.d.comb += beat.base.eq(job.base)

        # Fields of a job reach the results in the cycle before its first step.
        told = Signal(told_layout(c))
        cycles = array.latency - 1
        m.d.comb += [
            *(told[name].eq(job[name]) for name in told.shape().members),
            results.job.eq(delay(m, told, cycles, "job")),
            results.arrives.eq(delay(m, entrance.last, cycles, "last", reset_less=False)),
        ]
        return m
