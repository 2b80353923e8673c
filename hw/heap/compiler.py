"""Heaps compiled onto carry chains: stage by stage, until each column has one bit."""

from hw.heap.builder import Builder
from hw.heap.halves import ZERO, half, is_wire, may_be_second, split
from hw.heap.heap import ONE, WIRE, Bit, Heap, complement
from hw.heap.policy import Policy
from hw.heap.program import Program
from hw.heap.stage import Stage

__all__ = ["MOST_HALVES", "MOST_STAGES", "NoProgram", "compiled"]

MOST_STAGES = 14
"""Most stages of a program."""

MOST_HALVES = 60
"""Most halves of a carry chain: 180 MHz on an ECP5 of speed 6."""


class NoProgram(ValueError):
    """A policy leads to no program of so few stages."""


def compiled(heap: Heap, policy: Policy, *, most: int = MOST_HALVES) -> Program:
    """Return a program that computes a heap's sum, or an accumulator's next value.

    A *segment* is an addition in neighbouring columns: two bits of each column, and one more of
    its first column, which is injected as a carry. Each sum and the last carry get a register. A
    stage makes segments while there are bits for them; what is left is delayed. Where a column has
    four bits and the next one few, two halves add all four.

    A bit of three wires shares its half with a bit of one wire. Where there is none, a table makes
    it a bit of one wire.

    Negative bits are added in the first stage by themselves; the complements of these sums go on,
    and a constant.

    Segments follow each other in chains. Between two of them a half ends the first, whose carry is
    its sum, and injects the first bit of the second. The last segment adds the sum to the
    accumulator, if there is one; the sum's highest bit is repeated if it is a sign.

    Parameters
    ----------
    heap : Heap
    policy : Policy
        Choices where segments begin, and of what.
    most : int
        Most halves of a chain; shorter chains are faster and take more halves.

    Raises
    ------
    NoProgram
        If the policy leads to more than :data:`MOST_STAGES` stages.
    """
    builder = Builder(heap.inputs + heap.total)
    columns, latency = _stages(heap, policy, builder)
    outputs = _accumulated(heap, columns, builder) if heap.total else [
        bits[0].wires[0] if (bits := columns.get(column)) else None
        for column in range(heap.width)]
    return Program(heap.inputs, heap.total, tuple(builder.lookups), builder.chains(most),
                   tuple((wire, source) for source, wire in builder.registers.items()),
                   tuple(outputs), latency)


Columns = dict[int, list[Bit]]


def _stages(heap: Heap, policy: Policy, builder: Builder) -> tuple[Columns, int]:
    # Columns after the last stage but the accumulator, and the number of stages.
    def stage(name: object, columns, *, final: bool = False, negative: bool = False):
        return Stage(builder, policy, heap.width, name, final=final).run(
            columns, negative=negative)

    early, later, constant = _by_cycle(heap)
    new, extra = stage("first", early[1])
    others, more = stage("negative", early[-1], negative=True)
    constant = (constant + extra + more) % 2**heap.width
    for column, bits in others.items():
        new.setdefault(column, []).extend(bits)
    for column in range(heap.width):
        if constant >> column & 1:
            new.setdefault(column, []).insert(0, ONE)
    for count in range(1, MOST_STAGES + 1):
        for column, bit in later.pop(count, ()):
            new.setdefault(column, []).append(bit)
        if not later and _ready(heap, new):
            return new, count
        final = not later and max(map(len, new.values()), default=0) <= 2
        new, _ = stage(count, new, final=final)
    raise NoProgram(f"Stages must be at most {MOST_STAGES}")


def _by_cycle(heap: Heap) -> tuple[dict[int, Columns], dict[int, list[tuple[int, Bit]]], int]:
    # Columns of cycle 0 by sign; then by cycle the column and bit of the others, which are
    # positive: minus a bit is its complement, less 1, which goes into the constant.
    early: dict[int, Columns] = {1: {}, -1: {}}
    later: dict[int, list[tuple[int, Bit]]] = {}
    constant = heap.constant
    for sign, columns in ((1, heap.positive), (-1, heap.negative)):
        for column, bits in columns.items():
            for bit in bits:
                cycle = max((heap.late.get(wire, 0) for wire in bit.wires), default=0)
                if not cycle:
                    early[sign].setdefault(column, []).append(bit)
                    continue
                later.setdefault(cycle, []).append((column, bit if sign > 0 else complement(bit)))
                constant -= (sign < 0) << column
    return early, later, constant


def _ready(heap: Heap, columns: Columns) -> bool:
    # Each column has one bit; with an accumulator, one more of the lowest can be injected.
    if not heap.total:
        return all(len(bits) == 1 and is_wire(bits[0]) for bits in columns.values() if bits)
    lowest = min((column for column, bits in columns.items() if bits), default=0)
    found = split(columns.get(lowest, []))
    if found is None or (found[0] is not None and not heap.may_lack(lowest)):
        return False
    return all(len(bits) <= 1 and all(map(may_be_second, bits))
               for column, bits in columns.items() if column != lowest)


def _accumulated(heap: Heap, columns: Columns, builder: Builder) -> list[int]:
    # Wires of the accumulator's next value.
    own = {column: bits for column, bits in columns.items() if bits}
    # Lower bits of the accumulator stay as they are.
    lowest = min(own, default=0)
    injected, second = split(own.pop(lowest, [])) or (None, None)
    bits = {column: bits[0] for column, bits in own.items()}
    if second is not None:
        bits[lowest] = second
    totals = range(heap.inputs, heap.inputs + heap.total)
    signed, halves, outputs = heap.range.lo < 0, [], [*totals[:lowest]]
    for column in range(lowest, heap.total):
        bit = bits.get(min(column, heap.width - 1) if signed else column, ZERO)
        outputs.append(builder.wire())
        halves.append(half(Bit(WIRE, (totals[column],)), bit, outputs[-1], column))
    builder.segments.append((injected, halves, None))
    return outputs
