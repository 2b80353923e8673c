"""Check that a program computes the sum of its heap: a proof by identities of single cells.

The check shares no code with the compiler. It follows what each half of a carry cell adds to the
sum. With its four bits ``a, b, c, d`` and the carry, a half keeps ::

    sum + 2 * next carry = x + y + carry

for the two bits ``x = table[a + 2 b]`` and ``y = x ^ table[a + 2 b + 4 c + 8 d]``; that is so for
any table. So a chain of halves takes bits of a heap and gives bits of the same total value. If
every bit is taken once, in the cycle in which it is there, and what remains is the result, then the
program is exact, for all inputs whose sum is in the heap's range.
"""

from collections import Counter
from dataclasses import dataclass, field

from hw.heap.heap import Heap
from hw.heap.program import HIGH, Half, Program
from sim.halves import ONE, WIRE, ZERO, Function, adds_four, ends, inverted, reduced, two

__all__ = ["NotExact", "check"]


class NotExact(ValueError):
    """A program has not been shown to compute its heap's sum."""


@dataclass
class _Check:
    heap: Heap
    program: Program
    bits: Counter[tuple[Function, int, int]] = field(default_factory=Counter)
    constant: int = 0
    extra: int = 0
    sign: Function | None = None
    positive: bool = True
    kept: int = 0
    sums: dict[int, int] = field(default_factory=dict)  # of the accumulator's columns
    functions: dict[int, Function] = field(default_factory=dict)

    def __post_init__(self):
        heap, program = self.heap, self.program
        self.delayed = {wire: source for wire, source in program.registers}
        self.tables = {each.out: each for each in program.lookups}
        # Cycle in which a wire without delays has the value of a beat.
        self.cycle: dict[int, int | None] = {
            wire: heap.late.get(wire, 0) for wire in range(heap.inputs)}
        self.cycle |= dict.fromkeys(self.totals, program.latency)
        driven = Counter([*self.cycle, HIGH, *(wire for wire, _ in program.registers),
                          *(each.out for each in program.lookups)])
        if max(driven.values()) > 1:
            raise NotExact(f"Wire {max(driven, key=driven.__getitem__)} must be driven once")
        self.constant = heap.constant
        for sign, columns in ((1, heap.positive), (-1, heap.negative)):
            for column, bits in columns.items():
                for bit in bits:
                    if (own := reduced(bit.table, bit.wires)) in (ZERO, ONE):
                        self.constant += sign * own[0] << column
                    else:
                        self.bits[own, column, sign] += 1

    @property
    def totals(self) -> range:
        """Wires of the accumulator."""
        return range(self.heap.inputs, self.heap.inputs + self.heap.total)

    def at(self, wire: int) -> tuple[Function, int | None]:
        """Return a wire as a function without delays, and its cycle; None if it never changes."""
        if wire == HIGH:
            return ONE, None
        delay, seen = 0, set()
        while wire in self.delayed:
            if wire in seen:
                raise NotExact(f"Register {wire} must not be in a loop")
            seen.add(wire)
            wire, delay = self.delayed[wire], delay + 1
        if wire in self.tables:
            if wire not in self.cycle:
                table = self.tables.pop(wire)
                own, when = self.function(table.table, table.pins)
                self.tables[wire], self.cycle[wire] = table, when
                self.functions[wire] = own
            own = self.functions[wire]
        elif wire in self.cycle:
            own = WIRE, (wire,)
        else:
            raise NotExact(f"Wire {wire} must be driven before it is read")
        cycle = self.cycle[wire]
        return own, None if cycle is None else cycle + delay

    def function(self, table: int, wires: tuple[int, ...]) -> tuple[Function, int | None]:
        """Return a function of wires as one of wires without delays; and the cycle of them all."""
        inner, cycles = [], set()
        for wire in wires:
            own, cycle = self.at(wire)
            inner.append(own)
            cycles |= {cycle} - {None}
        if len(cycles) > 1:
            raise NotExact(f"Pins {wires} must have bits of one cycle, not of {sorted(cycles)}")
        roots = sorted({root for _, own in inner for root in own})
        values = 0
        for index in range(1 << len(roots)):
            known = {root: index >> place & 1 for place, root in enumerate(roots)}
            at = sum((each >> sum(known[root] << k for k, root in enumerate(own)) & 1) << place
                     for place, (each, own) in enumerate(inner))
            values |= (table >> at & 1) << index
        return reduced(values, tuple(roots)), (cycles.pop() if cycles else None)

    def take(self, own: Function, column: int, sign: int | None) -> int | None:
        """Take a bit of a column, and return its sign; ``sign`` itself if it is constant."""
        if own in (ZERO, ONE):
            self.constant -= own[0] * (1 << column) * (1 if sign is None else sign)
            return sign
        # Minus a bit is its complement, less 1.
        for bit, turn in ((own, 1), (inverted(own), -1)):
            for each in (1, -1) if sign is None else (sign * turn,):
                if self.bits[bit, column, each]:
                    self.bits[bit, column, each] -= 1
                    self.constant += each * (1 << column) * (turn < 0)
                    self.positive &= each > 0 and turn > 0
                    return turn * each
        raise NotExact(f"Bit {own} of column {column} must be one that is left")

    def give(self, wire: int, column: int, sign: int, cycle: int | None):
        """Add the bit of a new wire."""
        if wire in self.cycle or wire in self.delayed or wire in self.tables or wire == HIGH:
            raise NotExact(f"Wire {wire} must be driven once")
        self.cycle[wire] = cycle
        self.bits[(WIRE, (wire,)), column, sign] += 1


def check(heap: Heap, program: Program):
    """Raise :class:`NotExact` unless a program computes a heap's sum, for all inputs.

    With an accumulator, the result is the accumulator plus the sum, modulo the accumulator's size:
    its lowest bits may stay as they are, every other one is the sum of a half of the one segment
    that adds to the accumulator. Without one, an output that no wire drives is 0.

    Parameters
    ----------
    heap : Heap
    program : Program
    """
    shape = heap.inputs, heap.total, heap.total or heap.width
    if shape != (program.inputs, program.total, len(program.outputs)):
        raise NotExact("Program must have {} inputs, {} wires of an accumulator and {} outputs"
                       .format(*shape))
    if heap.total and heap.total < heap.width:
        raise NotExact(f"Accumulator must have at least {heap.width} bits, not {heap.total}")
    state = _Check(heap, program)
    for number, chain in enumerate(program.chains):
        try:
            _chain(state, chain)
        except NotExact as error:
            raise NotExact(f"Chain {number}: {error}") from None
    if heap.total and not state.sums:
        raise NotExact("A segment must add to the accumulator")
    for column, wire in enumerate(program.outputs):
        if wire is None:
            if heap.total:
                raise NotExact(f"Output {column} must be a wire")
            continue
        own, cycle = state.at(wire)
        if cycle not in (None, program.latency):
            raise NotExact(f"Output {column} must come in cycle {program.latency}, not {cycle}")
        if column >= state.kept:
            if heap.total and own != (WIRE, (state.sums[column],)):
                raise NotExact(f"Output {column} must be the accumulator's sum, not {own}")
            state.take(own, column, 1)
        elif own != (WIRE, (heap.inputs + column,)):
            raise NotExact(f"Output {column} must be the accumulator's bit, not {own}")
    left = [bit for bit, count in state.bits.items() if count and bit[1] < heap.width]
    state.positive &= not any(state.bits.values())
    if left:
        raise NotExact(f"Bits must all be taken, not {left[0]} left")
    if state.constant % (1 << heap.width):
        raise NotExact(f"Constants must be 0 modulo 2**{heap.width}, not {state.constant}")
    if heap.total:
        _in_range(state)


def _in_range(state: _Check):
    # Without negative bits, what is dropped at the top has at least the value 2**width, which no
    # sum has: it is 0. Otherwise the sum is known modulo 2**width; in its range it is what its bits
    # say, if the bit that is injected apart does not lead out of it.
    heap = state.heap
    if state.positive and state.constant == 0 and state.sign is None:
        return
    lo, half = heap.range.lo - state.extra, 1 << heap.width - 1
    if not (-half <= lo if state.sign is not None else 0 <= lo):
        raise NotExact(f"Sums must be at least {lo + state.extra} without a bit apart")


def _chain(state: _Check, chain: tuple[Half, ...]):
    # Column of the next half, None behind an end; sign of the segment, and cycle of the chain's
    # carry.
    column: int | None = None
    sign: int | None = None
    known, when = False, None
    injected = ZERO
    place = 0
    while place < len(chain):
        half = chain[place]
        if ends(half):
            # Its sum is the carry, of the next column; its own carry is a bit.
            if half.sum is not None:
                if column is None or not known:
                    raise NotExact(f"Half {place} must end a segment to have a sum")
                assert sign is not None  # of the half before
                state.give(half.sum, column, sign, when)
            elif known and column is not None and column < state.heap.width:
                raise NotExact(f"Half {place} must give the carry of column {column}")
            injected, when = state.function(half.table & 15, half.pins[:2])
            column, sign, known = None, None, True
            place += 1
            continue
        if not known:
            raise NotExact("The first half must keep out the carry that the chain begins with")
        if half.pins[0] in state.totals:
            if column is not None:
                raise NotExact(f"Half {place} must begin a segment of its own to add to the "
                               "accumulator")
            return _accumulate(state, chain[place:], injected, when)
        four = place + 1 < len(chain) and adds_four(half, chain[place + 1])
        bits = [injected]
        for table, pins in ([(WIRE, (pin,)) for pin in half.pins] if four else two(half)):
            own, each = state.function(table, pins)
            bits.append(own)
            when = _same(place, when, each)
        injected = ZERO
        # Constants last: a bit that is no constant tells the sign.
        for own in sorted(bits, key=lambda each: each[1] == ()):
            sign = state.take(own, half.column, sign)
        for each in chain[place:place + 1 + four]:
            if each.sum is None or column not in (None, each.column):
                raise NotExact(f"Half {place} must have a sum, of column {column}")
            # Where constants alone have told no sign, the segment's bits are positive.
            sign = sign or 1
            state.give(each.sum, each.column, sign, when)
            column = each.column + 1
        place += 1 + four
    if injected != ZERO:
        raise NotExact("The last half must inject no bit")
    if column is not None and column < state.heap.width:
        raise NotExact(f"The last half must end a segment, or give column {column - 1}")


def _accumulate(state: _Check, halves: tuple[Half, ...], injected: Function, when: int | None):
    # The rest of the sum, with one bit injected, is added to the upper bits of the accumulator.
    heap = state.heap
    if state.sums:
        raise NotExact("One segment alone must add to the accumulator")
    state.kept = halves[0].pins[0] - heap.inputs
    state.take(injected, state.kept, 1)
    state.extra = (injected != ZERO) << state.kept
    top, column = ZERO, state.kept
    for column, half in enumerate(halves, state.kept):
        (x, first), (y, second) = (state.function(*each) for each in two(half))
        for cycle in (first, second):
            when = _same(column, when, cycle)
        if x != (WIRE, (heap.inputs + column,)):
            raise NotExact(f"Bit {column} of the accumulator must be added, not {x}")
        if column < heap.width:
            state.take(y, column, 1)
            top = y
        elif y != ZERO:
            # The highest bit is a sign, which is repeated above.
            if y != top:
                raise NotExact(f"Half {column} must add the sign {top}, not {y}")
            state.sign = y
        elif state.sign is not None:
            raise NotExact(f"Half {column} must add the sign")
        if half.sum is None:
            raise NotExact(f"Half {column} must have a sum")
        state.give(half.sum, column, 1, when)
        state.sums[column] = half.sum
    if column != heap.total - 1:
        raise NotExact(f"The accumulator must be added up to column {heap.total - 1}, not {column}")
    if heap.total > heap.width and heap.range.lo < 0 and state.sign is None:
        raise NotExact("A sum that may be negative must have a sign")
    if heap.total == heap.width:
        state.sign = top if heap.range.lo < 0 else None
    if when != state.program.latency:
        raise NotExact(f"The accumulator must be added in cycle {state.program.latency}, "
                       f"not {when}")


def _same(place: int, when: int | None, cycle: int | None) -> int | None:
    # Constants are of any cycle.
    if None not in (when, cycle) and when != cycle:
        raise NotExact(f"Half {place} must have bits of cycle {when}, not {cycle}")
    return cycle if when is None else when
