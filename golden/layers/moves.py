"""Layers that move elements: reshape, transpose, pad, slice, maximum, minimum."""

from collections.abc import Sequence

import numpy as np

from golden import ops
from golden.block_scaled import Levels
from golden.formats import BlockScaled
from golden.layers.kind import Kind
from golden.networks import Extreme, Move, Network, Pad, Reshape, Slice, Transpose

__all__ = ["MOVE", "broadcastable", "check_same"]


def check_same(layer: Move, network: Network):
    """Raise ``ValueError`` unless inputs and output have one format and one zero point."""
    for name in layer.inputs:
        input, output = network.quantization(name), layer.output
        if isinstance(input.format, BlockScaled):
            raise ValueError(f"Tensor {name!r} must have a format without exponents for layer "
                             f"{layer.name!r}, not {input.format}")
        if (input.format, input.zero_point) != (output.format, output.zero_point):
            raise ValueError(
                f"Output of layer {layer.name!r} must have the format {input.format} and the zero "
                f"point {input.zero_point} of tensor {name!r}, not {output.format} and "
                f"{output.zero_point}")


def broadcastable(x: Sequence[Levels]) -> list[np.ndarray]:
    """Return arrays with the batch in front whose other axes broadcast from the last one on."""
    rank = max(map(np.ndim, x))
    return [each.reshape(len(each), *[1] * (rank - each.ndim), *each.shape[1:])
            for each in map(np.asarray, x)]


def _prove(layer: Move, network: Network, x: Sequence[Levels] | None):
    check_same(layer, network)
    if isinstance(layer, Pad):
        layer.output.format.check(layer.level, f"Level of layer {layer.name!r}")
    if isinstance(layer, Extreme) and layer.kind not in ("maximum", "minimum"):
        raise ValueError(f"Kind of layer {layer.name!r} must be maximum or minimum, "
                         f"not {layer.kind!r}")


def _run(layer: Move, network: Network, x: Sequence[Levels], sums: None) -> np.ndarray:
    levels = np.asarray(x[0])
    match layer:
        case Reshape():
            return levels.reshape(len(levels), *layer.target)
        case Transpose():
            return levels.transpose(layer.axes)
        case Pad():
            return ops.padded(levels, ((0, 0), *layer.widths), layer.level)
        case Slice():
            return levels[layer.slices]
        case Extreme():
            return (np.maximum if layer.kind == "maximum" else np.minimum)(*broadcastable(x))
    raise TypeError(f"Layer must move elements, not be {layer!r}")


def _check_scales(layer: Move, network: Network):
    for name in layer.inputs:
        scale = network.quantization(name).scale
        if not np.array_equal(layer.output.scale, scale):
            raise ValueError(f"Output of layer {layer.name!r} must have the scale {scale} of "
                             f"tensor {name!r}, not {layer.output.scale}")


MOVE = Kind(_prove, _run, _check_scales, floats=True)
"""Proof and run of layers that move elements."""
