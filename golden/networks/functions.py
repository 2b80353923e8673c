"""Layers that compute one function of their input, other than sums of products by weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from golden.contracts import Contract, Rounding
from golden.formats import integers
from golden.networks.layers import Layer, Shape
from golden.networks.quantization import fixed, fixed_parameters
from golden.windows import NO_PADDING, Padding, Pair, pool_windows

__all__ = ["FloatAveragePool", "FloatReduce", "FloatSoftmax", "LeakyRelu", "Lookup", "Reduce",
           "Softmax", "TableSoftmax"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Function(Layer):
    # A function with integer parameters.

    parameters: Mapping[str, int]

    def __post_init__(self):
        object.__setattr__(self, "parameters", fixed_parameters(self.parameters, self.name))

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input."""
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Layer):
    """A function of each element alone, as a table.

    Parameters
    ----------
    table : array of integers, ``(2**bits,)``
        Level of the output for each code of the input's format of ``bits`` bits, in the order of
        the codes: of a signed format, the entries of the negative levels follow the others.
    """

    table: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "table", fixed(integers(
            self.table, f"Table of layer {self.name!r}")))

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input."""
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(_Function):
    """TFLite's SOFTMAX over the last axis, int8 or int16, in fixed point.

    Parameters
    ----------
    parameters : mapping of str to int
        ``multiplier`` and ``shift`` of the differences from the largest element
        (:func:`golden.runtimes.tflite_softmax.parameters_of`).
    tables : "float32" or "float64"
        Float type in which the tables of an int16 softmax are computed: tflite-micro's or LiteRT's.
    """

    tables: Literal["float32", "float64"] = "float32"


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatSoftmax(Layer):
    """LiteRT's int8 SOFTMAX over the last axis, in float32.

    :func:`golden.runtimes.tflite_softmax.float_softmax` has the order of the operations.

    Parameters
    ----------
    beta : float
        Factor of the exponents.
    """

    beta: float = 1.0

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input."""
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class LeakyRelu(_Function):
    """TFLite's LEAKY_RELU: elements at and above 0 scaled by one factor, those below by another.

    ``clamp(scaled(x - x_zero_point) + zero_point)`` with contract ``tflite``; a negative second
    factor scales by its magnitude and turns the sign of the rounded result.

    Parameters
    ----------
    parameters : mapping of str to int
        ``multiplier`` and ``shift``, ``alpha_multiplier`` and ``alpha_shift``.
    """


@dataclass(frozen=True, eq=False, kw_only=True)
class _Reduction(Layer):
    # Sums or means over axes.

    axes: tuple[int, ...]
    keep: bool
    kind: Literal["mean", "sum"]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input without the summed axes."""
        axes = integers(self.axes, "Axes").tolist()
        if len(set(axes)) != len(axes) or not all(1 <= axis <= len(shapes[0]) for axis in axes):
            raise ValueError(f"Axes must be different ones of 1 to {len(shapes[0])}, "
                             f"not {self.axes}")
        sizes = [(size, axis in axes) for axis, size in enumerate(shapes[0], 1)]
        return tuple(1 if summed else size for size, summed in sizes if self.keep or not summed)


@dataclass(frozen=True, eq=False, kw_only=True)
class Reduce(_Reduction, _Function):
    """Sum or mean over axes: ``requantize(sum(x - x_zero_point))``.

    The factor of a mean has the divisor in it.

    Parameters
    ----------
    axes : tuple of int
        Axes of the input that are summed, counted with the batch, which is axis 0 and stays.
    keep : bool
        Whether each summed axis stays in the output's shape, with one element.
    kind : "mean" or "sum"
    contract : Contract
    parameters : mapping of str to int
        One entry for each field of the contract; the bias is 0.
    """

    contract: Contract


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatReduce(_Reduction):
    """LiteRT's sum or mean over axes in float32: ``round(sum(x) * scale + offset)``.

    Each operation is rounded to float32: ``scale = x_scale / scale``, for a mean times ``1 / n``;
    ``offset = zero_point - (n * x_zero_point) * scale``. The sum of n levels is exact. Source: the
    conversion of int32 sums in XNNPACK's ``operators/reduce-nd.c``, which rounds ties to even, and
    SUM of int16 in LiteRT's ``optimized/reduce.h``, which rounds them away from 0.

    Parameters
    ----------
    axes : tuple of int
        Axes of the input that are summed, counted with the batch, which is axis 0 and stays.
    keep : bool
        Whether each summed axis stays in the output's shape, with one element.
    kind : "mean" or "sum"
    rounding : Rounding
        ``HALF_EVEN`` or ``HALF_AWAY``.
    """

    rounding: Rounding = Rounding.HALF_EVEN


@dataclass(frozen=True, eq=False, kw_only=True)
class TableSoftmax(Layer):
    """ONNX Runtime's QLinearSoftmax over the last axis, with an output scale.

    :func:`golden.runtimes.onnx_functions.softmax` has the order of the operations.
    """

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of the input."""
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatAveragePool(Layer):
    """ONNX Runtime's QLinearAveragePool: means over windows in float32, with an output scale.

    :func:`golden.runtimes.onnx_pools.qlinear_average_pool` has the order of the operations.

    Parameters
    ----------
    size, stride : pair of int
        Vertical and horizontal size and step of the windows.
    padding : pair of pairs of int
        Padding ``((top, bottom), (left, right))``.
    count_padding : bool
        Whether padded taps, which are 0, count in the mean.
    """

    size: Pair
    stride: Pair
    padding: Padding = NO_PADDING
    count_padding: bool = False

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """Shape of rows and columns of windows, and channels."""
        if len(shapes[0]) != 3:
            self._refuse(0, "(height, width, channels)", shapes)
        return *pool_windows(shapes[0][:2], self.size, self.stride, self.padding,
                             name=f"Tensor {self.inputs[0]!r}"), shapes[0][2]
