"""Codes of a codebook that is loaded at run time, and their levels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import LoadedCodebook
from hw.formats import beat_layout, shape_of
from hw.parameters import head_word
from hw.shared import Shared

__all__ = ["LoadedLevels"]


class LoadedLevels(Shared):
    """Two tables, and the levels that codes have in one of them.

    ``levels[n][k] = table[bank][codes[n][k]]``, combinationally. A word that is written to a bank
    is there in the next cycle.

    Parameters
    ----------
    fmt : LoadedCodebook
        Of the codes.
    vectors, lanes : int
        Codes at a time.
    first : int
        Index of the word that is level 0 of a table.
    words : int
        Words that are written, of which the table's are some.

    Members
    -------
    write : In(StructLayout)
        ``word`` to ``index`` of ``bank``, where ``valid``.
    bank : In(1)
        Table to look codes up in.
    codes : In(ArrayLayout(ArrayLayout(shape_of(fmt), lanes), vectors))
        Codes.
    levels : Out(ArrayLayout(ArrayLayout(shape_of(fmt.range), lanes), vectors))
        Levels.
    """

    write: data.View
    bank: Signal
    codes: data.View
    levels: data.View

    def __init__(self, *, fmt: LoadedCodebook, vectors: int, lanes: int, first: int, words: int):
        self.fmt = fmt
        self.vectors = vectors
        self.lanes = lanes
        self.first = first
        self.words = words
        super().__init__({
            "write": In(head_word(words)),
            "bank": In(1),
            "codes": In(beat_layout(fmt, vectors, lanes)),
            "levels": Out(beat_layout(fmt.range, vectors, lanes)),
        })

    def body(self, platform):
        m = Module()
        table = data.ArrayLayout(shape_of(self.fmt.range), 1 << self.fmt.bits)
        banks = [Signal(table, name=f"table_{bank}", reset_less=True) for bank in range(2)]
        for bank, levels in enumerate(banks):
            for code in range(1 << self.fmt.bits):
                with m.If(self.write.valid & (self.write.bank == bank)
                          & (self.write.index == self.first + code)):
                    m.d.sync += levels[code].eq(self.write.word[:self.fmt.range.bits])
        current = Signal(table)
        m.d.comb += current.eq(Mux(self.bank, banks[1], banks[0]))
        m.d.comb += [self.levels[vector][lane].eq(current[self.codes[vector][lane]])
                     for vector in range(self.vectors) for lane in range(self.lanes)]
        return m
