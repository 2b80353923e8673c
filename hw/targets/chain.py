# amaranth: UnusedElaboratable=no
"""Carry chains of the ECP5, written half by half."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from hw.shared import Emission, Shared
from hw.targets.ecp5 import Half, carry_chain, table

__all__ = ["ONE", "Chain", "Segments"]

ONE = Const(1, 1)


KILL = table(lambda a, b, c, d: False)
INJECT = table(lambda a, b, c, d: a and not (c and d))


class Chain(Shared):
    """Halves of carry cells in a row, combinational; see :func:`hw.targets.ecp5.carry_chain`.

    Parameters
    ----------
    tables : tuple of int
        Truth table of each half.

    Members
    -------
    a, b, c, d : In(len(tables))
        Pins of each half.
    s : Out(len(tables))
        Sum of each half.
    """

    a: Signal
    b: Signal
    c: Signal
    d: Signal
    s: Signal

    def __init__(self, *, tables: tuple[int, ...]):
        self.tables = tables
        super().__init__({**{pin: In(len(tables)) for pin in "abcd"}, "s": Out(len(tables))})

    def body(self, platform):
        m = Module()
        sums = [Signal(name=f"s{k}") for k in range(len(self.tables))]
        carry_chain(m, "chain", [
            Half(each, (self.a[k], self.b[k], self.c[k], self.d[k]), sums[k])
            for k, each in enumerate(self.tables)], emitted=isinstance(platform, Emission))
        m.d.comb += self.s.eq(Cat(sums))
        return m


class Segments:
    """Additions that follow each other in one chain.

    Between two of them a half keeps the carry of the first from the second.
    """

    def __init__(self):
        self._halves: list[tuple[int, Sequence[Value]]] = []
        self._sums: list[Signal] = []

    def add(self, halves: Sequence[tuple[int, Sequence[Value]]], *, carry: Value | None = None,
            last: bool = False) -> list[Value]:
        """Return the sum bits of some halves, of which pins that are left out are 1.

        Parameters
        ----------
        halves : sequence of (int, sequence of Value)
            Truth table and pins of each.
        carry : Value, optional
            Carry that comes in.
        last : bool
            Whether the last carry is one more bit.
        """
        self._half(*((KILL, ()) if carry is None else (INJECT, (carry,))))
        if last:
            halves = [*halves, (KILL, ())]
        return [self._half(*half) for half in halves]

    def _half(self, function: int, pins: Sequence[Value]) -> Signal:
        self._halves.append((function, [*pins, *[ONE] * (4 - len(pins))]))
        self._sums.append(Signal(name=f"s{len(self._sums)}"))
        return self._sums[-1]

    def place(self, m: Module, name: str):
        """Add the chain to a module."""
        chain = m.submodules[name] = Chain(tables=tuple(each for each, _ in self._halves))
        m.d.comb += [getattr(chain, pin).eq(Cat(pins[k] for _, pins in self._halves))
                     for k, pin in enumerate("abcd")]
        m.d.comb += Cat(self._sums).eq(chain.s)
