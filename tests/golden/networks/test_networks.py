import dataclasses
import re

import numpy as np
import pytest

from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import (
    INPUT,
    Add,
    Concat,
    Conv2d,
    Dense,
    Layer,
    Mul,
    Network,
    Pool,
    Quantization,
    Rescale,
    Tensor,
)
from golden.units import parse as scheme

S8, U8 = Quantization(parse("s8")), Quantization(parse("u8"))
TFLITE = contract("tflite")
IMAGE = Tensor(INPUT, U8, (4, 5, 6))


def pool(name, source, output=S8, size=(1, 1), stride=(1, 1), **more):
    return Pool(name=name, inputs=(source,), output=output, kind="max", size=size, stride=stride,
                **more)


def dense(name, source, channels, features):
    return Dense(name=name, inputs=(source,), output=S8, weights=np.ones((channels, features), int),
                 weight=S8, contract=TFLITE, parameters={})


def conv(weights, **more):
    return Conv2d(name="c", inputs=(INPUT,), output=S8, weights=np.ones(weights, int), weight=S8,
                  contract=TFLITE, parameters={}, **more)


def added(*names, kind=Add, name="s"):
    way = {"scheme": scheme("tflite")} if kind is Add else {"contract": TFLITE}
    return kind(name=name, inputs=names, output=S8, parameters={}, **way)


def joined(*names, axis=-1):
    return Concat(name="j", inputs=names, output=S8, contract=TFLITE, axis=axis, parameters=())


def network(*layers, inputs=(IMAGE,), **more):
    return Network(name="n", inputs=inputs, layers=layers, **more)


def test_tensors_have_their_quantization():
    n = network(pool("a", INPUT), pool("b", "a", U8))
    assert n.quantization(INPUT) is n.input is U8
    assert n.quantization("a") is S8
    assert n.quantization("b") is U8


@pytest.mark.parametrize("layers, shape", [
    ([conv((8, 3, 3, 6))], (2, 3, 8)),
    ([conv((8, 3, 3, 6), stride=(2, 1), padding=((1, 1), (0, 1)))], (2, 4, 8)),
    ([conv((8, 2, 2, 6), dilation=(3, 2))], (1, 3, 8)),
    ([conv((8, 1, 1, 3), groups=2)], (4, 5, 8)),
    ([pool("a", INPUT, size=(2, 3), stride=(2, 2), padding=((1, 1), (0, 0)))], (3, 2, 6)),
    ([dense("a", INPUT, 9, 6)], (4, 5, 9)),
    ([Rescale(name="r", inputs=(INPUT,), output=S8, contract=TFLITE, parameters={})], (4, 5, 6)),
    ([pool("a", INPUT), added("a", INPUT), added("s", "line", kind=Mul, name="m")], (4, 5, 6)),
    ([added("line", "row")], (5, 6)),
    ([joined(INPUT, INPUT)], (4, 5, 12)),
    ([joined(INPUT, "row", axis=1)], "row"),
    ([joined(INPUT, INPUT, INPUT, axis=1)], (12, 5, 6)),
    ([joined(INPUT, INPUT, axis=-2)], (4, 10, 6)),
    ([joined("row", "row", axis=2)], (5, 2)),
])
def test_shapes(layers, shape):
    inputs = IMAGE, Tensor("line", S8, (6,)), Tensor("row", S8, (5, 1))
    if shape == "row":
        with pytest.raises(ValueError, match=re.escape(
                "Layer 'j': Tensor 'row' must have shape (4, 5, 6), but along axis 1, not (5, 1)")):
            network(*layers, inputs=inputs)
        return
    n = network(*layers, inputs=inputs)
    made = n.tensors[n.outputs[0]]
    assert made.shape == shape and made.source is layers[-1] and made.quantization is S8


def test_constants_and_outputs():
    levels = np.arange(6)
    constant = Tensor("k", U8, (6,), levels)
    n = network(added(INPUT, "k"), pool("p", "s"), inputs=(IMAGE, Tensor("y", S8, (1,))),
                constants=(constant,), outputs=("s", "p"))
    assert list(n.tensors) == [INPUT, "y", "k", "s", "p"]
    assert n.outputs == ("s", "p") and n.tensors["k"] is constant
    assert n.tensors["y"].source is None
    levels[0] = 9  # of the caller's own
    assert constant.source.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="^Network must have one input, not 2: call "
                                         "Network.quantization$"):
        _ = n.input
    assert network(pool("a", INPUT), pool("b", "a")).outputs == ("b",)
    assert network().outputs == (INPUT,)


def test_frozen():
    n = network(conv((8, 3, 3, 6)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        n.name = "m"
    scales, weights, bias = np.ones(2), np.ones((2, 6), int), np.zeros(2, int)
    weight = Quantization(parse("s8"), scales, np.zeros(2, int))
    layer = Dense(name="a", inputs=(INPUT,), output=S8, weights=weights, weight=weight,
                  contract=TFLITE, parameters={"bias": bias}, table=np.arange(256),
                  exponents=np.ones((2, 1), int))
    for array in (weight.scale, weight.zero_point, layer.weights, layer.parameters["bias"],
                  layer.table, layer.exponents, Tensor("k", U8, (6,), np.arange(6)).source):
        with pytest.raises(ValueError, match="^assignment destination is read-only$"):
            array[0] = 1
    for own, held in ((scales, weight.scale), (weights, layer.weights),
                      (bias, layer.parameters["bias"])):
        own[0] = 5
        assert held.max() < 5
    view = weights.view()
    view.flags.writeable = False
    held = dataclasses.replace(layer, weights=view).weights
    weights[0] = 7  # by the view's own base
    assert held.max() < 7
    again = dataclasses.replace(layer, name="b")
    assert again.weights is layer.weights  # nothing to copy


@pytest.mark.parametrize("layers, message", [
    ([pool("a", INPUT), pool("a", INPUT)], "Layer name must be new, not 'a'"),
    ([pool(INPUT, INPUT)], "Layer name must be new, not 'input'"),
    ([pool("a", "b"), pool("b", INPUT)],
     "Inputs of layer 'a' must be among ['input'], not 'b'"),
    ([dense("a", INPUT, 2, 7)], "Layer 'a': Tensor 'input' must have shape (4, 5, 7), "
                                "not (4, 5, 6)"),
    ([pool("p", INPUT), dense("a", "p", 2, 5)],
     "Layer 'a': Tensor 'p' must have shape (4, 5, 5), not (4, 5, 6)"),
    ([conv((8, 3, 3, 5))], "Layer 'c': Tensor 'input' must have shape (height, width, 5), "
                           "not (4, 5, 6)"),
    ([conv((8, 3, 3, 3), groups=3)], "Layer 'c': Groups must divide the 8 outputs, not 3"),
    ([conv((8, 5, 1, 6))], "Layer 'c': Tensor 'input' must be at least as large as the "
                           "kernel (5, 1), not (4, 5) with padding ((0, 0), (0, 0))"),
    ([conv((8, 1, 1, 6), stride=(0, 1))],
     "Layer 'c': Stride must be positive, not (0, 1)"),
    ([pool("p", INPUT, size=(6, 1))],
     "Layer 'p': Tensor 'input' must be at least as large as the kernel (6, 1), "
     "not (4, 5) with padding ((0, 0), (0, 0))"),
    ([pool("p", INPUT, padding=((1, 0), (0, 0)))],
     "Layer 'p': Padding must be less than the window (1, 1), "
     "not ((1, 0), (0, 0))"),
    ([pool("p", "line")], "Layer 'p': Tensor 'line' must have shape (height, width, channels), "
                          "not (5,)"),
    ([added(INPUT, "line")], "Layer 's': Tensors 'input' and 'line' must have shapes that "
                             "broadcast together, not (4, 5, 6) and (5,)"),
    ([joined("line", INPUT)], "Layer 'j': Tensor 'input' must have shape (5,), but along axis "
                              "-1, not (4, 5, 6)"),
    ([joined(INPUT, axis=0)], "Layer 'j': Axis must be one of tensor 'input', of shape "
                              "(4, 5, 6), after the batch, not 0"),
    ([joined("line", axis=2)], "Layer 'j': Axis must be one of tensor 'line', of shape (5,), "
                               "after the batch, not 2"),
])
def test_bad_networks(layers, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        network(*layers, inputs=(IMAGE, Tensor("line", S8, (5,)))
                if any("line" in layer.inputs for layer in layers) else (IMAGE,))


@pytest.mark.parametrize("call, error, message", [
    (lambda: network(inputs=()), ValueError, "Inputs must be one or more, not none"),
    (lambda: network(inputs=(IMAGE, IMAGE)), ValueError, "Input name must be new, not 'input'"),
    (lambda: network(constants=(Tensor(INPUT, S8, (1,), [1]),)), ValueError,
     "Constant name must be new, not 'input'"),
    (lambda: network(constants=(Tensor("k", S8, (1,)),)), ValueError,
     "Constant 'k' must have levels, not None"),
    (lambda: network(inputs=(Tensor("k", S8, (1,), [1]),)), ValueError,
     "Input 'k' must have no source, not array([1])"),
    (lambda: network(outputs=("a",)), ValueError, "Outputs must be among ['input'], not 'a'"),
    (lambda: network(Layer(name="l", inputs=(INPUT,), output=S8)), TypeError,
     "Layer 'l': Layer must be one of golden.networks, not "
     f"{Layer(name='l', inputs=(INPUT,), output=S8)!r}"),
    (lambda: network(5), TypeError, "Layer must be one of golden.networks, not 5"),
    (lambda: network(conv((8, 3, 3, 6), stride=2)), ValueError,
     "Layer 'c': Stride must be a pair, not 2"),
    (lambda: network(conv((8, 3, 3, 6), dilation=(1, 1, 1))), ValueError,
     "Layer 'c': Dilation must be a pair, not (1, 1, 1)"),
    (lambda: network(conv((8, 3, 3, 6), stride=(1.5, 1))), TypeError,
     "Layer 'c': Stride must be an integer, not 1.5 (float)"),
    (lambda: network(conv((8, 3, 3, 6), padding=((1, 1),))), ValueError,
     "Layer 'c': Padding must be a pair of pairs, not ((1, 1),)"),
    (lambda: network(conv((8, 3, 3, 6), groups=2.0)), TypeError,
     "Layer 'c': Groups must be an integer, not np.float64(2.0) (float64)"),
    (lambda: network(pool("p", INPUT, size=None)), TypeError,
     "Layer 'p': Kernel must be an integer, not None (NoneType)"),
    (lambda: network(joined(INPUT, axis=1.0)), TypeError,
     "Layer 'j': Axis must be an integer, not np.float64(1.0) (float64)"),
    (lambda: Tensor("x", S8, (3, 0)), ValueError,
     "Shape of tensor 'x' must be positive sizes, not (3, 0)"),
    (lambda: Tensor("x", S8, 3), ValueError,
     "Shape of tensor 'x' must be positive sizes, not 3"),
    (lambda: Tensor("k", S8, (2,), [1]), ValueError,
     "Levels of constant 'k' must have shape (2,), not (1,)"),
    (lambda: Tensor("k", S8, (1,), [128]), ValueError,
     "Level of constant 'k' must be in range [-128, 127] of s8, not 128 at index 0"),
    (lambda: Tensor("k", Quantization(parse("mx_s8")), (1,), [1]), ValueError,
     "Format of constant 'k' must be one without exponents, not mx_s8"),
    (lambda: Rescale(name="r", inputs=(INPUT,), output=S8, contract=TFLITE, parameters=[1]),
     TypeError, "Parameters of layer 'r' must be a mapping of names to integers, not [1]"),
    (lambda: Rescale(name="r", inputs=(INPUT,), output=S8, contract=TFLITE,
                     parameters={"shift": 1.5}),
     TypeError, "Parameter shift of layer 'r' must be an integer, not np.float64(1.5) (float64)"),
])
def test_refused(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


def test_nothing_can_be_changed():
    layers = [added(INPUT, INPUT), joined("s", "s")]
    layers[0] = dataclasses.replace(layers[0], parameters={"shift": 1, "bias": [2, 3]})
    layers[1] = dataclasses.replace(layers[1], parameters=({"shift": 1}, {}))
    inputs = [IMAGE]
    n = Network(name="n", inputs=inputs, layers=layers, outputs=["s"])
    inputs.clear()
    layers.clear()
    assert (n.inputs, len(n.layers), n.outputs) == ((IMAGE,), 2, ("s",))
    for mapping in (n.tensors, n.layers[0].parameters, *n.layers[1].parameters):
        with pytest.raises(TypeError, match="does not support item assignment"):
            mapping["shift"] = 2
    with pytest.raises(ValueError, match="read-only"):
        n.layers[0].parameters["bias"][0] = 1
