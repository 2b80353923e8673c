"""Cells of Lattice's ECP5: their functions for the simulator, and instances when emitted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value

__all__ = ["Half", "carry_chain", "table"]


def table(function: Callable[[bool, bool, bool, bool], bool | int]) -> int:
    """Truth table of a function of the pins ``a``, ``b``, ``c``, ``d``."""
    return sum((int(function(*(bool(i >> pin & 1) for pin in range(4)))) & 1) << i
               for i in range(16))


class Half(NamedTuple):
    """Half of a CCU2C: a function of four bits, added to the carry; see :func:`carry_chain`.

    Parameters
    ----------
    table : int
        Truth table, INIT0 or INIT1 of the cell: bit ``a + 2 b + 4 c + 8 d``.
    pins : sequence of Value
        Bits ``a``, ``b``, ``c``, ``d``.
    sum : Signal or None
        What the sum drives.
    """

    table: int
    pins: Sequence[Value]
    sum: Signal | None


def carry_chain(m: Module, name: str, halves: Sequence[Half], *, emitted: bool):
    """Add a carry chain: CCU2Cs one after the other, without INJECT1.

    With ``f = table[pins]``, a half's sum is ``f ^ carry``; the next carry is ``carry`` where
    ``f`` is 1, else ``table[a + 2 b]``. The first half's carry is unknown: it must not matter.
    Source: Lattice FPGA-TN-02204, and the model of the cell in Yosys.

    Parameters
    ----------
    m : Module
    name : str
        Name of the cells.
    halves : sequence of Half
    emitted : bool
        Whether to instantiate the cells, or else to add their function.
    """
    if not emitted:
        carry: Value = Const(0, 1)
        for place, half in enumerate(halves):
            function, following = Signal(name=f"{name}_f{place}"), Signal(name=f"{name}_c{place}")
            m.d.comb += [
                function.eq(Const(half.table, 16).bit_select(Cat(half.pins), 1)),
                following.eq(Mux(function, carry,
                                 Const(half.table & 15, 4).bit_select(Cat(half.pins[:2]), 1))),
            ]
            if half.sum is not None:
                m.d.comb += half.sum.eq(function ^ carry)
            carry = following
        return
    idle = Half(0, [Const(1, 1)] * 4, None)
    carry = Const(0, 1)
    for place in range(0, len(halves), 2):
        pair = [*halves[place:place + 2], idle][:2]
        ports = {f"i_{pin}{k}": bit for k, half in enumerate(pair)
                 for pin, bit in zip("ABCD", half.pins, strict=True)}
        # A pin without a wire is a warning of linters.
        ports |= {f"o_S{k}": Signal(name=f"{name}_unread{place + k}") if half.sum is None
                  else half.sum for k, half in enumerate(pair)}
        following = Signal(name=f"{name}_carry{place}")
        m.submodules[f"{name}_{place // 2}"] = Instance(
            "CCU2C", p_INIT0=Const(pair[0].table, 16), p_INIT1=Const(pair[1].table, 16),
            p_INJECT1_0="NO", p_INJECT1_1="NO", i_CIN=carry, o_COUT=following, **ports)
        carry = following
