"""Against definitions in rational arithmetic, one pair of levels at a time."""

import re
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.elementwise import check, compute, concat, fused_multiply_add
from golden.formats import IntFormat, parse
from golden.units import (
    SCHEMES,
    Addition,
    FusedScheme,
    Multiplication,
    Operation,
    Rescaling,
    Scheme,
)
from golden.units import (
    parse as scheme,
)
from tests.golden.definitions import SCALED, SCALES, scale_bits, to_float32

S4, U4, S8, U8, S16 = (parse(name) for name in ("s4", "u4", "s8", "u8", "s16"))
HALF_UP, TFLITE = contract("half_up"), contract("tflite")


def clamped(value, p):
    return min(max(value, p["clamp_min"]), p["clamp_max"])


def scaled(x, name, p, prefix=""):
    own = {key.removeprefix(prefix): value for key, value in p.items() if key.startswith(prefix)}
    return SCALED[name](x, own)


def scaling(name, right, rng):
    """A scale by half to the whole of 2**-right."""
    if name.startswith("onnx"):
        return {"scale": scale_bits(-right - 1, int(rng.integers(1 << 23)))}
    found = dict(SCALES.get(name, {"multiplier": 2**30, "shift": 31}))
    bits = found["multiplier"].bit_length()
    found["multiplier"] = int(rng.integers(1 << bits - 1, 1 << bits))
    found["shift"] += -right if name.startswith("tflite") else right
    return found


def pairs(a, b):
    return [x.ravel() for x in np.meshgrid(a.levels(), b.levels())]


CLAMPS = [{"clamp_min": -128, "clamp_max": 127}, {"clamp_min": -3, "clamp_max": 60}]
NAMES = ["half_up", "half_even", "half_away", "floor", "tflite", "tflite_single", "q31",
         "precise", "rndnu", "pulp_round", "onnx", "onnx_zp_inside"]


@pytest.mark.parametrize("name", NAMES)
def test_rescale(name, rng):
    operation = Rescaling(contract(name), U8, S8)
    for clamp in CLAMPS:
        p = {"input_zero_point": int(rng.integers(256)), "zero_point": int(rng.integers(-9, 9)),
             **scaling(name, 1, rng), **clamp}
        want = [clamped(scaled(x - p["input_zero_point"], name, p) + p["zero_point"], p)
                for x in range(256)]
        np.testing.assert_array_equal(compute(operation, [np.arange(256)], p), want)


@pytest.mark.parametrize("name", NAMES)
def test_multiply(name, rng):
    operation = Multiplication(contract(name), S4, U4, S8)
    a, b = pairs(S4, U4)
    for clamp in CLAMPS:
        p = {"a_zero_point": int(rng.integers(-8, 8)), "b_zero_point": int(rng.integers(16)),
             "zero_point": int(rng.integers(-9, 9)), **scaling(name, 1, rng), **clamp}
        sums = (a - p["a_zero_point"]) * (b - p["b_zero_point"])
        want = [clamped(scaled(x, name, p) + p["zero_point"], p) for x in sums.tolist()]
        np.testing.assert_array_equal(compute(operation, [a, b], p), want)


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("way", [
    scheme("tflite"), scheme("tflite_int16"), scheme("int16"), *(
        scheme("int16", contract=contract(name)) for name in NAMES if name != "onnx_zp_inside")],
    ids=lambda way: f"{way.name}-{way.contract.name}")
def test_add(way, subtract, rng):
    assert isinstance(way, Scheme)
    operation, name = Addition(way, S4, U4, S8, subtract), way.contract.name
    a, b = pairs(S4, U4)
    for clamp in CLAMPS:
        own = {f"{key}_{field}": value for key in "ab"
               for field, value in scaling(name, 1, rng).items()}
        p = {"a_zero_point": int(rng.integers(-8, 8)), "b_zero_point": int(rng.integers(16)),
             "zero_point": int(rng.integers(-9, 9)), **own, **scaling(name, way.left, rng), **clamp}
        want = []
        for x, y in zip(a.tolist(), b.tolist(), strict=True):
            x, y = (scaled((z - p[f"{key}_zero_point"]) * 2**way.left, name, p, f"{key}_")
                    for key, z in (("a", x), ("b", y)))
            total = scaled(x - y if subtract else x + y, name, p)
            want.append(clamped(total + p["zero_point"], p))
        np.testing.assert_array_equal(compute(operation, [a, b], p), want)


def fraction(bits):
    return Fraction(float(np.uint32(bits).view(np.float32)))


def float_bits(exponent, rng, sign=0):
    return sign << 31 | scale_bits(exponent, int(rng.integers(1 << 23)))


@pytest.mark.parametrize("offset", [None, -64, -40, -9, 0, 3, 6, 20, 29])
def test_fused_sum(offset, rng):
    """Offsets of any size beside the products, with which they cancel or in which they vanish."""
    operation = Addition(scheme("onnx"), S4, U4, U8)
    a, b = pairs(S4, U4)
    for exponents in [(-3, -2), (-40, 19), (2, -12), (19, 19)]:
        p = {"a_scale": float_bits(exponents[0], rng), "b_scale": float_bits(exponents[1], rng),
             "offset": 0 if offset is None else float_bits(offset, rng, int(rng.integers(2))),
             "clamp_min": 2, "clamp_max": 250}
        inner = [to_float32(y * fraction(p["b_scale"]) + fraction(p["offset"])) for y in b.tolist()]
        outer = [to_float32(x * fraction(p["a_scale"]) + z)
                 for x, z in zip(a.tolist(), inner, strict=True)]
        want = [clamped(round(z), p) for z in outer]
        np.testing.assert_array_equal(compute(operation, [a, b], p), want)


def test_fused_multiply_add_rounds_once(rng):
    """Sums that two roundings, the first to float64, would bring to the other neighbour."""
    # Three of it lie halfway between two float32s, of which the upper is even.
    scale = np.float32(2**23 + 1)
    for addend, want in ((0.0, 25165828), (-(2.0**-40), 25165826), (2.0**-40, 25165828)):
        assert fused_multiply_add(3, scale, np.float32(addend)) == want
    level = rng.integers(-255, 256, 2000)
    scale = np.float32(rng.uniform(1, 2))
    addend = (rng.uniform(-1, 1, 2000) * 2.0**rng.integers(-30, 30, 2000)).astype(np.float32)
    got = fused_multiply_add(level, scale, addend)
    assert [Fraction(float(x)) for x in got] == [
        to_float32(n * Fraction(float(scale)) + Fraction(float(c)))
        for n, c in zip(level.tolist(), addend, strict=True)]


def half(**changed):
    return dict(input_zero_point=0, multiplier=2**30, shift=0, zero_point=0, clamp_min=-128,
                clamp_max=127) | changed


@pytest.mark.parametrize("count, shapes, axis, message", [
    (0, [], 0, "Tensors must be one or more, each with an operation and parameters, "
               "not 0 with 0 and 0"),
    (1, [(2,), (2,)], 0, "Tensors must be one or more, each with an operation and parameters, "
                         "not 2 with 1 and 1"),
    (2, [(2, 3), (3, 3)], 1, "Tensors must have shapes that differ along axis 1 only, "
                             "not (2, 3), (3, 3)"),
    (2, [(2,), (2, 1)], 0, "Tensors must have shapes that differ along axis 0 only, "
                           "not (2,), (2, 1)"),
    (2, [(2,), (2,)], 1, "Tensors must have shapes that differ along axis 1 only, not (2,), (2,)"),
])
def test_concat_of_what_cannot_be_joined(count, shapes, axis, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        concat([None] * count, [np.zeros(shape, int) for shape in shapes], [{}] * count, axis=axis)


def test_concat_of_outputs_of_unequal_formats():
    operations = [Rescaling(TFLITE, S8, output) for output in (S8, U8, S8)]
    with pytest.raises(ValueError, match="^Outputs of the operations must have one format, "
                                         "not s8, u8$"):
        concat(operations, [[1], [2], [3]], [half(multiplier=2**30, shift=1)] * 3)


def test_concat_is_the_identity_where_scales_are_equal():
    one, x = Rescaling(TFLITE, S8, S8), S8.levels()
    p = half(multiplier=2**30, shift=1)
    np.testing.assert_array_equal(concat([one, one], [x, x[:3]], [p, p]), [*x, *x[:3]])
    q = half(multiplier=2**30, shift=0, zero_point=1)
    np.testing.assert_array_equal(
        concat([one, one], [[[8], [4]], [[-6], [0]]], [p, q], axis=0), [[8], [4], [-2], [1]])


def test_operands_are_broadcast():
    operation = Multiplication(HALF_UP, S8, S8, S8)
    p = dict(a_zero_point=0, b_zero_point=0, multiplier=1, shift=0, zero_point=0, clamp_min=-128,
             clamp_max=127)
    np.testing.assert_array_equal(
        compute(operation, [[[1], [2]], [3, 4]], p), [[3, 4], [6, 8]])


def sums(**changed):
    p = {"zero_point": 0, "clamp_min": -128, "clamp_max": 127, "multiplier": 2**30, "shift": -19}
    for name in "ab":
        p |= {f"{name}_zero_point": 0, f"{name}_multiplier": 2**30, f"{name}_shift": 0}
    return p | changed


FUSED = {"a_scale": scale_bits(0), "b_scale": scale_bits(0), "offset": 0, "clamp_min": 0,
         "clamp_max": 255}


class TestRefused:
    @pytest.mark.parametrize("operation, parameters, message", [
        (Rescaling(TFLITE, S8, S8), half() | {"bias": 0},
         "Parameters must be input_zero_point, multiplier, shift, zero_point, clamp_min, "
         "clamp_max, not input_zero_point, multiplier, shift, zero_point, clamp_min, clamp_max, "
         "bias"),
        (Rescaling(TFLITE, S8, S8), {},
         "Parameters must be input_zero_point, multiplier, shift, zero_point, clamp_min, "
         "clamp_max, not none"),
        (Rescaling(TFLITE, S8, S8), half(input_zero_point=128),
         "Parameter input_zero_point must be in range [-128, 127] of s8, not 128"),
        (Rescaling(TFLITE, S8, S8), half(zero_point=[1, 2]),
         "Parameter zero_point must be a scalar, not shape (2,)"),
        (Rescaling(TFLITE, S8, S8), half(clamp_min=5, clamp_max=4),
         "Clamp minimum must be at most the maximum 4, not 5"),
        (Rescaling(TFLITE, S8, S8), half(shift=24, input_zero_point=1),
         "Sum plus bias, shifted left, must be in range [-2147483648, 2147483647] of s32, "
         "not -2164260864"),
        (Multiplication(TFLITE, S16, S16, S16),
         dict(a_zero_point=-2**15, b_zero_point=-2**15, multiplier=0, shift=0, zero_point=0,
              clamp_min=0, clamp_max=0),
         "Sum must be in range [-2147483648, 2147483647], not 4294836225"),
        (Addition(scheme("tflite"), S8, S8, S8), sums(a_shift=4, a_multiplier=2**31 - 1),
         "Operand a, scaled, must be in range [-1073741824, 1073741823] of s31, "
         "not -2147483647 at index 0"),
        (Addition(scheme("int16"), S8, S8, S8), sums(a_shift=22, b_shift=21, shift=31),
         "Operand b, scaled, must be in range [-32768, 32767] of s16, not -65536 at index 0"),
        (Addition(scheme("onnx"), U8, U8, U8), FUSED | {"a_scale": scale_bits(20)},
         "Parameter a_scale must be the bits of a float32 of magnitude at least 2**-40 and less "
         "than 2**20, not 0x49800000"),
        (Addition(scheme("onnx"), U8, U8, U8), FUSED | {"b_scale": 0},
         "Parameter b_scale must be the bits of a float32 of magnitude at least 2**-40 and less "
         "than 2**20, not 0x00000000"),
        (Addition(scheme("onnx"), U8, U8, U8), FUSED | {"offset": scale_bits(-65)},
         "Parameter offset must be the bits of a float32 of magnitude at least 2**-64 and less "
         "than 2**30, or of 0, not 0x1f000000"),
        (Addition(scheme("onnx"), U8, U8, U8), FUSED | {"clamp_max": 5, "clamp_min": 6},
         "Clamp minimum must be at most the maximum 5, not 6"),
    ])
    def test_parameters(self, operation, parameters, message):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            check(operation, parameters)

    def test_a_difference_where_the_sum_is_sound(self):
        way = scheme("int16", contract=TFLITE)
        p = sums(b_zero_point=15, a_shift=11, b_shift=11, shift=17)
        check(Addition(way, U4, U4, S8), p)
        with pytest.raises(ValueError, match=r"^Sum plus bias, shifted left, must be in range "
                                             r"\[-2147483648, 2147483647\] of s32, not 402653184"
                                             r"0$"):
            check(Addition(way, U4, U4, S8, subtract=True), p)

    def test_operands(self):
        operation = Rescaling(TFLITE, S8, S8)
        with pytest.raises(ValueError, match=r"^Input must be in range \[-128, 127\] of s8, "
                                             r"not 128 at index 0$"):
            compute(operation, [[128]], half())
        with pytest.raises(ValueError, match=r"^Operands must be 1, not 2$"):
            compute(operation, [[1], [2]], half())
        two = Addition(scheme("tflite"), S8, S8, S8)
        with pytest.raises(ValueError, match=r"^Operand b must be in range \[-128, 127\] of s8, "
                                             r"not -129$"):
            compute(two, [0, -129], sums())

    def test_unknown_operation(self):
        class Other(Operation):
            operands, fields = {"i": S8}, {}

        with pytest.raises(TypeError, match=r"^Operation must be one of golden.units, not "):
            compute(Other(), [0], {})

    @pytest.mark.parametrize("make, error, message", [
        (lambda: Rescaling(contract("none"), S8, S8), ValueError,
         "Contract must be one that scales, by its parameters alone, not none"),
        (lambda: Multiplication(contract("thresholds"), S8, S8, S4), ValueError,
         "Contract must be one that scales, by its parameters alone, not thresholds"),
        (lambda: Rescaling(contract("stochastic"), S8, S8), ValueError,
         "Contract must be one that scales, by its parameters alone, not stochastic"),
        (lambda: Rescaling(HALF_UP, parse("odd4"), S8), TypeError,
         "Input must be an integer format, not odd4"),
        (lambda: Multiplication(HALF_UP, S8, S8, parse("binary")), TypeError,
         "Output must be an integer format, not binary"),
        (lambda: Addition(scheme("int16"), S8, parse("odd2"), S8), TypeError,
         "B must be an integer format, not odd2"),
        (lambda: Addition("tflite", S8, S8, S8), TypeError,
         "Scheme must be one of tflite, tflite_int16, xnnpack, int16, exact, onnx, not 'tflite'"),
        (lambda: Addition(FusedScheme(), S8, S8, S8, True), ValueError,
         "Subtract must be False for scheme onnx, not True"),
        (lambda: Addition(FusedScheme(), S8, S16, S8), ValueError,
         "B must be a format of at most 8 bits for scheme onnx, not s16"),
        (lambda: scheme("int8"), ValueError,
         "Scheme must be one of tflite, tflite_int16, xnnpack, int16, exact, onnx, not 'int8'"),
        (lambda: scheme("tflite", contract=HALF_UP), ValueError,
         "Contract must be left out for scheme tflite, not half_up"),
        (lambda: scheme("onnx", contract=HALF_UP), ValueError,
         "Contract must be left out for scheme onnx, not half_up"),
        (lambda: Scheme("mine", contract("none"), IntFormat(16)), ValueError,
         "Contract must be one that scales, by its parameters alone, not none"),
    ])
    def test_descriptions(self, make, error, message):
        with pytest.raises(error, match=f"^{re.escape(message)}$"):
            make()


def test_schemes_by_name():
    assert [scheme(name).name for name in SCHEMES] == list(SCHEMES)
    other = scheme("int16", contract=TFLITE)
    assert isinstance(other, Scheme)
    assert other.contract is TFLITE and other.intermediate == S16
