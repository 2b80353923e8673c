"""Store of per-channel parameters, written word by word, read record by record."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.contracts import WORD_BITS
from golden.formats import Format
from hw.delay import delay
from hw.payload import Field, Payload
from hw.shared import Shared
from hw.targets.fabric import GENERIC, READ, Fabric, Write
from hw.tile.fields import Fields

__all__ = ["ParameterStore", "WORDS", "head_word"]

WORDS = Payload((Field("word", WORD_BITS),), "last word of a parameter set")
"""Payload of a parameter set's words: words of tables, if any, then of records."""


def head_word(words: int) -> data.StructLayout:
    """Layout of a write to one of two banks of ``words``, active while ``valid``."""
    return data.StructLayout({"valid": 1, "bank": 1, "index": range(words), "word": WORD_BITS})


class ParameterStore(Shared):
    """Store two banks of records: one set in use, the next one being written.

    Words arrive on ``i`` record by record from channel 0, the low bits of a record in its first
    word. ``last`` closes the set. A set may be shorter than the store; words beyond the store are
    dropped. A closed set is *current*: jobs accepted afterwards use it, until a later set is
    closed. So writing waits while jobs of an earlier set still use the other bank.

    The first ``head`` words of a set are no records: ``write`` hands them on to tables.

    ``records`` follow ``address`` by :attr:`latency` cycles; a read per cycle. A word per cycle.

    Parameters
    ----------
    record : dict of str to Format
        Fields of a record, low bits first.
    channels : int
        Records of each bank.
    outputs : int
        Records per read, ``index * outputs`` and on.
    max_jobs : int
        Most jobs accepted and not yet finished or dropped.
    head : int
        Words of a set in front of its records.
    apart : sequence of str
        Fields of the record, one after the other and of one format, longer than a word, that are
        no part of ``records``: ``field`` hands them on as they arrive.
    fabric : Fabric
        Fabric of the memories.

    Members
    -------
    i : In(stream.Signature(StructLayout))
        ``word`` and ``last``.
    ready : Out(1)
        A set is current, so jobs can be accepted.
    current : Out(1)
        Bank of the current set.
    whole : Out(range(channels / outputs + 1))
        Complete reads, of ``outputs`` records each, in the current set.
    accept : In(1)
        A job that may use the current bank is accepted in this cycle.
    drop : In(StructLayout)
        ``valid``: a job that was accepted for ``bank`` will not use it.
    finish : In(StructLayout)
        ``valid``: a job that uses ``bank`` makes its last use of the set in this cycle, of a
        table or of a record, whose address came :attr:`reading` cycles ago.
    address : In(StructLayout)
        ``index`` and ``bank`` of the records to read.
    records : Out(ArrayLayout(StructLayout, outputs))
        Records read.
    write : Out(StructLayout)
        Word of the head, if the set has one: ``valid``, ``bank``, ``index`` and ``word``.
    field : Out(StructLayout)
        Field apart, if there are any: ``valid``, a bit for each of ``outputs`` records of a read,
        the ``index`` and ``bank`` of the read, the ``number`` of the field, from 1, and ``value``.
    """

    i: stream.Interface
    ready: Signal
    current: Signal
    whole: Signal
    accept: Signal
    drop: data.View
    finish: data.View
    address: data.View
    records: data.View
    write: data.View
    field: data.View

    reading = 1
    """Cycles from an address to the use of the set: a register, since memories are far away."""

    latency = reading + READ
    """Cycles from an address to its records."""

    def __init__(self, *, record: dict[str, Format], channels: int, outputs: int, max_jobs: int,
                 head: int = 0, apart: Sequence[str] = (), fabric: Fabric = GENERIC):
        self.record = record
        self.channels = channels
        self.outputs = outputs
        self.max_jobs = max_jobs
        self.head = head
        self.apart = tuple(apart)
        self.fabric = fabric
        self._payload = Payload.of(record)
        self._kept = Payload.of({
            name: fmt for name, fmt in record.items() if name not in self.apart})
        members: dict[str, Any] = {
            "i": In(stream.Signature(WORDS.layout)),
            "ready": Out(1),
            "current": Out(1),
            "whole": Out(range(self._entries + 1)),
            "accept": In(1),
            "drop": In(data.StructLayout({"valid": 1, "bank": 1})),
            "finish": In(data.StructLayout({"valid": 1, "bank": 1})),
            "address": In(data.StructLayout({"index": self._index_bits, "bank": 1})),
            "records": Out(data.ArrayLayout(self._kept.layout, outputs)),
        }
        if self.apart:
            members["field"] = Out(data.StructLayout({
                "valid": outputs, "index": self._index_bits, "bank": 1,
                "number": range(len(self.apart) + 1), "value": record[self.apart[0]].bits}))
        if head:
            members["write"] = Out(head_word(head))
        super().__init__(members)

    @property
    def _runs(self) -> list[tuple[int, int]]:
        """First bits, and those after the last, of each run of fields that records have."""
        places = list(self.record).index(self.apart[0]) if self.apart else len(self.record)
        formats = [fmt.bits for fmt in self.record.values()]
        before = sum(formats[:places])
        after = sum(formats[:places + len(self.apart)])
        return [run for run in ((0, before), (after, self._payload.bits)) if run[0] < run[1]]

    @property
    def _entries(self) -> int:
        return -(-self.channels // self.outputs)

    @property
    def _index_bits(self) -> int:
        return ceil_log2(self._entries)

    def body(self, platform):
        m = Module()
        bits = self._payload.bits
        words = -(-bits // WORD_BITS)

        # Address of the next word, in a read of records that is not whole yet.
        writing = Signal()
        whole = Signal.like(self.whole)
        full = Signal()
        slot = Signal(range(self.outputs))
        word = Signal(range(words))

        # Jobs that still use each bank, less one: a sign says that there is none.
        users = [Signal(range(-1, self.max_jobs), init=-1, name=f"users_{bank}")
                 for bank in range(2)]
        free = Signal()
        m.d.comb += [
            free.eq(Mux(writing, users[1] < 0, users[0] < 0)),
            self.i.ready.eq(free),
            self.current.eq(~writing),
        ]
        for bank, count in enumerate(users):
            joins = self.accept & (self.current == bank)
            leaves, drops = (each.valid & (each.bank == bank) for each in (self.finish, self.drop))
            m.d.sync += count.eq(count + joins - leaves - drops)

        transfer = self.i.valid & self.i.ready
        expected: Value = Const(1, 1)
        if self.head:
            head = Signal(range(self.head + 1))
            expected = head == self.head
            m.d.comb += [
                self.write.valid.eq(transfer & ~expected),
                self.write.bank.eq(writing),
                self.write.index.eq(head),
                self.write.word.eq(self.i.p.word),
            ]
            with m.If(self.write.valid):
                m.d.sync += head.eq(head + 1)
            with m.If(transfer & self.i.p.last):
                m.d.sync += head.eq(0)
        writes = Signal()
        last_word = Signal()
        # What a word would do is known before it is known whether it comes.
        would_end = Signal()
        one_more = Signal.like(whole)
        m.d.comb += [
            writes.eq(transfer & expected & ~full),
            last_word.eq(writes & (word == words - 1)),
            would_end.eq(expected & ~full & (word == words - 1) & (slot == self.outputs - 1)),
            one_more.eq(whole + 1),
        ]
        with m.If(transfer & would_end):
            m.d.sync += [whole.eq(one_more), full.eq(whole == self._entries - 1)]
        with m.If(writes):
            m.d.sync += word.eq(word + 1)
        with m.If(last_word):
            m.d.sync += [word.eq(0), slot.eq(slot + 1)]
            with m.If(slot == self.outputs - 1):
                m.d.sync += slot.eq(0)
        with m.If(transfer & self.i.p.last):
            m.d.sync += [
                word.eq(0), slot.eq(0), whole.eq(0), full.eq(0),
                self.whole.eq(Mux(would_end, one_more, whole)),
                writing.eq(~writing), self.ready.eq(1),
            ]

        if self.apart:
            fields = m.submodules.fields = Fields(
                before=self._runs[0][1], bits=self.record[self.apart[0]].bits,
                count=len(self.apart))
            m.d.comb += [
                fields.word.eq(self.i.p.word),
                fields.valid.eq(writes),
                fields.first.eq(word == 0),
                self.field.valid.eq(fields.ends << slot),
                self.field.index.eq(whole[:self._index_bits]),
                self.field.bank.eq(writing),
                self.field.number.eq(fields.index),
                self.field.value.eq(fields.field),
            ]

        address = delay(m, Cat(self.address.index, self.address.bank), self.reading, "address")
        # Words are written a cycle after they came, long before a job can read them.
        place = delay(m, Cat(whole[:self._index_bits], writing), 1, "place")
        came = delay(m, self.i.p.word, 1, "word")
        for k in range(self.outputs):
            kept = []
            for start, end in self._runs:
                read = []
                for w in range(start // WORD_BITS, -(-end // WORD_BITS)):
                    width = min(WORD_BITS, end - w * WORD_BITS)
                    # Never of the word that is read: that is in the other bank.
                    write = Write(delay(m, writes & (slot == k) & (word == w), 1,
                                        f"write_{k}_{w}", reset_less=False), place, came[:width])
                    read.append(self.fabric.memory(m, f"memory_{k}_{w}", write, address,
                                                   width=width, depth=2 << self._index_bits))
                kept.append(Cat(*read)[start % WORD_BITS:])
            m.d.comb += self.records[k].as_value().eq(Cat(*kept))
        return m
