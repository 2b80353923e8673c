"""Scales of few digits, so that factors are short and float32 computes sums exactly."""

from collections.abc import Sequence

import numpy as np

from golden.affine import quantize
from golden.floats import FloatLayer, FloatLinear, FloatNetwork
from golden.formats import BlockScaled
from golden.networks import Linear, Network, Quantization
from golden.quantize.joins import keeps_quantization
from golden.quantize.linear import Weights

__all__ = ["MOST_SCALE_BITS", "short_scales"]

MOST_SCALE_BITS = 24
"""Most significant bits of a weight's scale: those of float32."""


def short_scales(network: FloatNetwork | Sequence[FloatLayer], quantized: Network, *,
                 bits: int = 8) -> dict[str, Quantization | Weights]:
    """Return quantizations of a network with which every factor has few significant bits.

    The scale of each tensor becomes the nearest power of two. The scale of each channel's weights
    becomes the next number of ``bits`` significant bits that is not less, with which the float
    weights are quantized again. Each ``input scale * weight scale / output scale``, of which a
    multiplier is made, therefore has ``bits`` significant bits as well.

    Parameters
    ----------
    network : FloatNetwork or sequence of FloatLayer
        Network, or layers of a chain.
    quantized : Network
        What :func:`quantize_network` has made of it, of formats without exponents.
    bits : int
        Significant bits of the weights' scales, at most :data:`MOST_SCALE_BITS`; with 1, all
        scales are powers of two.

    Returns
    -------
    dict of str to Quantization or Weights
        Argument ``given`` of a second :func:`quantize_network`.

    Raises
    ------
    ValueError
        If the bits are out of range, a format has exponents, or the two networks have other layers.
    """
    if not 1 <= bits <= MOST_SCALE_BITS:
        raise ValueError(f"Bits must be in range [1, {MOST_SCALE_BITS}], not {bits}")
    if not isinstance(network, FloatNetwork):
        network = FloatNetwork.chain(network, quantized.inputs[0].shape)
    names = [network.input, *(layer.name for layer in network.layers)]
    if names != list(quantized.tensors):
        raise ValueError(f"Quantized network must have tensors {', '.join(names)}, "
                         f"not {', '.join(quantized.tensors)}")
    given: dict[str, Quantization | Weights] = {
        network.input: _power(network.input, quantized.quantization(network.input))}
    for layer in network.layers:
        own = quantized.tensors[layer.name].source
        if isinstance(layer, FloatLinear) and isinstance(own, Linear):
            given[f"{layer.name}.weights"] = _weights(layer, own, bits)
        if not keeps_quantization(layer):
            given[layer.name] = _power(layer.name, quantized.quantization(layer.name))
    return given


def _power(name: str, quantization: Quantization) -> Quantization:
    _check(name, quantization)
    scale = np.exp2(np.rint(np.log2(quantization.scale)))
    return Quantization(quantization.format, scale, quantization.zero_point)


def _weights(layer: FloatLinear, own: Linear, bits: int) -> Weights:
    _check(f"{layer.name}.weights", own.weight)
    digits, exponent = np.frexp(own.weight.scale)  # digits from 1/2 to 1
    scale = np.ldexp(np.ceil(np.ldexp(digits, bits)), exponent - bits)
    weight = Quantization(own.weight.format, scale, own.weight.zero_point)
    rows = layer.weights.reshape(len(layer.weights), -1)
    return Weights(np.asarray(quantize(rows, weight)).reshape(layer.weights.shape), weight)


def _check(name: str, quantization: Quantization):
    if isinstance(quantization.format, BlockScaled):
        raise ValueError(f"Format of {name!r} must be one without exponents, "
                         f"not {quantization.format}")
