"""Per-channel parameters that never change, read record by record."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.formats import Format
from hw.delay import delay
from hw.formats import constant
from hw.payload import Payload
from hw.shared import Shared
from hw.tile.parameters import ParameterStore

__all__ = ["FixedParameters"]


class FixedParameters(Shared):
    """Read fixed records, in the place of a :class:`~hw.tile.parameters.ParameterStore`.

    The ports are those of the store without its input stream. There is one bank, so ``current``,
    ``accept``, ``finish`` and ``address.bank`` have no bits. Jobs can be accepted at any time.

    ``records`` follow ``address`` by :attr:`latency` cycles; a read per cycle.

    Parameters
    ----------
    record : dict of str to Format
        Fields of a record, without those whose level is equal for every channel.
    values : dict of str to tuple of int
        Levels of each field, one per record.
    channels : int
        Records.
    outputs : int
        Records per read, ``index * outputs`` and on.

    Members
    -------
    ready : Out(1)
        Constant 1.
    current : Out(0)
    whole : Out(range(channels / outputs + 1))
        Constant: the number of reads of ``outputs`` records.
    accept : In(0)
    finish : In(StructLayout)
        ``valid`` and ``bank``, of no bits.
    address : In(StructLayout)
        ``index`` of the records to read, and ``bank``, of no bits.
    records : Out(ArrayLayout(StructLayout, outputs))
        Records read.
    """

    ready: Signal
    current: Signal
    whole: Signal
    accept: Signal
    finish: data.View
    address: data.View
    records: data.View

    latency = ParameterStore.latency

    def __init__(self, *, record: dict[str, Format], values: dict[str, tuple[int, ...]],
                 channels: int, outputs: int):
        self.record = record
        self.values = values
        self.channels = channels
        self.outputs = outputs
        self._entries = entries = -(-channels // outputs)
        super().__init__({
            "ready": Out(1),
            "current": Out(0),
            "whole": Out(range(entries + 1)),
            "accept": In(0),
            "finish": In(data.StructLayout({"valid": 0, "bank": 0})),
            "address": In(data.StructLayout({
                "index": ceil_log2(entries), "bank": 0})),
            "records": Out(data.ArrayLayout(Payload.of(record).layout, outputs)),
        })

    def body(self, platform):
        m = Module()
        m.d.comb += [self.ready.eq(1), self.whole.eq(self._entries)]
        for k in range(self.outputs if self.record else 0):
            # A case for each record: synthesis turns it into a memory or into logic. The index is
            # no register: an event-driven simulator would not see the case until it changes.
            record = Signal(self.records[k].shape().size, name=f"found_{k}")
            with m.Switch(self.address.index):
                for index, channel in enumerate(range(k, self.channels, self.outputs)):
                    with m.Case(index):
                        m.d.comb += record.eq(Cat(constant(fmt, self.values[name][channel])
                                                  for name, fmt in self.record.items()))
            m.d.comb += self.records[k].as_value().eq(
                delay(m, record, self.latency, f"record_{k}"))
        return m
