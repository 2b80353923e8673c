# amaranth: UnusedElaboratable=no
"""A compiled heap as a component."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from hw.heap.program import HIGH, Program
from hw.shared import Emission, Shared
from hw.targets.ecp5 import Half, carry_chain

__all__ = ["HeapSum"]


class HeapSum(Shared):
    """Tables, carry chains and registers of a program.

    Latency is ``program.latency``; a sum per cycle.

    Parameters
    ----------
    program : Program

    Members
    -------
    i : In(program.inputs)
        Input wires.
    total : In(program.total)
        Accumulator, in the cycle of ``o``; only for a program with one.
    keep : In(1)
        In that cycle: 0 takes the accumulator as 0, in a pin that is free.
    o : Out(len(program.outputs))
        Sum, ``program.latency`` cycles later, added to the accumulator.
    """

    i: Signal
    total: Signal
    keep: Signal
    o: Signal

    def __init__(self, *, program: Program):
        self.program = program
        super().__init__({"i": In(program.inputs), "o": Out(len(program.outputs)),
                          **({"total": In(program.total), "keep": In(1)}
                             if program.total else {})})

    @property
    def latency(self) -> int:
        """Cycles from the input wires to their sum."""
        return self.program.latency

    def body(self, platform):
        m = Module()
        program, wires = self.program, dict[int, Any]({HIGH: Const(1, 1)})
        wires |= enumerate(self.i)
        totals = range(program.inputs, program.inputs + program.total)
        if program.total:
            kept = Signal.like(self.total)
            m.d.comb += kept.eq(Mux(self.keep, self.total, 0))
            wires |= zip(totals, kept, strict=True)
        for wire, _ in program.registers:
            wires[wire] = Signal(name=f"r{wire}", reset_less=True)
        for each in program.lookups:
            wires[each.out] = Signal(name=f"f{each.out}")
        for chain in program.chains:
            for half in chain:
                if half.sum is not None:
                    wires[half.sum] = Signal(name=f"s{half.sum}")
        m.d.sync += [wires[wire].eq(wires[source]) for wire, source in program.registers]
        m.d.comb += [wires[each.out].eq(Const(each.table, 16).bit_select(
            Cat(wires[pin] for pin in each.pins), 1)) for each in program.lookups]
        for place, chain in enumerate(program.chains):
            halves = []
            for half in chain:
                table, pins = half.table, [wires[pin] for pin in half.pins]
                if half.pins[0] in totals and half.pins[1] == HIGH:
                    # The half itself takes its bit of the accumulator as 0.
                    table = _masked(table)
                    pins[:2] = self.total[half.pins[0] - program.inputs], self.keep
                halves.append(Half(table, pins, None if half.sum is None else wires[half.sum]))
            carry_chain(m, f"chain{place}", halves, emitted=isinstance(platform, Emission))
        m.d.comb += [self.o[column].eq(wires[wire])
                     for column, wire in enumerate(program.outputs) if wire is not None]
        return m


def _masked(table: int) -> int:
    # Table that has, for pins (a, b, c, d), the value that the other one has for (a & b, 1, c, d).
    return sum((table >> (index & index >> 1 & 1 | index & ~3 | 2) & 1) << index
               for index in range(16))
