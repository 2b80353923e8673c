"""What the operators of TFLite have in common: constants, quantizations, options, inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from golden import ops
from golden.formats import IntFormat
from golden.networks import Quantization
from golden.ranges import levels_range
from golden.readers.model import Unsupported
from golden.readers.tflite import scales
from golden.readers.tflite.file import Operator, Tensor
from golden.windows import NO_PADDING, Padding, Pair

__all__ = ["TYPES", "Context", "activation_clamp", "axes_of", "check_image", "check_types",
           "format_of", "operands", "options_of", "padding_of", "quantization_of", "same"]

FORMATS = {"int8": IntFormat(8), "int16": IntFormat(16), "uint8": IntFormat(8, signed=False)}
TYPES = tuple(FORMATS)
"""Types of the tensors that a network may have."""

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


class Context:
    """What the operators of one file share: the runtime, and constants as integer arrays.

    Parameters
    ----------
    runtime : str
        Runtime whose arithmetic the layers have.
    """

    def __init__(self, runtime: str):
        self.runtime = runtime
        self._arrays: dict[tuple, np.ndarray] = {}

    def delegated(self, *tensors: Tensor) -> bool:
        """Whether LiteRT's default delegate, XNNPACK, computes an operator of these tensors."""
        return self.runtime == "litert" and all(each.type == "int8" for each in tensors)

    def constant(self, tensor: Tensor, shape: Sequence[int] | None = None,
                 axes: Sequence[int] | None = None) -> np.ndarray:
        """Return a constant's elements, in another shape or another order of axes if given.

        Layers share the array: each is made once, however many tensors have the same buffer.
        """
        if tensor.data is None:
            raise Unsupported(f"Tensor {tensor.name!r} must be constant, not computed")
        shape = tuple(tensor.shape if shape is None else shape)
        key = tensor.buffer, tensor.type, shape, None if axes is None else tuple(axes)
        if key not in self._arrays:
            array = tensor.data.reshape(shape)
            array = np.array(array if axes is None else array.transpose(axes), np.int64, order="C")
            array.flags.writeable = False
            self._arrays[key] = array
        return self._arrays[key]


def format_of(tensor: Tensor, types: Sequence[str] = TYPES) -> IntFormat:
    """Return the format of a computed tensor's levels."""
    if tensor.type not in types:
        raise Unsupported(f"Type of tensor {tensor.name!r} must be {' or '.join(types)}, "
                          f"not {tensor.type}")
    return FORMATS[tensor.type]


def quantization_of(tensor: Tensor, types: Sequence[str] = ("int8", "int16")) -> Quantization:
    """Return the quantization of a computed tensor."""
    fmt = format_of(tensor, types)
    if len(tensor.scale) != 1 or tensor.scale[0] <= 0:
        raise Unsupported(f"Tensor {tensor.name!r} must have one positive scale, "
                          f"not {tensor.scale.tolist()[:4]}")
    zero_point = int(tensor.zero_point[0])
    if not fmt.min <= zero_point <= fmt.max:
        raise Unsupported(f"Zero point of tensor {tensor.name!r} must be in range "
                          f"{levels_range(fmt)}, not {zero_point}")
    return Quantization(fmt, float(tensor.scale[0]), zero_point)


def operands(op: Operator, count: int, optional: int = 0) -> list[Any]:
    """Return so many inputs, so many more or None for each that is left out, and the output."""
    inputs = list(op.inputs)
    if not count <= len(inputs) <= count + optional or None in inputs[:count]:
        raise Unsupported(f"Inputs must be {count}{f' to {count + optional}' if optional else ''}, "
                          f"all given, not {len(inputs)}")
    if len(op.outputs) != 1:
        raise Unsupported(f"Outputs must be 1, not {len(op.outputs)}")
    return [*inputs, *[None] * (count + optional - len(inputs)), *op.outputs]


def options_of(op: Operator) -> Mapping[str, Any]:
    """Return the options, which must be given; one that they lack raises :class:`Unsupported`."""
    if op.options is None:
        raise Unsupported("Options must be given, not left out")
    return _Options(op.options)


class _Options(dict[str, Any]):
    # A damaged file may give an operator the options of another.

    def __missing__(self, name: str):
        raise Unsupported(f"Options must have {name}, not only {', '.join(self) or 'nothing'}")


def activation_clamp(op: Operator, output: Quantization, delegated: bool = False
                     ) -> tuple[int, int]:
    """Return the least and the largest level of the output by the fused activation.

    ``delegated`` says whether XNNPACK computes the operator.
    """
    number = (op.options or {}).get("FusedActivationFunction", 0)
    return scales.activation_clamp(_choice("Activation", ACTIVATIONS, number), output, delegated)


def padding_of(op: Operator, image: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)
               ) -> Padding:
    """Return the padding that an operator's option SAME or VALID gives."""
    if _choice("Padding", ("SAME", "VALID"), options_of(op)["Padding"]) == "VALID":
        return NO_PADDING
    if min(*kernel, *stride, *dilation) < 1:
        raise Unsupported(f"Kernel, stride and dilation must be positive, not {kernel}, {stride} "
                          f"and {dilation}")
    return ops.same_padding(image, kernel=kernel, stride=stride, dilation=dilation)


def axes_of(tensor: Tensor, rank: int, context: Context) -> tuple[int, ...]:
    """Return the axes that a constant names, in order, each from 0 on."""
    axes = tuple(int(axis) + (rank if axis < 0 else 0) for axis in context.constant(tensor).ravel())
    if not all(0 <= axis < rank for axis in axes):
        raise Unsupported(f"Axes must be in range [{-rank}, {rank - 1}], "
                          f"not {context.constant(tensor).ravel().tolist()}")
    return tuple(sorted(set(axes)))


def check_types(*tensors: Tensor):
    """Raise :class:`Unsupported` unless all tensors have one type."""
    if len({tensor.type for tensor in tensors}) > 1:
        raise Unsupported(f"Types of inputs and output must be equal, not "
                          f"{', '.join(tensor.type for tensor in tensors)}")


def check_image(tensor: Tensor):
    """Raise :class:`Unsupported` unless a tensor has batch, height, width and channels."""
    if len(tensor.shape) != 4:
        raise Unsupported(f"Tensor {tensor.name!r} must have 4 axes, not shape {tensor.shape}")


def same(output: Tensor, *inputs: Tensor) -> Quantization:
    """Return the quantization of an output, which its inputs must have too."""
    shared = quantization_of(output)
    for tensor in inputs:
        own = quantization_of(tensor)
        if (own.format, own.scale, own.zero_point) != (
                shared.format, shared.scale, shared.zero_point):
            raise Unsupported(
                f"Output must have the type, scale and zero point of input {tensor.name!r}, "
                f"{tensor.type}, {own.scale:.9g} and {own.zero_point}, not {output.type}, "
                f"{shared.scale:.9g} and {shared.zero_point}")
    return shared


def _choice(title: str, names: Sequence[str], number: int) -> str:
    # Name of an option's value in the schema.
    if not 0 <= number < len(names):
        raise Unsupported(f"{title} must be one of {', '.join(names)}, not number {number}")
    return names[number]
