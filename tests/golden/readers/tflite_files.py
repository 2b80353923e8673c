"""TFLite files of one operator, made at random."""

import numpy as np

from tests.golden.readers import tflite_draw as draw
from tests.golden.readers.tflite_model import Constant, Node, Value, model

__all__ = ["CASES", "case"]


def _conv(rng, kind):
    h, w, inputs, outputs = (int(rng.integers(a, b)) for a, b in ((1, 9), (1, 9), (1, 7), (1, 9)))
    kernel = rng.integers(1, 4, 2)
    stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    if (dilation > 1).any():
        stride = np.array([1, 1])
    padding = int(rng.integers(2))
    size = _size((h, w), kernel, stride, dilation, padding)
    if min(size) < 1:
        return _conv(rng, kind)
    x = draw.value(rng, (1, h, w, inputs), kind)
    weights = draw.weights(rng, (outputs, *kernel, inputs), 0, bool(rng.integers(3)))
    bias, scale = draw.linear(rng, kind, x, weights, 0, inputs * kernel.prod(), outputs)
    y = Value((1, *size, outputs), kind, scale, draw.zero(rng, kind))
    options = dict(padding=padding, strideH=int(stride[0]), strideW=int(stride[1]),
                   dilationHFactor=int(dilation[0]), dilationWFactor=int(dilation[1]),
                   fusedActivationFunction=draw.activation(rng), **draw.bias_type(bias))
    return Node("CONV_2D", [x, weights, bias], [y], options, "Conv2DOptions")


def _size(image, kernel, stride, dilation, padding):
    reach = (np.array(kernel) - 1) * dilation + 1
    if padding == 0:
        return tuple(int(-(-n // s)) for n, s in zip(image, stride, strict=True))
    return tuple(int((n - r) // s + 1) for n, r, s in zip(image, reach, stride, strict=True))


def _depthwise(rng, kind):
    h, w, inputs, multiple = (int(rng.integers(a, b)) for a, b in ((1, 9), (1, 9), (1, 7), (1, 4)))
    kernel, stride, padding = rng.integers(1, 4, 2), rng.integers(1, 3), int(rng.integers(2))
    size = _size((h, w), kernel, (stride, stride), 1, padding)
    if min(size) < 1:
        return _depthwise(rng, kind)
    x = draw.value(rng, (1, h, w, inputs), kind)
    weights = draw.weights(rng, (1, *kernel, inputs * multiple), 3)
    # Without a bias tflite-micro crashes, and one of 32 bits it reads as one of 64 for int16.
    bias, scale = draw.linear(rng, kind, x, weights, 3, kernel.prod(), inputs * multiple, False)
    bias.data = bias.data.astype(np.int32 if kind == "int8" else np.int64)
    y = Value((1, *size, inputs * multiple), kind, scale, draw.zero(rng, kind))
    options = dict(padding=padding, strideH=int(stride), strideW=int(stride),
                   depthMultiplier=multiple, fusedActivationFunction=draw.activation(rng),
                   dilationHFactor=1, dilationWFactor=1)
    return Node("DEPTHWISE_CONV_2D", [x, weights, bias], [y], options, "DepthwiseConv2DOptions")


def _dense(rng, kind):
    features, outputs = int(rng.integers(1, 40)), int(rng.integers(1, 20))
    x = draw.value(rng, (1, features), kind)
    weights = draw.weights(rng, (outputs, features), 0, bool(rng.integers(2)))
    bias, scale = draw.linear(rng, kind, x, weights, 0, features, outputs)
    y = Value((1, outputs), kind, scale, draw.zero(rng, kind))
    options = dict(fusedActivationFunction=draw.activation(rng), **draw.bias_type(bias))
    return Node("FULLY_CONNECTED", [x, weights, bias], [y], options, "FullyConnectedOptions")


def _transpose_conv(rng, kind):
    h, w, inputs, outputs = (int(rng.integers(a, b)) for a, b in ((1, 6), (1, 6), (1, 5), (1, 6)))
    kernel, stride, padding = rng.integers(1, 5, 2), rng.integers(1, 4, 2), int(rng.integers(2))
    size = [n * s + (max(k - s, 0) if padding else 0) for n, s, k in zip(
        (h, w), stride, kernel, strict=True)]
    x = draw.value(rng, (1, h, w, inputs), kind)
    weights = draw.weights(rng, (outputs, *kernel, inputs), 0)
    bias, scale = draw.linear(rng, kind, x, weights, 0, inputs * kernel.prod(), outputs)
    if kind == "int16" and bias is not None:
        bias.data = bias.data.astype(np.int64)
    y = Value((1, *map(int, size), outputs), kind, scale, draw.zero(rng, kind))
    options = dict(padding=padding, strideH=int(stride[0]), strideW=int(stride[1]))
    shape = Constant(np.array(y.shape, np.int32))
    inputs = [shape, weights, x] + ([] if bias is None else [bias])
    return Node("TRANSPOSE_CONV", inputs, [y], options, "TransposeConvOptions")


def _pair(rng, kind):
    shape = rng.integers(1, 6, int(rng.integers(2, 5)))
    shape[0] = 1
    other = shape.copy()
    if rng.integers(2):
        other[int(rng.integers(1, len(shape)))] = 1
    a, b = draw.value(rng, shape, kind), draw.value(rng, other, kind)
    return a, b, Value(tuple(map(int, shape)), kind, 0.0, draw.zero(rng, kind))


def _elementwise(name, kind_of_options):
    def make(rng, kind):
        a, b, y = _pair(rng, kind)
        largest = max(a.scale, b.scale)
        least = a.scale * b.scale if name == "MUL" else largest
        y.scale = draw.near(rng, least * 2.0**rng.uniform(-1, 4 if name == "MUL" else 2)
                        * (60 if name == "MUL" else 1))
        return Node(name, [a, b], [y], dict(fusedActivationFunction=draw.activation(rng)),
                    kind_of_options)
    return make


def _concat(rng, kind):
    shape = rng.integers(1, 5, 4)
    shape[0], axis, count = 1, int(rng.integers(1, 4)), int(rng.integers(2, 4))
    scale, zero = draw.scale(rng), draw.zero(rng, kind)
    parts = []
    for _ in range(count):
        shape[axis] = rng.integers(1, 5)
        parts.append(Value(tuple(map(int, shape)), kind, scale, zero))
    shape[axis] = sum(part.shape[axis] for part in parts)
    y = Value(tuple(map(int, shape)), kind, scale, zero)
    return Node("CONCATENATION", parts, [y], dict(axis=axis), "ConcatenationOptions")


def _pooled(name):
    def make(rng, kind):
        h, w, channels = (int(rng.integers(1, n)) for n in (9, 9, 6))
        kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
        padding = int(rng.integers(2))
        size = _size((h, w), kernel, stride, 1, padding)
        if min(size) < 1:
            return make(rng, kind)
        x = draw.value(rng, (1, h, w, channels), kind)
        y = Value((1, *size, channels), kind, x.scale, x.zero)
        return Node(name, [x], [y], dict(
            padding=padding, strideH=int(stride[0]), strideW=int(stride[1]),
            filterHeight=int(kernel[0]), filterWidth=int(kernel[1]),
            fusedActivationFunction=draw.activation(rng)), "Pool2DOptions")
    return make


def _reduced(name):
    def make(rng, kind):
        shape = (1, *map(int, rng.integers(1, 8, 3)))
        axes = sorted(rng.choice([1, 2, 3], int(rng.integers(1, 4)), replace=False).tolist())
        keep = bool(rng.integers(2))
        x = draw.value(rng, shape, kind)
        out = [1 if k in axes else n for k, n in enumerate(shape) if keep or k not in axes]
        y = Value(tuple(out), kind, draw.near(rng, x.scale * 2.0**rng.uniform(-2, 3)),
                  draw.zero(rng, kind))
        return Node(name, [x, Constant(np.array(axes, np.int32))], [y], dict(keepDims=keep),
                    "ReducerOptions")
    return make


def _padded(name):
    def make(rng, kind):
        x = draw.value(rng, (1, *rng.integers(1, 6, 3)), kind)
        widths = rng.integers(0, 4, (4, 2))
        widths[0] = 0
        shape = tuple(int(n + p.sum()) for n, p in zip(x.shape, widths, strict=True))
        y = Value(shape, kind, x.scale, x.zero)
        more = [] if name == "PAD" else [Constant(
            rng.integers(-100, 100, 1).astype(kind), x.scale, x.zero)]
        return Node(name, [x, Constant(widths.astype(np.int32)), *more], [y], {},
                    "PadOptions" if name == "PAD" else "PadV2Options")
    return make


def _reshape(rng, kind):
    a, b, c = (int(n) for n in rng.integers(1, 6, 3))
    x = draw.value(rng, (1, a, b, c), kind)
    y = Value((1, a * b, c), kind, x.scale, x.zero)
    return Node("RESHAPE", [x, Constant(np.array(y.shape, np.int32))], [y],
                dict(newShape=list(y.shape)), "ReshapeOptions")


def _squeeze(rng, kind):
    x = draw.value(rng, (1, 1, *rng.integers(1, 6, 2)), kind)
    y = Value((1, *x.shape[2:]), kind, x.scale, x.zero)
    return Node("SQUEEZE", [x], [y], dict(squeezeDims=[1]), "SqueezeOptions")


def _expand(rng, kind):
    x = draw.value(rng, (1, *rng.integers(1, 6, 2)), kind)
    y = Value((1, x.shape[1], 1, x.shape[2]), kind, x.scale, x.zero)
    return Node("EXPAND_DIMS", [x, Constant(np.array([2], np.int32))], [y], {},
                "ExpandDimsOptions")


def _quantize(rng, kind):
    x = draw.value(rng, (1, *rng.integers(1, 8, 3)), kind)
    y = Value(x.shape, "int8" if kind == "int16" and rng.integers(2) else kind,
              draw.near(rng, x.scale * 2.0**rng.uniform(-2, 2)))
    y.zero = draw.zero(rng, y.type)
    return Node("QUANTIZE", [x], [y], {}, "QuantizeOptions")


def _unary(name, kind_of_options="", output=None, same=False, **options):
    def make(rng, kind):
        x = draw.value(rng, (1, *rng.integers(1, 8, 2)), kind, **(
            dict(least=-16, most=-9) if kind == "int16" else {}))
        y = Value(x.shape, kind, draw.near(rng, x.scale * 2.0**rng.uniform(-1, 2)),
                  draw.zero(rng, kind))
        if same:
            y.scale, y.zero = x.scale, x.zero
        if output:
            y.scale, y.zero = output[kind]
        own = {key: value(rng) for key, value in options.items()}
        return Node(name, [x], [y], own, kind_of_options)
    return make


def _transpose(rng, kind):
    x = draw.value(rng, (1, *rng.integers(1, 6, 3)), kind)
    axes = [0, *(rng.permutation(3) + 1).tolist()]
    y = Value(tuple(x.shape[axis] for axis in axes), kind, x.scale, x.zero)
    return Node("TRANSPOSE", [x, Constant(np.array(axes, np.int32))], [y], {}, "TransposeOptions")


def _strided(rng, kind):
    x = draw.value(rng, (1, *rng.integers(1, 8, 3)), kind)
    vectors, shape, shrink, masks = [[0, 1, 1]], [1], 0, [0, 0]
    for axis, size in enumerate(x.shape[1:], 1):
        step = int(rng.choice([-2, -1, 1, 1, 2, 3]))
        begin, end = (int(rng.integers(-size - 1, size + 2)) for _ in range(2))
        for bit in (0, 1):
            masks[bit] |= int(rng.integers(2)) << axis
        if rng.integers(5) == 0:
            begin, end, step = int(rng.integers(size)), 0, 1
            end, shrink = begin + 1, shrink | 1 << axis
            masks = [mask & ~(1 << axis) for mask in masks]
        vectors.append([begin, end, step])
        count = len(range(size)[slice(None if masks[0] >> axis & 1 else begin,
                                      None if masks[1] >> axis & 1 else end, step)])
        if not shrink >> axis & 1:
            shape.append(count)
        if not count:
            return _strided(rng, kind)
    y = Value(tuple(shape), kind, x.scale, x.zero)
    constants = [Constant(np.array(each, np.int32)) for each in zip(*vectors, strict=True)]
    return Node("STRIDED_SLICE", [x, *constants], [y],
                dict(beginMask=masks[0] | 1, endMask=masks[1] | 1, shrinkAxisMask=shrink),
                "StridedSliceOptions")


def _slice(rng, kind):
    x = draw.value(rng, (1, *rng.integers(1, 8, 3)), kind)
    first = [0, *(int(rng.integers(n)) for n in x.shape[1:])]
    count = [1, *(int(rng.integers(1, n - f + 1)) for n, f in zip(x.shape[1:], first[1:],
                                                                  strict=True))]
    y = Value(tuple(count), kind, x.scale, x.zero)
    return Node("SLICE", [x, *(Constant(np.array(v, np.int32)) for v in (first, count))], [y], {},
                "SliceOptions")


def _split(rng, kind):
    shape, axis, parts = [1, *map(int, rng.integers(1, 5, 3))], int(rng.integers(1, 4)), 3
    size = shape[axis]
    shape[axis] = size * parts
    x = draw.value(rng, shape, kind)
    shape[axis] = size
    outputs = [Value(tuple(shape), kind, x.scale, x.zero) for _ in range(parts)]
    return Node("SPLIT", [Constant(np.array(axis, np.int32)), x], outputs, dict(numSplits=parts),
                "SplitOptions")


def _split_v(rng, kind):
    shape, axis = [1, *map(int, rng.integers(1, 5, 3))], int(rng.integers(1, 4))
    sizes = [int(n) for n in rng.integers(1, 4, 3)]
    shape[axis] = sum(sizes)
    x = draw.value(rng, shape, kind)
    outputs = []
    for size in sizes:
        shape[axis] = size
        outputs.append(Value(tuple(shape), kind, x.scale, x.zero))
    return Node("SPLIT_V", [x, Constant(np.array(sizes, np.int32)),
                            Constant(np.array(axis, np.int32))], outputs, dict(numSplits=3),
                "SplitVOptions")


def _extreme(name):
    def make(rng, kind):
        a, b, y = _pair(rng, kind)
        for each in (b, y):
            each.scale, each.zero = a.scale, a.zero
        return Node(name, [a, b], [y], {}, "MaximumMinimumOptions")
    return make


UNIT = {"int8": (1 / 256, -128), "int16": (2.0**-15, 0)}
SIGNED = {"int8": (1 / 128, 0), "int16": (2.0**-15, 0)}
CASES = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transpose_conv, "ADD": _elementwise("ADD", "AddOptions"),
    "SUB": _elementwise("SUB", "SubOptions"), "MUL": _elementwise("MUL", "MulOptions"),
    "CONCATENATION": _concat, "AVERAGE_POOL_2D": _pooled("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": _pooled("MAX_POOL_2D"), "MEAN": _reduced("MEAN"), "SUM": _reduced("SUM"),
    "PAD": _padded("PAD"), "PADV2": _padded("PADV2"), "RESHAPE": _reshape, "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand, "QUANTIZE": _quantize, "RELU": _unary("RELU"),
    "RELU6": _unary("RELU6", same=True), "RELU_N1_TO_1": _unary("RELU_N1_TO_1", same=True),
    "RELU_0_TO_1": _unary("RELU_0_TO_1", same=True),
    "LEAKY_RELU": _unary("LEAKY_RELU", "LeakyReluOptions",
                         alpha=lambda rng: float(rng.uniform(0, 1))),
    "HARD_SWISH": _unary("HARD_SWISH", "HardSwishOptions"),
    "LOGISTIC": _unary("LOGISTIC", output=UNIT), "TANH": _unary("TANH", output=SIGNED),
    "SOFTMAX": _unary("SOFTMAX", "SoftmaxOptions", UNIT,
                      beta=lambda rng: float(rng.choice([1.0, 0.5]))),
    "TRANSPOSE": _transpose, "SLICE": _slice, "STRIDED_SLICE": _strided, "SPLIT": _split,
    "SPLIT_V": _split_v, "MAXIMUM": _extreme("MAXIMUM"), "MINIMUM": _extreme("MINIMUM"),
}
"""What makes a node of each operator, from a random generator and a type."""


def case(name: str, kind: str, rng) -> tuple[bytes, list[np.ndarray]]:
    """A file of one operator, and inputs for it."""
    node = CASES[name](rng, kind)
    inputs = [each for each in node.inputs if isinstance(each, Value)]
    info = {each: np.iinfo(each) for each in ("int8", "int16", "uint8")}
    data = [rng.integers(info[x.type].min, info[x.type].max + 1, x.shape).astype(x.type)
            for x in inputs]
    return model([node], inputs, node.outputs), data
