# amaranth: UnusedElaboratable=no
"""The block RAM of Lattice's ECP5, DP16KD, with its own output register."""

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.shared import Emission, Shared
from hw.targets.base import Write, plain_memory

__all__ = ["BlockRam", "DEPTHS", "WIDTHS"]

WIDTH = 36
"""Most bits of a word."""

WIDTHS = range(1, WIDTH + 1)

DEPTHS = range(128, 512 + 1)
"""Words; fewer fit a few LUTs."""

_BYTES = 4
"""Pins of an address below its bits: those of port A enable bytes of a word."""

_PINS = 18
"""Data pins of a port; a word of 36 bits takes those of both, port A's first."""


class BlockRam(Shared):
    """Memory of 128 to 512 words of 36 bits, in a DP16KD: one port writes, the other one reads.

    Without its output register the cell takes 5.8 ns to give a word, at speed 6. What a read gives
    of a word that is written in the same cycle is unknown. Source: Lattice FPGA-TN-02204, and the
    pins that Yosys gives each bit.

    Latency is :data:`hw.targets.base.READ` cycles, throughput a write and a read per cycle.

    Parameters
    ----------
    width, depth : int

    Members
    -------
    write : In(StructLayout)
        ``data`` is written to ``address`` while ``valid``.
    address : In(range(depth))
    o : Out(width)
        Word read.
    """

    write: data.View
    address: Signal
    o: Signal

    def __init__(self, *, width: int, depth: int):
        for name, value, allowed in (("Width", width, WIDTHS), ("Depth", depth, DEPTHS)):
            if value not in allowed:
                raise ValueError(
                    f"{name} must be in range [{allowed[0]}, {allowed[-1]}], not {value}")
        self.width = width
        self.depth = depth
        super().__init__({
            "write": In(data.StructLayout(
                {"valid": 1, "address": range(depth), "data": width})),
            "address": In(range(depth)),
            "o": Out(width)})

    def body(self, platform):
        m = Module()
        if not isinstance(platform, Emission):
            write = Write(self.write.valid, self.write.address, self.write.data)
            m.d.comb += self.o.eq(plain_memory(
                m, "memory", write, self.address, width=self.width, depth=self.depth))
            return m
        word, read = Signal(WIDTH), Signal(WIDTH)
        m.d.comb += [word.eq(self.write.data), self.o.eq(read)]
        bits = ceil_log2(DEPTHS[-1])
        addresses = {"A": (self.write.valid.replicate(_BYTES), self.write.address),
                     "B": (Const(0, _BYTES), self.address)}
        # A pin without a wire is a warning of linters.
        ports: dict[str, Value] = {}
        for place, (port, (low, address)) in enumerate(addresses.items()):
            wide = Signal(bits, name=f"address_{port.lower()}")
            m.d.comb += wide.eq(address)
            pins = Cat(low, Const(0, 1), wide)
            ports |= {f"i_AD{port}{k}": pins[k] for k in range(len(pins))}
            for k in range(_PINS):
                ports[f"i_DI{port}{k}"] = word[place * _PINS + k]
                ports[f"o_DO{port}{k}"] = read[place * _PINS + k]
            ports |= {f"i_CLK{port}": ClockSignal(), f"i_CE{port}": Const(1, 1),
                      f"i_OCE{port}": Const(1, 1), f"i_RST{port}": Const(0, 1),
                      f"i_WE{port}": Const(port == "A", 1)}
            ports |= {f"i_CS{port}{k}": Const(0, 1) for k in range(3)}
        m.submodules.cell = Instance(
            "DP16KD", p_DATA_WIDTH_A=WIDTH, p_DATA_WIDTH_B=WIDTH, p_REGMODE_A="OUTREG",
            p_REGMODE_B="OUTREG", p_RESETMODE="SYNC", p_CSDECODE_A="0b000",
            p_CSDECODE_B="0b000", p_GSR="DISABLED", **ports)
        return m
