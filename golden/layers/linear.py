"""Linear layers: their exact sums, the ranges of these, and their results."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from golden import ops, specials
from golden.block_scaled import (
    Blocks,
    Levels,
    on_levels,
    parts,
    requantize_tensor,
    shift_levels,
)
from golden.contracts import Clamped, ExactSum, ScaleRule, Stochastic
from golden.formats import EXPONENT_BIAS, NAN, BlockScaled, Format
from golden.layers.kind import Kind
from golden.lfsr import draws
from golden.multipliers import linear_parameters, real_scale
from golden.networks import Conv2d, Dense, Linear, Network, Quantization, TransposeConv2d
from golden.ranges import Range, levels_range, values_range, weights_ends
from golden.requantize import check_parameters
from golden.tables import check_table, lookup

__all__ = ["LINEAR", "linear_sums", "linear_results", "sum_ends", "shifted_range", "output_of",
           "steps", "matters"]


def linear_sums(layer: Linear, x, network: Network) -> np.ndarray:
    """Exact sums of a layer, before its bias: ``sum((x - x_zero_point) * (w - w_zero_point))``.

    Sums of block-scaled factors are in units of the least exponent of the input's range and of the
    least exponent of the weights.

    Parameters
    ----------
    layer : Linear
        Layer of ``network``.
    x : array_like of integers, or Blocks
        Levels of the layer's input.
    """
    if isinstance(x, Blocks):
        x = shift_levels(*x, least=network.quantization(layer.inputs[0]).exponents.lo)
    zero_points = {"x_zero_point": _input_zero_point(layer, network),
                   "w_zero_point": layer.weight.zero_point}
    if isinstance(layer, Conv2d):
        return ops.conv2d(x, layer.weights, stride=layer.stride, padding=layer.padding,
                          dilation=layer.dilation, groups=layer.groups, **zero_points)
    if isinstance(layer, TransposeConv2d):
        return ops.transpose_conv2d(x, layer.weights, stride=layer.stride, offset=layer.offset,
                                    size=layer.size, **zero_points)
    return ops.dense(x, _scaled(layer), **zero_points)


def _scaled(layer: Linear) -> np.ndarray:
    # Weights of a layer, all on one scale.
    scaled = isinstance(layer.weight.format, BlockScaled)
    if scaled and not isinstance(layer, Dense):
        raise ValueError(f"Layer {layer.name!r} must be a Dense one to have block-scaled weights, "
                         f"not a {type(layer).__name__}")
    if scaled != (layer.exponents is not None):
        constraint = "given" if scaled else "left out"
        raise ValueError(f"Exponents of layer {layer.name!r} must be {constraint} for weights of "
                         f"{layer.weight.format}, not {layer.exponents!r}")
    return shift_levels(layer.weights, layer.exponents) if scaled else layer.weights


def sum_ends(layer: Linear, network: Network) -> np.ndarray:
    """Least and largest sum of each output channel, before its bias, for any input.

    The ends are exact, from the weights, the zero points and the input's format and exponents: an
    array of integers, ``(2, channels)``.
    """
    weights = layer.weight.format.check(layer.weights, f"Weight of layer {layer.name!r}")
    if layer.weight.format.propagates and (np.abs(weights) >= NAN).any():
        raise ValueError(f"Weights of layer {layer.name!r} must be numbers, not infinite or NaN")
    weights = np.asarray(_scaled(layer))
    zero_points = layer.weight.format.check_zero_point(
        layer.weight.zero_point, f"Weight zero point of layer {layer.name!r}")
    if zero_points.shape not in ((), (len(weights),)):
        raise ValueError(f"Weight zero point of layer {layer.name!r} must be a scalar or have "
                         f"one entry for each of {len(weights)} channels, not shape "
                         f"{zero_points.shape}")
    zero_point = _input_zero_point(layer, network)
    inputs = shifted_range(network.quantization(layer.inputs[0]))
    return weights_ends(ops.centred(weights, zero_points.reshape(-1, *[1] * (weights.ndim - 1))),
                        inputs - Range(zero_point, zero_point))


def shifted_range(quantization: Quantization) -> Range:
    """Range of a tensor's levels; block-scaled levels on the scale of the least exponent."""
    exponents = quantization.exponents
    return levels_range(quantization.format) * Range(1, 1 << exponents.hi - exponents.lo)


def steps(layer: Linear, network: Network) -> tuple[float | np.ndarray, np.ndarray]:
    """Real value of one level of a layer's input, and of one level of each channel's weights."""
    step = np.broadcast_to(layer.weight.step, len(layer.weights))
    if layer.exponents is not None:
        step = step * 2.0**(int(layer.exponents.min()) - EXPONENT_BIAS)
    return network.quantization(layer.inputs[0]).least_step, step


def matters(layer: Linear, bias) -> np.ndarray:
    """Whether each channel's scale matters; it does not if all its sums plus bias are 0."""
    rows = layer.weights.reshape(len(layer.weights), -1)
    return (rows != np.reshape(layer.weight.zero_point, (-1, 1))).any(axis=1) | (bias != 0)


def linear_results(layer: Linear, sums, unbiased: Range, counts=None) -> Levels:
    """Results of a layer's exact sums in the range ``unbiased``, before the layer's table.

    Infinities and NaN follow ``counts``, as :func:`golden.specials.count` has them.
    """
    # A stochastic contract draws for each output.
    states = draws(layer.seed, np.shape(sums)) if isinstance(layer.contract, Stochastic) else None
    return requantize_tensor(sums, layer.contract, output_of(layer), layer.parameters,
                             unbiased=unbiased, draws=states, counts=counts)


def output_of(layer: Linear) -> Format | None:
    """Output format for a layer's contract; None for the exact sum, which has its own format."""
    return None if isinstance(layer.contract, ExactSum) else layer.output.format


def _input_zero_point(layer: Linear, network: Network) -> int:
    name = layer.inputs[0]
    return network.quantization(name).scalar_zero_point(f"Zero point of tensor {name!r}")


def _numbers(layer: Linear, network: Network, x: Levels) -> np.ndarray:
    # Sums of the numbers alone; infinities and NaN follow later.
    fmt = network.quantization(layer.inputs[0]).format
    return linear_sums(layer, on_levels(specials.numbers, x) if fmt.propagates else x, network)


def _run(layer: Linear, network: Network, x: Sequence[Levels], sums: Range) -> Levels:
    counts = None
    if network.quantization(layer.inputs[0]).format.propagates:
        counts = specials.count(parts(x[0])["levels"], layer.weights)
    y = linear_results(layer, _numbers(layer, network, x[0]), sums, counts)
    return y if layer.table is None else lookup(layer.table, y, layer.output.format)


def _prove(layer: Linear, network: Network, x: Sequence[Levels] | None) -> Range:
    input = network.quantization(layer.inputs[0])
    _check_blocks(layer, input.format)
    ends = sum_ends(layer, network)
    unbiased = values_range(ends)
    contract, output, channels = layer.contract, output_of(layer), ends.shape[1]
    if x is not None and (sums := _numbers(layer, network, x[0])).size:
        # The parameters stay those for every input, within the contract's range.
        sums = sums.reshape(-1, channels)
        ends, unbiased = np.stack([sums.min(axis=0), sums.max(axis=0)]), contract.accepted(unbiased)
    if input.format.propagates and not (isinstance(layer, Dense)
                                        and layer.output.format.propagates):
        raise ValueError(f"Layer {layer.name!r} must be a Dense one whose output propagates "
                         f"infinities and NaN, as its input {input.format} does")
    if isinstance(layer, Conv2d) and np.any(layer.padding):
        if not input.format.contains(input.zero_point):
            raise ValueError(f"Padding of layer {layer.name!r} must be 0 where the input has "
                             f"format {input.format}, which has no level 0, not {layer.padding}")
    try:
        values = check_parameters(contract, output, layer.parameters, unbiased=unbiased)
        if layer.table is not None:
            check_table(layer.table, layer.output.format)
        for name, value in values.items():
            if value.size not in (1, channels):
                raise ValueError(f"Parameter {name} must have 1 entry or {channels}, one per "
                                 f"channel, not {value.size}")
        exponents = layer.output.exponents
        for name, expected in (("zero_point", layer.output.zero_point),
                               ("exponent_min", exponents.lo), ("exponent_max", exponents.hi)):
            if name in values and (values[name] != expected).any():
                raise ValueError(f"Parameter {name} must be {expected}, as the output's, "
                                 f"not {values[name].tolist()}")
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error
    try:
        _check_ends(layer, ends, unbiased)
    except ValueError:
        # Once more, to name the channel.
        for channel, own_ends in enumerate(ends.T):
            own = replace(layer, parameters={name: value.flat[channel if value.size > 1 else 0]
                                             for name, value in values.items()})
            try:
                for end in own_ends:
                    _check_ends(own, end, unbiased)
            except ValueError as error:
                raise ValueError(f"Layer {layer.name!r}, channel {channel}: {error}") from error
        raise
    return unbiased


def _check_ends(layer: Linear, ends, unbiased: Range):
    # All the steps are monotonic in the sum. Contract "none" clamps nothing: its output must hold
    # the sums.
    levels = parts(linear_results(layer, ends, unbiased))["levels"]
    layer.output.format.check(levels, "Output")


def _check_blocks(layer: Linear, input: Format):
    # Only Dense layers have an axis of features to cut into blocks.
    output = layer.output.format
    for fmt, verb in ((input, "take"), (output, "make")):
        if isinstance(fmt, BlockScaled) and not isinstance(layer, Dense):
            raise ValueError(f"Layer {layer.name!r} must be a Dense one to {verb} a tensor of "
                             f"{fmt}, not a {type(layer).__name__}")
    if isinstance(output, BlockScaled):
        if output_of(layer) is None:
            raise ValueError(f"Contract of layer {layer.name!r} must be one of multiply and shift "
                             f"to make a tensor of {output}, not {layer.contract.name}")
        if layer.table is not None:
            raise ValueError(f"Table of layer {layer.name!r} must be None where its output is "
                             f"{output}, whose codes alone are no numbers")


def _check_scales(layer: Linear, network: Network):
    contract = layer.contract
    # The scale of a table's input is not known.
    if not isinstance(contract, Clamped) or layer.table is not None:
        return
    try:
        unbiased = contract.accepted(values_range(sum_ends(layer, network)))
        values = check_parameters(contract, output_of(layer), layer.parameters, unbiased=unbiased)
        input, weights = steps(layer, network)
        used = matters(layer, values["bias"])
        scales = input, np.where(used, weights, 0.0), layer.output.step

        def expected(rule: ScaleRule) -> np.ndarray:
            return real_scale(contract, linear_parameters(
                contract, *scales, contract.sum_format(unbiased), rule=rule))

        own = expected(contract.scale_rule)
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error
    # A signed multiplier may be negative, which no scale is.
    actual = np.abs(np.broadcast_to(real_scale(contract, values), used.shape))
    right = ~used | (actual == own)
    for rule in ScaleRule:
        with suppress(ValueError):  # the floats of a rule may not hold such scales
            right = right | (actual == expected(rule))
    for channel in np.flatnonzero(~right).tolist():
        raise ValueError(f"Layer {layer.name!r}, channel {channel}: Parameters must scale by "
                         f"{own[channel]}, by the tensors' scales, not by {actual[channel]}")


LINEAR = Kind(_prove, _run, _check_scales)
