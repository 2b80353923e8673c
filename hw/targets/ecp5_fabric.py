# amaranth: UnusedElaboratable=no
"""Arithmetic of Lattice's ECP5."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from golden.formats import IntFormat
from hw.delay import delay
from hw.heap import MOST_HALVES, HeapSum, Program, program_of
from hw.targets.base import Extra, Fabric, Narrowed, Stages, Write
from hw.targets.dsp import Multiplier
from hw.targets.ecp5_rounding import clamped, narrowed, prepared
from hw.targets.ecp5_sums import ends_below, extended, sum_with
from hw.targets.memory import DEPTHS, WIDTHS, BlockRam
from hw.targets.products import Part, Row, plan, row_sum
from hw.targets.register import Register

__all__ = ["ECP5Fabric"]

SMALL = 8
"""Most bits of the two factors that no DSP is taken for."""

TINY = 5
"""Most bits of the two factors whose product synthesis makes of fewer LUTs than a heap."""


class ECP5Fabric(Fabric):
    """Products in MULT18X18D with their own registers; shifts and clamps in cells of their own.

    A product has one register more than :class:`Fabric` says, that of the DSP's operands. Without
    a DSP, a part is a bit heap, with the registers of its program. The largest parts take the DSPs
    that there are. If none is left, all of the product is one heap.
    """

    @property
    def most_dsp(self) -> int:
        """MULT18X18D of an LFE5U-85F."""
        return 156

    @property
    def most_halves(self) -> int:
        """Most halves of a carry chain: with the shorter ones, 200 MHz and more at speed 6."""
        return MOST_HALVES if self.optimize == "area" else 44

    def memory(self, m: Module, name: str, write: Write, address: Value, *, width: int,
               depth: int) -> Value:
        """Return what a memory has at ``address``: that of a DP16KD, if it is no small one."""
        if width not in WIDTHS or depth not in DEPTHS:
            return super().memory(m, name, write, address, width=width, depth=depth)
        m.submodules[name] = ram = BlockRam(width=width, depth=depth)
        m.d.comb += [
            ram.write.valid.eq(write.valid),
            ram.write.address.eq(write.address),
            ram.write.data.eq(write.data),
            ram.address.eq(address),
        ]
        return ram.o

    def multiplier(self, one: IntFormat, other: IntFormat) -> Multiplier:
        """Return a component that multiplies in a DSP, with all of its registers."""
        return Multiplier(one=one, other=other, pipelined=True)

    def register(self, m: Module, value: Value, name: str) -> Value:
        """Return ``value``, a cycle later, in registers FD1S3AX."""
        m.submodules[name] = register = Register(width=len(value))
        m.d.comb += register.i.eq(value)
        return register.o

    def product_program(self, one: IntFormat, other: IntFormat) -> Program | None:
        """Return the program of ``one`` as a weight and ``other`` as an activation."""
        widths = one.width, other.width
        few = SMALL if min(widths) == 1 else TINY
        return None if sum(widths) <= few else program_of(one, other, 1)

    def multiply(self, stages: Stages, a: Value, b: Value, name: str, shape: Any = None) -> Signal:
        """Return ``a * b``."""
        # A program is searched for only where no DSP makes the product.
        program = self.product_program(_format(b), _format(a)) if stages.dsp == [] else None
        if program is None:
            return super().multiply(stages, a, b, name, shape)
        heap = HeapSum(program=program)
        product = _of_heap(stages, heap, a, b, name)
        stages.advance(stages.stage + heap.latency)
        result = Signal((a * b).shape() if shape is None else shape, name=name)
        stages.m.d.comb += result.eq(product)
        return result

    def multiply_add(self, stages: Stages, a: Value, b: Value, extras: Sequence[Extra], name: str,
                     shape: Any = None) -> Signal:
        """Return ``a * b`` and a few bits.

        Two bits cost nothing where they fit the sums of parts: one in each of two sums, or, if
        there is one sum alone, both above the end of its lower row (:func:`ends_below`).
        """
        rows, own = plan(a, b), (a * b).shape()
        shape = own if shape is None else shape
        if stages.dsp == [] or len(extras) != 2:
            return super().multiply_add(stages, a, b, extras, name, shape)
        held = [f"extra_{place}" for place in range(2)]
        for extra, title in zip(extras, held, strict=True):
            stages.hold(title, extra.bit)
        if len(rows) == 3 and shape == own:  # the bits are added modulo a power of two
            def with_one(level: int, one: Row, other: Row) -> Row:
                bit = stages.take(held[level])
                return sum_with(stages, f"{name}_chain{level}", one, other,
                                extras[level]._replace(bit=bit))
            return self.sum_of_parts(stages, rows, name, shape, with_one)
        if len(rows) == 2 and (parts := ends_below(a, b, extras)) is not None:
            def with_both(level: int, one: Row, other: Row) -> Row:
                return row_sum(extended(one, *(stages.take(title) for title in held)), other)
            return self.sum_of_parts(stages, parts, name, shape, with_both)
        for title in held:
            stages.take(title)
        return super().multiply_add(stages, a, b, extras, name, shape)

    def shift_left(self, stages: Stages, value: Value, places: Value, name: str,
                   shape: Any = None) -> Signal:
        """Return ``value << places``: a register for two bits of ``places``, or the last three."""
        stages.hold(name, places)
        last = max((len(places) - 2) // 2 * 2, 0)
        for low in range(0, last, 2):
            value = stages.register(_shifted(value, stages[name], low, low + 2), f"{name}_{low}")
        return stages.register(_shifted(value, stages.take(name), last, len(places)), name, shape)

    def products(self, stages: Stages, parts: Sequence[Part], waits: Sequence[bool], name: str
                 ) -> tuple[int, list[Value]]:
        """Return the registers of products of parts, and the products."""
        # A product of a bit needs no multiplier.
        sizes = {place: len(part.a) * len(part.b) for place, part in enumerate(parts)
                 if len(part.a) + len(part.b) > SMALL}
        largest = [place for place, size in sizes.items() if _taken(stages, size)]
        stages.multipliers += [sizes[place] for place in largest]
        heaps = {place: _heap(parts[place].a, parts[place].b) for place in sizes
                 if place not in largest}
        first = max([Multiplier.LATENCY if largest else 1, *(
            heap.latency - waits[place] for place, heap in heaps.items())])
        products = []
        for place, (part, wait) in enumerate(zip(parts, waits, strict=True)):
            registers, title = first + wait, f"{name}_part{place}"
            if place in largest:
                cell = Multiplier(one=_format(part.a), other=_format(part.b),
                                  pipelined=registers > Multiplier.LATENCY)
                stages.m.submodules[title] = cell
                stages.m.d.comb += [cell.a.eq(part.a), cell.b.eq(part.b)]
                product, done = cell.o, cell.latency
            elif place in heaps:
                product = _of_heap(stages, heaps[place], part.a, part.b, title)
                done = heaps[place].latency
            else:
                product, done = part.a * part.b, 0
            products.append(delay(stages.m, product, registers - done, title))
        return first, products

    def narrow(self, stages: Stages, value: Value, places: Value, width: int, *, below: int = 1,
               prefix: str = "") -> Narrowed:
        """Return ``value >> places``, saturated: a register for two bits of ``places``."""
        return narrowed(stages, value, places, width, below, prefix)

    @property
    def prepares(self) -> bool:
        """True: the clamp adds differences of parameters."""
        return True

    def prepare(self, stages: Stages):
        """Compute what the clamp's additions need."""
        prepared(stages)

    def offset_and_clamp(self, stages: Stages, number: Narrowed, up: Value) -> Value:
        """Add one bit and the zero point, and clamp: three registers."""
        return clamped(stages, number, up)


def _taken(stages: Stages, size: int) -> bool:
    # Whether a DSP makes a product of some size, which takes it.
    if stages.dsp is None:
        return True
    if size in stages.dsp:
        stages.dsp.remove(size)
        return True
    return False


def _shifted(value: Value, places: Value, low: int, high: int) -> Value:
    # The last bit of places gates whole words with zeros, which the resets of registers do.
    words = [value << (step << low) for step in range(1 << high - low)]
    for bit in range(low, high):
        words = [Mux(places[bit], one, zero)
                 for zero, one in zip(words[::2], words[1::2], strict=True)]
    return words[0]


def _format(x: Value) -> IntFormat:
    return IntFormat(len(x), signed=x.shape().signed)


def _heap(a: Value, b: Value) -> HeapSum:
    return HeapSum(program=program_of(_format(b), _format(a), 1))


def _of_heap(stages: Stages, heap: HeapSum, a: Value, b: Value, name: str) -> Value:
    stages.m.submodules[name] = heap
    stages.m.d.comb += heap.i.eq(Cat(a, b))
    return heap.o.as_signed() if (a * b).shape().signed else heap.o
