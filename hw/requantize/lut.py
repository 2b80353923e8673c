# amaranth: UnusedElaboratable=no
"""Functions of 8-bit codes by table, behind the requantizers or alone."""

import operator
from typing import Any

from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.contracts import WORD_BITS
from hw.shared import Shared
from hw.tile.config import CODE_BITS, LUT_WORDS
from hw.tile.parameters import head_word

__all__ = ["Lut", "Table"]

_PER_WORD = WORD_BITS // CODE_BITS

_WRITE = head_word(LUT_WORDS)


class Table(Shared):
    """Read a table of 256 codes, fixed or written at run time, one code per cycle.

    The code follows its address by :attr:`latency` cycle, as in a block RAM. A word written in a
    cycle is read by addresses of later cycles.

    Parameters
    ----------
    codes : tuple of int, or None
        Result for each code; ``None`` for two banks of 64 words written at run time.

    Members
    -------
    code : In(8)
        Code to look up.
    enable : In(1)
        Read; else ``result`` stays.
    result : Out(8)
        Result for the code.
    bank : In(1)
        Bank to read; only for a table with two.
    write : In(StructLayout)
        Write port of a table with two banks: ``valid``, ``bank``, ``index`` and ``word``.
    """

    code: Signal
    enable: Signal
    result: Signal
    bank: Signal
    write: data.View

    latency = 1

    def __init__(self, *, codes: tuple[int, ...] | None):
        if codes is not None:
            if len(codes) != 1 << CODE_BITS:
                raise ValueError(f"Table must have {1 << CODE_BITS} codes, not {len(codes)}")
            for code in codes:
                if not 0 <= operator.index(code) < 1 << CODE_BITS:
                    raise ValueError(f"Table code must be in range [0, {(1 << CODE_BITS) - 1}], "
                                     f"not {code!r}")
        self.codes = codes
        members: dict[str, Any] = {"code": In(CODE_BITS), "enable": In(1),
                                   "result": Out(CODE_BITS)}
        if codes is None:
            members |= {"bank": In(1), "write": In(_WRITE)}
        super().__init__(members)

    def body(self, platform):
        m = Module()
        if self.codes is not None:
            # A case statement, since memories are emitted without contents.
            result = Signal(CODE_BITS, reset_less=True)
            with m.If(self.enable), m.Switch(self.code):
                for code, becomes in enumerate(self.codes):
                    with m.Case(code):
                        m.d.sync += result.eq(becomes)
            m.d.comb += self.result.eq(result)
            return m

        memory = m.submodules.memory = Memory(shape=WORD_BITS, depth=2 * LUT_WORDS, init=[])
        write_port, read_port = memory.write_port(), memory.read_port()
        place = Signal(range(_PER_WORD), reset_less=True)
        with m.If(self.enable):
            m.d.sync += place.eq(self.code)
        m.d.comb += [
            write_port.addr.eq(Cat(self.write.index, self.write.bank)),
            write_port.data.eq(self.write.word),
            write_port.en.eq(self.write.valid),
            read_port.addr.eq(Cat(self.code[len(place):], self.bank)),
            read_port.en.eq(self.enable),
            self.result.eq(Array(read_port.data[k * CODE_BITS:(k + 1) * CODE_BITS]
                                 for k in range(_PER_WORD))[place]),
        ]
        return m


class Lut(Shared):
    """Map 8-bit codes on a stream by a table, ``outputs`` at a time.

    Latency is :attr:`latency` cycle, throughput one transfer per cycle. ``i.ready`` depends
    combinationally on ``o.ready``. ``amaranth.back.verilog.convert`` emits it on its own.

    A loaded table is ``LUT_WORDS`` words. They go to the bank that is not in use; codes accepted
    after the last word use the new table. No code is accepted before the first table is complete.

    Parameters
    ----------
    outputs : int
        Codes per transfer; also the number of copies of the table.
    codes : tuple of int, or None
        Result for each code; ``None`` for a loaded table.

    Members
    -------
    i : In(stream.Signature(StructLayout))
        ``codes``, ``[outputs]``, and ``last``, which is passed on.
    o : Out(stream.Signature(StructLayout))
        Results, with the same fields.
    i_table : In(stream.Signature(32))
        Words of loaded tables; always ready.
    """

    i: stream.Interface
    o: stream.Interface
    i_table: stream.Interface

    latency = Table.latency

    def __init__(self, *, outputs: int, codes: tuple[int, ...] | None):
        if operator.index(outputs) < 1:
            raise ValueError(f"Outputs must be a positive integer, not {outputs!r}")
        self.outputs = outputs
        self.codes = codes
        self._tables = [Table(codes=codes) for _ in range(outputs)]
        payload = data.StructLayout({"codes": data.ArrayLayout(CODE_BITS, outputs), "last": 1})
        members = {"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))}
        if codes is None:
            members["i_table"] = In(stream.Signature(WORD_BITS))
        super().__init__(members)

    def body(self, platform):
        m = Module()
        advance = Signal()
        there = Signal(init=self.codes is not None)
        last = Signal(reset_less=True)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance & there),
            self.o.p.last.eq(last),
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & there),
                last.eq(self.i.p.last),
            ]
        for k, table in enumerate(self._tables):
            m.submodules[f"table_{k}"] = table
            m.d.comb += [
                table.code.eq(self.i.p.codes[k]),
                table.enable.eq(advance),
                self.o.p.codes[k].eq(table.result),
            ]
        if self.codes is not None:
            return m

        bank = Signal()
        index = Signal(range(LUT_WORDS))
        m.d.comb += self.i_table.ready.eq(1)
        with m.If(self.i_table.valid):
            m.d.sync += index.eq(index + 1)
            with m.If(index == LUT_WORDS - 1):
                m.d.sync += [bank.eq(~bank), there.eq(1)]
        for table in self._tables:
            m.d.comb += [
                table.bank.eq(bank),
                table.write.valid.eq(self.i_table.valid),
                table.write.bank.eq(~bank),
                table.write.index.eq(index),
                table.write.word.eq(self.i_table.payload),
            ]
        return m
