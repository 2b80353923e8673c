"""QONNX files as Brevitas exports them, of one group of operators each, made at random."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from golden.readers import UnsupportedModel, kind_of, read_model
from tests.golden.readers.qonnx_builder import QonnxBuilder, float32

__all__ = ["CASES", "NETWORKS", "refused"]


def _image(b: QonnxBuilder, channels=None) -> tuple[str, int]:
    channels = channels or int(b.rng.integers(1, 5))
    return b.source((1, channels, *map(int, b.rng.integers(4, 7, 2)))), channels


def _conv(b: QonnxBuilder):
    groups = int(b.rng.choice([1, 1, 2, 3]))
    depth, each = (int(size) for size in b.rng.integers(1, 4, 2))
    x, _ = _image(b, groups * depth)
    kernel = [int(size) for size in b.rng.integers(1, 4, 2)]
    pads = [int(size) for size in b.rng.integers(0, 2, 4)]
    channels = groups * each
    bias = []
    match int(b.rng.integers(3)):
        case 0:
            bias = [b.constant(b.reals(channels, -1, 1))]
        case 1:
            bias = [b.quant(b.reals(channels, -1, 1), b.scale(-8, -5), bits=16)]
    x = b.node("Conv", [x, b.weights((channels, depth, *kernel), 0), *bias], kernel_shape=kernel,
               pads=pads, group=groups, strides=[int(size) for size in b.rng.integers(1, 3, 2)],
               dilations=[1, int(b.rng.integers(1, 3))])
    return b.finished(b.last(b.chain(x, channels, 1, True), channels), 4)


def _matmul(b: QonnxBuilder):
    depth, columns = (int(size) for size in b.rng.integers(1, 9, 2))
    shape = (1, depth) if b.rng.integers(2) else (1, 3, depth)
    x = b.source(shape)
    if b.rng.integers(2):
        w = b.weights((depth, columns), 1)
    else:
        w = b.node("Transpose", [b.weights((columns, depth), 0)], perm=[1, 0])
    x = b.chain(b.node("MatMul", [x, w]), columns, len(shape) - 1, False)
    return b.finished(b.last(x, columns, "NC" if len(shape) == 2 else "NWC"), len(shape))


def _gemm(b: QonnxBuilder):
    depth, columns = (int(size) for size in b.rng.integers(1, 9, 2))
    across = int(b.rng.integers(2))
    x = b.source((1, depth))
    w = b.weights((columns, depth) if across else (depth, columns), 1 - across)
    x = b.node("Gemm", [x, w, b.constant(b.reals(columns, -1, 1))], transB=across,
               **({} if b.rng.integers(2) else {"alpha": 0.5, "beta": 2.0}))
    return b.finished(b.last(b.chain(x, columns, 1, False), columns), 2)


def _rescale(b: QonnxBuilder):
    x, channels = _image(b)
    x = b.chain(x, channels, 1, True)
    return b.finished(b.last(b.any_quant(x), None), 4)


def _vector(b: QonnxBuilder):
    channels = int(b.rng.integers(1, 9))
    x = b.chain(b.source((1, channels)), channels, 1, False)
    return b.finished(b.last(x, channels), 2)


def _add(b: QonnxBuilder):
    shape = (1, 3, 4, 5) if b.rng.integers(2) else (1, 7)
    scale, bits = b.scale(), int(b.rng.integers(2, 9))
    names = [b.quant(b.input(shape), scale * float32(factor), float(b.rng.integers(0, 2)), bits,
                     int(b.rng.integers(2))) for factor in (1, b.rng.choice([0.5, 1, 3]))]
    x = b.node(str(b.rng.choice(["Add", "Sub"])), names)
    x = b.chain(x, 3, 1, True) if len(shape) == 4 else b.node("Relu", [x])
    return b.finished(b.any_quant(x, least=-4, most=1), len(shape))


def _concat(b: QonnxBuilder):
    x = b.input((1, 2, 4, 4))
    y = b.input((1, 3, 4, 4))
    if b.rng.integers(2):
        names = [b.any_quant(x), b.any_quant(y)]
    else:
        scale, zero = b.scale(), float(b.rng.choice([0, 3, -0.5]))
        names = [b.quant(each, scale, zero, 4) for each in (x, y)]
    x = b.node("Concat", names, axis=1)
    if b.rng.integers(2):
        x = b.node("Relu", [x])
    return b.finished(b.quant(x, b.scale(), float(b.rng.choice([3, -0.5])),
                              int(b.rng.integers(3, 9))), 4)


def _average_pool(b: QonnxBuilder):
    x, _ = _image(b)
    if b.rng.integers(3) == 0:
        x = b.node("GlobalAveragePool", [x])
        return b.finished(b.last(b.node("Flatten", [x])), 2)
    size = int(b.rng.integers(2, 4))
    x = b.node("AveragePool", [x], kernel_shape=[size, size], strides=[size, size])
    if b.rng.integers(2):
        x = b.node("Mul", [x, b.constant(float32(size * size))])
    return b.finished(b.trunc(x), 4)


def _pools_and_moves(b: QonnxBuilder):
    x, channels = _image(b, 3)
    w = b.weights((4, channels, 2, 2), 0)
    x = b.chain(b.node("Conv", [x, w], kernel_shape=[2, 2]), 4, 1, True)
    x = b.node("MaxPool", [x], kernel_shape=[2, 2], strides=[1, 2], pads=[0, 1, 1, 0])
    match int(b.rng.integers(4)):
        case 0:
            x, rank = b.node("Transpose", [x], perm=[0, 2, 3, 1]), 4
        case 1:
            x, rank = b.node("Flatten", [x]), 2
        case 2:
            x, rank = b.node("Reshape", [x, b.constant(np.array([1, 4, -1]))]), 3
        case _:
            rank = 4
    return b.finished(b.any_quant(b.node("Relu", [x])), rank)


def _levels(b: QonnxBuilder):
    """Moves and rectifiers of levels, in front of a sum."""
    scale = b.scale()
    x = b.quant(b.input((1, 2, 4, 5)), scale, float(b.rng.integers(0, 4)), 4, 0)
    x = b.node("Mul", [x, b.constant(float32(2.0))])
    # As many whole steps more: another zero point.
    x = b.node("Relu", [b.node("Sub", [x, b.constant(scale * float32(2.0))])])
    x = b.node("MaxPool", [x], kernel_shape=[2, 2])
    x = b.node("Pad", [x, b.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1]))])
    x = b.node("Identity", [b.node("Flatten", [x])])
    x = b.node("MatMul", [x, b.weights((40, 3), 1)])
    return b.finished(b.any_quant(x), 2)


def _real_output(b: QonnxBuilder):
    """Sums at the end, without a quantizer; real numbers in front of the first one."""
    x = b.node("Mul", [b.node("Reshape", [b.input((1, 2, 5)), b.constant(np.array([1, 10]))]),
                       b.constant(float32(2.0))])
    x = b.quant(b.node("Sub", [x, b.constant(float32(1.0))]), b.scale(), bits=8)
    x = b.node("MatMul", [x, b.weights((10, 4), 1)])
    return b.finished(b.node("Add", [x, b.constant(b.reals(4, -1, 1))]), 2)


CASES: Mapping[str, Callable] = {
    "Conv": _conv, "MatMul": _matmul, "Gemm": _gemm, "rescale": _rescale, "vector": _vector,
    "Add": _add, "Concat": _concat, "AveragePool": _average_pool, "moves": _pools_and_moves,
    "levels": _levels, "real output": _real_output}
"""Functions that make a file of one group of operators."""


def _norm(b: QonnxBuilder, x, channels):
    gamma = (b.rng.uniform(0.5, 2, channels) * b.rng.choice([-1, 1], channels)).astype(float32)
    return b.node("BatchNormalization", [x, *map(b.constant, (
        gamma, b.reals(channels, -0.5, 0.5), b.reals(channels, -1, 1),
        b.reals(channels, 0.5, 4)))])


def _mlp(b: QonnxBuilder):
    """Three layers of 4 bits, 8 of them behind a batch normalization, and real results."""
    x = b.node("Reshape", [b.input((1, 1, 4, 4)), b.constant(np.array([1, 16]))])
    x = b.quant(x, 1 / 3, bits=8)
    for features, bits in ((16, 4), (12, 8)):
        w = b.node("Transpose", [b.quant(b.rng.normal(0, 1, (12, features)), 0.3, bits=4,
                                         narrow=1)], perm=[1, 0])
        x = b.node("Relu", [_norm(b, b.node("MatMul", [x, w]), 12)])
        x = b.quant(x, 0.11 * 16 / 2.0**bits, bits=bits, signed=0)
    scale = b.rng.uniform(0.1, 0.2, (5, 1))
    w = b.quant(b.rng.normal(0, 1, (5, 12)), scale, bits=4, narrow=1)
    return b.finished(b.node("Gemm", [x, w, b.quant(b.reals(5, -1, 1), 0.01, bits=16)],
                             transB=1), 2)


def _convolutions(b: QonnxBuilder):
    """A residual block, depthwise and pointwise, pools, a truncated mean, and sums."""
    x = b.quant(b.input((1, 3, 8, 8)), 0.02)
    x = b.node("Conv", [x, b.quant(b.rng.normal(0, 0.5, (4, 3, 3, 3)), 0.09, bits=4, narrow=1)],
               pads=[1] * 4, kernel_shape=[3, 3])
    x = b.node("MaxPool", [b.node("Relu", [_norm(b, x, 4)])], kernel_shape=[2, 2], strides=[2, 2])
    x = first = b.quant(x, 0.05, bits=8, signed=0)
    w = b.node("BipolarQuant", [b.constant(b.reals((4, 1, 3, 3), -1, 1)),
                                b.constant(float32(0.21))], b.domain)
    x = _norm(b, b.node("Conv", [x, w], pads=[1] * 4, kernel_shape=[3, 3], group=4), 4)
    x = b.quant(x, 0.05, bits=8)
    x = b.quant(b.node("Add", [first, x]), 0.07, bits=8)
    w = b.quant(b.rng.normal(0, 0.5, (6, 4, 1, 1)), b.rng.uniform(0.2, 0.4, (6, 1, 1, 1)), bits=2,
                narrow=1)
    x = b.node("Conv", [x, w], kernel_shape=[1, 1])
    x = b.quant(b.node("Relu", [x]), 0.1, bits=4, signed=0)
    x = b.node("Mul", [b.node("AveragePool", [x], kernel_shape=[4, 4]), b.constant(float32(16))])
    x = b.node("Flatten", [b.trunc(x, 0.1, 0.0, 8, 4, rounding_mode="FLOOR")])
    return b.finished(b.node("MatMul", [x, b.quant(b.rng.normal(0, 1, (6, 3)), 0.5, bits=4)]), 2)


NETWORKS: Mapping[str, Callable] = {"mlp": _mlp, "convolutions": _convolutions}
"""Functions that make a file of a network."""


def refused(b, tmp_path) -> str:
    """Operators of a builder's file that cannot be read, each with its reason."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b.file().SerializeToString())
    assert kind_of(path) == "qonnx"
    try:
        read_model(path)
    except UnsupportedModel as error:
        assert "\n" not in str(error)
        return "; ".join(f"{each.operator} {each.node}: {each.reason}" for each in error.problems)
    raise AssertionError("Model must be refused, not read")


def main() -> int:
    """Write a network to a file: ``python -m tests.golden.readers.qonnx_files NAME FILE``."""
    name, path = sys.argv[1:]
    Path(path).write_bytes(
        NETWORKS[name](QonnxBuilder(np.random.default_rng(3))).SerializeToString())
    return 0


if __name__ == "__main__":
    sys.exit(main())
