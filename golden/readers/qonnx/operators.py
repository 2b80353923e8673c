"""ONNX's operators between QONNX's quantizers, as exact functions of integers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Node
from golden.readers.onnx.moves import joined
from golden.readers.onnx.operands import check_attributes, operands
from golden.readers.qonnx import sums
from golden.readers.qonnx.exact import Piece, root
from golden.readers.qonnx.tensors import Tensors
from golden.readers.qonnx.values import Pending, fractions, identity, number, spread

__all__ = ["OPERATORS"]


def _mapped(node: Node, tensors: Tensors, x: str, function: Callable[..., Piece],
            *constants: np.ndarray):
    # A function of each element of x and of constants of one channel.
    pending = tensors.pending(x, node)
    entries = []
    for each in constants:
        values, axis = spread(each, pending.rank, "Constant")
        if axis is not None:
            pending = tensors.with_channels(pending, axis, len(values))
        entries.append(values.tolist())
    mapped = pending.mapped(node, function, *entries)
    tensors.spend(4 * (1 + len(constants)) * len(mapped.pieces),
                  max(piece.digits for piece in mapped.pieces))
    tensors.pendings[node.outputs[0]] = mapped


def _arithmetic(node: Node, tensors: Tensors):
    a, b, _ = operands(node, 2)
    left, right = tensors.literals(a), tensors.literals(b)
    if left is None and right is None:
        if node.operator not in ("Add", "Sub"):
            raise Unsupported("One input must be constant, not both computed")
        tensors.pendings[node.outputs[0]] = sums.pair(node, tensors, a, b)
    elif node.operator == "Div" and right is None:
        raise Unsupported("Divisor must be constant, not computed")
    elif left is not None and right is not None:
        raise Unsupported("One input must be computed, not both constant")
    else:
        constant = right if left is None else left
        assert constant is not None
        if node.operator == "Div" and not constant.all():
            raise Unsupported("Divisor must not be 0")
        function = _FUNCTIONS[node.operator, left is None]
        _mapped(node, tensors, a if left is None else b, function, constant)


_FUNCTIONS: Mapping[tuple[str, bool], Callable[..., Piece]] = {
    ("Add", True): Piece.shifted, ("Add", False): Piece.shifted,
    ("Mul", True): Piece.scaled, ("Mul", False): Piece.scaled,
    ("Sub", True): lambda piece, by: piece.shifted(-by),
    ("Sub", False): lambda piece, by: piece.scaled(Fraction(-1)).shifted(by),
    ("Div", True): lambda piece, by: piece.scaled(1 / by)}


def _relu(node: Node, tensors: Tensors):
    x, _ = operands(node, 1)
    _mapped(node, tensors, x, lambda piece: piece.clipped(Fraction(0), None))


def _clip(node: Node, tensors: Tensors):
    x, *names, _ = operands(node, 1, 3)
    ends = []
    for name, title, none in zip(names, ("min", "max"), (-np.inf, np.inf), strict=True):
        array = np.array(node.attributes[title]) if title in node.attributes else None
        if name:
            array = np.array(tensors.one(name, "End"))
        # An end that no number passes is none.
        ends.append(None if array is None or array == none else fractions(array, f"End {title}")[0])
    _mapped(node, tensors, x, lambda piece: piece.clipped(*ends))


def _neg(node: Node, tensors: Tensors):
    x, _ = operands(node, 1)
    _mapped(node, tensors, x, lambda piece: piece.scaled(Fraction(-1)))


def _batch_normalization(node: Node, tensors: Tensors):
    x, *names = operands(replace(node, outputs=node.outputs[:1]), 5)[:-1]
    if any(node.outputs[1:]):
        raise Unsupported("Outputs must be 1: statistics are those of the file")
    check_attributes(node, {"training_mode": 0, "is_test": 1, "spatial": 1})
    epsilon = number(node, "epsilon", float(np.float32(1e-5)))
    pending = tensors.pending(x, node)
    arrays = []
    for name, title in zip(names, ("Scale", "Bias", "Mean", "Variance"), strict=True):
        if (array := tensors.literals(name)) is None or array.ndim != 1:
            raise Unsupported(f"{title} {printable(name)!r} must be a constant of one axis")
        arrays.append(array.reshape(-1, *[1] * ((pending.rank or 2) - 2)))
    if any(value + epsilon <= 0 for value in arrays[3].ravel()):
        raise Unsupported("Variance plus epsilon must be positive")

    def function(piece: Piece, scale: Fraction, bias: Fraction, mean: Fraction,
                 variance: Fraction) -> Piece:
        deviation, rough = root(variance + epsilon)
        return piece.shifted(-mean).scaled(scale / deviation, rough).shifted(bias)

    _mapped(node, tensors, x, function, *arrays)


def _concat(node: Node, tensors: Tensors):
    *names, y = operands(node, 1, max(len(node.inputs), 1))
    known = [tensors.levels[name] for name in names if name in tensors.levels]
    if len(known) == len(names) and len({identity(each.quantization) for each in known}) == 1:
        # A Concat takes integer formats, which odd levels have not.
        parts = [tensors.with_zero(name, each) for name, each in zip(names, known, strict=True)]
        joined(node, tensors, y, parts, parts[0].quantization)
        return
    parts = tuple(tensors.pending(name, node) for name in names)
    if any(isinstance(each.base, tuple) for each in parts):
        raise Unsupported("Inputs must not be what a Concat makes, without a quantizer between")
    tensors.pendings[y] = Pending(parts, (Piece(),), node, parts[0].rank, joins=node)


OPERATORS: Mapping[str, Callable[[Node, Tensors], None]] = {
    "Add": _arithmetic, "Sub": _arithmetic, "Mul": _arithmetic, "Div": _arithmetic, "Relu": _relu,
    "Clip": _clip, "Neg": _neg, "BatchNormalization": _batch_normalization, "Conv": sums.conv,
    "MatMul": sums.matmul, "Gemm": sums.gemm, "AveragePool": sums.average_pool,
    "GlobalAveragePool": sums.average_pool, "Concat": _concat}
"""Functions that make real numbers of an operator's inputs."""
