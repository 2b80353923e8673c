# amaranth: UnusedElaboratable=no
"""The multiplier of Lattice's ECP5, MULT18X18D, with its own registers."""

from typing import ClassVar

from amaranth.hdl import ClockSignal, Const, Instance, Module, Shape, Signal, Value
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat
from hw.delay import delay
from hw.formats import shape_of
from hw.shared import Emission, Shared

__all__ = ["Multiplier"]

BITS = 18
"""Bits of an operand."""


class Multiplier(Shared):
    """Product of two integers of at most 18 bits, each signed or not, in a MULT18X18D.

    The cell has registers of its own: at the operands, between the two halves of the multiplier,
    and at the product. Source: Lattice FPGA-TN-02205.

    Latency is :attr:`latency` cycles, throughput a product per cycle.

    Parameters
    ----------
    one, other : IntFormat
        Formats of the operands.
    pipelined : bool
        Whether the register in the middle is used.

    Members
    -------
    a : In(shape_of(one))
    b : In(shape_of(other))
    o : Out(Shape)
        Product, as wide as both operands; signed if one of them is.
    """

    LATENCY: ClassVar = 2
    """Cycles without the register in the middle."""

    a: Signal
    b: Signal
    o: Signal

    def __init__(self, *, one: IntFormat, other: IntFormat, pipelined: bool):
        for fmt in (one, other):
            if fmt.width > BITS:
                raise ValueError(f"Operands must have at most {BITS} bits, not {fmt.width}")
        self.one = one
        self.other = other
        self.pipelined = pipelined
        super().__init__({
            "a": In(shape_of(one)), "b": In(shape_of(other)),
            "o": Out(Shape(one.width + other.width, signed=one.signed or other.signed))})

    @property
    def latency(self) -> int:
        """Cycles from the operands to their product."""
        return self.LATENCY + self.pipelined

    def body(self, platform):
        m = Module()
        if not isinstance(platform, Emission):
            a, b = delay(m, self.a, 1, "operand_a"), delay(m, self.b, 1, "operand_b")
            m.d.comb += self.o.eq(delay(m, a * b, self.latency - 1, "product"))
            return m
        # A pin without a wire is a warning of linters.
        product = Signal(2 * BITS)
        ports: dict[str, Value] = {f"i_C{k}": Const(0, 1) for k in range(BITS)}
        ports["o_SIGNEDP"] = Signal(name="unread")
        for pin, value in (("A", self.a), ("B", self.b)):
            wide = Signal(Shape(BITS, signed=value.shape().signed), name=f"operand_{pin.lower()}")
            m.d.comb += wide.eq(value)
            ports |= {f"i_{pin}{k}": wide[k] for k in range(BITS)}
            ports[f"i_SIGNED{pin}"] = Const(value.shape().signed, 1)
            ports[f"i_SOURCE{pin}"] = Const(0, 1)
        m.submodules.cell = Instance(
            "MULT18X18D",
            p_REG_INPUTA_CLK="CLK0", p_REG_INPUTB_CLK="CLK0", p_REG_OUTPUT_CLK="CLK0",
            p_REG_PIPELINE_CLK="CLK0" if self.pipelined else "NONE",
            i_CLK0=ClockSignal(), i_CE0=Const(1, 1), i_RST0=Const(0, 1), **ports,
            **{f"o_P{k}": product[k] for k in range(2 * BITS)})
        m.d.comb += self.o.eq(product)
        return m
