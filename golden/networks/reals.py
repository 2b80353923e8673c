"""Tensors of float32 numbers, and the layers between them and levels, for golden alone.

ONNX Runtime quantizes a tensor at run time by the range that it has there. Its sums are exact; the
numbers between them are float32, each operation rounded by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from golden.formats import Format, floats
from golden.networks.layers import Layer, Shape

__all__ = ["FLOAT32", "Centre", "DynamicQuantize", "Float32", "FloatOperation", "ToFloat"]


@dataclass(frozen=True)
class Float32(Format):
    """Finite numbers of float32. They are numbers and no levels: only a few layers take them."""

    bits: ClassVar[int] = 32
    max: ClassVar[int] = int(np.finfo(np.float32).max)
    min: ClassVar[int] = -max

    def levels(self) -> np.ndarray:
        """Refuse: there are too many."""
        raise ValueError(f"Format must be one of levels, not {self}")

    def contains(self, levels) -> np.ndarray:
        """Whether each number is finite."""
        return np.isfinite(floats(levels, "Number"))

    def check(self, levels, name: str = "Number") -> np.ndarray:
        """Return numbers as float32.

        Raises
        ------
        TypeError
            If they are of another type.
        ValueError
            If one is not finite.
        """
        array = np.asarray(levels)
        if array.dtype != np.float32:
            raise TypeError(f"{name} must be float32, not {array.dtype}")
        if not (good := np.isfinite(array)).all():
            raise ValueError(f"{name} must be finite, not {array[~good].flat[0]}")
        return array

    def encode(self, levels) -> np.ndarray:
        """Bits of numbers."""
        return self.check(levels).view(np.uint32).astype(np.int64)

    def decode(self, codes) -> np.ndarray:
        """Numbers of bits."""
        return self.check(self._check_codes(codes, 2**32 - 1).astype(np.uint32).view(np.float32))

    def describe(self) -> str:
        """Constraint on a number, as messages state it."""
        return f"a finite number of {self}"

    def __str__(self) -> str:
        return "float32"


FLOAT32 = Float32()
"""The format of tensors of float32 numbers."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DynamicQuantize(Layer):
    """One result of ONNX's DynamicQuantizeLinear, for each member of a batch by itself.

    Parameters
    ----------
    part : "levels", "scale" or "zero_point"
        Levels of the float32 input, u8; or the scale, float32, or the zero point, u8, with which
        they are made (:func:`golden.runtimes.onnx_ops.dynamic_range`).
    """

    part: Literal["levels", "scale", "zero_point"]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input for the levels; a scale and a zero point have no axis."""
        return shapes[0] if self.part == "levels" else ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Centre(Layer):
    """``x - zero_point``, exact: levels and a zero point that another layer makes."""

    input_count: ClassVar[int | None] = 2

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the levels; the zero point has no axis."""
        if shapes[1] != ():
            self._refuse(1, (), shapes)
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class ToFloat(Layer):
    """Integers as the nearest numbers of float32, ties to even."""

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input."""
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatOperation(Layer):
    """One operation on float32 numbers, rounded to float32, of inputs that are broadcast together.

    Parameters
    ----------
    kind : "add", "mul" or "relu"
        Sum or product of two inputs, or the larger of 0 and one.
    """

    input_count: ClassVar[int | None] = None

    kind: Literal["add", "mul", "relu"]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the inputs, broadcast together."""
        return self._broadcast(shapes)
