"""Networks whose layers bring tensors of unequal scales together."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden import elementwise, ops
from golden.contracts import parse as contract
from golden.formats import parse
from golden.layers.elementwise import operations
from golden.networks import (
    INPUT,
    Add,
    Concat,
    Dense,
    Mul,
    Network,
    Pool,
    Quantization,
    Rescale,
    Sub,
    Tensor,
)
from golden.run import prove, run
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Rescaling
from golden.units import parse as scheme

S8, U8 = parse("s8"), parse("u8")
TFLITE = contract("tflite")
A, B, C = (Quantization(U8, 0.5, 100), Quantization(S8, 0.25, -3), Quantization(S8, 0.75, 5))


def network(*layers, shape=(7,)):
    return Network(name="n", inputs=(Tensor(INPUT, A, shape),), layers=layers)


def rescaled(name="b", source=INPUT, taken=A, made=B, **changed):
    p = parameters_of(Rescaling(TFLITE, taken.format, made.format), taken, made)
    return Rescale(name=name, inputs=(source,), output=made, contract=TFLITE,
                   parameters=p | changed)


def added(kind=Add, way="tflite", name="c", **changed):
    operation = Addition(scheme(way), U8, S8, S8, kind is Sub)
    return kind(name=name, inputs=(INPUT, "b"), output=C, scheme=scheme(way),
                parameters=parameters_of(operation, A, B, C) | changed)


def multiplied(**changed):
    p = parameters_of(Multiplication(TFLITE, U8, S8, S8), A, B, C)
    return Mul(name="m", inputs=(INPUT, "b"), output=C, contract=TFLITE, parameters=p | changed)


def joined(**changed):
    ways = [parameters_of(Rescaling(TFLITE, q.format, S8), q, C) for q in (A, B, C)]
    ways[1] |= changed
    return Concat(name="j", inputs=(INPUT, "b", "c"), output=C, contract=TFLITE,
                  parameters=tuple(ways))


def test_every_tensor_is_right(rng):
    pool = Pool(name="p", inputs=("j",), output=C, kind="average", size=(2, 3), stride=(1, 2),
                clamp=(-2, 40))
    layers = rescaled(), added(), added(Sub, "int16", "s"), multiplied(), joined(), pool
    x = rng.integers(0, 256, (2, 4, 5, 3))
    n = network(*layers, shape=(4, 5, 3))
    assert prove(n).sums == {}
    tensors = run(n, x)
    assert list(tensors) == ["input", "b", "c", "s", "m", "j", "p"]
    want = {"input": x}
    want["b"] = elementwise.compute(Rescaling(TFLITE, U8, S8), [x], layers[0].parameters)
    for layer in layers[1:4]:
        operation, = operations(layer, n)
        want[layer.name] = elementwise.compute(operation, [x, want["b"]], layer.parameters)
    assert operations(layers[2], n) == [Addition(scheme("int16"), U8, S8, S8, True)]
    want["j"] = np.concatenate([
        elementwise.compute(Rescaling(TFLITE, fmt, S8), [want[name]], p)
        for fmt, name, p in zip((U8, S8, S8), ("input", "b", "c"), layers[4].parameters,
                                strict=True)], axis=-1)
    want["p"] = np.clip(ops.average_pool(want["j"], size=(2, 3), stride=(1, 2)), -2, 40)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, want[name])
    np.testing.assert_array_equal(want["j"][..., 6:], want["c"])
    # What the real numbers say, to half a level of each rounding.
    real = {name: n.quantization(name).scale * (tensors[name] - n.quantization(name).zero_point)
            for name in ("input", "b", "s")}
    inside = np.abs(tensors["s"]) < 127
    assert np.abs(real["s"] - (real["input"] - real["b"]))[inside].max() < 0.75 * 0.6


def test_several_inputs_constants_and_outputs(rng):
    """The batch is that of the inputs, and shapes are broadcast behind it."""
    image, line, levels = (rng.integers(0, 256, (3, 4, 5, 2)), rng.integers(-128, 128, (3, 2)),
                           rng.integers(-128, 128, (5, 1)))
    sums = [replace(added(way="int16", name=name), inputs=inputs)
            for name, inputs in (("c", ("x", "line")), ("d", ("x", "k")))]
    join = replace(joined(), inputs=("x", "wide", "wide"), axis=2, parameters=(
        *(parameters_of(Rescaling(TFLITE, q.format, S8), q, C) for q in (A, B, B)),))
    n = Network(name="n", layers=(*sums, join), outputs=("j", "c"),
                inputs=(Tensor("x", A, (4, 5, 2)), Tensor("line", B, (2,))),
                constants=(Tensor("k", B, (5, 1), levels),
                           Tensor("wide", B, (4, 2, 2), np.ones((4, 2, 2), int))))
    tensors = run(n, {"line": line, "x": image})
    way, parameters = Addition(scheme("int16"), U8, S8, S8), sums[0].parameters
    np.testing.assert_array_equal(tensors["c"], elementwise.compute(
        way, [image, line[:, None, None]], parameters))
    np.testing.assert_array_equal(
        tensors["d"], elementwise.compute(way, [image, levels], parameters))
    assert tensors["j"].shape == (3, 4, 9, 2) and tensors["k"].shape == (3, 5, 1)
    assert (tensors["j"][:, :, 5:] == 7).all()  # 5 + (1 + 3) / 3, by way of 8 / 3, rounded twice
    for given, message in (
            ({"x": image}, "Inputs must be x, line, not x"),
            (image, "Inputs must be x, line, not x"),
            ({"x": image, "line": line[:2]},
             "Inputs must have batches of one size, not 3 of x, 2 of line"),
            ({"x": image, "line": line[:, :1]},
             "Input 'line' must have shape (batch, 2), not (3, 1)"),
            ({"x": image, "line": 300 + line},
             "Input 'line' must be in range [-128, 127] of s8, not ")):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            run(n, given)
    proof = prove(n, {"x": image, "line": line})
    np.testing.assert_array_equal(run(n, {"x": image, "line": line}, proof)["j"], tensors["j"])
    with pytest.raises(ValueError, match="^Input 'line' must be that of the proof, not another$"):
        run(n, {"x": image, "line": -1 - line}, proof)


@pytest.mark.parametrize("x, shape", [(np.zeros((4, 5, 3), int), (4, 5, 3)), (0, ()),
                                      (np.zeros((2, 4, 3, 5), int), (2, 4, 3, 5))])
def test_shape_of_an_input(x, shape):
    with pytest.raises(ValueError, match="^" + re.escape(
            f"Input must have shape (batch, 4, 5, 3), not {shape}") + "$"):
        run(network(rescaled(), shape=(4, 5, 3)), x)
    scalars = network(rescaled(), shape=())
    assert run(scalars, [100, 102])["b"].tolist() == [-3, 1]
    with pytest.raises(ValueError, match=r"^Input must have shape \(batch\), not \(\)$"):
        run(scalars, 100)


def test_fused_sum(rng):
    n = network(rescaled(), added(way="onnx"))
    x = rng.integers(0, 256, (100, 7))
    tensors = run(n, x)
    np.testing.assert_array_equal(tensors["c"], elementwise.compute(
        Addition(scheme("onnx"), U8, S8, S8), [x, tensors["b"]], n.layers[1].parameters))


@pytest.mark.parametrize("layers, error, message", [
    ([rescaled(shift=26)], ValueError,
     "Layer 'b': Sum plus bias, shifted left, must be in range [-2147483648, 2147483647] of s32, "
     "not -6710886400"),
    ([rescaled(input_zero_point=99)], ValueError,
     "Layer 'b': Parameter input_zero_point must be 100, as the tensor's, not 99"),
    ([rescaled(zero_point=4)], ValueError,
     "Layer 'b': Parameter zero_point must be -3, as the tensor's, not 4"),
    ([rescaled(), added(b_zero_point=1)], ValueError,
     "Layer 'c': Parameter b_zero_point must be -3, as the tensor's, not 1"),
    ([rescaled(), multiplied(a_zero_point=1)], ValueError,
     "Layer 'm': Parameter a_zero_point must be 100, as the tensor's, not 1"),
    ([rescaled(), added(), joined(input_zero_point=1)], ValueError,
     "Layer 'j': Parameter input_zero_point must be -3, as the tensor's, not 1"),
    ([rescaled(), added(), replace(joined(), parameters=())], ValueError,
     "Layer 'j': Parameters must be 3 sets, one for each input, not 0"),
    ([replace(rescaled(), inputs=(INPUT, INPUT))], ValueError,
     "Layer 'b' must have 1 input, not 2"),
    ([rescaled(), replace(added(), inputs=(INPUT,))], ValueError,
     "Layer 'c' must have 2 inputs, not 1"),
    ([replace(joined(), inputs=())], ValueError, "Layer 'j' must have 1 input, not 0"),
    ([replace(rescaled(), contract=contract("none"))], ValueError,
     "Layer 'b': Contract must be one that scales, by its parameters alone, not none"),
    ([replace(rescaled(), output=Quantization(parse("odd4")))], TypeError,
     "Format of tensor 'b' must be an integer one, not odd4"),
    ([Pool(name="p", inputs=(INPUT,), output=A, kind="max", size=(1, 1), stride=(1, 1),
           clamp=(9, 8))], ValueError, "Clamp of pool 'p' must not be empty, not (9, 8)"),
    ([Pool(name="p", inputs=(INPUT,), output=A, kind="max", size=(1, 1), stride=(1, 1),
           clamp=(-1, 8))], ValueError,
     "Clamp of pool 'p' must be in range [0, 255] of u8, not -1 at index 0"),
])
def test_refused(layers, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        prove(network(*layers, shape=(4, 5, 3)))


def test_operations_of_other_layers():
    layer = Dense(name="d", inputs=(INPUT,), output=B, weights=np.ones((1, 1), int),
                  weight=B, contract=TFLITE, parameters={})
    with pytest.raises(TypeError, match=r"^Layer must be a Rescale, an Add, a Sub, a Mul or a "
                                        r"Concat, not Dense\("):
        operations(layer, network(layer, shape=(1,)))
