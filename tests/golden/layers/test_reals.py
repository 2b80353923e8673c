"""Layers of float32 numbers: what they compute, and what is refused."""

import re
from fractions import Fraction

import numpy as np
import pytest

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.networks import (
    FLOAT32,
    Centre,
    Dense,
    DynamicQuantize,
    FloatOperation,
    Network,
    Pool,
    Quantization,
    Reshape,
    Tensor,
    ToFloat,
)
from golden.run import check_scales, prove, run
from golden.saved import load, save
from tests.golden.definitions import to_float32

REAL, U8, S9, SUM = (Quantization(fmt) for fmt in (FLOAT32, parse("u8"), parse("s9"), S32))


def product(features=5, weight=255, contract_name="none"):
    """What quantize_dynamic makes of a product of matrices, a bias and a rectifier."""
    weights = np.full((3, features), weight)
    weights[1] = np.arange(features) % 7
    return Network(
        name="product", inputs=(Tensor("x", REAL, (features,)),),
        constants=(Tensor("k", REAL, (3,), np.float32([0.1, 0.2, 0.3])),
                   Tensor("b", REAL, (3,), np.float32([1, -2, 3]))),
        layers=(
            *(DynamicQuantize(name=part, inputs=("x",), output=REAL if part == "scale" else U8,
                              part=part) for part in ("levels", "scale", "zero_point")),
            Centre(name="centred", inputs=("levels", "zero_point"), output=S9),
            Dense(name="sums", inputs=("centred",), output=SUM, weights=weights,
                  weight=Quantization(parse("u8"), 1.0, 3), contract=contract(contract_name),
                  parameters={"bias": [0, 0, 0]}),
            ToFloat(name="reals", inputs=("sums",), output=REAL),
            FloatOperation(name="factor", inputs=("scale", "k"), output=REAL, kind="mul"),
            FloatOperation(name="scaled", inputs=("reals", "factor"), output=REAL, kind="mul"),
            FloatOperation(name="moved", inputs=("scaled", "b"), output=REAL, kind="add"),
            FloatOperation(name="y", inputs=("moved",), output=REAL, kind="relu")))


def test_each_operation_is_rounded_by_itself(rng, tmp_path):
    network = product()
    check_scales(network)
    save(network, tmp_path / "saved")
    x = rng.normal(size=(40, 5)).astype(np.float32)
    x[0], x[1], x[2] = 0, abs(x[1]), -abs(x[2])
    y = run(load(tmp_path / "saved"), x)
    assert {name: each.dtype for name, each in y.items() if network.quantization(name) is REAL} == {
        name: np.float32 for name in ("x", "k", "b", "scale", "factor", "reals", "scaled", "moved",
                                      "y")}
    k, b = ([Fraction(each) for each in network.tensors[name].source.tolist()] for name in "kb")
    weights = np.asarray(network.layers[4].weights)
    for row, member in enumerate(x):
        numbers = [Fraction(each) for each in member.tolist()]
        lo, hi = min(*numbers, 0), max(*numbers, 0)
        scale = to_float32(to_float32(hi - lo) / 255) if hi > lo else Fraction(1)
        zero = min(max(round(to_float32(-lo / scale)), 0), 255)
        levels = [min(max(round(to_float32(each / scale)) + zero, 0), 255) for each in numbers]
        assert (Fraction(float(y["scale"][row])), int(y["zero_point"][row])) == (scale, zero)
        assert y["levels"][row].tolist() == levels
        for column in range(3):
            total = sum((level - zero) * (int(w) - 3) for level, w in zip(
                levels, weights[column], strict=True))
            assert y["sums"][row, column] == total
            scaled = to_float32(to_float32(total) * to_float32(scale * k[column]))
            assert Fraction(float(y["y"][row, column])) == max(
                to_float32(scaled + b[column]), Fraction(0))


def test_sums_beyond_int32_are_refused():
    """Worst cases: whatever range the tensor has at run time."""
    most = (2**31 - 1) // (252 * 256)
    prove(product(most))
    with pytest.raises(ValueError, match=r"Layer 'sums', channel 0: Output must be in range "
                                         r"\[-2147483648, 2147483647\] of s32, not "):
        prove(product(most + 1))


@pytest.mark.parametrize("layer, message", [
    (Pool(name="y", inputs=("x",), output=REAL, kind="max", size=(1, 1), stride=(1, 1)),
     "Tensor 'x' must have a format of levels for layer 'y', not float32"),
    (Dense(name="y", inputs=("z",), output=REAL, weights=[[1]], weight=U8, parameters={"bias": [0]},
           contract=contract("none")),
     "Tensor 'y' must have a format of levels for layer 'y', not float32"),
    (DynamicQuantize(name="y", inputs=("z",), output=U8, part="levels"),
     "Tensor 'z' must have format float32, not u8"),
    (DynamicQuantize(name="y", inputs=("x",), output=U8, part="scale"),
     "Output of layer 'y' must have format float32, not u8"),
    (DynamicQuantize(name="y", inputs=("x",), output=U8, part="zero"),  # type: ignore
     "Part of layer 'y' must be one of levels, scale, zero_point, not 'zero'"),
    (Centre(name="y", inputs=("z", "p"), output=U8),
     "Output of layer 'y' must hold [-255, 255], not u8"),
    (Centre(name="y", inputs=("x", "p"), output=S9),
     "Tensor 'x' must have a format of levels for layer 'y', not float32"),
    (ToFloat(name="y", inputs=("x",), output=REAL),
     "Tensor 'x' must have an integer format, not float32"),
    (ToFloat(name="y", inputs=("w",), output=REAL),
     "Tensor 'w' must have a format within int32, not u32"),
    (FloatOperation(name="y", inputs=("x",), output=REAL, kind="add"),
     "Layer 'y' must have 2 inputs, not 1"),
    (FloatOperation(name="y", inputs=("x", "x"), output=REAL, kind="div"),  # type: ignore
     "Kind of layer 'y' must be one of add, mul, relu, not 'div'"),
    (FloatOperation(name="y", inputs=("x", "z"), output=REAL, kind="add"),
     "Tensor 'z' must have format float32, not u8"),
    (Reshape(name="y", inputs=("x",), output=U8, target=(1,)),
     "Output of layer 'y' must have the format float32 and the zero point 0 of tensor 'x', "
     "not u8 and 0"),
])
def test_layers_that_are_refused(layer, message):
    network = Network(name="n", layers=(layer,), inputs=(
        Tensor("x", REAL, (1, 1, 1)), Tensor("z", U8, (1,)), Tensor("p", U8, ()),
        Tensor("w", Quantization(IntFormat(32, signed=False)), (1,))))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        prove(network)


@pytest.mark.parametrize("x, error, message", [
    ([[1.0, 2.0]], TypeError, "Input must be float32, not float64"),
    (np.float32([[1, np.nan]]), ValueError, "Input must be finite, not nan"),
    (np.float32([[np.inf, 1]]), ValueError, "Input must be finite, not inf"),
    (np.float32([[1, 3e38]]), ValueError, "Numbers of layer 'y' must be finite, not inf"),
])
def test_numbers_that_are_refused(x, error, message):
    network = Network(name="n", inputs=(Tensor("x", REAL, (2,)),), layers=(
        FloatOperation(name="y", inputs=("x", "x"), output=REAL, kind="add"),))
    with pytest.raises(error, match=f"^{message}$"):
        run(network, x)


def test_the_zero_point_has_no_axis():
    with pytest.raises(ValueError, match=r"^Layer 'y': Tensor 'z' must have shape \(\), not "
                                         r"\(2,\)$"):
        Network(name="n", inputs=(Tensor("x", U8, (2,)), Tensor("z", U8, (2,))), layers=(
            Centre(name="y", inputs=("x", "z"), output=S9),))


def test_the_format():
    x = np.float32([0, -0.0, 1.5, -3e38, 1e-45])
    np.testing.assert_array_equal(FLOAT32.decode(FLOAT32.encode(x)), x)
    assert (str(FLOAT32), FLOAT32.bits, FLOAT32.contains([1.0, np.nan]).tolist()) == (
        "float32", 32, [True, False])
    assert FLOAT32.max == Fraction(float(np.finfo(np.float32).max)) == -FLOAT32.min
    with pytest.raises(ValueError, match="^Format must be one of levels, not float32$"):
        FLOAT32.levels()
    assert FLOAT32.describe() == "a finite number of float32"
