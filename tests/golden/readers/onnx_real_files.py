"""ONNX files of dynamic quantization: an integer operator, or one on float32, made at random."""

from collections.abc import Callable, Mapping

import numpy as np

from tests.golden.readers.onnx_files import Builder

__all__ = ["CASES"]


def _levels(b: Builder, shape) -> list[str]:
    # Levels and their zero point: computed, constant, or none.
    kind = int(b.rng.integers(3))
    if kind == 2:
        x, _, zero = b.node("DynamicQuantizeLinear", [b.input(shape, "float32")], outputs=3)
        return [x, zero]
    x = b.input(shape)
    b.output(b.node("DynamicQuantizeLinear", [b.input((1, 3), "float32")], outputs=3)[0],
             kind="uint8")
    zero = b.constant(np.array(b.rng.integers(b.format.min, b.format.max + 1), b.kind))
    return [x, zero if kind else ""]


def _weights(b: Builder, shape, axis, channels) -> list[str]:
    kind = str(b.rng.choice(["int8", "uint8"]))
    low = np.iinfo(kind).min
    array = b.rng.integers(low, low + 256, shape).astype(kind)
    zeros = b.rng.integers(low, low + 256, (channels, 1)[int(b.rng.integers(2))])
    zero = b.constant(zeros.astype(kind) if len(zeros) > 1 else zeros.astype(kind).reshape(()))
    return [b.constant(array), zero if b.rng.integers(3) else ""]


def _scaled(b: Builder, sums):
    # Behind integers: float32, one operation after the other.
    b.output(sums, kind="int32")
    real = b.node("Cast", [sums], to=1)
    made = b.node("Mul", [real, b.constant(np.float32(b.rng.uniform(1e-4, 1e-2)))])
    b.output(b.node("Relu", [made]), kind="float32")


def _matmul(b: Builder):
    rows, depth, columns = (int(size) for size in b.rng.integers(1, 20, 3))
    x, zero = _levels(b, (1, depth) if b.rng.integers(2) else (1, rows, depth))
    w, points = _weights(b, (depth, columns), 1, columns)
    _scaled(b, b.node("MatMulInteger", [x, w, zero, points]))


def _conv(b: Builder):
    groups, depth, each = (int(size) for size in b.rng.integers(1, 4, 3))
    shape = 1, groups * depth, *map(int, b.rng.integers(5, 12, 2))
    x, zero = _levels(b, shape)
    kernel = [int(size) for size in b.rng.integers(1, 4, 2)]
    w, points = _weights(b, (groups * each, depth, *kernel), 0, 1)
    _scaled(b, b.node("ConvInteger", [x, w, zero, points], group=groups, pads=b.pads((9, 9)),
                      strides=[int(size) for size in b.rng.integers(1, 3, 2)],
                      dilations=[int(size) for size in b.rng.integers(1, 3, 2)]))


def _quantize(b: Builder):
    """Of numbers on both sides of 0, on one, of zeros alone."""
    for scale, offset in ((1, 0), (1, 9), (0.01, -5), (0, 0), (0, 3)):
        x = b.input((1, 3, 5), "float32")
        x = b.node("Add", [b.node("Mul", [x, b.constant(np.float32(scale))]),
                           b.constant(np.float32(offset))])
        for name, kind in zip(b.node("DynamicQuantizeLinear", [x], outputs=3),
                              ("uint8", "float32", "uint8"), strict=True):
            b.output(name, kind=kind)


def _operators(b: Builder):
    """Sums and products of tensors, scales and constants of several shapes, and moves."""
    x, z = b.input((1, 4, 3, 5), "float32"), b.input((1, 1, 3, 5), "float32")
    _, scale, _ = b.node("DynamicQuantizeLinear", [x], outputs=3)
    constants = [b.constant(b.rng.normal(size=shape).astype(np.float32)) for shape in (
        (), (1,), (5,), (3, 1), (1, 4, 1, 1), (1, 4, 3, 5))]
    pairs = [(x, z), (z, scale), (scale, x), (scale, scale), *((x, each) for each in constants)]
    for operator in ("Add", "Mul"):
        for pair in pairs:
            b.output(b.node("Relu", [b.node(operator, pair)]), kind="float32")
    moved = b.node("Transpose", [x], perm=[0, 2, 3, 1])
    b.output(b.node("Flatten", [b.node("Relu", [moved])]), kind="float32")
    shape = b.constant(np.array([1, 3, 1, -1]))
    b.output(b.node("Reshape", [z, shape]), kind="float32")
    folded = b.node("Reshape", [b.constant(b.rng.normal(size=4).astype(np.float32)),
                                b.constant(np.array([1, -1, 1, 1]))])
    b.output(b.node("Add", [x, folded]), kind="float32")


CASES: Mapping[str, Callable[[Builder], None]] = {
    "MatMulInteger": _matmul, "ConvInteger": _conv, "DynamicQuantizeLinear": _quantize,
    "operators": _operators}
"""Functions that add operators to a graph, by name."""
