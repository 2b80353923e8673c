"""ONNX files of one operator on levels, made at random."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from golden.formats import IntFormat

__all__ = ["CASES", "MICROSOFT", "Builder", "model"]

MICROSOFT = "com.microsoft"


class Builder:
    """A graph that grows: nodes, constants, inputs and outputs.

    Parameters
    ----------
    rng : Generator
    kind : str
        Type of the levels, int8 or uint8.
    """

    def __init__(self, rng, kind="uint8"):
        self.onnx = pytest.importorskip("onnx", reason="onnx is not installed")
        self.rng, self.kind = rng, kind
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    @property
    def format(self):
        return IntFormat(np.dtype(self.kind).itemsize * 8, signed=self.kind[0] == "i")

    def constant(self, array) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(array), name))
        return name

    def quantization(self, least=-7.0, most=0.0, scale=None) -> list[str]:
        """Names of a scale and a zero point."""
        if scale is None:
            # Every other one a power of two, which makes ties.
            scale = 2.0**(self.rng.uniform(least, most) if self.rng.integers(2)
                          else self.rng.integers(least, most + 1))
        zero = self.rng.integers(self.format.min, self.format.max + 1)
        return [self.constant(np.float32(scale)), self.constant(np.dtype(self.kind).type(zero))]

    def array(self, name):
        return self.onnx.numpy_helper.to_array(self.constants[int(name[1:])])

    def value(self, name, kind, shape):
        number = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return self.onnx.helper.make_tensor_value_info(name, number, shape)

    def input(self, shape, kind=None, name=None) -> str:
        name = name or f"x{len(self.inputs)}"
        self.inputs.append(self.value(name, kind or self.kind, shape))
        return name

    def node(self, operator, inputs, domain="", outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, names, domain=domain,
                                                     **attributes))
        return names[0] if outputs == 1 else names

    def output(self, *names, kind=None, rank=None):
        for name in names:
            self.outputs.append(self.value(name, kind or self.kind,
                                           None if rank is None else [None] * rank))

    def bytes(self, opset=21, **fields) -> bytes:
        return model(self.onnx, self.nodes, self.inputs, self.outputs, self.constants, opset,
                     **fields).SerializeToString()

    # Parts of operators.

    def image(self, channels=None) -> tuple[str, tuple[int, ...]]:
        shape = (1, channels or int(self.rng.integers(1, 9)),
                 *map(int, self.rng.integers(5, 12, 2)))
        return self.input(shape), shape

    def weights(self, shape, axis) -> list[str]:
        """Names of weights, their scales and zero points, one or one per channel."""
        channels = shape[axis] if self.rng.integers(2) else 1
        kind = self.kind if self.rng.integers(3) == 0 else "int8"
        ends = (0, 256) if kind == "uint8" else (-127, 128)
        array = self.rng.integers(*ends, shape).astype(kind)
        scales = (2.0**(self.rng.uniform(-9, -5, channels) if self.rng.integers(2)
                        else self.rng.integers(-9, -4, channels))).astype(np.float32)
        zeros = np.full(channels, 128 if kind == "uint8" else self.rng.choice([0, 0, 3]), kind)
        if channels == 1:
            scales, zeros = scales.reshape(()), zeros.reshape(())
        return [self.constant(array), self.constant(scales), self.constant(zeros)]

    def bias(self, channels) -> list[str]:
        if self.rng.integers(3) == 0:
            return []
        return [self.constant(self.rng.integers(-9000, 9000, channels).astype(np.int32))]

    def pads(self, most) -> list[int]:
        return [int(self.rng.integers(0, min(end, 3))) for end in (*most, *most)]


def model(onnx, nodes, inputs, outputs, constants, opset=21, **fields):
    """A model of these parts, of the versions that ONNX Runtime reads."""
    graph = onnx.helper.make_graph(nodes, "graph", inputs, outputs, constants)
    made = onnx.helper.make_model(graph, opset_imports=[
        onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(MICROSOFT, 1)], **fields)
    made.ir_version = 10
    return made


def _conv(b: Builder):
    groups = int(b.rng.choice([1, 1, 2, 3]))
    depth, each = (int(size) for size in b.rng.integers(1, 5, 2))
    if b.rng.integers(4) == 0:
        depth = 1  # depthwise
    x, shape = b.image(groups * depth)
    kernel = tuple(int(size) for size in b.rng.integers(1, 4, 2))
    dilations = [int(size) for size in b.rng.integers(1, 3, 2)]
    attributes = dict(kernel_shape=list(kernel), group=groups, dilations=dilations,
                      strides=[int(size) for size in b.rng.integers(1, 3, 2)])
    match int(b.rng.integers(4)):
        case 0:
            attributes["auto_pad"] = str(b.rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
            attributes["dilations"] = [1, 1]
        case _:
            attributes["pads"] = b.pads((9, 9))
    weights = b.weights((groups * each, depth, *kernel), 0)
    b.output(b.node("QLinearConv", [x, *b.quantization(), *weights, *b.quantization(-3, 1),
                                    *b.bias(groups * each)], **attributes))


def _matmul(b: Builder):
    rows, depth, columns = (int(size) for size in b.rng.integers(1, 20, 3))
    x = b.input((1, depth) if b.rng.integers(2) else (1, rows, depth))
    weights = b.weights((depth, columns), 1)
    b.output(b.node("QLinearMatMul", [x, *b.quantization(), *weights, *b.quantization(-3, 1)]))


def _gemm(b: Builder):
    depth, columns = (int(size) for size in b.rng.integers(1, 20, 2))
    across = int(b.rng.integers(2))
    x = b.input((1, depth))
    weights = b.weights((columns, depth) if across else (depth, columns), 1 - across)
    b.output(b.node("QGemm", [x, *b.quantization(), *weights, *(b.bias(columns) or [""]),
                              *b.quantization(-3, 1)], MICROSOFT, transB=across))


def _elementwise(b: Builder, operator: str):
    x, shape = b.image()
    match int(b.rng.integers(4)):
        case 0:
            other = b.constant(b.rng.integers(b.format.min, b.format.max + 1, (
                1, shape[1], 1, 1)).astype(b.kind))
        case 1:
            other = b.constant(np.array(b.rng.integers(b.format.min, b.format.max + 1), b.kind))
        case 2:
            other = b.input((1, 1, *shape[2:]))
        case _:
            other = b.input(shape)
    names = [[x, *b.quantization()], [other, *b.quantization()]]
    if b.rng.integers(2):
        names.reverse()
    output = b.quantization(*((-6, 0) if operator == "QLinearAdd" else (-3, 1)))
    b.output(b.node(operator, [*names[0], *names[1], *output], MICROSOFT))


def _average_pool(b: Builder):
    x, shape = b.image()
    kernel = [int(b.rng.integers(1, size + 1)) if b.rng.integers(5) == 0 else
              int(b.rng.integers(1, 5)) for size in shape[2:]]
    b.output(b.node("QLinearAveragePool", [x, *b.quantization(), *b.quantization()], MICROSOFT,
                    kernel_shape=kernel, strides=[int(size) for size in b.rng.integers(1, 3, 2)],
                    pads=b.pads(kernel), count_include_pad=int(b.rng.integers(2))))


def _global_average_pool(b: Builder):
    x, _ = b.image()
    b.output(b.node("QLinearGlobalAveragePool", [x, *b.quantization(), *b.quantization()],
                    MICROSOFT))


def _concat(b: Builder):
    x, shape = b.image()
    axis, names = int(b.rng.integers(1, 4)), [x]
    for _ in range(int(b.rng.integers(0, 3))):
        size = list(shape)
        size[axis] = int(b.rng.integers(1, 5))
        names.append(b.input(size))
    output = b.quantization()
    parts = [each for name in names for each in (
        name, *(output if b.rng.integers(3) == 0 else b.quantization()))]
    b.output(b.node("QLinearConcat", [*output, *parts], MICROSOFT, axis=axis - 4 * int(
        b.rng.integers(2))))


def _plain_concat(b: Builder):
    x, shape = b.image()
    b.output(b.node("Concat", [x, b.input((*shape[:3], 3))], axis=3))


def _max_pool(b: Builder):
    x, shape = b.image()
    kernel = [int(size) for size in b.rng.integers(1, 5, 2)]
    b.output(b.node("MaxPool", [x], kernel_shape=kernel, pads=b.pads(kernel),
                    strides=[int(size) for size in b.rng.integers(1, 3, 2)]))


def _leaky_relu(b: Builder):
    x, _ = b.image()
    b.output(b.node("QLinearLeakyRelu", [x, *b.quantization(), *b.quantization()], MICROSOFT,
                    alpha=float(b.rng.uniform(-0.2, 1.5))))


def _sigmoid(b: Builder):
    x, _ = b.image()
    b.output(b.node("QLinearSigmoid", [x, *b.quantization(), *b.quantization(-9, -7)], MICROSOFT))


def _softmax(b: Builder):
    shape = 1, int(b.rng.integers(1, 9)), int(b.rng.choice([1, *range(4, 40)]))
    b.output(b.node("QLinearSoftmax", [b.input(shape), *b.quantization(), *b.quantization(-9, -7)],
                    MICROSOFT, opset=13, axis=-1))


def _relu(b: Builder):
    x, _ = b.image()
    b.output(b.node("Relu", [x]))


def _clip(b: Builder):
    x, _ = b.image()
    ends = [b.constant(np.array(each, b.kind)) for each in sorted(
        b.rng.integers(b.format.min, b.format.max + 1, 2))]
    ends[int(b.rng.integers(2))] = "" if b.rng.integers(2) else ends[0]
    b.output(b.node("Clip", [x, *ends]))


def _moves(b: Builder, operator: str):
    x, shape = b.image()
    size = int(np.prod(shape))
    match operator:
        case "Reshape":
            targets = [[1, -1], [0, shape[1], -1], [-1, size], [0, 0, -1, 1]]
            names, attributes = [b.constant(np.array(targets[int(b.rng.integers(4))]))], {}
        case "Flatten" | "Identity":
            names, attributes = [], {}
        case "Transpose":
            names, attributes = [], {"perm": [0, *(1 + b.rng.permutation(3)).tolist()]}
        case "Unsqueeze":
            names, attributes = [b.constant(np.array([int(b.rng.integers(1, 5)), -1]))], {}
        case "Squeeze":
            x = b.input((1, 5, 1, 3))
            names, attributes = [b.constant(np.array([int(b.rng.choice([2, -2]))]))], {}
        case "Pad":
            pads = b.rng.integers(0, 3, 8)
            pads[[0, 4]] = 0
            level = b.constant(np.array(b.rng.integers(0, 100), b.kind))
            names, attributes = [b.constant(pads), level if b.rng.integers(2) else ""], {}
        case _:
            steps = b.rng.choice([-2, -1, 1, 2], 2)
            starts = [0 if step > 0 else 100 for step in steps]
            ends = [int(b.rng.integers(3, 5)) if step > 0 else -100 for step in steps]
            names = [b.constant(np.array(each)) for each in (starts, ends, [2, -1], steps)]
            attributes = {}
    b.output(b.node(operator, [x, *names], **attributes))


def _split(b: Builder):
    x, shape = b.image()
    if b.rng.integers(2):
        names = b.node("Split", [x], outputs=2, axis=2, num_outputs=2)
    else:
        sizes = [2, shape[3] - 2]
        names = b.node("Split", [x, b.constant(np.array(sizes))], outputs=2, axis=-1)
    b.output(*names)


CASES: Mapping[str, Callable[[Builder], None]] = {
    "QLinearConv": _conv, "QLinearMatMul": _matmul, "QGemm": _gemm,
    "QLinearAdd": lambda b: _elementwise(b, "QLinearAdd"),
    "QLinearMul": lambda b: _elementwise(b, "QLinearMul"),
    "QLinearAveragePool": _average_pool, "QLinearGlobalAveragePool": _global_average_pool,
    "QLinearLeakyRelu": _leaky_relu, "QLinearConcat": _concat, "Concat": _plain_concat,
    "MaxPool": _max_pool, "Relu": _relu, "QLinearSigmoid": _sigmoid,
    "QLinearSoftmax": _softmax,
    "Clip": _clip, "Split": _split,
    **{name: (lambda b, name=name: _moves(b, name)) for name in (
        "Reshape", "Flatten", "Identity", "Transpose", "Unsqueeze", "Squeeze", "Pad", "Slice")},
}
"""Functions that add one operator to a graph, by its name."""
