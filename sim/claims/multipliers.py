# amaranth: UnusedElaboratable=no
"""Claims on products of two codes, by multipliers, multiplexers or tables."""

from amaranth.hdl import Const, Module, Mux, Signal, Value

from golden.formats import Format, IntFormat
from hw.blocks import kind_for
from hw.blocks.grid import Grid
from hw.blocks.interface import Operand
from hw.blocks.popcount import XnorPopcountGrid
from hw.formats import shape_of
from sim.claims.base import circuit, claim

__all__ = ["multiplier", "multiplies"]


@claim("multiplier", "{} x {}")
def multiplier(weights: Format, activations: Format) -> str:
    """Product in the block for two formats, against the sum of its partial products."""
    m, kind = Module(), kind_for(weights, activations)
    assert issubclass(kind, Grid)
    dot = kind.dot(weights=weights, activations=activations, lanes=1)
    w = Signal(shape_of(weights), name="weight")
    a = Signal(shape_of(activations), name="activation")
    codes: dict[Operand, Signal] = {"weights": w, "activations": a}
    factors = []
    for operand, code in codes.items():
        element = dot.prepare(operand, code)
        factor = Signal(dot.prepared(operand), name=f"{operand}_prepared")
        if isinstance(element, dict):
            m.d.comb += [factor[name].eq(part) for name, part in element.items()]
        else:
            m.d.comb += factor.eq(element)
        factors.append(factor)
    got = Value.cast(dot.term(*factors))
    x, y = _level(weights, w), _level(activations, a)
    expected: Value = Const(0, 1)
    for bit in range(len(y)):
        partial = Mux(y[bit], x, 0) << bit
        negative = y.shape().signed and bit == len(y) - 1
        expected = expected - partial if negative else expected + partial
    # The result for a narrow format's code without a level has no meaning.
    sound = Const(1, 1)
    for fmt, code in ((weights, w), (activations, a)):
        if isinstance(fmt, IntFormat) and fmt.narrow:
            sound = sound & (code >= fmt.min) & (code <= fmt.max)
    return circuit(m, (w, a), Mux(sound, got, 0), Mux(sound, expected, 0))


def _level(fmt: Format, code: Signal) -> Value:
    # Level of an integer or odd code.
    return code if isinstance(fmt, IntFormat) else 2 * code - fmt.max


def multiplies(weights: Format, activations: Format) -> bool:
    """True if the cells of a block have products, not parts of products or counts."""
    kind = kind_for(weights, activations)
    return issubclass(kind, Grid) and kind is not XnorPopcountGrid
