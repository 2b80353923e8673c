"""What a reader makes of a model's file, and what it says of a file that it refuses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from golden.networks import Network

__all__ = ["Boundary", "DamagedModel", "Exact", "Model", "Problem", "Unsupported",
           "UnsupportedModel"]


class DamagedModel(ValueError):
    """A file is no model of its kind, or is cut, inconsistent or too large to be one."""


class Unsupported(ValueError):
    """An operator cannot be read; the message names the attribute, the constraint and the value."""


class Problem(NamedTuple):
    """An operator that cannot be read.

    Parameters
    ----------
    node : str
        Position of the operator in the file, and the name of its output.
    operator : str
    reason : str
    """

    node: str
    operator: str
    reason: str


class UnsupportedModel(ValueError):
    """A model has operators that cannot be read; all of them are named, by reasons.

    Parameters
    ----------
    path : str
    problems : sequence of Problem
    """

    def __init__(self, path: str, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        places: dict[str, list[str]] = {}
        for each in self.problems:
            places.setdefault(each.reason, []).append(f"{each.operator} {each.node}")
        super().__init__(f"Model {path} must have operators that can be read, not " + "; ".join(
            f"{', '.join(nodes)}: {reason}" for reason, nodes in places.items()))


class Boundary(NamedTuple):
    """A place where real numbers become levels, or levels real numbers.

    Parameters
    ----------
    operator : str
    real : str
        Name of the tensor of real numbers.
    levels : str
        Name of the tensor of levels.
    reason : str
        Why it stays outside of the network; empty if it is at an input or an output of the file.
    """

    operator: str
    real: str
    levels: str
    reason: str = ""


class Exact(NamedTuple):
    """Function that a layer computes exactly, of its sums or of its input less the zero point.

    Parameters
    ----------
    reals : tuple of :class:`~golden.readers.qonnx.exact.Piece`
        Real number of an integer: one function, or one for each channel.
    level : callable or None
        ``level(real, channel)`` rounds a real number to a level; None if the layer makes sums.
    regular : bool
        Whether the levels are real numbers over the output's scale, plus its zero point, rounded.
    """

    reals: tuple[Any, ...]
    level: Callable[[Fraction, int], int] | None
    regular: bool = False


@dataclass(frozen=True)
class Model:
    """A network, and where its tensors are in the file.

    Parameters
    ----------
    network : Network
        The integer part of the model: every operator between its boundaries.
    runtime : str
        Runtime whose arithmetic the network has.
    tensors : mapping of str to int or str
        Name or index in the file of each tensor of the network that is there.
    inputs : tuple of str
        Tensor of the network for each input of the file, in the file's order.
    quantize, dequantize : tuple of Boundary
        Operators at the inputs and the outputs that stay outside of the network.
    channels_last : frozenset of str
        Tensors of the network that are images with channels last, where the file has them first.
    borders : mapping of str to callable
        Function of float32 numbers that makes the levels of an input, by its name, where the file
        says how to round them.
    exact : mapping of str to Exact
        Function of each layer whose arithmetic is that of real numbers, by its name.
    reals : mapping of str to int or str
        Tensors that the runtime computes in float32, in an order of its own, where golden rounds
        the exact result: name or index in the file of the real numbers that are rounded to levels.
    """

    network: Network
    runtime: str
    tensors: Mapping[str, int | str]
    inputs: tuple[str, ...]
    quantize: tuple[Boundary, ...] = ()
    dequantize: tuple[Boundary, ...] = ()
    channels_last: frozenset[str] = frozenset()
    borders: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    exact: Mapping[str, Exact] = field(default_factory=dict)
    reals: Mapping[str, int | str] = field(default_factory=dict)
