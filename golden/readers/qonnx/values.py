"""Tensors of a QONNX graph: real numbers that are levels, or exact functions of integer sums."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from golden.formats import Format
from golden.networks import Layer, Quantization
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Node
from golden.readers.onnx.operands import attribute
from golden.readers.onnx.tensors import Levels, Shape
from golden.readers.qonnx.exact import Piece

__all__ = ["Pending", "Source", "Sums", "Weights", "check_axes", "fractions", "identity",
           "number", "spread"]


@dataclass(frozen=True, eq=False)
class Source:
    """Real numbers in front of the first quantizer, which stay outside of the network.

    Parameters
    ----------
    origin : str
        Input of the graph.
    front : tuple of str
        Operators behind that, each once.
    shape : tuple of int
        Shape without the batch.
    """

    origin: str
    shape: Shape
    front: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Weights:
    """A constant as levels: ``scale * (levels - zero)``.

    Parameters
    ----------
    levels : array of ``int64``
    format : Format
    scale : array of ``float64``
        Exact; it broadcasts to the levels.
    zero : array of ``int64``
        It broadcasts to the levels.
    """

    levels: np.ndarray
    format: Format
    scale: np.ndarray
    zero: np.ndarray

    def transposed(self, axes: Sequence[int]) -> "Weights":
        """Return the constant with its axes in another order."""
        rank = self.levels.ndim

        def turned(array: np.ndarray) -> np.ndarray:
            return array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(axes)

        return replace(self, levels=self.levels.transpose(axes), scale=turned(self.scale),
                       zero=turned(self.zero))

    def reals(self) -> list[Fraction]:
        """Return the exact real numbers, flat."""
        scale = np.broadcast_to(self.scale, self.levels.shape).ravel().tolist()
        units = (self.levels - self.zero).ravel().tolist()
        return [Fraction(step) * unit for step, unit in zip(scale, units, strict=True)]


@dataclass(frozen=True, eq=False)
class Sums:
    """Exact sums of products of a tensor of levels by weights, a layer that is not made yet.

    Parameters
    ----------
    layer : callable
        Class of the layer.
    input : Levels
    last : bool
        Whether the layer takes and makes channels last.
    weights : array of ``int64``, ``(channels, ...)``
    format : Format
    zero : array of ``int64``, ``(channels,)``
        Zero points of the weights.
    scale : array of ``float64``, ``(channels,)``
        Scales of the weights.
    fields : mapping
        Further fields of the layer.
    target : tuple of int, optional
        Shape that the results get, in the layout of the layer.
    """

    layer: Callable[..., Layer]
    input: Levels
    last: bool
    weights: np.ndarray
    format: Format
    zero: np.ndarray
    scale: np.ndarray
    fields: Mapping[str, Any] = field(default_factory=dict)
    target: Shape | None = None


@dataclass(frozen=True, eq=False)
class Pending:
    """Real numbers that only a quantizer makes levels: functions of integers, channel by channel.

    Parameters
    ----------
    base : Levels, Sums or tuple of Pending
        What has the integers: levels less their zero point, sums, or tensors that a Concat joins.
    pieces : tuple of Piece
        Function of the integers: one for each channel of sums, else one.
    node : Node
        Last operator.
    rank : int or None
        Number of axes with the batch; None once a reshape has changed it.
    axis : int or None
        Axis of the channels; None once a reshape has moved them, or if there is one function.
    channels : int or None
        Size of that axis.
    moves : tuple of Node
        Operators that move elements or choose among them, in their order, done on the levels.
    joins : Node, optional
        The Concat, of a tuple.
    """

    base: "Levels | Sums | tuple[Pending, ...]"
    pieces: tuple[Piece, ...]
    node: Node
    rank: int | None
    axis: int | None = None
    channels: int | None = None
    moves: tuple[Node, ...] = ()
    joins: Node | None = None

    def mapped(self, node: Node, function: Callable[..., Piece], *constants: Sequence[Fraction]
               ) -> "Pending":
        """Return the tensor with a function after its own.

        Parameters
        ----------
        node : Node
        function : callable
            Function of a piece and of one entry of each of ``constants``.
        *constants : sequence of Fraction
            One entry, or one for each channel.
        """
        if isinstance(self.base, tuple):
            if any(len(each) > 1 for each in constants):
                raise Unsupported("Constant of what a Concat makes must have 1 entry")
            base = tuple(each.mapped(node, function, *constants) for each in self.base)
            new, old = ([piece for each in parts for piece in each.pieces]
                        for parts in (base, self.base))
            mapped = replace(self, node=node, base=base)
        else:
            count = max(len(self.pieces), *(len(each) for each in constants), 1)
            old = self.pieces * (count // len(self.pieces))
            new = tuple(function(old[k], *(each[k % len(each)] for each in constants))
                        for k in range(count))
            mapped = replace(self, node=node, pieces=new)
        if any(each.operator == "MaxPool" for each in self.moves) and any(
                one.slope * other.slope < 0 for one, other in zip(new, old, strict=True)):
            raise Unsupported("Factor behind a MaxPool must not be negative")
        return mapped


def identity(quantization: Quantization) -> tuple:
    """Return what two tensors of the same levels for the same real numbers have in common."""
    return quantization.format, quantization.scale, quantization.zero_point


def fractions(array: np.ndarray, title: str) -> list[Fraction]:
    """Return the exact values of floats, flat; :class:`Unsupported` unless all are finite."""
    if array.dtype.kind not in "fiu":
        raise Unsupported(f"{title} must be numbers, not {array.dtype.name}")
    flat = array.ravel()
    if array.dtype.kind == "f" and not np.isfinite(flat).all():
        raise Unsupported(f"{title} must be finite, not {flat[~np.isfinite(flat)][0]}")
    return [Fraction(value) for value in flat.tolist()]


def number(node: Node, name: str, default: float) -> Fraction:
    """Return the exact value of an attribute, which must be a finite number."""
    return fractions(np.array(attribute(node, name, default)), f"Attribute {name}")[0]


def check_axes(array: np.ndarray, rank: int | None, title: str):
    """Raise :class:`Unsupported` if a constant has more axes than the tensor, or more than 1.

    It would give the result as many. Of a tensor of None axes, all that is known is that it has 1.
    """
    if array.ndim > (rank or 1):
        axes = "1 axis, behind a reshape" if rank is None else f"the {rank} axes of the tensor"
        raise Unsupported(f"{title} must have at most {axes}, not shape {array.shape}")


def spread(array: np.ndarray, rank: int | None, title: str) -> tuple[np.ndarray, int | None]:
    """Return a constant's entries, one or one for each channel, and the axis of the channels.

    Parameters
    ----------
    array : array
        It broadcasts from the last axis on to a tensor of ``rank`` axes, the batch first.
    rank : int or None
    title : str
    """
    check_axes(array, rank, title)
    if array.size == 1:
        return array.reshape(1), None
    if rank is None:
        raise Unsupported(f"{title} must have 1 entry behind a reshape, not {array.size}")
    axes = [axis for axis, size in enumerate(array.shape, rank - array.ndim) if size != 1]
    if len(axes) != 1 or axes[0] < 1:
        raise Unsupported(f"{title} must have 1 entry or one for each channel, not shape "
                          f"{array.shape}")
    return array.ravel(), axes[0]
