"""Sums of two tensors by two fused multiply-adds in float32."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Mux, Value, signed
from amaranth.lib import stream

from golden.units import Addition, FusedScheme
from hw.pipeline import Pipeline
from hw.requantize.float32 import BIAS, SIGNIFICAND, leading_zeros, nearest_even, nearest_even_at
from hw.requantize.scale import clamped
from hw.targets.fabric import GENERIC, Fabric
from hw.units.unit import Elementwise

__all__ = ["FusedAdd", "Float", "multiply_add", "LEFT_ADDEND", "LEFT_PRODUCT", "PRODUCT"]

PRODUCT = 33
"""Bits of a level, with the sign that a u8 needs, times a significand."""

LEFT_PRODUCT = 27
"""Places above which a product leaves an addend no more than a say in ties."""

LEFT_ADDEND = 35
"""Places above which an addend leaves a product nothing at all."""


class Float(NamedTuple):
    """``(-1)**negative * significand * 2**(exponent - 150)``: a float32 in pieces.

    The significand is 0, or in ``[2**23, 2**24]``: the upper end is a carry that nobody resolves.
    """

    negative: Value
    exponent: Value
    significand: Value


class FusedAdd(Elementwise):
    """``clamp(rne(fma(a, a_scale, fma(b, b_scale, offset))))``: ONNX Runtime's QLinearAdd.

    Each ``fma`` is exact and then rounded to a float32, to nearest even:

    ======  ========================================================================
    cycle   registers
    ======  ========================================================================
    1       the level times the scale's significand
    2       the addend to it, either of them shifted to the left
    3       magnitude of the sum
    4       that with its leading one at the top
    5       rounded to 24 bits
    ======  ========================================================================

    No shift exceeds what can make a difference: where the product's unit is more than 2**27 that of
    the addend, the addend, below 2**25, decides only ties of the product, which it does as well
    at a distance of 2**27; and where the addend's is more than 2**35 that of the product, below
    2**32, the rounded sum is the addend, as it is at a distance of 2**35. A product or addend of 0
    gives way entirely. ``exactmac prove`` proves it, for each distance.

    After both, one cycle rounds to an integer and one clamps. Latency, throughput and stalls are
    those of :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    operation : Addition
        By scheme ``onnx``.
    lanes : int
    fabric : Fabric

    Members
    -------
    i_a, i_b, o, parameters
        As :class:`~hw.units.unit.Elementwise` has them.
    """

    i_a: stream.Interface
    i_b: stream.Interface

    def __init__(self, *, operation: Addition, lanes: int, fabric: Fabric = GENERIC):
        if not isinstance(operation.scheme, FusedScheme):
            raise TypeError(f"Scheme must be onnx, not {operation.scheme!r}")
        super().__init__(operation=operation, lanes=lanes, fabric=fabric)

    def lane(self, pipe: Pipeline, *operands: Value) -> Value:
        for name, operand in zip("ab", operands, strict=True):
            pipe.hold(name, operand)
        offset = self.parameter("offset", 0)
        exponent = offset[SIGNIFICAND - 1:31]
        addend = Float(offset[31], exponent,
                       Cat(offset[:SIGNIFICAND - 1], (offset[:31] != 0)))
        inner = multiply_add(pipe, "b", addend)
        outer = multiply_add(pipe, "a", inner)

        # A shift to the left leaves at least 2**23, beyond any output, unless it is of zero; 31 to
        # the right leave nothing.
        most = 1 << self.operation.output.bits
        right = BIAS + SIGNIFICAND - 1 - outer.exponent
        nearest = nearest_even_at(outer.significand, Mux(right > 31, 31, right)[:5])
        beyond = (right < 0) & (outer.significand != 0)
        near = Mux(beyond | (nearest >= most), most, nearest)
        return clamped(pipe, pipe.register(Mux(outer.negative, -near, near), "integer",
                                           signed(self.operation.output.bits + 2)))


def multiply_add(pipe: Pipeline, name: str, addend: Float) -> Float:
    """``float32(level * scale + addend)`` of the level held as ``name``, which it takes."""
    scale = pipe[f"{name}_scale"]
    significand = Cat(scale[:SIGNIFICAND - 1], Const(1, 1))
    for field, value in addend._asdict().items():
        pipe.hold(f"{name}_addend_{field}", value)
    product = pipe.multiply(pipe.take(name), significand, f"{name}_product", signed(PRODUCT))
    negative, other, magnitude = (pipe.take(f"{name}_addend_{field}") for field in Float._fields)
    term = Mux(negative, -magnitude, magnitude)
    own = pipe[f"{name}_scale"][SIGNIFICAND - 1:]

    distance = own - other
    by_product = Mux((magnitude == 0) | (distance > LEFT_PRODUCT), LEFT_PRODUCT,
                     Mux(distance < 0, 0, distance))[:5]
    by_product = Mux(product == 0, 0, by_product)
    by_addend = Mux((product == 0) | (distance < -LEFT_ADDEND), LEFT_ADDEND,
                    Mux(distance > 0, 0, -distance))[:6]
    by_addend = Mux((magnitude == 0) & (product != 0), 0, by_addend)
    # The unit of the sum: that of the operand which is not shifted, or is negligible.
    pipe.hold(f"{name}_unit", Mux(by_product > 0, own - by_product, other - by_addend))
    width = max(PRODUCT + LEFT_PRODUCT, SIGNIFICAND + 2 + LEFT_ADDEND) + 1
    total = pipe.register((product << by_product) + (term << by_addend), f"{name}_total",
                          signed(width))

    pipe.hold(f"{name}_negative", total < 0)
    positive = pipe.register(Mux(total < 0, -total, total)[:width - 1], f"{name}_magnitude")
    moved = leading_zeros(pipe, positive)
    pipe.hold(f"{name}_exponent",
              pipe.take(f"{name}_unit") + (len(positive) - SIGNIFICAND) - moved)
    normal = pipe.shift_left(positive, moved, f"{name}_normal", len(positive))
    rounded = pipe.register(nearest_even(normal, len(positive) - SIGNIFICAND), f"{name}_rounded")
    return Float(pipe.take(f"{name}_negative"), pipe.take(f"{name}_exponent"), rounded)
