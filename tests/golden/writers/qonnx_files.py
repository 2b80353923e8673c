"""Networks to write as QONNX files, and how the files compute them."""

from pathlib import Path

import numpy as np

from golden.floats import (
    FloatAdd,
    FloatConcat,
    FloatConv2d,
    FloatDense,
    FloatNetwork,
    FloatPool,
    FloatReshape,
    FloatTranspose,
)
from golden.formats import OddFormat, parse
from golden.networks import Quantization
from golden.quantize import quantize_network, short_scales
from golden.readers import read_model
from golden.writers.qonnx import qonnx_model, write_qonnx

__all__ = ["chain", "check_equal", "image", "levels", "read_back", "read_file",
           "read_file_model", "run_by_qonnx", "run_reals_by_qonnx"]


def chain(rng, weights, activations, *, inputs=24, hidden=12, bits=None, contract="half_up",
          **more):
    """Two fully connected layers, quantized, perhaps with scales of so many bits."""
    layers = [FloatDense(rng.normal(size=(hidden, inputs)), rng.normal(size=hidden), relu=True),
              FloatDense(rng.normal(size=(5, hidden)), rng.normal(size=5))]
    x = rng.normal(size=(100, inputs))
    x = x if parse(activations).min < 0 else np.abs(x)
    if parse(weights).min == 0:  # a zero point for each channel
        more["zero_points"] = "both"

    def made(given=None):
        return quantize_network(layers, x, weights=weights, activations=activations,
                                contract=contract, given=given, **more)

    return made() if bits is None else made(short_scales(layers, made(), bits=bits))


def image(rng, weights="s4n", activations="u4", *, bits=None):
    """A network of images in which each kind of layer stands, its sums and joins of one scale."""
    one = dict(inputs=("conv",), least=0)
    network = FloatNetwork(input_shape=(2, 7, 6), layers=(
        FloatTranspose(name="hwc", inputs=("input",), axes=(0, 2, 3, 1)),
        FloatConv2d(rng.normal(size=(4, 3, 2, 1)), rng.normal(size=4), relu=True, name="conv",
                    inputs=("hwc",), padding=((1, 1), (0, 2)), stride=(1, 2), groups=2),
        FloatConv2d(rng.normal(size=(4, 2, 1, 4)), name="other", dilation=(2, 1),
                    padding=((2, 0), (0, 0)), most=4, **one),
        FloatAdd(name="sum", inputs=("conv", "other"), least=0, most=5),
        FloatConcat(name="both", inputs=("sum", "conv")),
        FloatPool(name="max", inputs=("both",), kind="max", size=(2, 2), stride=(2, 1),
                  padding=((0, 1), (1, 0))),
        FloatPool(name="mean", inputs=("max",), kind="average", size=(2, 2), stride=(2, 2)),
        FloatReshape(name="flat", inputs=("mean",), target=(2 * 2 * 8,)),
        FloatDense(rng.normal(size=(3, 32)), rng.normal(size=3), name="dense", inputs=("flat",))))
    x = np.abs(rng.normal(size=(50, 2, 7, 6)))

    def made(given):
        return quantize_network(network, x, weights=weights, activations=activations,
                                contract="half_up", zero_points="none", given=given)

    shared = Quantization(parse(activations), 0.25 if bits else 0.3)
    joined = dict.fromkeys(("conv", "other", "sum"), shared)
    first = made(joined)
    return first if bits is None else made(short_scales(network, first, bits=bits) | joined)


def levels(rng, network, count=40):
    """Random levels of the input."""
    [x] = network.inputs
    return rng.choice(x.quantization.format.levels(), (count, *x.shape))


def read_back(network, path):
    """What :func:`read_file` reads of a network's file."""
    write_qonnx(network, path)
    return read_file(path)


def read_file(path):
    """The network that a file is read as, and its tensors by their names in the file.

    The checker of ONNX has seen the file.
    """
    read, names = read_file_model(path)
    return read.network, names


def read_file_model(path):
    """The model that a file is read as, and its tensors by their names in the file."""
    import onnx

    proto = onnx.load(str(path))
    onnx.checker.check_model(proto)
    read = read_model(path)
    places = [each.name for each in proto.graph.input] + [
        name for node in proto.graph.node for name in node.output]
    return read, {places[int(place)]: own for own, place in read.tensors.items()}


def _reals(quantization, levels):
    # Real numbers as a quantizer makes them of its integers, in float32.
    fmt = quantization.format
    scale = np.float32(quantization.scale)
    if isinstance(fmt, OddFormat) and fmt.bits > 1:
        return (levels.astype(np.float32) - 1) / 2 * (2 * scale) + scale
    return scale * (levels - quantization.zero_point).astype(np.float32)


def run_by_qonnx(network, x):
    """Levels of every tensor of the network's file, by qonnx's executor, of levels ``x``."""
    [input] = network.inputs
    return run_reals_by_qonnx(network, qonnx_model(network), _reals(input.quantization, x))


def run_reals_by_qonnx(network, model, x):
    """Levels of every tensor by qonnx's executor, of real numbers, one sample at a time.

    The model is one of ONNX or its file.
    """
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

    wrapper = ModelWrapper(str(model) if isinstance(model, Path) else model)
    shown = {name: [] for name in network.tensors}
    for each in x:
        made = execute_onnx(wrapper, {wrapper.graph.input[0].name: each[None]}, True)
        for name, own in shown.items():
            own.append(made[name])
    tensors = {}
    for name, own in shown.items():
        tensor = network.tensors[name]
        numbers = _channels_last(np.concatenate(own), tensor.shape).astype(
            np.float64) / tensor.quantization.scale + tensor.quantization.zero_point
        tensors[name] = np.rint(numbers).astype(np.int64)
        assert np.abs(numbers - tensors[name]).max() < 2**-6
    return tensors


def _channels_last(array, shape):
    # No image of the tests has as many rows or columns as channels.
    if array.shape[1:] != shape:
        array = np.moveaxis(array, 1, -1)
    assert array.shape[1:] == shape
    return array


def check_equal(found, expected, names):
    """Whether so many tensors are in both, and all of them are equal."""
    both = [name for name in expected if name in found]
    assert len(both) == names
    for name in both:
        np.testing.assert_array_equal(
            _channels_last(found[name], expected[name].shape[1:]), expected[name], err_msg=name)
