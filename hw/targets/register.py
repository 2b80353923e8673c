# amaranth: UnusedElaboratable=no
"""A register of Lattice's ECP5, FD1S3AX, for copies of a value."""

from amaranth.hdl import ClockSignal, Instance, Module, Signal
from amaranth.lib.wiring import In, Out

from hw.delay import delay
from hw.shared import Emission, Shared

__all__ = ["Register"]


class Register(Shared):
    """Register that synthesis does not merge with another of the same input.

    So each of several can be near its readers. Synthesis leaves instances of cells alone; Yosys
    makes a TRELLIS_FF of each. Source: Lattice's FPGA Libraries Reference Guide.

    Latency is 1 cycle.

    Parameters
    ----------
    width : int

    Members
    -------
    i : In(width)
    o : Out(width)
    """

    i: Signal
    o: Signal

    def __init__(self, *, width: int):
        if width < 1:
            raise ValueError(f"Width must be a positive integer, not {width!r}")
        self.width = width
        super().__init__({"i": In(width), "o": Out(width)})

    def body(self, platform):
        m = Module()
        if not isinstance(platform, Emission):
            m.d.comb += self.o.eq(delay(m, self.i, 1, "register"))
            return m
        for bit in range(self.width):
            m.submodules[f"bit_{bit}"] = Instance(
                "FD1S3AX", p_GSR="DISABLED", i_D=self.i[bit], i_CK=ClockSignal(),
                o_Q=self.o[bit])
        return m
