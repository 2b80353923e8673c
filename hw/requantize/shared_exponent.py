# amaranth: UnusedElaboratable=no
"""Results of a block-scaled format: 32 results wait for the largest, which decides the exponent."""

from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.contracts import MultiplyShift, Rounding
from golden.formats import (
    BLOCK,
    EXPONENT,
    EXPONENT_BIAS,
    BlockScaled,
    FloatFormat,
    Format,
    IntFormat,
)
from golden.ranges import Range, levels_range
from hw.arith import clamp
from hw.blocks.specials import FLAGS
from hw.delay import delay
from hw.formats import shape_of
from hw.pipeline import Pipeline, dry_run
from hw.requantize.float32 import leading_zeros
from hw.requantize.levels import nearest_code, sign_of, special_code
from hw.shared import Shared
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["SharedExponent", "ask", "code_in_units", "unrounded"]


def unrounded(contract: MultiplyShift, total: IntFormat, output: BlockScaled, *,
              propagates: bool) -> data.StructLayout:
    """Layout of a result that waits for its block's exponent.

    The result is ``value / 2**right``, clamped to the ends, and prefers the exponent of code
    ``asked``. If infinities and NaN propagate, it has their flags.
    """
    value = levels_range(total) * levels_range(contract.multiplier)
    if contract.addend:
        value = value + levels_range(contract.addend)
    shifts = contract.shift_range(total)
    right = shifts if contract.origin is None else Range(contract.origin, contract.origin) - shifts
    return data.StructLayout({
        "value": shape_of(value.format),
        "right": shape_of(right.format),
        "clamp_min": shape_of(output),
        "clamp_max": shape_of(output),
        **({"flags": FLAGS} if propagates else {}),
        "asked": shape_of(EXPONENT),
    })


def ask(pipe: Pipeline, fmt: BlockScaled, *, propagates: bool) -> Value:
    """Code of the exponent that ``value / 2**right`` prefers, three registers later.

    As :func:`golden.block_scaled.requantize_blocks`. The pipeline holds both values, the record,
    and the flags if infinities and NaN propagate; only the ends of the exponent are released.

    ==========  ================================================================
    cycle       registers
    ==========  ================================================================
    1           magnitude; a flag for a result that prefers an exponent
    2           exponent that aligns it with the largest level
    3           clamped to ``exponent_min`` and ``exponent_max``; or the least
    ==========  ================================================================
    """
    negative, positive = (sign_of(fmt.element, pipe[end])[place]
                          for place, end in enumerate(("clamp_min", "clamp_max")))
    value = pipe["value"]
    asks = Mux(value < 0, negative, positive & (value != 0))
    pipe.hold("asks", asks & ~pipe["flags"].any() if propagates else asks)
    magnitude = pipe.register(Mux(value < 0, -value, value)[:len(value)], "magnitude")
    above = leading_zeros(pipe, magnitude)
    code = (EXPONENT_BIAS + len(magnitude) - fmt.max.bit_length()) - above - pipe["right"]
    code = pipe.register(code, "code")
    lo, hi = pipe.take("exponent_min"), pipe.take("exponent_max")
    return pipe.register(Mux(pipe.take("asks"), clamp(code, lo, hi), lo)[:EXPONENT.bits], "asked")


def code_in_units(pipe: Pipeline, exponent: Value, rounding: Rounding, fmt: Format) -> Value:
    """Code of the level of ``fmt`` nearest to ``value / 2**(right + exponent - 127)``, clamped.

    The pipeline holds all inputs but the exponent's code. It takes one register more than
    :func:`hw.requantize.levels.nearest_code`.
    """
    # To the left by the places of the largest level: a longer shift saturates just the same. To
    # the right by the number's width: a longer shift leaves the sign alone, just the same.
    left = levels_range(fmt).magnitude.bit_length()
    right = pipe.take("right") + exponent - (EXPONENT_BIAS - left)
    most = left + len(pipe["value"]) + 1
    right = Mux(right < 0, 0, Mux(right > most, most, right))[:most.bit_length()]
    right = pipe.register(right, "places")
    value = Cat(Const(0, left), pipe.take("value")).as_signed()
    return nearest_code(pipe, value, right, rounding, fmt)


class SharedExponent(Shared):
    """Give each 32 results the largest exponent that any of them prefers, and then their codes.

    A block's results arrive ``outputs`` at a time and wait in ``outputs`` memories, each of two
    blocks. When the last result arrives, the largest preferred code is the block's. The results
    leave one transfer per cycle, rounded to the nearest level in units of the block's exponent.

    ==============  ================================================================
    cycle           registers
    ==============  ================================================================
    32 / outputs    last transfer of the block in the memory; its exponent
    1               a transfer read
    1               shift to the right, with the exponent
    ``nearest``     see :func:`hw.requantize.levels.nearest_code`
    ==============  ================================================================

    Nothing stalls. If results arrive one transfer per cycle, each leaves :attr:`latency` cycles
    later; else with its block. Throughput is one transfer per cycle.

    Parameters
    ----------
    contract : MultiplyShift
        Contract that rounds the results.
    total : IntFormat
        Format of sum plus bias, before the contract scales it.
    output : BlockScaled
        Format of the results.
    outputs : int
        Results per transfer, a divisor of 32.
    propagates : bool
        True if results have flags of infinities and NaN.
    sidebands : int
        Bits that go with each transfer.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        ``items``, ``[outputs]``, each as :func:`unrounded`; and ``sidebands``.
    o : Out(stream.Signature(StructLayout, always_ready=True))
        ``codes``, ``[outputs]``; ``exponent``, their block's code; and ``sidebands``.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, contract: MultiplyShift, total: IntFormat, output: BlockScaled,
                 outputs: int, propagates: bool = False, sidebands: int = 0,
                 fabric: Fabric = GENERIC):
        if outputs < 1 or BLOCK % outputs:
            raise ValueError(f"Outputs must divide the {BLOCK} results of a block, not be "
                             f"{outputs}")
        self.contract = contract
        self.total = total
        self.output = output
        self.outputs = outputs
        self.propagates = propagates
        self.sidebands = sidebands
        self.fabric = fabric
        item = unrounded(contract, total, output, propagates=propagates)
        # Fields that wait in the memory: all but the last.
        self._kept = data.StructLayout({
            name: shape for name, shape in item.members.items() if name != "asked"})
        transfer = data.StructLayout({
            "items": data.ArrayLayout(item, outputs), "sidebands": sidebands})
        result = data.StructLayout({
            "codes": data.ArrayLayout(shape_of(output), outputs), "exponent": shape_of(EXPONENT),
            "sidebands": sidebands})
        super().__init__({
            "i": In(stream.Signature(transfer, always_ready=True)),
            "o": Out(stream.Signature(result, always_ready=True)),
        })

    @cached_property
    def latency(self) -> int:
        """Cycles from a transfer to its codes, if transfers arrive in every cycle."""
        item, exponent = Signal(self._kept), Signal(shape_of(EXPONENT))
        _, stages = dry_run(lambda m: self._code(m, item, exponent))
        return BLOCK // self.outputs + 1 + stages

    def body(self, platform):
        m = Module()
        steps = BLOCK // self.outputs

        # Blocks use the two halves of the memory by turns. The place of a transfer in its block
        # wraps around by itself.
        half = Signal()
        place = Signal(ceil_log2(steps))
        so_far = Signal(shape_of(EXPONENT), reset_less=True)
        ends = Signal()
        m.d.comb += ends.eq(self.i.valid & (place == steps - 1))
        largest = Mux(place == 0, 0, so_far)
        for k, item in enumerate(self.i.p.items):
            larger = Signal(shape_of(EXPONENT), name=f"largest_{k}")
            m.d.comb += larger.eq(Mux(item.asked > largest, item.asked, largest))
            largest = larger
        with m.If(self.i.valid):
            m.d.sync += [place.eq(place + 1), so_far.eq(largest), half.eq(half ^ ends)]

        # A block leaves in the least number of cycles in which the next block can arrive.
        leaving = Signal()
        leaving_half = Signal(reset_less=True)
        leaving_place = Signal(ceil_log2(steps))
        exponent = Signal(shape_of(EXPONENT), reset_less=True)
        with m.If(leaving):
            m.d.sync += leaving_place.eq(leaving_place + 1)
            with m.If(leaving_place == steps - 1):
                m.d.sync += leaving.eq(0)
        with m.If(ends):
            m.d.sync += [leaving.eq(1), leaving_half.eq(half), exponent.eq(largest)]

        def kept(value: Value, name: str) -> Value:
            memory = m.submodules[name] = Memory(shape=len(value), depth=2 * steps, init=[])
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.addr.eq(Cat(place, half)),
                write.data.eq(value),
                write.en.eq(self.i.valid),
                read.addr.eq(Cat(leaving_place, leaving_half)),
            ]
            return read.data

        shared, rest = delay(m, exponent, 1, "exponent"), 0
        for k, item in enumerate(self.i.p.items):
            item = kept(Value.cast(item)[:self._kept.size], f"memory_{k}")
            code, rest = self._code(m, data.View(self._kept, item), shared)
            m.d.comb += self.o.p.codes[k].eq(code)
        sidebands = kept(self.i.p.sidebands, "memory_sidebands") if self.sidebands else Const(0, 0)
        m.d.comb += [
            self.o.p.exponent.eq(delay(m, shared, rest, "shared")),
            self.o.p.sidebands.eq(delay(m, sidebands, rest, "sidebands")),
            self.o.valid.eq(delay(m, leaving, rest + 1, "valid", reset_less=False)),
        ]
        return m

    def _code(self, m: Module, item: data.View, exponent: Value) -> tuple[Value, int]:
        """Code of an item in units of the block's exponent, and its registers."""
        pipe = Pipeline(m, {name: Value.cast(item[name]) for name in self._kept.members},
                        fabric=self.fabric)
        element = self.output.element
        code = code_in_units(pipe, exponent, self.contract.rounding, element)
        if self.propagates:
            assert isinstance(element, FloatFormat)  # the tile refuses other outputs
            code = special_code(data.View(FLAGS, pipe.take("flags")), code, element)
        return code, pipe.stage
