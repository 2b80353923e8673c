"""Units that bring scales together, against runtimes: every pair of int8 levels, many scales.

tflite-micro: ADD and SUB are schemes ``tflite`` and ``tflite_int16``; MUL and QUANTIZE contract
``tflite``; AVERAGE_POOL_2D and MAX_POOL_2D are the pools; CONCATENATION copies.

ONNX Runtime: QLinearAdd is scheme ``onnx`` where its kernel is the one for AVX2, a CPU's with fused
multiply-adds. (Its kernel for SSE2 rounds the products, that for NEON is of integers: three orders
for one operator, of which one is pinned here.) QLinearMul is contract ``onnx_zp_inside``, and the
pools are in test_runtimes. QLinearConcat divides in float32 by the output's scale, where contract
``onnx`` multiplies by a ratio: the same where that scale is a power of two.
"""

from pathlib import Path

import numpy as np
import pytest

from golden import ops
from golden.contracts import parse as contract
from golden.elementwise import compute, concat
from golden.formats import parse
from golden.networks import Quantization
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme
from tests.golden.micro import operator
from tests.golden.runtimes.test_runtimes import execute

S8, S16, TFLITE = parse("s8"), parse("s16"), contract("tflite")
DTYPES = {"s8": np.int8, "u8": np.uint8, "s16": np.int16, "s32": np.int32}
PAIRS = np.divmod(np.arange(1 << 16), 256)


def levels(fmt, rng):
    """Every pair of 8-bit levels; of 16 bits corners and random ones."""
    if fmt.width == 8:
        return [x + fmt.min for x in PAIRS]
    ends = np.array([fmt.min, fmt.min + 1, -1, 0, 1, fmt.max - 1, fmt.max])
    corners = [x.ravel() for x in np.meshgrid(ends, ends)]
    return [np.concatenate([x, rng.integers(fmt.min, fmt.max + 1, 1 << 16)]) for x in corners]


def tensors(fmt, rng, *, count=3):
    """Quantizations of operands and output: a third with scales of one bit, which make ties."""
    if rng.integers(3):
        scales = rng.uniform(0.02, 1, count)
    else:
        scales = 2.0**rng.integers(-5, 1, count)
    zero_points = rng.integers(fmt.min, fmt.max + 1, count) if fmt.width == 8 else [0] * count
    return [Quantization(fmt, float(np.float32(s)), int(z))
            for s, z in zip(scales, zero_points, strict=True)]


def pair(quantization):
    return quantization.scale, quantization.zero_point


def micro(name, inputs, quantizations, **options):
    """tflite-micro's, of flat tensors."""
    *taken, made = quantizations
    dtype = DTYPES[str(made.format)]
    return operator(
        name, [(x.astype(DTYPES[str(q.format)]), pair(q))
               for x, q in zip(inputs, taken, strict=True)],
        (inputs[0].shape, dtype, pair(made)), **options)


class TestTfliteMicro:
    @pytest.mark.parametrize("name", ["ADD", "SUB"])
    @pytest.mark.parametrize("fmt, count", [(S8, 16), (S16, 16)], ids=str)
    def test_sums(self, name, fmt, count, rng):
        way = scheme("tflite" if fmt is S8 else "tflite_int16")
        operation = Addition(way, fmt, fmt, fmt, subtract=name == "SUB")
        for _ in range(count):
            a, b = levels(fmt, rng)
            quantizations = tensors(fmt, rng)
            if fmt is S16:  # its sums fill the range
                quantizations[2] = Quantization(fmt, max(q.scale for q in quantizations), 0)
            got = micro(name, [a, b], quantizations, options={"potScaleInt16": False})
            want = compute(operation, [a, b], parameters_of(operation, *quantizations))
            np.testing.assert_array_equal(got, want)
            assert len(np.unique(got)) > 10

    @pytest.mark.parametrize("fmt, count", [(S8, 16), (S16, 16)], ids=str)
    def test_products(self, fmt, count, rng):
        operation = Multiplication(TFLITE, fmt, fmt, fmt)
        for _ in range(count):
            a, b = levels(fmt, rng)
            quantizations = tensors(fmt, rng)
            scales = [q.scale for q in quantizations]
            if fmt is S16:
                quantizations[2] = Quantization(
                    fmt, float(np.float32(scales[0] * scales[1] * 2**14 * scales[2])), 0)
            got = micro("MUL", [a, b], quantizations)
            want = compute(operation, [a, b], parameters_of(operation, *quantizations))
            np.testing.assert_array_equal(got, want)
            assert len(np.unique(got)) > 10

    @pytest.mark.parametrize("input, output", [
        ("s8", "s8"), ("s8", "u8"), ("u8", "s8"), ("s8", "s16"), ("s16", "s8"), ("s16", "s16")])
    def test_rescales(self, input, output, rng):
        """Every pair that tflite-micro converts."""
        x_format, y_format = parse(input), parse(output)
        operation = Rescaling(TFLITE, x_format, y_format)
        x = np.arange(x_format.min, x_format.max + 1)
        for k in range(12):
            taken, made = (tensors(fmt, rng, count=1)[0] for fmt in (x_format, y_format))
            ratio = 2.0**(y_format.width - x_format.width)
            made = Quantization(y_format, float(np.float32(made.scale / ratio)), made.zero_point)
            if k == 0 and ratio == 1:  # identity, but for the zero points
                made = Quantization(y_format, taken.scale, made.zero_point)
            got = micro("QUANTIZE", [x], [taken, made])
            np.testing.assert_array_equal(
                got, compute(operation, [x], parameters_of(operation, taken, made)))

    @pytest.mark.parametrize("fmt", [S8, S16], ids=str)
    def test_concatenates_tensors_of_one_scale(self, fmt, rng):
        q, operation = tensors(fmt, rng, count=1)[0], Rescaling(TFLITE, fmt, fmt)
        a, b = (rng.integers(fmt.min, fmt.max + 1, (2, 500, n)) for n in (3, 5))
        got = operator("CONCATENATION", [(x.astype(DTYPES[str(fmt)]), pair(q)) for x in (a, b)],
                       ((2, 500, 8), DTYPES[str(fmt)], pair(q)), options={"axis": 2})
        p = parameters_of(operation, q, q)
        np.testing.assert_array_equal(got, concat([operation] * 2, [a, b], [p, p], axis=2))
        np.testing.assert_array_equal(got, np.concatenate([a, b], axis=2))

    @pytest.mark.parametrize("fmt", [S8, S16], ids=str)
    @pytest.mark.parametrize("kind", ["AVERAGE", "MAX"])
    def test_pools(self, kind, fmt, rng):
        """Windows of every size to 5 x 5, with edges where fewer taps are valid."""
        pool = ops.average_pool if kind == "AVERAGE" else ops.max_pool
        for size in np.ndindex(5, 5):
            size = size[0] + 1, size[1] + 1
            x = rng.integers(fmt.min, fmt.max + 1, (1, 12, 14, 16))
            if rng.integers(2):  # near each other: more ties about 0
                x >>= fmt.width - 3
            stride = tuple(rng.integers(1, 4, 2).tolist())
            padding = ops.same_padding((12, 14), kernel=size, stride=stride)
            want = pool(x, size=size, stride=stride, padding=padding)
            got = operator(f"{kind}_POOL_2D", [(x.astype(DTYPES[str(fmt)]), (1, 0))],
                           (want.shape, DTYPES[str(fmt)], (1, 0)), kind="Pool2DOptions",
                           options=dict(strideH=stride[0], strideW=stride[1], filterHeight=size[0],
                                        filterWidth=size[1], padding=0))
            np.testing.assert_array_equal(got, want)


def has_fused_multiply_add():
    path = Path("/proc/cpuinfo")
    return path.exists() and {"avx2", "fma"} <= set(path.read_text().split())


class TestOnnxRuntime:
    def arguments(self, kind, inputs, quantizations):
        dtype, feeds = DTYPES[kind], []
        for x, q in zip(inputs, quantizations, strict=False):
            feeds += [x.astype(dtype), np.float32(q.scale), dtype(q.zero_point)]
        made = quantizations[-1]
        return feeds, [np.float32(made.scale), dtype(made.zero_point)]

    @pytest.mark.skipif(not has_fused_multiply_add(), reason="the kernel of this CPU is another")
    @pytest.mark.parametrize("kind", ["s8", "u8"])
    def test_sums(self, kind, rng):
        fmt = parse(kind)
        operation, (a, b) = Addition(scheme("onnx"), fmt, fmt, fmt), levels(fmt, rng)
        for k in range(40):
            quantizations = tensors(fmt, rng)
            if k % 4 == 0:  # scales of few bits: ties, and sums that are exact in any order
                quantizations = [Quantization(fmt, float(rng.integers(1, 9)) / 8, q.zero_point)
                                 for q in quantizations]
            feeds, made = self.arguments(kind, [a, b], quantizations)
            got = execute("QLinearAdd", feeds + made, domain="com.microsoft")
            np.testing.assert_array_equal(
                got, compute(operation, [a, b], parameters_of(operation, *quantizations)))

    @pytest.mark.parametrize("kind", ["s8", "u8"])
    def test_products(self, kind, rng):
        fmt = parse(kind)
        operation = Multiplication(contract("onnx_zp_inside"), fmt, fmt, fmt)
        a, b = levels(fmt, rng)
        for _ in range(20):
            quantizations = tensors(fmt, rng)
            feeds, made = self.arguments(kind, [a, b], quantizations)
            got = execute("QLinearMul", feeds + made, domain="com.microsoft")
            np.testing.assert_array_equal(
                got, compute(operation, [a, b],
                             parameters_of(operation, *quantizations)))

    @pytest.mark.parametrize("kind", ["s8", "u8"])
    def test_joins(self, kind, rng):
        """Output scales of one bit."""
        fmt = parse(kind)
        operation = Rescaling(contract("onnx"), fmt, fmt)
        x = np.arange(fmt.min, fmt.max + 1)
        for _ in range(100):
            a, b, made = tensors(fmt, rng)
            made = Quantization(fmt, 2.0**float(rng.integers(-5, 1)), made.zero_point)
            feeds, output = self.arguments(kind, [x, x], [a, b, made])
            # The output's scale and zero point come first; `execute` takes the type of input 4.
            got = execute("QLinearConcat", output + feeds, domain="com.microsoft", axis=0)
            ways = [parameters_of(operation, q, made) for q in (a, b)]
            np.testing.assert_array_equal(
                got, concat([operation] * 2, [x, x], ways, axis=0))
