"""Against ONNX Runtime, graph optimizations off, which computes the sums and the outputs.

Contract ``onnx`` is QLinearMatMul and QLinearConv, of any scales. Contract ``onnx_zp_inside`` is
QLinearMul, of any scales: the product of the two operands is the sum. QLinearAdd rounds to float32
on its way to the sum, so it is compared only where those roundings are exact: scales with few bits.
Pools are in :mod:`tests.golden.runtimes.test_onnx_pools`, tflite-micro in
:mod:`tests.golden.runtimes.test_tflite_runtime`.
"""

import numpy as np
import pytest

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import parse
from golden.multipliers import linear_parameters, scale_parameters
from golden.requantize import requantize
from tests.golden.comparisons import compares
from tests.golden.onnx_session import run_model

DTYPES = {"u8": np.uint8, "s8": np.int8}


def execute(operator, feeds, *, domain="", **attributes):
    """Output of one node, of the type of its zero point: the last input but for a bias."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    feeds = {f"i{k}": np.asarray(value) for k, value in enumerate(feeds)}
    of = onnx.helper.np_dtype_to_tensor_dtype
    inputs = [onnx.helper.make_tensor_value_info(name, of(value.dtype), value.shape)
              for name, value in feeds.items()]
    kind = of(feeds["i7" if "i7" in feeds else "i4"].dtype)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, list(feeds), ["y"], domain=domain, **attributes)],
        "graph", inputs, [onnx.helper.make_tensor_value_info("y", kind, None)])
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[
        onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.microsoft", 1)])
    return run_model(model, feeds)[0]


def bits_of(scale):
    """As the contracts' parameter."""
    return np.asarray(scale, dtype=np.float32).view(np.uint32).astype(np.int64)


def combined(a, b, y):
    """ONNX Runtime's scale: the product of two in float32, divided in float32."""
    return np.float32(a) * np.asarray(b, np.float32) / np.float32(y)


def scales_for(sums, rng):
    """A scale for each column that spreads its sums over the levels and somewhat beyond.

    A third are powers of two, which make ties; the rest have all their bits.
    """
    most = np.maximum(np.abs(sums).max(axis=0), 1).astype(np.float64)
    exponent = np.floor(np.log2(rng.choice([4, 120, 300], most.size) / most))
    mantissa = np.where(rng.integers(0, 3, most.size) == 0, 1, rng.uniform(1, 2, most.size))
    return (mantissa * 2.0**exponent).astype(np.float32)


def parameters(fmt, scale, zero_point, bias=0):
    return dict(bias=bias, scale=bits_of(scale), zero_point=zero_point, clamp_min=fmt.min,
                clamp_max=fmt.max)


def agree(result, sums, name, fmt, p):
    """Number of outputs, all of which are the contract's."""
    wanted = requantize(sums, contract(name), fmt, p)
    np.testing.assert_array_equal(result.reshape(wanted.shape), wanted)
    assert len(np.unique(result)) > 100
    return result.size


def operands(kind, rng, rows, depth, columns):
    """Rows of small and of large numbers, so that their sums have every magnitude.

    Some processors' int8 kernels saturate at 16 bits on their way, which numbers of 7 bits never
    reach; uint8 by uint8 has no such kernel.
    """
    fmt = parse(kind)
    lo, hi = (fmt.min, fmt.max) if kind == "u8" else (-64, 63)
    size = rng.integers(1, 9, (rows, 1))
    a = rng.integers(fmt.min >> (8 - size), (fmt.max >> (8 - size)) + 1, (rows, depth))
    return a, rng.integers(lo, hi + 1, (depth, columns))


def product(a, b):
    # Below 2**53: exact, and fast.
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


class TestMatrixProduct:
    @compares("onnx", "QLinearMatMul", 16 * 256 * 256)
    @pytest.mark.parametrize("kind", ["u8", "s8"])
    @pytest.mark.parametrize("zero_points", [(128, 127, 0), (3, 0, 77), (255, 1, 128)])
    def test_per_tensor(self, kind, zero_points, rng):
        """A scale for the whole product, 16 of them."""
        count, fmt, dtype = 0, parse(kind), DTYPES[kind]
        a_zero, b_zero, y_zero = (z + fmt.min for z in zero_points)
        for _ in range(16):
            a, b = operands(kind, rng, 256, int(rng.integers(1, 200)), 256)
            sums = product(a - a_zero, b - b_zero)
            own = scales_for(sums.reshape(-1, 1) >> int(rng.integers(0, 5)), rng)[0]
            sa, sy = np.float32(rng.choice([1.0, rng.uniform(0.01, 4)])), np.float32(
                rng.choice([1.0, rng.uniform(0.01, 4)]))
            sb = np.float32(own * sy / sa)
            result = execute("QLinearMatMul", [
                a.astype(dtype), sa, dtype(a_zero), b.astype(dtype), sb, dtype(b_zero), sy,
                dtype(y_zero)])
            wanted = requantize(sums, contract("onnx"), fmt,
                                parameters(fmt, combined(sa, sb, sy), y_zero))
            np.testing.assert_array_equal(result, wanted)
            count += result.size
        return count

    def test_scales_of_any_bits(self, rng):
        """The runtime combines three scales; so does golden, bit for bit."""
        a, b = operands("u8", rng, 64, 50, 2048)
        sums, differ = product(a - 128, b - 127), 0
        for _ in range(4):
            sx, sy = np.float32(rng.uniform(0.01, 1, 2))
            # One sum of each column so near a tie that the last bit of the scale decides.
            near = np.abs(sums[rng.integers(0, 64, 2048), np.arange(2048)]).clip(1)
            ties = (rng.integers(0, 80, 2048) + 0.5) / near
            sw = (ties * float(sy) / float(sx)).astype(np.float32)
            result = execute("QLinearMatMul", [
                a.astype(np.uint8), sx, np.uint8(128), b.astype(np.uint8), sw,
                np.full(2048, 127, np.uint8), sy, np.uint8(77)])
            p = dict(bias=0, zero_point=77, clamp_min=0, clamp_max=255)
            wanted, by_hand = (
                requantize(sums, contract("onnx"), parse("u8"), p | scale) for scale in (
                    linear_parameters(contract("onnx"), sx, sw, sy, S32),
                    scale_parameters(contract("onnx"), float(sx) * sw.astype(float) / float(sy),
                                     S32)))
            np.testing.assert_array_equal(result, wanted)
            differ += np.count_nonzero(wanted != by_hand)
        assert differ

    @compares("onnx", "QLinearMatMul", 1024 * 1024)
    @pytest.mark.parametrize("kind", ["u8", "s8"])
    @pytest.mark.parametrize("y_zero", [0, 101, 128])
    def test_per_column(self, kind, y_zero, rng):
        """A scale for each column."""
        fmt, dtype = parse(kind), DTYPES[kind]
        y_zero += fmt.min
        a, b = operands(kind, rng, 1024, 300, 1024)
        a_zero, b_zero = fmt.min + 127, fmt.min + 130
        sums = product(a - a_zero, b - b_zero)
        sb, one = scales_for(sums, rng), np.float32(1)
        result = execute("QLinearMatMul", [
            a.astype(dtype), one, dtype(a_zero), b.astype(dtype), sb,
            np.full(1024, b_zero, dtype), one, dtype(y_zero)])
        return agree(result, sums, "onnx", fmt, parameters(fmt, sb, y_zero))

    @compares("onnx", "QLinearMatMul", 64 * 64)
    def test_sums_beyond_24_bits(self, rng):
        """To the ends of int32: what float32 cannot hold, with scales that make ties of it."""
        depth = 33_000
        a = np.repeat(rng.integers(0, 256, (64, 1)), depth, axis=1)
        a[:, :300] = rng.integers(0, 256, (64, 300))
        a[0], a[1] = 255, 254
        b = np.repeat(rng.integers(0, 256, (1, 64)), depth, axis=0)
        b[:300] = rng.integers(0, 256, (300, 64))
        b[:, 0], b[:, 1] = 255, 254
        sums = product(a, b)
        assert sums.max() > 2**31 - 2**23
        sb, one, zero = scales_for(sums >> 1, rng), np.float32(1), np.uint8(0)
        result = execute("QLinearMatMul", [
            a.astype(np.uint8), one, zero, b.astype(np.uint8), sb, np.zeros(64, np.uint8), one,
            zero])
        u8 = parse("u8")
        return agree(result, sums, "onnx", u8, parameters(u8, sb, 0))


class TestConvolution:
    @compares("onnx", "QLinearConv", 1024 * 1024)
    @pytest.mark.parametrize("kind", ["u8", "s8"])
    @pytest.mark.parametrize("y_zero", [0, 101, 128])
    def test_every_bias(self, kind, y_zero, rng):
        """A bias for each of 1024 channels takes its sums to any int32, the ends among them."""
        fmt, dtype = parse(kind), DTYPES[kind]
        y_zero += fmt.min
        x_zero, w_zero = fmt.min + 129, 0 if kind == "s8" else 128
        x = rng.integers(fmt.min, fmt.max + 1, (1, 3, 32, 32))
        w = rng.integers(-64, 64, (1024, 3, 1, 1)) + w_zero
        sums = product(x[0].reshape(3, -1).T - x_zero, w.reshape(1024, 3).T - w_zero)
        centre = rng.integers(-2**31, 2**31, 1024) >> rng.integers(0, 24, 1024)
        centre[:24] = np.repeat([-2**31, 2**31 - 1, 2**24, -2**24, 2**25, -2**25, 2**23, 0], 3)
        bias = np.clip(centre, -2**31 - sums.min(axis=0), 2**31 - 1 - sums.max(axis=0))
        totals = sums + bias
        assert totals.min() == -2**31 and totals.max() == 2**31 - 1
        # The sums of a channel lie close together: ties are where a scale's half is among them.
        sw, one = scales_for(totals, rng), np.float32(1)
        result = execute("QLinearConv", [
            x.astype(dtype), one, dtype(x_zero), w.astype(dtype), sw,
            np.full(1024, w_zero, dtype), one, dtype(y_zero), bias.astype(np.int32)])
        result = result[0].reshape(1024, -1).T
        return agree(result, sums, "onnx", fmt, parameters(fmt, sw, y_zero, bias))

    @compares("onnx", "QLinearConv", 64 * 24 * 24)
    @pytest.mark.parametrize("x_zero", [0, 7, 255])
    def test_padding_and_any_scale(self, x_zero, rng):
        """A 3x3 window, padded with the zero point; scales that the runtime combines itself."""
        x = rng.integers(0, 256, (1, 4, 24, 24))
        w = rng.integers(-128, 128, (64, 4, 3, 3))
        padded = np.pad(x - x_zero, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded[0], (3, 3), axis=(1, 2))
        sums = product(windows.transpose(1, 2, 0, 3, 4).reshape(24 * 24, -1),
                       w.reshape(64, -1).T)
        bias = rng.integers(-20_000, 20_000, 64)
        sx, sy = np.float32(0.0173), np.float32(0.31)
        sw = scales_for(sums + bias, rng) * np.float32(17.7)
        result = execute("QLinearConv", [
            x.astype(np.uint8), sx, np.uint8(x_zero), w.astype(np.int8), sw,
            np.zeros(64, np.int8), sy, np.uint8(131), bias.astype(np.int32)], pads=[1, 1, 1, 1])
        p = parameters(parse("u8"), combined(sx, sw, sy), 131, bias)
        return agree(result[0].reshape(64, -1).T, sums, "onnx", parse("u8"), p)


# Every pair of two uint8 operands.
PAIRS = np.divmod(np.arange(2**16), 256)


class TestZeroPointInside:
    @compares("onnx_zp_inside", "QLinearMul")
    @pytest.mark.parametrize("kind", ["u8", "s8"])
    def test_every_product(self, kind, rng):
        """QLinearMul: each pair of codes, with 20 choices of scales and zero points."""
        fmt, dtype = parse(kind), DTYPES[kind]
        a, b = (x + fmt.min for x in PAIRS)
        count = ties = 0
        for k in range(20):
            zero_points = rng.integers(fmt.min, fmt.max + 1, 3)
            if k % 2:
                zero_points[2] |= 1
            a_zero, b_zero, y_zero = zero_points.tolist()
            sums = (a - a_zero) * (b - b_zero)
            if k < 10:
                sa, sb, sy = np.float32(2.0 ** rng.integers([-6, -6, 0], [0, 0, 4]))
            else:
                sa, sb, sy = np.float32(rng.uniform([0.01, 0.01, 0.5], [0.9, 0.9, 9]))
            result = execute("QLinearMul", [
                a.astype(dtype), sa, dtype(a_zero), b.astype(dtype), sb, dtype(b_zero), sy,
                dtype(y_zero)], domain="com.microsoft")
            scale = combined(sa, sb, sy)
            inside, outside = (requantize(sums, contract(name), fmt,
                                          parameters(fmt, scale, y_zero))
                               for name in ("onnx_zp_inside", "onnx"))
            np.testing.assert_array_equal(result, inside)
            count += result.size
            ties += np.count_nonzero(inside != outside)
        assert ties > 1000
        return count

    @compares("onnx_zp_inside", "QLinearAdd")
    @pytest.mark.parametrize("kind", ["u8", "s8"])
    def test_every_sum(self, kind, rng):
        """QLinearAdd of equal scales whose ratio to the output's has at most 8 bits."""
        fmt, dtype = parse(kind), DTYPES[kind]
        a, b = (x + fmt.min for x in PAIRS)
        count = ties = 0
        for _ in range(20):
            a_zero, b_zero = rng.integers(fmt.min, fmt.max + 1, 2).tolist()
            y_zero = int(rng.integers(fmt.min, fmt.max + 1)) | 1
            own, sy = np.float32(rng.choice([1, 3, 128, 255, 77]) / 128), np.float32(2)
            result = execute("QLinearAdd", [
                a.astype(dtype), own, dtype(a_zero), b.astype(dtype), own, dtype(b_zero), sy,
                dtype(y_zero)], domain="com.microsoft")
            sums = a - a_zero + b - b_zero
            inside, outside = (requantize(sums, contract(name), fmt,
                                          parameters(fmt, own / sy, y_zero))
                               for name in ("onnx_zp_inside", "onnx"))
            np.testing.assert_array_equal(result, inside)
            count += result.size
            ties += np.count_nonzero(inside != outside)
        assert ties > 1000
        return count
