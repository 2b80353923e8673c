"""Sums of two tensors by two fused multiply-adds in float32."""

from typing import NamedTuple

from amaranth.hdl import Cat, Const, Mux, Value, signed
from amaranth.lib import stream

from golden.units import Addition, FusedScheme
from hw.pipeline import Pipeline
from hw.requantize.float32 import BIAS, SIGNIFICAND, leading_zeros, nearest_even, nearest_even_at
from hw.targets.fabric import GENERIC, Fabric
from hw.units.unit import Elementwise

__all__ = ["FusedAdd", "Float", "multiply_add", "LEFT_ADDEND", "LEFT_PRODUCT", "PRODUCT"]

PRODUCT = 33
"""Bits of a level, with the sign that a u8 needs, times a significand."""

LEFT_PRODUCT = 27
"""Places of a product above an addend from which the addend decides ties only."""

LEFT_ADDEND = 35
"""Places of an addend above a product from which the product does not count at all."""


class Float(NamedTuple):
    """Parts of a float32: ``(-1)**negative * significand * 2**(exponent - 150)``.

    The significand is 0, or in ``[2**23, 2**24]``; the upper end is a carry of the rounding that is
    not normalized.
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
    2       the product plus the addend, either of them shifted to the left
    3       magnitude of the sum
    4       the magnitude with its leading one at the top
    5       rounded to 24 bits
    ======  ========================================================================

    Shifts are limited to the distances that make a difference. If the product's unit is more than
    2**27 times the addend's, the addend, below 2**25, decides only ties of the product; it does so
    at a distance of 2**27 too. If the addend's unit is more than 2**35 times the product's, below
    2**32, the rounded sum is the addend, as at a distance of 2**35. A product or addend of 0 does
    not count: the other one decides the unit. ``exactmac prove`` proves this for each distance.

    After both, a shift and a cycle round to an integer, one gives it its sign, and one clamps.
    Latency, throughput and stalls are those of :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    operation : Addition
        Operation by scheme ``onnx``.
    lanes : int
    fabric : Fabric

    Members
    -------
    i_a, i_b, o, parameters
        Members of :class:`~hw.units.unit.Elementwise`.
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

        # A shift to the left leaves at least 2**23, beyond any output, unless the value is zero. A
        # shift by 31 to the right leaves nothing.
        most = 1 << self.operation.output.bits
        right = BIAS + SIGNIFICAND - 1 - outer.exponent
        pipe.hold("beyond", (right < 0) & (outer.significand != 0))
        pipe.hold("negative", outer.negative)
        nearest = nearest_even_at(pipe, outer.significand, Mux(right > 31, 31, right)[:5],
                                  len(outer.significand), "nearest")
        near = Mux(pipe.take("beyond") | (nearest >= most), most, nearest)
        return pipe.clamp(pipe.register(Mux(pipe.take("negative"), -near, near), "integer",
                                        signed(self.operation.output.bits + 2)))


def multiply_add(pipe: Pipeline, name: str, addend: Float) -> Float:
    """Return ``float32(level * scale + addend)``; ``pipe`` holds the level as ``name``."""
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
    # Unit of the sum: that of the operand that is shifted, less its shift.
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
