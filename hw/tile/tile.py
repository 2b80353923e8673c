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
    ``i_activations`` and ``i_weights``, which are taken together. Its ``rows * cols`` outputs
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

    An operand that is a loaded codebook becomes its levels in front of the array, by the table
    that the first words of a parameter set bring: that of the set whose records the job uses. An
    output that is one has the levels nearest to the results likewise.

    Where an operand is block-scaled, sums are in units of the job's ``base``: see
    :class:`~hw.blocks.scaled.ScaledBlock`. A beat is of one block of each vector, and brings their
    exponents. A job one of whose blocks is outside of the window has results without meaning; with
    them, and with all results after them until a reset, ``outside`` is set.

    Where the output is block-scaled, each 32 results of a row share an exponent, which their
    largest one decides: see :class:`~hw.requantize.shared_exponent.SharedExponent`.

    With ``lut``, a :class:`~hw.requantize.lut.Table` follows each requantizer; where it is loaded,
    the first words of a parameter set are its, and a job uses the one that came with its records.

    Inside, nothing stalls: a valid bit travels with the data. What enters, and when, is up to the
    :class:`~hw.tile.entrance.Entrance`: a job with at least ``rows * cols / outputs`` beats never
    waits while ``o`` is ready, and there is no combinational path from ``o.ready`` to any other
    ready. A job out of range is dropped whole there, and sets ``error``.

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
        """The block that makes the sums, of elements where these are block-scaled."""
        return self._array.block

    @property
    def latency(self) -> int:
        """Cycles from a job's last beat to its first output."""
        return self.total_latency + self._results.latency

    @property
    def total_latency(self) -> int:
        """Cycles from a job's last beat to its first total."""
        return self._array.latency

    @property
    def release_latency(self) -> int:
        """Cycles from a job's last total to its last use of its parameter set."""
        return self._results.release_latency

    @property
    def output_queue(self) -> int:
        """Transfers that the output queue holds: as many as one per cycle has under way."""
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
        wiring.connect(m, array.o, results.totals)
        wiring.connect(m, results.o, wiring.flipped(self.o))
        write = results.write if c.head else None
        job, beat = entrance.job, array.i.p
        m.d.comb += [
            entrance.current.eq(results.current),
            entrance.leaves.eq(results.leaves),
            results.accept.eq(entrance.accept),
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

        # What a job carries goes along with its last beat, to where the sums arrive.
        told = Signal(told_layout(c))
        way = array.latency - 1
        m.d.comb += [
            *(told[name].eq(job[name]) for name in told.shape().members),
            results.job.eq(delay(m, told, way, "job")),
            results.arrives.eq(delay(m, entrance.last, way, "last", reset_less=False)),
        ]
        return m
