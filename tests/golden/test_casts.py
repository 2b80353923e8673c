"""Casts to small floats, and codes of small integers, against ml_dtypes.

The numbers that are cast are exact: float16 and float32 are integers times powers of two.
"""

import warnings

import ml_dtypes
import numpy as np
import pytest

from golden.casts import cast, to_float
from golden.contracts import Rounding
from golden.formats import parse
from golden.rounding import fraction, nearest_level
from tests.golden.onnx_session import run_model

OTHERS = {"e4m3fn": "float8_e4m3fn", "e5m2": "float8_e5m2", "e2m1": "float4_e2m1fn",
          "e2m3": "float6_e2m3fn", "e3m2": "float6_e3m2fn"}
# The first magnitude that ml_dtypes makes NaN or infinite; e4m3fn's is the one beyond a tie, 464.
ENDS = {"e4m3fn": np.nextafter(np.float32(464), np.float32(np.inf)), "e5m2": np.float32(61440)}


def theirs(x, fmt):
    """Values of ml_dtypes; infinite or NaN where it does not saturate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of casts that overflow
        return x.astype(getattr(ml_dtypes, OTHERS[fmt.family])).astype(np.float64)


def check(x, levels, fmt):
    """Equality within; beyond, golden saturates, and ml_dtypes has no number."""
    values = theirs(x, fmt)
    beyond = np.abs(x) >= ENDS.get(fmt.family, np.float32(np.inf))
    np.testing.assert_array_equal(np.isfinite(values), ~beyond)
    np.testing.assert_array_equal(levels[~beyond] * 2.0**fmt.unit, values[~beyond])
    np.testing.assert_array_equal(levels[beyond], np.sign(x[beyond]) * fmt.max)
    return int(beyond.sum())


@pytest.mark.parametrize("name, beyond", [
    ("e4m3fn", 2 * (7 * 1024 + 191)), ("e5m2", 2 * 128), ("e2m1", 0), ("e2m3", 0), ("e3m2", 0)])
def test_every_float16(name, beyond):
    """As the integers times 2**-24 that they are."""
    fmt = parse(name)
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)].astype(np.float32)
    assert len(x) == 63488
    n = (x * 2.0**24).astype(np.int64)
    levels = nearest_level(n, 24 + fmt.unit, fmt, Rounding.HALF_EVEN)
    assert check(x, levels, fmt) == beyond
    np.testing.assert_array_equal(levels, nearest_level(*fraction(x, fmt.unit), fmt,
                                                        Rounding.HALF_EVEN))


@pytest.mark.parametrize("name", OTHERS)
def test_ties_and_neighbours_in_float32(name):
    fmt = parse(name)
    levels = fmt.levels()
    around = np.concatenate([levels, (levels[:-1] + levels[1:]) / 2, [fmt.max * 2, -fmt.max * 2]])
    x = (around * 2.0**fmt.unit).astype(np.float32)
    x = np.append(x, ENDS.get(name, x[-1]))
    infinity = np.float32(np.inf)
    x = np.concatenate([x, np.nextafter(x, infinity), np.nextafter(x, -infinity)])
    check(x, nearest_level(*fraction(x, fmt.unit), fmt, Rounding.HALF_EVEN), fmt)


@pytest.mark.parametrize("name", OTHERS)
def test_random_float32(name, rng):
    """Any bits that are a number, and numbers about the format's range."""
    fmt = parse(name)
    bits = rng.integers(0, 1 << 32, 50_000, dtype=np.uint32).view(np.float32)
    size = np.exp2(rng.uniform(fmt.unit - 2, np.log2(fmt.max) + fmt.unit + 1, 100_000))
    x = np.append(bits[np.isfinite(bits)],
                  (rng.choice([-1, 1], 100_000) * size).astype(np.float32))
    levels = nearest_level(*fraction(x, fmt.unit), fmt, Rounding.HALF_EVEN)
    assert (check(x, levels, fmt) > 0) == (name in ENDS)


def numbers(fmt, rng):
    """Every float16, infinities and NaN among them, any float32, and some about the range."""
    size = np.exp2(rng.uniform(fmt.unit - 2, np.log2(fmt.max) + fmt.unit + 1, 200_000))
    return np.concatenate([
        np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32),
        rng.integers(0, 1 << 32, 200_000, dtype=np.uint32).view(np.float32),
        (rng.choice([-1, 1], len(size)) * size).astype(np.float32)])


@pytest.mark.parametrize("name", ENDS)
def test_equals_onnx_runtime(name, rng):
    """Saturated. Not saturated it is not the standard's: see ``golden.casts``."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    kind = {"e4m3fn": onnx.TensorProto.FLOAT8E4M3FN, "e5m2": onnx.TensorProto.FLOAT8E5M2}[name]
    ends = [onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, None) for end in "xy"]
    nodes = [onnx.helper.make_node("Cast", ["x"], ["small"], to=kind),
             onnx.helper.make_node("Cast", ["small"], ["y"], to=onnx.TensorProto.FLOAT)]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "graph", ends[:1], ends[1:]), ir_version=10,
        opset_imports=[onnx.helper.make_opsetid("", 21)])
    fmt = parse(f"{name}:specials=propagate")
    x = numbers(fmt, rng)
    np.testing.assert_array_equal(to_float(cast(x, fmt), fmt), run_model(model, {"x": x})[0])


@pytest.mark.parametrize("name", ENDS)
def test_not_saturated(name, rng):
    """That is what ml_dtypes does."""
    fmt = parse(f"{name}:specials=propagate")
    x = numbers(fmt, rng)
    np.testing.assert_array_equal(
        to_float(cast(x, fmt, saturate=False), fmt, np.float64), theirs(x, fmt))


@pytest.mark.parametrize("family, other, usual, end", [
    ("cfloat8_1_4_3", "float8_e4m3fnuz", 8, 248), ("cfloat8_1_4_3", "float8_e4m3b11fnuz", 11, 31),
    ("cfloat8_1_5_2", "float8_e5m2fnuz", 16, 61440)])
@pytest.mark.parametrize("bias", [0, 7, 11, 16, 63])
def test_floats_of_tesla(family, other, usual, end, bias):
    """All exponents of ml_dtypes' formats without -0 are those of numbers too.

    Their bias is one; with another, what is to be cast is scaled by the power of two between.
    """
    fmt, kind = parse(f"{family}:bias={bias}"), getattr(ml_dtypes, other)
    codes = np.arange(256, dtype=np.uint8)
    codes = codes[codes != 0x80]
    np.testing.assert_array_equal(fmt.decode(codes) * 2.0 ** (fmt.unit + bias - usual),
                                  codes.view(kind).astype(np.float64))
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = (fmt.levels()[:-1] + fmt.levels()[1:]) * 2.0 ** (fmt.unit + bias - usual - 1)
    x = np.concatenate([x[np.isfinite(x)].astype(np.float32), halves.astype(np.float32)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = x.astype(kind).astype(np.float64)
    levels = cast(x * 2.0 ** (usual - bias), fmt)
    # Halfway to what would be the next number, it is NaN there.
    beyond = np.abs(x) >= end
    np.testing.assert_array_equal(np.isnan(values), beyond)
    np.testing.assert_array_equal(
        levels[~beyond] * 2.0 ** (fmt.unit + bias - usual), values[~beyond])
    np.testing.assert_array_equal(levels[beyond], np.sign(x[beyond]) * fmt.max)


@pytest.mark.parametrize("name, other", [
    ("s4", "int4"), ("u4", "uint4"), ("s2", "int2"), ("u2", "uint2"), ("u1", "uint1"),
    ("s1", "int1")])
def test_integer_codes(name, other):
    """Casts of ml_dtypes wrap and truncate, so that only its codes are an oracle."""
    fmt, kind = parse(name), getattr(ml_dtypes, other)
    codes = np.arange(1 << fmt.bits, dtype=np.uint8)
    levels = codes.view(kind).astype(np.int64)
    np.testing.assert_array_equal(fmt.decode(codes), levels)
    np.testing.assert_array_equal(fmt.encode(levels), codes)
    np.testing.assert_array_equal(levels.astype(kind).view(np.uint8) & (1 << fmt.bits) - 1, codes)
    assert (fmt.min, fmt.max) == (ml_dtypes.iinfo(kind).min, ml_dtypes.iinfo(kind).max)
