"""Quantizes the layers that have no weights: sums and joins of tensors, pools, moves."""

from collections.abc import Sequence

from golden.contracts import Contract
from golden.floats import (
    FloatAdd,
    FloatConcat,
    FloatLayer,
    FloatMove,
    FloatPool,
    FloatReshape,
    FloatTranspose,
)
from golden.formats import BlockScaled, IntFormat
from golden.networks import Add, Concat, Layer, Pool, Quantization, Reshape, Transpose
from golden.quantize.linear import clip_levels
from golden.unit_scales import parameters_of
from golden.units import Addition, FusedScheme, Rescaling, Scheme

__all__ = ["keeps_quantization", "without_weights"]


def keeps_quantization(layer: FloatLayer) -> bool:
    """Whether a layer's output has its input's quantization."""
    return isinstance(layer, FloatMove | FloatPool)


def without_weights(layer: FloatLayer, inputs: Sequence[Quantization], output: Quantization,
                    contract: Contract, scheme: Scheme | FusedScheme) -> Layer:
    """Return the layer of levels for a layer of real numbers that has no weights.

    Parameters
    ----------
    layer : FloatLayer
    inputs : sequence of Quantization
    output : Quantization
        That of the input if the layer keeps it.
    contract : Contract
        Contract of a concatenation.
    scheme : Scheme or FusedScheme
        Arithmetic of a sum.

    Raises
    ------
    ValueError
        If a tensor is block-scaled, or one that is added or joined is none of integers.
    """
    own = {"name": layer.name, "inputs": layer.inputs, "output": output}
    for fmt in (each.format for each in inputs):
        if isinstance(fmt, BlockScaled):
            raise ValueError(f"Tensors must have a format without exponents for layer "
                             f"{layer.name!r}, not {fmt}")
    if isinstance(layer, FloatReshape):
        return Reshape(**own, target=layer.target)
    if isinstance(layer, FloatTranspose):
        return Transpose(**own, axes=layer.axes)
    clamp = clip_levels(output, layer.least, layer.most)
    if isinstance(layer, FloatPool):
        whole = output.format.min, output.format.max
        return Pool(**own, kind=layer.kind, size=layer.size, stride=layer.stride,
                    padding=layer.padding, clamp=None if clamp == whole else clamp)
    *formats, own_format = (_integers(layer, each) for each in (*inputs, output))
    if isinstance(layer, FloatAdd):
        parameters = parameters_of(Addition(scheme, formats[0], formats[1], own_format), *inputs,
                                   output, clamp=clamp)
        return Add(**own, scheme=scheme, parameters=parameters)
    assert isinstance(layer, FloatConcat)
    return Concat(**own, axis=-1, contract=contract, parameters=tuple(
        parameters_of(Rescaling(contract, fmt, own_format), input, output, clamp=clamp)
        for fmt, input in zip(formats, inputs, strict=True)))


def _integers(layer: FloatLayer, quantization: Quantization) -> IntFormat:
    if not isinstance(quantization.format, IntFormat):
        raise ValueError(f"Tensors of layer {layer.name!r} must have integer formats to be added "
                         f"or joined, not {quantization.format}")
    return quantization.format
