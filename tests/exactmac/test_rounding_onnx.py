"""Exact results as fractions, against golden's, and the differences that float32 makes."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from exactmac.comparison import counted
from exactmac.oracles import RUNTIMES
from exactmac.rounding.exact import exact
from exactmac.rounding.onnx import float_rounding
from golden import contracts, units
from golden.contracts import parse as contract
from golden.formats import parse
from golden.multipliers import linear_parameters
from golden.networks import (
    FLOAT32,
    Add,
    Conv2d,
    Dense,
    FloatAveragePool,
    FloatOperation,
    Lookup,
    Mul,
    Network,
    Quantization,
    Reduce,
    Sub,
    Tensor,
)
from golden.readers import Model
from golden.run import run
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication

S8, U8, S16 = (parse(name) for name in ("s8", "u8", "s16"))
EVEN = contract("half_even")


def tensor(rng, fmt=S8):
    return Quantization(fmt, float(np.float32(rng.uniform(0.01, 0.1))), int(rng.integers(-9, 9)))


def linear(rng, kind, shape, input, output, **more):
    channels, weights = shape[0], rng.integers(-128, 128, shape)
    own = Quantization(S8, rng.uniform(0.01, 0.1, channels), rng.integers(-3, 4, channels))
    total = contracts.S32
    return kind(
        name="y", inputs=("x",), output=output, weights=weights, weight=own, contract=EVEN,
        parameters={"bias": rng.integers(-999, 999, channels), "zero_point": output.zero_point,
                    **linear_parameters(EVEN, input.scale, own.scale, output.scale, total),
                    "clamp_min": -100, "clamp_max": np.arange(channels) + 60}, **more)


def layers(rng):
    """A layer of each kind, with the shape of its inputs."""
    q, r, y = tensor(rng), tensor(rng), tensor(rng)
    wide = Quantization(S8, 40.0, 3)
    yield linear(rng, Dense, (4, 7), q, wide), [(3, 7)], [q]
    yield linear(rng, Conv2d, (4, 2, 3, 2), q, wide, padding=((1, 0), (0, 2)), stride=(1, 2),
                 dilation=(2, 1), groups=2), [(6, 5, 4)], [q]
    for kind in (Add, Sub):
        sum_of = Addition(units.parse("exact"), S8, S8, S8, kind is Sub)
        yield kind(name="y", inputs=("x", "z"), output=y, scheme=units.parse("exact"),
                   parameters=parameters_of(sum_of, q, r, y)), [(2, 3, 4), (3, 1)], [q, r]
    y = Quantization(S8, 0.3, -5)
    yield Mul(name="y", inputs=("x", "z"), output=y, contract=EVEN, parameters=parameters_of(
        Multiplication(EVEN, S8, S8, S8), q, r, y)), [(2, 3, 4), (4,)], [q, r]
    for axes, keep, kind in (((1, 2), True, "mean"), ((2,), False, "sum")):
        taps = 20 if len(axes) == 2 else 4
        scale = linear_parameters(EVEN, q.scale, 1, y.scale * (taps if kind == "mean" else 1),
                                  contracts.S32)
        yield Reduce(name="y", inputs=("x",), output=y, axes=axes, keep=keep, kind=kind,
                     contract=EVEN, parameters={
                         **{name: int(value) for name, value in scale.items()},
                         "zero_point": -5, "clamp_min": -128, "clamp_max": 127}), [(5, 4, 3)], [q]
    for pads in (False, True):
        yield FloatAveragePool(name="y", inputs=("x",), output=y, size=(3, 2), stride=(2, 1),
                               padding=((1, 1), (0, 1)), count_padding=pads), [(6, 5, 2)], [q]


def cases(rng):
    """Layers with their network, the levels of the inputs, and golden's output."""
    for layer, shapes, quantizations in layers(rng):
        network = Network(name="n", layers=(layer,), inputs=tuple(
            map(Tensor, layer.inputs, quantizations, shapes)))
        x = {each.name: rng.integers(-128, 128, (2, *each.shape)) for each in network.inputs}
        yield layer, network, list(x.values()), run(network, x)["y"]


def test_every_element(rng):
    """Golden's exact contracts are the exact result, rounded once; others are as near as floats."""
    kinds = set()
    for layer, network, inputs, y in cases(rng):
        kinds.add(type(layer))
        own = layer.parameters if not isinstance(layer, FloatAveragePool) else {}
        for place in product(*map(range, y.shape)):
            found = exact(layer, network, inputs, place)
            ends = [np.broadcast_to(own.get(f"clamp_{name}", end), y.shape[-1:])[place[-1]]
                    for name, end in (("min", -128), ("max", 127))]
            level = min(max(round(found.value) + layer.output.zero_point, ends[0]), ends[1])
            near = abs(found.value - round(found.value)) > Fraction(1, 2) - found.slack(20)
            assert y[place] == level or near
            assert found.magnitude >= abs(found.value) and 0 < found.slack(8) < Fraction(1, 50)
            # Another level is float32's only next to a tie.
            for step in (-1, 1):
                other = int(y[place]) + step
                if ends[0] < other < ends[1] and not near:
                    assert float_rounding(layer, network, inputs, place, level, other) is None
                    assert float_rounding(layer, network, inputs, place, other, level) is None
    assert len(kinds) == 7


def tie():
    """A layer whose exact result is halfway between two levels."""
    q, y = Quantization(U8, 0.5, 3), Quantization(S16, 4.0, 7)
    layer = Dense(name="y", inputs=("x",), output=y, weights=[[1, 2, 0]], weight=Quantization(S8),
                  contract=EVEN, parameters={
                      "bias": [1], **linear_parameters(EVEN, 0.5, 1, 4.0, contracts.S32),
                      "zero_point": 7, "clamp_min": S16.min, "clamp_max": S16.max})
    return layer, Network(name="n", inputs=(Tensor("x", q, (3,)),), layers=(layer,))


def test_a_difference_of_float32():
    layer, network = tie()
    x = [np.array([[6, 4, 9], [22, 3, 0]])]
    found = exact(layer, network, x, (1, 0))
    assert found == (Fraction(20, 8), Fraction(20, 8), 4)
    assert run(network, x[0])["y"].tolist() == [[8], [9]]
    rounding = float_rounding(layer, network, x, (1, 0), 9, 10, 10.000001)
    assert rounding is not None and rounding.value == Fraction(19, 2)
    assert str(rounding) == "19/2 (9.5): golden 9, runtime 10 of 10.000001"
    assert float_rounding(layer, network, x, (1, 0), 9, 10) is not None
    # A level too far, one that golden should not have, and real numbers that are not rounded so.
    for golden, runtime, real in ((9, 11, None), (8, 9, None), (9, 10, 9.99), (9, 10, 10.01),
                                  (9, 10, 14.0), (9, 10, 10.0)):
        assert float_rounding(layer, network, x, (1, 0), golden, runtime, real) is None


def test_a_difference_is_float32s_only_where_the_runtime_computes_in_it():
    _, network = tie()
    x, y = np.array([[6, 4, 9], [22, 3, 0]]), np.array([[8], [10]], np.int16)
    for reals, shown, counts in (
            ({}, {0: y}, (2, 1, 0)), ({"y": 1}, {0: y}, (2, 0, 1)), ({}, {}, (0, 0, 0)),
            ({"y": 1}, {0: y, 1: np.array([[0], [11]], np.float32)}, (2, 1, 0))):
        read = Model(network, "onnxruntime", {"y": 0}, ("x",), reals=reals)
        found = counted(read, {"x": x}, shown, RUNTIMES["onnxruntime"], "")
        assert (found.elements, found.mismatches, found.rounded) == counts
        assert (found.first is None) == (not counts[1]) and (found.first_rounded is None) == (
            not counts[2])
        assert found.hidden == (() if shown else ("y",))


def test_numbers_of_float32_are_equal_if_their_bits_are():
    real = Quantization(FLOAT32)
    network = Network(name="n", inputs=(Tensor("x", real, (3,)),), layers=(
        FloatOperation(name="y", inputs=("x",), output=real, kind="relu"),))
    read = Model(network, "onnxruntime", {"y": 0}, ("x",))
    found = counted(read, {"x": np.float32([[-1, 0, 2]])}, {0: np.float32([[0, -0.0, 2]])},
                    RUNTIMES["onnxruntime"], "")
    assert str(found.first) == "tensor 'y' (FloatOperation) at (0, 1): golden 0.0, runtime -0.0"
    assert (found.elements, found.mismatches) == (3, 1)


def test_layers_that_have_no_exact_result():
    layer = Lookup(name="y", inputs=("x",), output=Quantization(S8), table=np.zeros(256, int))
    network = Network(name="n", inputs=(Tensor("x", Quantization(S8), (3,)),), layers=(layer,))
    assert exact(layer, network, [np.zeros((1, 3), int)], (0, 0)) is None
    assert float_rounding(layer, network, [np.zeros((1, 3), int)], (0, 0), 0, 1) is None


@pytest.mark.parametrize("roundings", [1, 12, 1000])
def test_the_bound_of_float32(roundings, rng):
    """No sum in float32 is farther from the exact one than the bound, nor the bound far away."""
    layer, network = tie()
    found = exact(layer, network, [np.array([[6, 4, 9]])], (0, 0))
    relative = found.slack(roundings) / found.magnitude
    assert Fraction(roundings, 1 << 24) < relative < Fraction(roundings + 1, 1 << 24)
    values = rng.uniform(-1, 1, roundings + 1).astype(np.float32)
    total = np.float32(0)
    for value in values:
        total = np.float32(total + value)
    error = abs(Fraction(float(total)) - sum(map(Fraction, values.tolist())))
    assert error <= relative * sum(abs(Fraction(value)) for value in values.tolist())
