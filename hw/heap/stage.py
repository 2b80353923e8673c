"""A stage of a compilation: segments of carry chains."""

from collections import deque
from collections.abc import Iterable, Mapping

from hw.heap.builder import Builder
from hw.heap.halves import ZERO, half, is_wire, may_be_second
from hw.heap.heap import NOT, WIRE, Bit, complement
from hw.heap.policy import Policy
from hw.heap.program import Half

__all__ = ["Stage"]

_PARITY, _CARRIES = 0x6996, 0x7888


class Stage:
    """Segments of a stage: bits in, those of the next stage out.

    Parameters
    ----------
    builder : Builder
        Takes the segments, tables and registers.
    policy : Policy
    width : int
        Width of the sum; higher columns are dropped.
    name : object
        Name of the stage, for the policy.
    final : bool
        Whether nothing may be left: each column gets one wire.
    """

    def __init__(self, builder: Builder, policy: Policy, width: int, name: object, *,
                 final: bool):
        self.builder, self.policy, self.width = builder, policy, width
        self.name, self.final = name, final
        self.new: dict[int, list[Bit]] = {}

    def run(self, columns: Mapping[int, Iterable[Bit]], *, negative: bool
            ) -> tuple[dict[int, list[Bit]], int]:
        """Bits of the next stage, and a constant: each negative bit is its complement, less 1."""
        self.columns = {column: deque(bits) for column, bits in columns.items()
                        if column < self.width}
        self.table = NOT if negative else WIRE
        if negative:
            self._straighten()
        for column in self.columns:
            self._look_up(column)
        heights = {column: len(bits) for column, bits in self.columns.items()}
        begun = dict.fromkeys(heights, 0)
        most = {column: self.policy.segments(self.name, column, height)
                for column, height in heights.items()}
        while (column := self._begin(begun, most, max(heights.values(), default=0))) is not None:
            begun[column] += 1
            if not self._segment(column):
                begun[column] = most[column]
        constant = 0
        for column, bits in self.columns.items():
            for bit in bits:
                bit = complement(bit) if negative else bit
                self.new.setdefault(column, []).append(
                    Bit(bit.table, tuple(map(self.builder.register, bit.wires))))
        if negative:
            constant = -sum(len(bits) << column for column, bits in self.new.items())
        return self.new, constant

    def _straighten(self):
        # A negative bit of three wires becomes one wire.
        for bits in self.columns.values():
            for place, bit in enumerate(bits):
                if len(bit.wires) > 2:
                    bits[place] = self.builder.lookup(bit)

    def _look_up(self, column: int):
        # Tables for bits of three wires that would find no bit of one wire.
        bits = self.columns[column]
        wide = [place for place, bit in enumerate(bits) if len(bit.wires) > 2]
        if not wide:
            return
        count = self.policy.lookups(self.name, len(wide), len(bits) - len(wide))
        for place in wide[:len(wide) if self.final else count]:
            bits[place] = self.builder.lookup(bits[place])

    def _begin(self, begun: Mapping[int, int], most: Mapping[int, int], tall: int) -> int | None:
        # Lowest column where a segment may begin.
        columns = self.columns
        free = [column for column in sorted(columns)
                if self.final or begun[column] < most[column]]
        for column in free:
            bits = columns[column]
            # At last, a single bit that is no wire gets a half, too.
            if len(bits) >= (2 if self.final else 3) or (
                    self.final and bits and not is_wire(bits[0])):
                return column
        if not self.final and self.policy.pairs(self.name):
            for column in free:
                if len(columns[column]) >= 2 and (
                        tall <= 3 or len(columns.get(column + 1, ())) >= 2):
                    return column
        return None

    def _segment(self, column: int) -> bool:
        # A segment from a column on; whether there is one.
        columns, first = self.columns, column
        injected = self._injected(column)
        halves: list[Half] = []
        while column < self.width:
            if four := self._four(column):
                halves += four
                column += 2
                continue
            pair = self._pair(column)
            if pair is None:
                break
            wire = self.builder.wire()
            halves.append(half(*pair, wire, column))
            self._put(column, wire)
            column += 1
        if not halves:
            if injected is not None:
                columns[first].appendleft(injected)
            return False
        carry = None
        if column < self.width:
            carry = self.builder.wire()
            self._put(column, carry)
        self.builder.segments.append((injected, halves, carry))
        return True

    def _injected(self, column: int) -> Bit | None:
        # One bit of a column, if two others are left; one that could not be the second of a half.
        bits = self.columns[column]
        narrow = [bit for bit in bits if len(bit.wires) <= 2]
        if len(bits) < 3 or not narrow or (len(narrow) < len(bits) and len(narrow) < 2):
            return None
        bit = next((bit for bit in narrow if not may_be_second(bit)), narrow[0])
        bits.remove(bit)
        return bit

    def _put(self, column: int, wire: int):
        self.new.setdefault(column, []).append(
            Bit(self.table, (self.builder.register(wire),)))

    def _pair(self, column: int) -> tuple[Bit, Bit] | None:
        # Two bits for a half; a column that has none takes the carry, at last.
        bits = self.columns.get(column, deque())
        wide = [bit for bit in bits if len(bit.wires) > 2]
        single = next((bit for bit in bits if len(bit.wires) <= 1), None)
        if wide and single is not None:
            pair = single, wide[0]
        else:
            pair = next(((x, y) for place, second in enumerate(bits) for first in
                         list(bits)[:place] for x, y in ((first, second), (second, first))
                         if may_be_second(y, x)), None)
        if pair is None and self.final:
            return (bits.popleft() if bits else ZERO), ZERO
        for bit in pair or ():
            bits.remove(bit)
        return pair

    def _four(self, column: int) -> list[Half]:
        # Two halves that add four wires of a column; none if they should not.
        bits, above = self.columns.get(column, ()), self.columns.get(column + 1, ())
        if self.final or self.table == NOT or column + 1 >= self.width or len(bits) < 4:
            return []
        plain = [bit for bit in bits if is_wire(bit)][:4]
        if (len(plain) < 4 or any(len(bit.wires) > 2 for bit in bits)
                or not self.policy.fours(self.name, column, tall=False) or (
                    len(above) >= 2 and not self.policy.fours(self.name, column, tall=True))):
            return []
        for bit in plain:
            self.columns[column].remove(bit)
        a, b, c, d = (bit.wires[0] for bit in plain)
        low, high = self.builder.wire(), self.builder.wire()
        self._put(column, low)
        self._put(column + 1, high)
        return [Half(_PARITY, (a, b, c, d), low, column),
                Half(_CARRIES, (a, b, c, d), high, column + 1)]
