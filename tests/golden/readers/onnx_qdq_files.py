"""ONNX files of one operator on real numbers between DequantizeLinear and QuantizeLinear."""

from collections.abc import Callable, Mapping

import numpy as np

from tests.golden.readers.onnx_files import Builder

__all__ = ["CASES"]


def _real(b: Builder, shape=None):
    # A computed operand, its shape and the names of its scale and zero point.
    x, shape = b.image() if shape is None else (b.input(shape), shape)
    names = b.quantization()
    return b.node("DequantizeLinear", [x, *names]), shape, names


def _end(b: Builder, real, names=None, least=-6.0, most=0.0):
    b.output(b.node("QuantizeLinear", [real, *(names or b.quantization(least, most))]))


def _weights(b: Builder, shape, axis, names):
    # Weights and perhaps a bias, in units of the sums.
    weights, channels = b.weights(shape, axis), shape[axis]
    real = b.node("DequantizeLinear", weights, axis=axis)
    if b.rng.integers(3) == 0:
        return [real]
    bias = b.constant(b.rng.integers(-9000, 9000, channels).astype(np.int32))
    scale = b.constant(b.array(names[0]) * b.array(weights[1]))
    return [real, b.node("DequantizeLinear", [bias, scale], axis=0)]


def _conv(b: Builder):
    groups, channels = int(b.rng.choice([1, 1, 2])), int(b.rng.integers(1, 4)) * 2
    x, _, names = _real(b, (1, 2 * groups, 7, 9))
    kernel = [int(size) for size in b.rng.integers(1, 4, 2)]
    made = b.node("Conv", [x, *_weights(b, (channels, 2, *kernel), 0, names)],
                  group=groups, pads=b.pads((9, 9)),
                  strides=[int(size) for size in b.rng.integers(1, 3, 2)])
    _rectified(b, made)


def _rectified(b: Builder, made):
    # With every other one, a rectifier that ONNX Runtime takes off.
    if b.rng.integers(2):
        _end(b, made, least=-3.0, most=1.0)
        return
    names = b.quantization(scale=float(2.0**b.rng.integers(-3, 1)))
    zero = b.constant(np.array(b.format.min, b.kind))
    if b.rng.integers(2):
        made = b.node("Relu", [made])
    else:
        made = b.node("Clip", [made, b.constant(np.float32(0)), b.constant(np.float32(1000))])
    _end(b, made, [names[0], zero])


def _matmul(b: Builder):
    depth, columns = (int(size) for size in b.rng.integers(1, 20, 2))
    x, _, names = _real(b, (1, depth) if b.rng.integers(2) else (1, 3, depth))
    _rectified(b, b.node("MatMul", [x, _weights(b, (depth, columns), 1, names)[0]]))


def _gemm(b: Builder):
    depth, columns = (int(size) for size in b.rng.integers(1, 20, 2))
    across = int(b.rng.integers(2))
    x, _, names = _real(b, (1, depth))
    weights = _weights(b, (columns, depth) if across else (depth, columns), 1 - across, names)
    _rectified(b, b.node("Gemm", [x, *weights], transB=across))


def _elementwise(b: Builder, operator: str):
    x, shape, _ = _real(b)
    if b.rng.integers(3) == 0:
        levels = b.rng.integers(b.format.min, b.format.max + 1, (1, shape[1], 1, 1))
        other = b.node("DequantizeLinear", [b.constant(levels.astype(b.kind)), *b.quantization()])
    else:
        other, *_ = _real(b, shape)
    names = [x, other] if b.rng.integers(2) else [other, x]
    _end(b, b.node(operator, names))


def _pool(b: Builder, operator: str):
    x, _, names = _real(b)
    kernel = [int(size) for size in b.rng.integers(1, 5, 2)]
    more = {"count_include_pad": int(b.rng.integers(2))} if operator == "AveragePool" else {}
    made = b.node(operator, [x], kernel_shape=kernel, pads=b.pads(kernel), **more,
                  strides=[int(size) for size in b.rng.integers(1, 3, 2)])
    _end(b, made, names if operator == "MaxPool" and b.rng.integers(2) else None)


def _global_average_pool(b: Builder):
    _end(b, b.node("GlobalAveragePool", [_real(b)[0]]))


def _leaky_relu(b: Builder):
    _end(b, b.node("LeakyRelu", [_real(b)[0]], alpha=float(b.rng.uniform(0, 0.5))))


def _sigmoid(b: Builder, operator: str):
    real, *_ = _real(b)
    least, most = ((-10.0, -7.0) if operator == "Sigmoid" else (-9.0, -6.0))
    shift = 8 - b.format.bits
    _end(b, b.node(operator, [real]), None, least + shift, most + shift)


def _softmax(b: Builder):
    # In one piece with the QuantizeLinear.
    x, *_ = _real(b, (1, *map(int, b.rng.integers(1, 9, 1)), int(b.rng.choice([1, *range(4, 40)]))))
    _end(b, b.node("Softmax", [x], **({"axis": 2} if b.rng.integers(2) else {})), None, -9.0, -6.0)


def _concat(b: Builder):
    x, shape, names = _real(b)
    _end(b, b.node("Concat", [x, _real(b, shape)[0]], axis=int(b.rng.integers(1, 4))),
         names if b.rng.integers(2) else None)


def _unary(b: Builder, operator: str):
    x, shape, names = _real(b)
    inputs, attributes, count = [], {}, 1
    match operator:
        case "Clip":
            inputs = [b.constant(np.float32(each)) for each in (-0.3, 0.4)]
        case "Reshape":
            inputs = [b.constant(np.array([1, -1, shape[1]]))]
        case "Transpose":
            attributes = {"perm": [0, 2, 3, 1]}
        case "Slice":
            inputs = [b.constant(np.array(each)) for each in ([1], [4], [2])]
        case "Pad":
            inputs = [b.constant(np.array([0, 0, 1, 2, 0, 1, 0, 0])),
                      b.constant(np.float32(0))]
        case "Unsqueeze":
            inputs = [b.constant(np.array([2]))]
        case "Squeeze":
            x, _, names = _real(b, (1, 1, 4))
            inputs = [b.constant(np.array([1]))]
        case "Split":
            attributes, count = {"axis": 3, "num_outputs": 2}, 2
    made = b.node(operator, [x, *inputs], outputs=count, **attributes)
    for each in made if count > 1 else [made]:
        _end(b, each, names if b.rng.integers(2) else None)


def _chain(b: Builder):
    x, *_ = _real(b, (1, 3, 8, 8))
    made = b.node("Relu", [b.node("MaxPool", [x], kernel_shape=[2, 2])])
    _end(b, b.node("Flatten", [made]))


CASES: Mapping[str, Callable[[Builder], None]] = {
    "Conv": _conv, "MatMul": _matmul, "Gemm": _gemm,
    **{name: (lambda b, name=name: _elementwise(b, name)) for name in (
        "Add", "Mul", "Sub", "Max", "Min")},
    "AveragePool": lambda b: _pool(b, "AveragePool"), "MaxPool": lambda b: _pool(b, "MaxPool"),
    "GlobalAveragePool": _global_average_pool, "LeakyRelu": _leaky_relu, "Concat": _concat,
    "Sigmoid": lambda b: _sigmoid(b, "Sigmoid"), "Tanh": lambda b: _sigmoid(b, "Tanh"),
    "Softmax": _softmax, "chain": _chain,
    **{name: (lambda b, name=name: _unary(b, name)) for name in (
        "Relu", "Clip", "Reshape", "Flatten", "Transpose", "Slice", "Pad", "Unsqueeze", "Squeeze",
        "Split", "Identity")},
}
"""Functions that add one operator, with what is around it, to a graph, by its name."""
