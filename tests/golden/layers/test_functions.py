"""Tables, softmax, leaky relu and sums over axes: definitions, and what they refuse."""

from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import Rounding
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import (
    FloatAveragePool,
    FloatReduce,
    FloatSoftmax,
    LeakyRelu,
    Lookup,
    Network,
    Quantization,
    Reduce,
    Softmax,
    TableSoftmax,
    Tensor,
    TransposeConv2d,
)
from golden.run import run
from golden.saved import load, save

S8 = Quantization(parse("s8"), 0.5, 3)
UNIT = Quantization(parse("s8"), 1 / 256, -128)
MEAN = {"multiplier": 1 << 30, "shift": 1, "zero_point": 3, "clamp_min": -128, "clamp_max": 127}


def network(layer, *, input=S8, shape=(4,)):
    return Network(name="n", inputs=(Tensor("a", input, shape),), layers=(layer,))


def layer(own, **fields):
    return own(**{**dict(name="y", inputs=("a",), output=S8), **fields})


def reduction(**fields):
    return layer(FloatReduce, **{**dict(axes=(1,), keep=False, kind="sum"), **fields})


def pool(**fields):
    return layer(FloatAveragePool, **{**dict(size=(2, 2), stride=(1, 1)), **fields})


def leaky(**changed):
    return layer(LeakyRelu, parameters={"multiplier": 1 << 30, "shift": 1,
                                        "alpha_multiplier": 1 << 30, "alpha_shift": -1, **changed})


def test_a_table_is_looked_up(rng, tmp_path):
    table = rng.integers(-8, 8, 16)
    made = network(layer(Lookup, table=table, output=Quantization(parse("s4"))),
                   input=Quantization(parse("s4")))
    x = np.arange(-8, 8).reshape(4, 4)
    np.testing.assert_array_equal(run(made, x)["y"], table[x & 15])
    save(made, tmp_path / "n.npz")
    np.testing.assert_array_equal(run(load(tmp_path / "n.npz"), x)["y"], table[x & 15])


@pytest.mark.parametrize("count_padding", [False, True])
def test_a_float_average_pool(rng, tmp_path, count_padding):
    """Scales and counts are powers of two, so that float32 is exact; the zero point is inside."""
    made = network(layer(FloatAveragePool, size=(2, 2), stride=(2, 1), padding=((0, 0), (1, 0)),
                         count_padding=count_padding, output=Quantization(parse("s8"), 1.0, 5)),
                   shape=(4, 3, 2))
    x = rng.integers(-128, 128, (3, 4, 3, 2))
    result = run(made, x)["y"]
    for n, i, j, c in np.ndindex(result.shape):
        taps = x[n, 2 * i:2 * i + 2, max(j - 1, 0):j + 1, c] - 3
        mean = Fraction(int(taps.sum()), 4 if count_padding else taps.size) / 2
        assert result[n, i, j, c] == np.clip(round(mean + 5), -128, 127)
    assert result.shape == (3, 2, 3, 2)
    save(made, tmp_path / "n.npz")
    np.testing.assert_array_equal(run(load(tmp_path / "n.npz"), x)["y"], result)


@pytest.mark.parametrize("sign", [1, -1])
def test_leaky_relu_scales_each_side(sign):
    """Below zero a quarter, rounded twice as TFLite does; the sign turns after the rounding."""
    made = network(leaky(alpha_multiplier=sign << 30), shape=(256,))
    x = np.arange(-128, 128)[None]
    result = run(made, x)["y"][0]
    np.testing.assert_array_equal(result[131:], np.arange(3, 128))
    halves = np.array([(v - 3 + 1) // 2 for v in range(-128, 3)])  # the first rounding, upwards
    quarters = -((-halves * 2 + 2) // 4)  # the second, ties away from zero
    np.testing.assert_array_equal(result[:131], np.clip(sign * quarters + 3, -128, 127))


def test_sums_and_means(rng):
    x = rng.integers(-128, 128, (7, 2, 3, 4))
    for axes, keep in (((1, 2), False), ((3,), True)):
        made = network(layer(Reduce, axes=axes, keep=keep, kind="sum", contract=contract("tflite"),
                             parameters=MEAN), shape=(2, 3, 4))
        wanted = np.clip((x - 3).sum(axis=axes, keepdims=keep) + 3, -128, 127)
        assert made.tensors["y"].shape == wanted.shape[1:]
        np.testing.assert_array_equal(run(made, x)["y"], wanted)


def test_sums_in_float32_by_fractions(rng):
    """Factor, offset, product and sum, each an exact fraction rounded to float32."""
    def single(fraction):
        return Fraction(float(np.float32(float(fraction))))

    for kind, rounding in (("mean", Rounding.HALF_EVEN), ("sum", Rounding.HALF_AWAY)):
        x = rng.integers(-128, 128, (20, 3, 2))
        input, output = Quantization(parse("s8"), 0.3, -100), Quantization(parse("s8"), 0.8, 7)
        factor = single(single(Fraction(0.3)) / single(Fraction(0.8)))
        if kind == "mean":
            factor = single(factor * single(Fraction(1, 6)))
        offset = single(7 - single(6 * -100 * factor))
        wanted = []
        for total in x.sum(axis=(1, 2)).tolist():
            real = single(single(total * factor) + offset)
            level = round(real)  # ties to even
            if rounding is Rounding.HALF_AWAY:
                level = int(abs(real) + Fraction(1, 2)) * (1 if real >= 0 else -1)
            wanted.append(min(max(level, -128), 127))
        made = network(reduction(axes=(1, 2), kind=kind, rounding=rounding, output=output),
                       input=input, shape=(3, 2))
        assert run(made, x)["y"].tolist() == wanted


def test_transposed_convolution_is_the_sum_of_its_taps(rng):
    """Tap by tap, as the definition has it; sizes beyond the last tap included."""
    x = rng.integers(-8, 8, (2, 3, 4, 2))
    for stride, offset, size, kernel in (((2, 3), (1, 0), (6, 12), (3, 2)),
                                         ((1, 1), (0, 0), (5, 6), (3, 3)),
                                         ((3, 2), (2, 1), (4, 5), (4, 2))):
        w = rng.integers(-8, 8, (5, *kernel, 2))
        made = network(layer(
            TransposeConv2d, weights=w, weight=Quantization(parse("s4")), stride=stride,
            offset=offset, size=size, contract=contract("none"), parameters={"bias": 0},
            output=Quantization(parse("s16"))), input=Quantization(parse("s4"), 1.0, 2),
            shape=(3, 4, 2))
        wanted = np.zeros((2, *size, 5), int)
        for r, c, i, j in np.ndindex(3, 4, *kernel):
            row, column = r * stride[0] + i - offset[0], c * stride[1] + j - offset[1]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                wanted[:, row, column] += (x[:, r, c] - 2) @ w[:, i, j].T
        np.testing.assert_array_equal(run(made, x)["y"], wanted)


@pytest.mark.parametrize("made, message", [
    (lambda: network(layer(Lookup, table=np.zeros(255, int))),
     "Table of layer 'y' must have 256 levels, one for each code of s8, not shape (255,)"),
    (lambda: network(layer(Lookup, table=np.full(256, 128))), "Table entry of layer 'y' must be"),
    (lambda: network(layer(Softmax, parameters={"multiplier": 1, "shift": 0},
                           output=Quantization(parse("s16")))),
     "Input and output of layer 'y' must both be s8 or both s16, not s8 and s16"),
    (lambda: network(layer(Softmax, parameters={"multiplier": 1}, output=UNIT)),
     "Parameters of layer 'y' must be multiplier, shift, not multiplier"),
    (lambda: network(layer(Softmax, parameters={"multiplier": -1, "shift": 0}, output=UNIT)),
     "Parameter multiplier of layer 'y' must be in range"),
    (lambda: network(layer(Softmax, parameters={"multiplier": 1, "shift": 0}, output=UNIT),
                     shape=(4096,)), "Rows of layer 'y' must have at most 4095 elements, not 4096"),
    (lambda: network(leaky(shift=40)), "Parameter shift of layer 'y' must be in range"),
    (lambda: network(leaky(shift=31)), "Layer 'y': Sum plus bias, shifted left, must be in"),
    (lambda: network(layer(Reduce, axes=(1,), keep=False, kind="sum", contract=contract("none"),
                           parameters={})),
     "Contract of layer 'y' must scale, which none does not"),
    (lambda: network(layer(Reduce, axes=(1,), keep=False, kind="max", contract=contract("tflite"),
                           parameters=MEAN)), "Kind of layer 'y' must be mean or sum, not 'max'"),
    (lambda: network(layer(Reduce, axes=(1,), keep=False, kind="sum", contract=contract("tflite"),
                           parameters={**MEAN, "zero_point": 4})),
     "Layer 'y': Parameter zero_point must be 3, as the output's, not 4"),
    (lambda: network(layer(Reduce, axes=(2,), keep=False, kind="sum", contract=contract("tflite"),
                           parameters=MEAN)), "Layer 'y': Axes must be different ones of 1 to 1"),
    (lambda: network(layer(Softmax, output=UNIT, tables="float16", parameters={
        "multiplier": 1 << 30, "shift": 1})),
     "Tables of layer 'y' must be float32 or float64, not 'float16'"),
    (lambda: network(layer(FloatSoftmax, output=S8)),
     "Output of softmax must have scale 0.00390625 and zero point -128, not 0.5 and 3"),
    (lambda: network(layer(FloatSoftmax, output=UNIT), input=Quantization(parse("u8"))),
     "Input of layer 'y' must be s8, not u8"),
    (lambda: network(layer(FloatSoftmax, output=UNIT, beta=0.0)),
     "Scale times beta of layer 'y' must be a positive float32, not 0.5 times 0.0"),
    (lambda: network(reduction(kind="max")), "Kind of layer 'y' must be mean or sum, not 'max'"),
    (lambda: network(reduction(rounding=Rounding.FLOOR)),
     "Rounding of layer 'y' must be half_even or half_away, not floor"),
    (lambda: network(reduction(output=Quantization(parse("s8"), 1e38)),
                     input=Quantization(parse("s8"), 1e-8)),
     "Factor of layer 'y' must be a normal float32, not 0.0"),
    (lambda: network(reduction(), input=Quantization(parse("s16")), shape=(65536,)),
     "Layer 'y' must sum at most 65535 elements of s16, not 65536"),
    (lambda: network(pool()), "Tensor 'a' must have shape (height, width, channels), not (4,)"),
    (lambda: network(pool(padding=((2, 0), (0, 0))), shape=(4, 4, 1)),
     "Padding must be less than the window (2, 2)"),
    (lambda: network(pool(output=Quantization(parse("s8"), 1e-40)), shape=(4, 4, 1)),
     "Scale of tensor 'y' must be one, and a normal float32, not 1e-40"),
    (lambda: network(pool(output=Quantization(parse("s8"), 1.0, 128)), shape=(4, 4, 1)),
     "Zero point of tensor 'y' must be in range"),
    (lambda: network(layer(TableSoftmax, output=Quantization(parse("s16"), 1e-4))),
     "Input and output of layer 'y' must have at most 8 bits, not s8 and s16"),
    (lambda: network(layer(TableSoftmax, output=Quantization(parse("s8"), 1e-40))),
     "Scale of tensor 'y' must be one, and a normal float32, not 1e-40"),
    (lambda: network(layer(TableSoftmax, output=Quantization(parse("s8"), 1 / 593))),
     f"Scale of tensor 'y' must be at least 1 / 592 for rows of 4 elements, not {1 / 593}"),
    (lambda: network(pool(output=Quantization(parse("e4m3fn"), 1.0)), shape=(4, 4, 1)),
     "Output of layer 'y' must have an integer format"),
])
def test_what_is_refused(made, message):
    with pytest.raises(ValueError) as caught:
        run(made(), np.zeros((1, 4), int))
    assert message in str(caught.value)
