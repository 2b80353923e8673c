"""Requantizers: an exact sum and its channel's parameters in, an output code out."""

from functools import cached_property

from amaranth.hdl import Module, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.contracts import (
    LFSR_BITS,
    Contract,
    ExactSum,
    MultiplyShift,
    Stochastic,
    Thresholds,
)
from golden.formats import BlockScaled, FloatFormat, Format, IntFormat, LoadedCodebook
from hw.blocks.specials import FLAGS
from hw.delay import delay
from hw.formats import constant, shape_of, table_layout
from hw.payload import Payload
from hw.pipeline import Pipeline, dry_run, product_sizes
from hw.requantize.levels import nearest_code, special_code
from hw.requantize.scale import SCALERS, product
from hw.requantize.shared_exponent import ask, unrounded
from hw.requantize.thresholds import (
    PARALLEL_BITS,
    apart,
    code_of_count,
    count_apart,
    count_together,
    memory_reader,
    threshold_write,
)
from hw.shared import Shared
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["Requantizer"]


class Requantizer(Shared):
    """Turn sums into output codes by a contract, with parameters as sidebands of each sum.

    With ``total = sum + bias``, or ``sum - weight_zero_point * row_sum + bias`` for weight zero
    points, the output is ``clamp(scaled(total) + zero_point)``. The contract defines ``scaled``,
    which is exact for every total that the contract takes. The contract ``none`` gives ``total``.
    Parameters outside the ranges of their contract, and totals that it does not take, give
    results without meaning.

    Nothing stalls. Latency is :attr:`latency` cycles, the sum of these stages, and throughput one
    result per cycle. The fabric decides how many cycles its operations take: ``p`` for a product,
    by the widths of its factors (:class:`hw.targets.fabric.Fabric`); on ``generic`` ``q = p + 1``,
    ``s = 1`` and ``c = 2``; on ``ecp5`` ``q = p`` for totals of at least 14 bits, ``s`` half of
    the bits of the shift, and ``c = 3``.

    ======================  =========  ================================================
    stage                   cycles     registers
    ======================  =========  ================================================
    weight zero point       p + 1      ``weight_zero_point * row_sum``; the difference
    bias                    1          total
    multiply-shift          p + s      total * multiplier; that shifted right
    with an addend          p + 1 + s  the same, with the addend between the two
    ``stochastic``          p + s + 1  as multiply-shift; the carry of the state
    ``tflite``, ``q31``     q + s      total * multiplier, with constants; shifted right
    ``onnx``                p + 7 + s  see :func:`hw.requantize.float32.float_scaled`
    ``onnx_zp_inside``      p + 19     the same; on ``ecp5`` p + 23
    zero point and clamp    c          rounded, zero point added; clamped
    ======================  =========  ================================================

    For an output other than integers, :func:`hw.requantize.levels.nearest_code` takes the place of
    the last stages of a multiply-shift: shift, zero point and clamp. For a block-scaled
    output, results leave unrounded, three cycles after the product, since their exponent is not
    known yet; :class:`~hw.requantize.shared_exponent.SharedExponent` rounds them.

    Multiply-shift contracts are those of :class:`~golden.contracts.MultiplyShift` and
    ``stochastic``, whose state is a sideband of the sum too. The contract ``none`` has only the
    first two stages; ``thresholds`` has these and two more: all comparisons, and their count. An
    output of more than 4 bits has its thresholds in memories, one for each bit: a cycle for the
    first read, and one for each bit of the output, highest first.

    Parameters
    ----------
    contract : Contract
        Contract of the results.
    accumulator : IntFormat
        Format of the input sums.
    total : IntFormat
        Format of sum plus bias.
    output : Format
        Format of the results.
    record : dict of str to Format
        Parameters of a channel, as :attr:`hw.tile.config.TileConfig.stored` lists them.
    fixed : dict of str to int
        Levels of the parameters that never change: constants, and no inputs.
    row_sum : IntFormat or None
        Format of the sum of a row's activations; None for a tile without weight zero points.
    propagates : bool
        True if sums have flags of infinities and NaN; a flag decides the result.
    places : int
        Records whose thresholds the requantizer has in memories, only for ``thresholds`` and an
        output of more than 4 bits; they then are no parameters of a sum.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        ``sum`` and ``parameters`` (a StructLayout of the record); ``row_sum``, ``flags``, with
        contract ``stochastic`` ``state``, and with thresholds in memories ``place``, as the
        parameters above have them.
    o : Out(stream.Signature(shape_of(output), always_ready=True))
        Results, in order; for a block-scaled output with the layout of
        :func:`hw.requantize.shared_exponent.unrounded`.
    table : In(ArrayLayout(shape_of(output.range), 1 << output.bits))
        Table of a loaded codebook as the output: level of each code, ascending, the highest
        repeated. It is read :attr:`table_latency` cycles after the sum.
    write : In(hw.requantize.thresholds.threshold_write(places, output.bits, total))
        Write of a threshold in memory. The last one of a sum is read :attr:`table_latency` cycles
        after the sum.
    """

    i: stream.Interface
    o: stream.Interface
    table: data.View
    write: data.View

    def __init__(self, *, contract: Contract, accumulator: IntFormat, total: IntFormat,
                 output: Format, record: dict[str, Format], fixed: dict[str, int] | None = None,
                 row_sum: IntFormat | None = None, propagates: bool = False, places: int = 0,
                 fabric: Fabric = GENERIC):
        if type(contract) not in (ExactSum, Thresholds, *SCALERS):
            raise TypeError(f"Contract must be one with hardware, not {contract!r}")
        if (row_sum is not None) != ("weight_zero_point" in record):
            raise ValueError("Row sum must be given where the record has a weight_zero_point, "
                             f"and only there, not {row_sum}")
        self._apart = apart(contract, output, record)
        if bool(self._apart) != bool(places):
            must = "a positive integer" if self._apart else "left out"
            raise ValueError(f"Places must be {must} for {contract.name} of an output {output}, "
                             f"not {places}")
        if self._apart and self._apart.keys() & (fixed or {}).keys():
            raise ValueError(f"Thresholds must not be fixed for an output {output}, of more than "
                             f"{PARALLEL_BITS} bits")
        self.contract = contract
        self.places = places
        self.accumulator = accumulator
        self.total = total
        self.output = output
        self.record = record
        self.fixed = fixed or {}
        self.row_sum = row_sum
        self.propagates = propagates
        self.fabric = fabric
        payload = {
            "sum": shape_of(accumulator),
            "parameters": Payload.of({
                name: fmt for name, fmt in record.items()
                if name not in self.fixed and name not in self._apart}).layout,
        }
        if self._apart:
            payload["place"] = range(places)
        if row_sum is not None:
            payload["row_sum"] = shape_of(row_sum)
        if propagates:
            payload["flags"] = FLAGS
        if isinstance(contract, Stochastic):
            payload["state"] = LFSR_BITS
        result = shape_of(output)
        if isinstance(output, BlockScaled):
            assert isinstance(contract, MultiplyShift)  # other contracts refuse the output
            result = unrounded(contract, total, output, propagates=propagates)
        super().__init__({
            "i": In(stream.Signature(data.StructLayout(payload), always_ready=True)),
            "o": Out(stream.Signature(result, always_ready=True)),
            **({"table": In(table_layout(output))} if isinstance(output, LoadedCodebook) else {}),
            **({"write": In(threshold_write(places, output.bits, total))} if self._apart else {}),
        })

    @property
    def latency(self) -> int:
        """Cycles from a sum to its result."""
        return self._dry.stage

    @property
    def table_latency(self) -> int:
        """Cycles from a sum to its last read of a loaded output's table, or of thresholds."""
        return max(self._dry.read.values())

    @property
    def multipliers(self) -> list[int]:
        """Sizes of the products that DSPs make, see :class:`hw.pipeline.Pipeline`."""
        return self._dry.multipliers

    @cached_property
    def _dry(self) -> Pipeline:
        return dry_run(lambda m: self._results(m, self.fabric))

    def body(self, platform):
        m = Module()
        pipe = self._results(m, self.fabric)
        m.d.comb += self.o.valid.eq(
            delay(m, self.i.valid, pipe.stage, "valid", reset_less=False))
        return m

    def _results(self, m: Module, fabric: Fabric) -> Pipeline:
        """Drive the results, and return their pipeline."""
        has_table = isinstance(self.output, LoadedCodebook)
        pipe = Pipeline(m, {
            name: constant(fmt, self.fixed[name]) if name in self.fixed
            else self.i.p.parameters[name] for name, fmt in self.record.items()
            if name not in self._apart},
            (lambda name, stage: Value.cast(self.table)) if has_table else None,
            fabric=fabric, sizes=product_sizes(self._results, fabric))
        if isinstance(self.contract, Stochastic):
            pipe.hold("state", self.i.p.state)
        if self._apart:
            pipe.hold("place", self.i.p.place)
        if self.propagates:
            pipe.hold("flags", Value.cast(self.i.p.flags))
        unbiased = self.i.p["sum"]
        if self.row_sum is not None:
            pipe.hold("sum", unbiased)
            correction = pipe.multiply(pipe.take("weight_zero_point"), self.i.p["row_sum"],
                                       "zero_point_product")
            unbiased = pipe.add(pipe.take("sum"), correction, "corrected", subtract=True)

        # Wide enough for every sum and bias, or for every total that the contract takes. In the
        # second case golden has proven that the contract takes this sum with this bias.
        total = pipe.add(unbiased, pipe.take("bias"), "total", shape_of(self.total))

        if isinstance(self.contract, ExactSum):
            m.d.comb += self.o.payload.eq(total)
        elif isinstance(self.contract, Thresholds):
            bits, last = self.output.bits, len(self.output.levels()) - 1
            count = count_together(pipe, total, bits, last) if not self._apart else count_apart(
                pipe, total, bits, last, memory_reader(
                    m, pipe, self.write, self.places, bits, self.total))
            m.d.comb += self.o.payload.eq(code_of_count(count, self.output))
        elif not isinstance(self.output, IntFormat):
            assert isinstance(self.contract, MultiplyShift)  # other contracts refuse the output
            value, right = product(pipe, self.contract, total)
            if isinstance(self.output, BlockScaled):
                pipe.hold("value", value)
                pipe.hold("right", right)
                pipe.hold("asked", ask(pipe, self.output, propagates=self.propagates))
                m.d.comb += [Value.cast(self.o.p[name]).eq(pipe.take(name))
                             for name in self.o.payload.shape().members]
            else:
                code = nearest_code(pipe, value, right, self.contract.rounding, self.output)
                if self.propagates:
                    assert isinstance(self.output, FloatFormat)  # the tile refuses other outputs
                    code = special_code(data.View(FLAGS, pipe.take("flags")), code, self.output)
                m.d.comb += self.o.payload.eq(code)
        else:
            # One bit more than the output has. A value that saturates there is so far out of
            # range that rounding and zero point, both within range, cannot bring it back: the
            # clamp gives the same end.
            if "offset" not in self.record:
                pipe.prepare()
            number, up = SCALERS[type(self.contract)](
                pipe, self.contract, total, self.output.bits + 1)
            m.d.comb += self.o.payload.eq(pipe.offset_and_clamp(number, up))
        return pipe
