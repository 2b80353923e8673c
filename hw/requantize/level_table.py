"""Table of the levels of a codebook, loaded at run time."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.formats import LoadedCodebook
from hw.formats import table_layout
from hw.shared import Shared
from hw.tile.parameters import head_word

__all__ = ["LoadedTable"]


class LoadedTable(Shared):
    """Two banks of levels, of which one is read.

    ``levels = table[bank]``, combinationally. A word written to a bank is read from the next
    cycle on.

    Parameters
    ----------
    fmt : LoadedCodebook
        Format of the codes; its ``range`` is the format of the levels.
    first : int
        Index of the word with level 0 of this table.
    words : int
        Words of all tables of a parameter set.

    Members
    -------
    write : In(StructLayout)
        Write of ``word`` to ``index`` of ``bank``, while ``valid``.
    bank : In(1)
        Bank to read.
    levels : Out(ArrayLayout(shape_of(fmt.range), 1 << fmt.bits))
        Level of each code.
    """

    write: data.View
    bank: Signal
    levels: data.View

    def __init__(self, *, fmt: LoadedCodebook, first: int, words: int):
        self.fmt = fmt
        self.first = first
        self.words = words
        super().__init__({
            "write": In(head_word(words)),
            "bank": In(1),
            "levels": Out(table_layout(fmt)),
        })

    def body(self, platform):
        m = Module()
        banks = [Signal(table_layout(self.fmt), name=f"table_{bank}", reset_less=True)
                 for bank in range(2)]
        for bank, levels in enumerate(banks):
            for code in range(1 << self.fmt.bits):
                with m.If(self.write.valid & (self.write.bank == bank)
                          & (self.write.index == self.first + code)):
                    m.d.sync += levels[code].eq(self.write.word[:self.fmt.range.bits])
        m.d.comb += self.levels.eq(Mux(self.bank, banks[1], banks[0]))
        return m
