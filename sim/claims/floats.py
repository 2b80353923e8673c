"""Claims on requantizers in float32, those of ONNX's contracts."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from golden import contracts
from golden.contracts import Onnx, Rounding
from golden.formats import IntFormat
from golden.ranges import levels_range
from hw.formats import shape_of
from hw.requantize.float32 import BIAS, FRACTION, SIGNIFICAND, WHOLE, float_scaled
from sim.claims.base import Transparent, circuit, claim, divided

__all__ = ["conversion", "float_product", "float_requantizer", "inside", "inside_rounded"]

DEEPEST = 70
"""Binary places below the point at which a float32, below 2**-45, is surely less than a half."""


@claim("int32 to float32", "every int32")
def conversion() -> str:
    """Conversion of an int32 to a float32, against the int32 rounded to 24 bits."""
    m, chosen = Module(), contracts.parse("onnx")
    assert isinstance(chosen, Onnx)
    total = Signal(shape_of(IntFormat(32)), name="total")
    pipe = Transparent(m, {"scale": Const(BIAS << SIGNIFICAND - 1, 31), "zero_point": Const(0, 1)})
    float_scaled(pipe, chosen, total, 9)
    magnitude, length = _measured(m, total, "total")
    # Longer numbers lose bits beyond 24, shorter ones are filled up with zeros.
    lost = Mux(length > SIGNIFICAND, length - SIGNIFICAND, 0)[:4]
    added = Mux(length < SIGNIFICAND, SIGNIFICAND - length, 0)[:5]
    expected = _rounded(magnitude, lost) << added
    return circuit(m, (total,), pipe.computed["significand"], expected)


@claim("float32 product, product free", "every exponent")
def float_product() -> str:
    """Rounding of a product of significands to a float32, against its 24 highest bits, rounded."""
    chosen = contracts.parse("onnx")
    assert isinstance(chosen, Onnx)
    m = Module()
    part = _Part(m, chosen, IntFormat(8))
    significand, places = part.defined()
    # The carry of the rounding stays; for 0, any number of places is right.
    got = Cat(_signed(part.pipe.computed["float"], part.negative)[:SIGNIFICAND + 1],
              Mux(part.product == 0, 0, part.pipe.computed["right"])[:10])
    expected = Cat(significand, Mux(part.product == 0, 0, places)[:10])
    return circuit(m, part.inputs, Mux(part.sound, got, 0), Mux(part.sound, expected, 0))


@claim("float32 requantizer, product free", "onnx to {}")
def float_requantizer(output: IntFormat) -> str:
    """Contract ``onnx`` from its product of significands on, against exact arithmetic."""
    chosen = contracts.parse("onnx")
    assert isinstance(chosen, Onnx)
    m = Module()
    part = _Part(m, chosen, output)
    significand, places = part.defined()
    # Without places below its point a number is beyond every output; with DEEPEST it rounds to 0.
    depth = Mux(places < 0, 0, Mux(places > DEEPEST, DEEPEST, places))[:7]
    expected = part.clamped(_signed(_rounded(significand, depth), part.negative)
                        + part.held["zero_point"])
    return circuit(m, part.inputs, Mux(part.sound, part.got, 0), Mux(part.sound, expected, 0))


@claim("float32 plus zero point, float32 free", "to {}")
def inside(output: IntFormat) -> str:
    """Contract ``onnx_zp_inside``, float32 plus zero point, against division with remainder."""
    m, chosen = Module(), contracts.parse("onnx_zp_inside")
    assert isinstance(chosen, Onnx)
    value = Signal(signed(SIGNIFICAND + 2), name="float32")
    places = Signal(signed(10), name="places")
    part = _Part(m, chosen, output, {"float": value, "right": places})
    computed = part.pipe.computed
    # Multiples of 2**-26, rounded down, and a flag for lost bits. From 2**18 on, with fewer places
    # below the point than `fewest`, a number is so large that no zero point brings it back.
    fewest = SIGNIFICAND - (WHOLE - 1)
    beyond = (value != 0) & (places < fewest)
    numerator = value << FRACTION - fewest
    shift = Mux(places < fewest, 0, Mux(places > fewest + 63, 63, places - fewest))[:6]
    expected = divided(numerator, shift, Rounding.FLOOR)
    inexact = (expected << shift) != numerator
    expected = expected + (part.held["zero_point"] << FRACTION)
    right = (computed["far"] == beyond) & (
        beyond | ((computed["sum_inside"] == expected) & (computed["inexact"] == inexact)))
    sound = _normal(Mux(value < 0, -value, value)) & (
        (value == 0) | ((value < 0) == part.negative))
    return circuit(m, (*part.inputs, value, places), ~sound | right, Const(1))


@claim("float32 requantizer, sum free", "onnx_zp_inside to {}")
def inside_rounded(output: IntFormat) -> str:
    """Contract ``onnx_zp_inside`` from the sum on, against two exact roundings."""
    m, chosen = Module(), contracts.parse("onnx_zp_inside")
    assert isinstance(chosen, Onnx)
    total = Signal(signed(FRACTION + WHOLE + 1), name="sum")
    inexact, far = Signal(name="inexact"), Signal(name="far")
    part = _Part(m, chosen, output, {"sum_inside": total, "inexact": inexact, "far": far})
    zero_point, lo, hi = (part.held[each] for each in ("zero_point", "clamp_min", "clamp_max"))

    # A number between two multiples of 2**-26 rounds like their middle: a float32 from 1/4 on, and
    # its borders, are such multiples; less than 1/4 gives 0.
    exact = Cat(inexact, total).as_signed()
    size, length = _measured(m, exact, "exact")
    lost = Mux(length > SIGNIFICAND, length - SIGNIFICAND, 0)[:5]
    rounded = _rounded(size, lost) << lost
    expected = part.clamped(_signed(_rounded(rounded, Const(FRACTION + 1, 5)), exact < 0))
    expected = Mux(far, Mux(part.negative, lo, hi), expected)

    # A float32 that is not far is at most 2**18.
    scaled = total - (zero_point << FRACTION)
    most = 1 << FRACTION + WHOLE - 1
    sound = part.filled & (scaled >= -most) & (scaled <= most)
    inputs = (*part.inputs, total, inexact, far)
    return circuit(m, inputs, Mux(sound, part.got, 0), Mux(sound, expected, 0))


class _Part:
    # A requantizer without registers, the bounds of its inputs, and half of its definition.

    def __init__(self, m: Module, chosen: Onnx, output: IntFormat,
                 replaced: Mapping[str, Value] | None = None):
        self.m = m
        total = Signal(shape_of(IntFormat(32)), name="total")
        self.held = {field: Signal(shape_of(fmt), name=field)
                     for field, fmt in chosen.fields(levels_range(IntFormat(20)), output).items()
                     if field != "bias"}
        self.pipe = Transparent(m, self.held, replaced)
        self.got = self.pipe.offset_and_clamp(
            *float_scaled(self.pipe, chosen, total, output.bits + 1))
        assert self.pipe.product is not None
        self.total, self.product = total, self.pipe.product
        self.inputs = (total, self.product, *self.held.values())
        self.negative = total < 0
        self.exponent = self.held["scale"][SIGNIFICAND - 1:]
        # A clamp that is not empty.
        self.filled = self.held["clamp_min"] <= self.held["clamp_max"]
        # Possible products of significands, and normal scales.
        least, most = 1 << SIGNIFICAND - 1, 1 << SIGNIFICAND
        self.sound = (self.filled & (self.exponent >= 1) & (self.exponent <= 2 * BIAS)
                      & Mux(total == 0, self.product == 0,
                            (self.product >= least * least)
                            & (self.product <= most * (most - 1))))

    def defined(self) -> tuple[Value, Value]:
        # Significand of the product as a float32, and the number of places below its point.
        # As integers of 24 bits, the significand of float32(total) counts 2**(length - 24), that of
        # the scale 2**(exponent - BIAS - 23), and the product is rounded to 24 bits again. Numbers
        # too small or too large for a float32 are kept here: the former round to 0, or leave a
        # zero point as it is, and the latter are clamped.
        _, length = _measured(self.m, self.total, "total")
        _, bits = _measured(self.m, self.product, "product")
        lost = Mux(self.product == 0, 0, bits - SIGNIFICAND)[:5]
        places = (SIGNIFICAND - length) + (BIAS + SIGNIFICAND - 1 - self.exponent) - lost
        significand = Signal(SIGNIFICAND + 1, name="significand_defined")
        self.m.d.comb += significand.eq(_rounded(self.product, lost))
        return significand, places

    def clamped(self, value: Value) -> Value:
        lo, hi = self.held["clamp_min"], self.held["clamp_max"]
        return Mux(value < lo, lo, Mux(value > hi, hi, value))


def _normal(value: Value) -> Value:
    return (value == 0) | ((value >= 1 << SIGNIFICAND - 1) & (value <= 1 << SIGNIFICAND))


def _rounded(value: Value, drop: Value) -> Value:
    # A number that is not negative, rounded to nearest even.
    return divided(Cat(value, Const(0, 1)).as_signed(), drop, Rounding.HALF_EVEN).as_unsigned()


def _signed(magnitude: Value, negative: Value) -> Value:
    return Mux(negative, -magnitude, magnitude)


def _measured(m: Module, value: Value, name: str) -> tuple[Signal, Signal]:
    # Magnitude, and its number of bits: 0 for 0.
    magnitude = Signal(len(value), name=f"{name}_size")
    length = Signal(range(len(value) + 1), name=f"{name}_length")
    m.d.comb += magnitude.eq(Mux(value < 0, -value, value))
    for bit in range(len(value)):
        with m.If(magnitude[bit]):
            m.d.comb += length.eq(bit + 1)
    return magnitude, length
