"""Fields of a record, cut out of its words as these arrive."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from golden.contracts import WORD_BITS
from hw.shared import Shared

__all__ = ["Fields"]


class Fields(Shared):
    """Cut a run of fields of equal width, longer than a word, out of each record.

    The last word of a field shows the field in the same cycle. A word per cycle.

    Parameters
    ----------
    before : int
        Bits of a record in front of the fields.
    bits : int
        Width of a field, more than a word's.
    count : int
        Number of fields.

    Members
    -------
    word : In(WORD_BITS)
    valid, first : In(1)
        The word is taken in this cycle; it is the first of its record.
    ends : Out(1)
        A field ends in the word.
    index : Out(range(count + 1))
        Number of the field, from 1.
    field : Out(bits)
    """

    word: Signal
    valid: Signal
    first: Signal
    ends: Signal
    index: Signal
    field: Signal

    def __init__(self, *, before: int, bits: int, count: int):
        if bits <= WORD_BITS:
            raise ValueError(f"Bits must be more than the {WORD_BITS} of a word, not {bits}")
        self.before = before
        self.bits = bits
        self.count = count
        super().__init__({"word": In(WORD_BITS), "valid": In(1), "first": In(1), "ends": Out(1),
                          "index": Out(range(count + 1)), "field": Out(bits)})

    def body(self, platform):
        m = Module()
        # Bits that are missing of the field with that number; the bits in front are field 0. As
        # fields are longer than words, at most one ends in a word.
        most = max(self.before, self.bits)
        stored, missing = Signal(range(most + 1), reset_less=True), Signal(range(most + 1))
        number = Signal(range(self.count + 2), reset_less=True)
        current = Signal(range(self.count + 2))
        ends = Signal()
        m.d.comb += [
            missing.eq(Mux(self.first, self.before, stored)),
            current.eq(Mux(self.first, 0, number)),
            ends.eq(missing <= WORD_BITS),
        ]

        # Earlier bits, as many as a field may have in front of its last word's first.
        earlier = Signal(-(-(self.bits - 1) // WORD_BITS) * WORD_BITS, reset_less=True)
        with m.If(self.valid):
            m.d.sync += [
                stored.eq(missing + Mux(ends, self.bits, 0) - WORD_BITS),
                number.eq(current + (ends & (current <= self.count))),
                earlier.eq(Cat(earlier, self.word)[WORD_BITS:]),
            ]
        window = Cat(earlier[len(earlier) - self.bits + 1:], self.word)
        m.d.comb += [
            self.ends.eq(self.valid & ends & (current >= 1) & (current <= self.count)),
            self.index.eq(current),
            self.field.eq(window >> (missing - 1)[:5]),
        ]
        return m
