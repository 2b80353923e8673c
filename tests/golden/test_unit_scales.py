import math
import re
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.elementwise import check, compute
from golden.formats import parse
from golden.multipliers import quantize_multiplier
from golden.networks import Quantization
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from tests.golden.definitions import half_up, to_float32

S8, U8, S16 = (parse(name) for name in ("s8", "u8", "s16"))
TFLITE, ONNX = contract("tflite"), contract("onnx")


def tensor(fmt, rng):
    return Quantization(fmt, float(np.float32(rng.uniform(0.01, 1))),
                        int(rng.integers(fmt.min, fmt.max + 1)))


def single(value):
    return float(to_float32(Fraction(value)))


def test_rescaling(rng):
    for _ in range(50):
        x, y = tensor(S8, rng), tensor(U8, rng)
        p = parameters_of(Rescaling(TFLITE, S8, U8), x, y, clamp=(3, 9))
        multiplier, shift = quantize_multiplier(x.scale / y.scale)
        assert p == dict(input_zero_point=x.zero_point, multiplier=multiplier, shift=shift,
                         zero_point=y.zero_point, clamp_min=3, clamp_max=9)


@pytest.mark.parametrize("name", ["tflite", "tflite_single", "half_up", "half_even", "rndnu",
                                  "pulp_round", "onnx", "onnx_zp_inside"])
@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3])
def test_equal_scales_change_nothing(name, scale):
    operation = Rescaling(contract(name), S8, S8)
    q = Quantization(S8, scale, -7)
    np.testing.assert_array_equal(
        compute(operation, [S8.levels()], parameters_of(operation, q, q)), S8.levels())


def test_multiplication(rng):
    for _ in range(50):
        a, b, y = tensor(S8, rng), tensor(U8, rng), tensor(S8, rng)
        p = parameters_of(Multiplication(TFLITE, S8, U8, S8), a, b, y)
        multiplier, shift = quantize_multiplier(a.scale * b.scale / y.scale)
        assert p == dict(a_zero_point=a.zero_point, b_zero_point=b.zero_point,
                         multiplier=multiplier, shift=shift, zero_point=y.zero_point,
                         clamp_min=-128, clamp_max=127)
        p = parameters_of(Multiplication(ONNX, S8, U8, S8), a, b, y)
        product = to_float32(Fraction(a.scale) * Fraction(b.scale))
        ratio = single(product / Fraction(y.scale))
        assert p["scale"] == int(np.float32(ratio).view(np.uint32))


@pytest.mark.parametrize("name, left", [("tflite", 20), ("tflite_int16", 15)])
def test_addition_as_tflite(name, left, rng):
    for _ in range(50):
        a, b, y = tensor(S8, rng), tensor(S8, rng), tensor(S8, rng)
        p = parameters_of(Addition(scheme(name), S8, S8, S8), a, b, y)
        twice = 2 * max(a.scale, b.scale)
        for key, real in [("a_", a.scale / twice), ("b_", b.scale / twice),
                          ("", twice / (2**left * y.scale))]:
            assert (p[f"{key}multiplier"], p[f"{key}shift"]) == quantize_multiplier(real)
        assert (p["a_zero_point"], p["b_zero_point"], p["zero_point"]) == (
            a.zero_point, b.zero_point, y.zero_point)


@pytest.mark.parametrize("a_format, b_format, places", [
    ("s8", "s8", 6), ("u8", "s8", 6), ("s4", "s4", 10), ("s16", "s8", -2), ("u1", "u1", 14)])
def test_addition_by_int16(a_format, b_format, places, rng):
    """No operand beyond 2**14, and beyond half of it some, whatever the zero points."""
    formats = parse(a_format), parse(b_format)
    operation = Addition(scheme("int16"), *formats, S8)
    for larger in (0, 1):
        a, b = (Quantization(fmt, 1.0 if k == larger else 0.3, fmt.min)
                for k, fmt in enumerate(formats))
        p = parameters_of(operation, a, b, Quantization(S8, 2.0, 0))
        unit = 2.0**-places
        for key, q in (("a", a), ("b", b)):
            want = half_up(Fraction(q.scale / unit) * 2**p[f"{key}_shift"])
            assert p[f"{key}_multiplier"] == want
        reach = max(fmt.max - fmt.min for fmt in formats)
        assert 2**13 < reach / unit <= 2**14
        assert math.isclose(p["multiplier"] / 2.0**p["shift"], unit / 2)
        check(operation, p)


def test_addition_as_onnx(rng):
    for _ in range(200):
        a, b, y = tensor(U8, rng), tensor(U8, rng), tensor(U8, rng)
        p = parameters_of(Addition(scheme("onnx"), U8, U8, U8), a, b, y)
        ra, rb = (to_float32(Fraction(q.scale) / Fraction(y.scale)) for q in (a, b))
        inner = to_float32(a.zero_point * ra + to_float32(rb * b.zero_point))
        for field, value in (("a_scale", ra), ("b_scale", rb),
                             ("offset", to_float32(y.zero_point - inner))):
            assert p[field] == int(np.float32(float(value)).view(np.uint32))


def test_scales_are_held_as_their_sources_hold_them(rng):
    """Of those that float32 does not have, the nearest: TFLite's files have no others."""
    others = 0
    for _ in range(20):
        scales = rng.uniform(0.01, 1, 3).tolist()
        exact, single = ([Quantization(S8, scale, 1) for scale in each]
                         for each in (scales, [float(np.float32(scale)) for scale in scales]))
        for name in ("tflite", "onnx", "rndnu"):
            rescaling = Rescaling(contract(name), S8, S8)
            assert parameters_of(rescaling, *exact[1:]) == parameters_of(rescaling, *single[1:])
            multiplication = Multiplication(contract(name), S8, S8, S8)
            assert parameters_of(multiplication, *exact) == parameters_of(multiplication, *single)
        for name in ("tflite", "tflite_int16", "onnx"):
            addition = Addition(scheme(name), S8, S8, S8)
            assert parameters_of(addition, *exact) == parameters_of(addition, *single)
        own = Rescaling(contract("half_up"), S8, S8)
        others += parameters_of(own, *exact[1:]) != parameters_of(own, *single[1:])
    assert others > 10


@pytest.mark.parametrize("fmt, subtract", [(S8, False), (S16, True), (S16, False)])
def test_addition_exactly(fmt, subtract, rng):
    """The real sum, rounded once: ties to even, of scales whose ratios are powers of two."""
    operation = Addition(scheme("exact"), fmt, fmt, fmt, subtract)
    for k in range(20):
        qa, qb, qy = (tensor(fmt, rng) if k % 2 else Quantization(
            fmt, 2.0**int(rng.integers(-3, 4)), int(rng.integers(-9, 9))) for _ in range(3))
        a, b = rng.integers(fmt.min, fmt.max + 1, (2, 50))
        got = compute(operation, [a, b], parameters_of(operation, qa, qb, qy))
        for x, y, level in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
            terms = (Fraction(q.scale) * (each - q.zero_point) for q, each in ((qa, x), (qb, y)))
            first, second = terms
            real = (first - second if subtract else first + second) / Fraction(qy.scale)
            assert level == min(max(round(real) + qy.zero_point, fmt.min), fmt.max)


@pytest.mark.parametrize("name", ["tflite", "int16", "onnx"])
def test_addition_is_near_the_real_sum(name, rng):
    operation = Addition(scheme(name), S8, S8, S8)
    a, b = (x.ravel() for x in np.meshgrid(S8.levels(), S8.levels()))
    for _ in range(20):
        qa, qb = tensor(S8, rng), tensor(S8, rng)
        qy = Quantization(S8, 2 * max(qa.scale, qb.scale), 3)
        got = compute(operation, [a, b], parameters_of(operation, qa, qb, qy))
        real = (qa.scale * (a - qa.zero_point) + qb.scale * (b - qb.zero_point)) / qy.scale + 3
        assert np.abs(got - np.clip(real, -128, 127)).max() <= 0.51


@pytest.mark.parametrize("scale, zero_point, error, message", [
    (0.0, 0, ValueError, "Scale must be positive and finite, not 0.0"),
    (-1.0, 0, ValueError, "Scale must be positive and finite, not -1.0"),
    (float("nan"), 0, ValueError, "Scale must be positive and finite, not nan"),
    (float("inf"), 0, ValueError, "Scale must be positive and finite, not inf"),
    (np.ones(3), 0, ValueError, "Scale must be a scalar, not shape (3,)"),
    (1.0, 200, ValueError, "Zero point must be in range [-128, 127] of s8, not 200"),
    (1.0, np.zeros(2, int), ValueError, "Zero point must be a scalar, not shape (2,)"),
])
def test_refused(scale, zero_point, error, message):
    good = Quantization(S8, 1.0, 0)
    for place in range(2):
        with pytest.raises(error, match=f"^{re.escape(message)}$"):
            given = [good, good]
            given[place] = Quantization(S8, scale, zero_point)
            parameters_of(Rescaling(TFLITE, S8, S8), *given)


def test_output_scale_that_tflite_refuses():
    one, fine = Quantization(S8, 1.0, 0), Quantization(S8, 2.0**-19, 0)
    operation = Addition(scheme("tflite"), S8, S8, S8)
    with pytest.raises(ValueError, match=r"^Output scale must be more than 1\.9073486328125e-06 "
                                         r"for scheme tflite, not 1\.9073486328125e-06$"):
        parameters_of(operation, one, one, fine)
