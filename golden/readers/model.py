"""What a reader makes of a model's file, and what it says of a file that it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from golden.networks import Network

__all__ = ["Boundary", "DamagedModel", "Model", "Problem", "Unsupported", "UnsupportedModel"]


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

    def __str__(self) -> str:
        return f"{self.operator} {self.node}: {self.reason}"


class UnsupportedModel(ValueError):
    """A model has operators that cannot be read; all of them are named.

    Parameters
    ----------
    path : str
    problems : sequence of Problem
    """

    def __init__(self, path: str, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__(f"Model {path} must have operators that can be read, not "
                         + "; ".join(map(str, self.problems)))


class Boundary(NamedTuple):
    """A place where real numbers become levels, or levels real numbers.

    Parameters
    ----------
    operator : str
    real : str
        Name of the tensor of real numbers.
    levels : str
        Name of the tensor of levels.
    """

    operator: str
    real: str
    levels: str


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
    """

    network: Network
    runtime: str
    tensors: Mapping[str, int | str]
    inputs: tuple[str, ...]
    quantize: tuple[Boundary, ...] = ()
    dequantize: tuple[Boundary, ...] = ()
    channels_last: frozenset[str] = frozenset()
