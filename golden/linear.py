"""The layers of exact sums: what they sum, what the sums may be, and what becomes of them."""

import numpy as np

from golden import ops
from golden.block_scaled import Blocks, Tensor, requantize_tensor, shift_levels
from golden.contracts import ExactSum, Stochastic
from golden.formats import NAN, BlockScaled, Format
from golden.lfsr import draws
from golden.networks import Conv2d, Dense, Linear, Network, Quantization
from golden.ranges import Range, levels_range, weights_range

__all__ = ["linear_sums", "linear_results", "sum_ranges", "shifted_range", "output_of"]


def linear_sums(layer: Linear, x, network: Network) -> np.ndarray:
    """Exact sums of a layer, before its bias: ``sum((x - x_zero_point) * (w - w_zero_point))``.

    Of block-scaled factors in units of the least exponents: those that the input may have, and
    the weights have.

    Parameters
    ----------
    layer : Linear
        Of ``network``.
    x : array_like of integers, or Blocks
        Levels of the tensor that the layer takes.
    """
    if isinstance(x, Blocks):
        x = shift_levels(*x, least=network.quantization(layer.inputs[0]).exponents.lo)
    zero_points = {"x_zero_point": _input_zero_point(layer, network),
                   "w_zero_point": layer.weight.zero_point}
    if isinstance(layer, Conv2d):
        return ops.conv2d(x, layer.weights, stride=layer.stride, padding=layer.padding,
                          dilation=layer.dilation, groups=layer.groups, **zero_points)
    if isinstance(layer, Dense):
        return ops.dense(x, _scaled(layer), **zero_points)
    raise TypeError(f"Linear layer must be a Dense or a Conv2d, not {layer!r}")


def _scaled(layer: Linear) -> np.ndarray:
    # Weights of a layer on one scale.
    scaled = isinstance(layer.weight.format, BlockScaled)
    if scaled and not isinstance(layer, Dense):
        raise ValueError(f"Layer {layer.name!r} must be a Dense one to have block-scaled weights, "
                         f"not a {type(layer).__name__}")
    if scaled != (layer.exponents is not None):
        given = "given" if scaled else "left out"
        raise ValueError(f"Exponents of layer {layer.name!r} must be {given} for weights of "
                         f"{layer.weight.format}, not {layer.exponents!r}")
    return shift_levels(layer.weights, layer.exponents) if scaled else layer.weights


def sum_ranges(layer: Linear, network: Network) -> list[Range]:
    """Range of the sums of each output channel, before its bias, for every possible input.

    Exact, from the weights, the zero points and the input's format and exponents.
    """
    weights = layer.weight.format.check(layer.weights, f"Weight of layer {layer.name!r}")
    if layer.weight.format.propagates and (np.abs(weights) >= NAN).any():
        raise ValueError(f"Weights of layer {layer.name!r} must be numbers, not infinite or NaN")
    axes = 4 if isinstance(layer, Conv2d) else 2
    if weights.ndim != axes or not len(weights):
        raise ValueError(f"Weights of layer {layer.name!r} must have {axes} axes and an output, "
                         f"not shape {weights.shape}")
    weights = np.asarray(_scaled(layer))
    zero_points = layer.weight.format.check_zero_point(
        layer.weight.zero_point, f"Weight zero point of layer {layer.name!r}")
    if zero_points.shape not in ((), (len(weights),)):
        raise ValueError(f"Weight zero point of layer {layer.name!r} must be a scalar or have "
                         f"one entry for each of {len(weights)} channels, not shape "
                         f"{zero_points.shape}")
    zero_point = _input_zero_point(layer, network)
    inputs = shifted_range(network.quantization(layer.inputs[0]))
    return weights_range(ops.centred(weights, zero_points.reshape(-1, *[1] * (weights.ndim - 1))),
                         inputs - Range(zero_point, zero_point))


def shifted_range(quantization: Quantization) -> Range:
    """Range of a tensor's levels; of block-scaled ones on the scale of the least exponent."""
    exponents = quantization.exponents
    return levels_range(quantization.format) * Range(1, 1 << exponents.hi - exponents.lo)


def linear_results(layer: Linear, sums, unbiased: Range) -> Tensor:
    """Results of a layer's exact sums, which ``unbiased`` bounds; its table not yet applied."""
    # A draw for each output, where the contract draws.
    drawn = draws(layer.seed, np.shape(sums)) if isinstance(layer.contract, Stochastic) else None
    return requantize_tensor(sums, layer.contract, output_of(layer), layer.parameters,
                             unbiased=unbiased, draws=drawn)


def output_of(layer: Linear) -> Format | None:
    """Format that a layer's contract is told; None for the exact sum, whose own follows from it."""
    return None if isinstance(layer.contract, ExactSum) else layer.output.format


def _input_zero_point(layer: Linear, network: Network) -> int:
    taken = network.quantization(layer.inputs[0])
    name = f"Zero point of tensor {layer.inputs[0]!r}"
    zero_point = taken.format.check_zero_point(taken.zero_point, name)
    if zero_point.ndim:
        raise ValueError(f"{name} must be a scalar, not shape {zero_point.shape}")
    return int(zero_point)
