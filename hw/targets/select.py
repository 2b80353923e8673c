"""Multiplexers of the ECP5: two LUTs and the multiplexer beside them, instantiated."""

from amaranth.hdl import Array, Const, Instance, Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from hw.shared import Emission, Shared
from hw.targets.ecp5 import table

__all__ = ["Select"]

TABLE = table(lambda a, b, c, d: (b if c else a) != d)
"""Inputs a and b, of which c selects one; d inverts."""


class Select(Shared):
    """One of four words, or its complement, combinational: two LUTs a bit.

    Yosys makes three of it where it may not use the multiplexers between LUTs.

    Parameters
    ----------
    width : int

    Members
    -------
    words : In(ArrayLayout(width, 4))
    choice : In(2)
    invert : In(1)
    o : Out(width)
    """

    words: data.View
    choice: Signal
    invert: Signal
    o: Signal

    def __init__(self, *, width: int):
        self.width = width
        super().__init__({"words": In(data.ArrayLayout(width, 4)), "choice": In(2),
                          "invert": In(1), "o": Out(width)})

    def body(self, platform):
        m = Module()
        if not isinstance(platform, Emission):
            words = Array(self.words[k] for k in range(4))
            m.d.comb += self.o.eq(words[self.choice] ^ self.invert.replicate(self.width))
            return m
        for k in range(self.width):
            halves = [Signal(name=f"{half}_{k}") for half in ("low", "high")]
            for half, bit in enumerate(halves):
                m.submodules[f"lut_{half}_{k}"] = Instance(
                    "LUT4", p_INIT=Const(TABLE, 16), i_A=self.words[2 * half][k],
                    i_B=self.words[2 * half + 1][k], i_C=self.choice[0], i_D=self.invert,
                    o_Z=bit)
            m.submodules[f"mux_{k}"] = Instance(
                "PFUMX", i_BLUT=halves[0], i_ALUT=halves[1], i_C0=self.choice[1],
                o_Z=self.o[k])
        return m
