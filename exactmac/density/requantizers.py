# amaranth: UnusedElaboratable=no
"""Requantizers on their own, with a port for each parameter."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from exactmac.density.simulation import Emitted, compared, simulated
from golden.contracts import Contract, Scaled, parse
from golden.formats import Format, IntFormat
from golden.ranges import levels_range
from golden.requantize import requantize
from hw import emit
from hw.formats import shape_of
from hw.payload import Field, Payload
from hw.requantize.requantizer import Requantizer
from hw.targets.fabric import Fabric
from hw.tile.prepared import may_be_prepared, prepared_formats, prepared_levels

__all__ = ["RequantizerDesign", "rows"]

CYCLES = 100_000
"""Cycles of a verification, a result in each."""

OUTPUT = IntFormat(8)


class _Ports(wiring.Component):
    # A requantizer with the name of each input for a port, and its result as `result`.

    sum: Signal
    result: Signal

    def __init__(self, requantizer: Requantizer):
        self.requantizer = requantizer
        super().__init__({
            "sum": In(shape_of(requantizer.accumulator)),
            **{name: In(shape_of(fmt)) for name, fmt in requantizer.record.items()
               if name not in requantizer.fixed},
            "result": Out(shape_of(requantizer.output))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.requantizer = inner = self.requantizer
        m.d.comb += [inner.i.p["sum"].eq(self.sum), self.result.eq(inner.o.payload),
                     *(Value.cast(inner.i.p.parameters[name]).eq(getattr(self, name))
                       for name in inner.i.p.parameters.shape().members)]
        return m


@dataclass(frozen=True)
class RequantizerDesign:
    """Requantizer from sums of some width to 8 bits; the bias is in the sum already.

    Parameters
    ----------
    name : str
        Name of the contract.
    width : int
        Bits of the sum.
    """

    name: str
    width: int = 32

    @property
    def sums(self) -> IntFormat:
        """Format of the sums."""
        return IntFormat(self.width)

    @cached_property
    def contract(self) -> Contract:
        """Contract of the results."""
        return parse(self.name)

    @cached_property
    def record(self) -> dict[str, Format]:
        """Fields of the parameters."""
        return self.contract.fields(levels_range(self.sums), OUTPUT)

    @property
    def may_be_prepared(self) -> bool:
        """Whether a driver may prepare the parameters."""
        return may_be_prepared(self.contract, self.record)

    def built(self, fabric: Fabric) -> Emitted:
        """Return the requantizer on a fabric, with prepared parameters where they save LUTs."""
        prepared = fabric.prepares and self.may_be_prepared
        requantizer = Requantizer(
            contract=self.contract, accumulator=self.sums, total=self.sums, output=OUTPUT,
            record=prepared_formats(self.record) if prepared else self.record,
            fixed={"bias": 0}, fabric=fabric)
        return Emitted("requantizer", emit.modules(_Ports(requantizer), "requantizer"),
                       requantizer.latency, fabric.models or "", prepared=prepared)

    def verify(self, emitted: Emitted) -> int:
        """Compare Verilog with golden, a result a cycle; return the number of equal results.

        Raises
        ------
        Mismatch
            If a result differs.
        """
        levels = rows(self, np.random.default_rng(1))
        sums = levels.pop("sum")
        want = requantize(sums, self.contract, OUTPUT, levels, unbiased=levels_range(self.sums))
        formats = self.record
        if emitted.prepared:
            formats, levels = prepared_formats(formats), prepared_levels(formats, levels)
        formats = {"sum": self.sums, **{name: fmt for name, fmt in formats.items()
                                        if name != "bias"}}
        inputs = Payload(tuple(Field(name, fmt.bits) for name, fmt in formats.items()))
        output = Payload((Field("result", OUTPUT.bits),))
        words = inputs.pack({name: fmt.encode((levels | {"sum": sums})[name])
                             for name, fmt in formats.items()})
        found = OUTPUT.decode(output.unpack(simulated(emitted, inputs, output, words), "result"))
        return compared("result", found[emitted.latency:], want[:len(want) - emitted.latency])


def rows(design: RequantizerDesign, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return sums and levels of the parameters, :data:`CYCLES` of each.

    Sums have all sizes; multipliers are at their ends, powers of two, which make ties, and
    random. Most results are inside of the clamp.
    """
    def pick(*arrays: np.ndarray) -> np.ndarray:
        return np.choose(rng.integers(len(arrays), size=CYCLES), arrays)

    sums = rng.integers(design.sums.min, design.sums.max, CYCLES, endpoint=True)
    sums >>= rng.integers(design.width, size=CYCLES)
    sums = pick(sums, sums, sums, rng.choice([design.sums.min, design.sums.max, -1, 0, 1], CYCLES))
    size = np.log2(np.abs(sums) + 1.0).astype(np.int64)
    ends = np.sort(rng.integers(OUTPUT.min, OUTPUT.max, (2, CYCLES), endpoint=True), axis=0)
    wide = rng.random(CYCLES) < 0.7
    levels = {"sum": sums, "bias": np.zeros(CYCLES, np.int64),
              "zero_point": rng.integers(OUTPUT.min, OUTPUT.max, CYCLES, endpoint=True),
              "clamp_min": np.where(wide, OUTPUT.min, ends[0]),
              "clamp_max": np.where(wide, OUTPUT.max, ends[1])}
    # Places to the right of the sum at which the result stands.
    right = size - OUTPUT.bits + rng.integers(0, 4, CYCLES)
    contract = design.contract
    if not isinstance(contract, Scaled):
        factor = 2.0 ** -right * pick(rng.random(CYCLES) + 1, np.ones(CYCLES))
        return levels | {"scale": factor.astype(np.float32).view(np.uint32).astype(np.int64)}
    bits = contract.multiplier.width - contract.multiplier.signed
    half, most = 1 << bits - 1, (1 << bits) - 1
    multiplier = pick(rng.integers(half, most, CYCLES, endpoint=True), np.full(CYCLES, half),
                      np.full(CYCLES, most), rng.integers(0, most, CYCLES, endpoint=True))
    shifts = contract.shift_range(design.sums)
    shift = -right if contract.shifts_left else right + (bits if shifts.hi > bits + 8 else 0)
    shift = pick(*[shift] * 7, rng.integers(shifts.lo, shifts.hi, CYCLES, endpoint=True))
    highest = np.minimum(shifts.hi, 30 - size) if contract.shifts_left else shifts.hi
    return levels | {"multiplier": multiplier, "shift": np.clip(shift, shifts.lo, highest)}
