"""Layers that move elements and change none: the output has the input's quantization."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

from golden.formats import integers
from golden.networks.layers import Layer, Shape
from golden.windows import Pair

__all__ = ["Move", "Reshape", "Transpose", "Pad", "Slice", "Extreme"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Move(Layer):
    """A layer whose output elements are elements of its inputs, or one constant level."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Move):
    """The same elements in the same order, in another shape.

    Parameters
    ----------
    target : tuple of int
        Shape of the output, without the batch.
    """

    target: Shape

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """The target, which has as many elements as the input."""
        target = tuple(integers(self.target, "Target shape").tolist())
        if prod(target) != prod(shapes[0]) or min(target, default=1) < 1:
            raise ValueError(f"Target shape must have the {prod(shapes[0])} elements of tensor "
                             f"{self.inputs[0]!r}, not be {target}")
        return target


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Move):
    """Axes in another order.

    Parameters
    ----------
    axes : tuple of int
        Axis of the input for each axis of the output; axis 0, the batch, is first and stays.
    """

    axes: tuple[int, ...]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Sizes of the input, in the new order."""
        axes = integers(self.axes, "Axes").tolist()
        if axes[:1] != [0] or sorted(axes) != list(range(len(shapes[0]) + 1)):
            raise ValueError(f"Axes must be 0 and then 1 to {len(shapes[0])} in any order, "
                             f"not {self.axes}")
        return tuple(shapes[0][axis - 1] for axis in axes[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Move):
    """One level in front of and behind the elements of each axis.

    Parameters
    ----------
    widths : tuple of pair of int
        Count in front and count behind, for each axis after the batch.
    level : int
    """

    widths: tuple[Pair, ...]
    level: int

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Sizes of the input, each with its two widths."""
        widths = integers(self.widths, "Widths")
        if widths.shape != (len(shapes[0]), 2) or (widths < 0).any():
            raise ValueError(f"Widths must be {len(shapes[0])} pairs that are not negative, "
                             f"not {self.widths!r}")
        return tuple(size + front + behind for size, (front, behind) in zip(
            shapes[0], widths.tolist(), strict=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Move):
    """Every ``step``-th element of each axis, from ``first`` on.

    Parameters
    ----------
    first, count, step : tuple of int
        One entry for each axis after the batch; a step may be negative.
    """

    first: tuple[int, ...]
    count: tuple[int, ...]
    step: tuple[int, ...]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """The counts, once all elements are found to be elements of the input."""
        for title, values in (("First", self.first), ("Count", self.count), ("Step", self.step)):
            if integers(values, title).shape != (len(shapes[0]),):
                raise ValueError(f"{title} must have {len(shapes[0])} entries, not {values!r}")
        for size, first, count, step in zip(shapes[0], self.first, self.count, self.step,
                                            strict=True):
            last = first + (count - 1) * step
            if count < 1 or step == 0 or not (0 <= first < size and 0 <= last < size):
                raise ValueError(f"Slice must lie in an axis of {size} elements, not be {count} "
                                 f"from {first} on in steps of {step}")
        return tuple(int(count) for count in self.count)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The same as indices of numpy, the batch included."""
        ends = [first + count * step for first, count, step in zip(
            self.first, self.count, self.step, strict=True)]
        return (slice(None), *(slice(first, None if end < 0 else end, step)
                               for first, end, step in zip(self.first, ends, self.step,
                                                           strict=True)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Extreme(Move):
    """Larger or smaller of two elements, the inputs broadcast together.

    Parameters
    ----------
    kind : "maximum" or "minimum"
    """

    input_count: ClassVar[int | None] = 2

    kind: Literal["maximum", "minimum"]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the inputs, broadcast together."""
        return self._broadcast(shapes)
