"""Tensors of an ONNX file: levels, real numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from golden.formats import Format, IntFormat
from golden.networks import Quantization
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Node

__all__ = ["Levels", "Real", "Shape", "Target", "prefers_last", "same_format",
           "table_levels"]

Shape = tuple[int, ...]
"""Shape without the batch."""


@dataclass(eq=False)
class Levels:
    """A tensor of levels.

    Parameters
    ----------
    name : str
        Name in the file.
    quantization : Quantization
    shape : tuple of int
        Shape in the file without the batch.
    layouts : dict of bool to str
        Tensors of the network that have the levels: False for the file's layout, True for an image
        with channels last.
    """

    name: str
    quantization: Quantization
    shape: Shape
    layouts: dict[bool, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Real:
    """A tensor of real numbers: one of the fields says what it is.

    Parameters
    ----------
    shape : tuple of int, optional
        Shape without the batch, of an input of the graph.
    levels : Levels, optional
        Levels that stand for the same real numbers.
    direct : bool
        Whether a DequantizeLinear itself makes the tensor of the levels.
    constant : Node, optional
        DequantizeLinear of a constant.
    node : Node, optional
        Operator on real numbers whose result only a QuantizeLinear makes levels.
    """

    shape: Shape | None = None
    levels: Levels | None = None
    direct: bool = False
    constant: Node | None = None
    node: Node | None = None


@dataclass(frozen=True, eq=False)
class Target:
    """A tensor of levels that an operator is to make.

    Parameters
    ----------
    name : str
        Name in the file.
    quantization : Quantization
    real : str
        Name of the tensor that a QuantizeLinear rounds to the levels; empty of an operator that
        makes levels itself.
    clamp : pair of int, optional
        Levels at which a rectifier in front of the QuantizeLinear cuts off, where that is more than
        the format does.
    """

    name: str
    quantization: Quantization
    real: str = ""
    clamp: tuple[int, int] | None = None

    @property
    def ends(self) -> tuple[int, int]:
        """Least and largest level."""
        return self.clamp or (self.quantization.format.min, self.quantization.format.max)


def same_format(*quantizations: Quantization) -> IntFormat:
    """Return the format of tensors, which must have the same."""
    formats = [each.format for each in quantizations]
    if len(set(formats)) > 1:
        raise Unsupported(f"Types of inputs and output must be equal, not "
                          f"{', '.join(map(str, formats))}")
    assert isinstance(formats[0], IntFormat)
    return formats[0]


def table_levels(fmt: Format) -> np.ndarray:
    """Return the level of each code of a format, in the order of a table."""
    return fmt.decode(np.arange(1 << fmt.bits))


def prefers_last(inputs: Sequence[Levels]) -> bool:
    """Whether a layer of these inputs needs fewer transposes with channels last."""
    return (all(True in each.layouts for each in inputs)
            and any(False not in each.layouts for each in inputs))
