"""Quantizes one layer of sums: weights, bias, and the parameters of its contract."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from golden.affine import quantize, round_to_step
from golden.block_scaled import Levels
from golden.contracts import Clamped, Contract, ExactSum, Thresholds
from golden.floats import FloatConv2d, FloatLinear
from golden.formats import BlockScaled, Format, IntFormat, integers
from golden.layers.linear import linear_sums, matters, shifted_range, steps, sum_ends
from golden.lfsr import leap
from golden.multipliers import combined_scale, linear_parameters
from golden.networks import Conv2d, Dense, Linear, Network, Quantization
from golden.quantize.weights import Per, WeightRanges, blocks_for, spread_for
from golden.ranges import Range, levels_range, values_range
from golden.thresholds import threshold_parameters

__all__ = ["LAYER_DRAWS", "Weights", "biases_of", "clip_levels", "parameters_for", "step_of",
           "weigh"]

LAYER_DRAWS = 1 << 24
"""Distance in draws from state 1 to the seed of the first layer, and between layers' seeds."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Quantized weights of a layer.

    Parameters
    ----------
    levels : array of integers
        Of the shape of the layer's weights.
    quantization : Quantization
    exponents : array of integers, optional
        Codes of the exponents, if the weights are block-scaled.
    """

    levels: np.ndarray
    quantization: Quantization
    exponents: np.ndarray | None = None


def weigh(layer: FloatLinear, index: int, x: Levels | None, network: Network,
          weights: Format | Weights, contract: Contract, *, zero_point: bool,
          ranges: WeightRanges, per: Per, window: int) -> tuple[Linear, np.ndarray | None, Range]:
    """Return a layer without parameters, its sums for levels ``x``, and the range of all sums.

    The layer has its input's quantization as output, for now.
    """
    given = weights if isinstance(weights, Weights) else None
    fmt = weights if given is None else given.quantization.format
    assert isinstance(fmt, Format)
    tensor = layer.inputs[0]
    input = network.quantization(tensor)
    # A bias has as many bits as the sums of these weights need, and at least 32.
    products = levels_range(fmt) * shifted_range(input)
    if isinstance(fmt, BlockScaled):
        products = products * Range(1, 1 << window - 1)
    rows = layer.weights.reshape(len(layer.weights), -1)
    widest = products.times(rows.shape[1]).format.width
    more = {} if not isinstance(layer, FloatConv2d) else {
        "stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation,
        "groups": layer.groups}
    kind = Conv2d if isinstance(layer, FloatConv2d) else Dense
    for places in (max(30, widest - 2), 30):
        own = given or _chosen(layer, rows, fmt, input, places=places, zero_point=zero_point,
                               ranges=ranges, per=per, window=window)
        linear = kind(name=layer.name, inputs=layer.inputs, output=input, contract=contract,
                      weights=own.levels, weight=own.quantization, exponents=own.exponents,
                      parameters={}, seed=int(leap(1, (index + 1) * LAYER_DRAWS)), **more)
        unbiased = values_range(sum_ends(linear, network))
        bias = np.abs(layer.biases() / step_of(linear, network)).max(initial=0.0)
        if bias < 2.0 ** (contract.bias_format(unbiased).width - 2):
            break
    return linear, None if x is None else linear_sums(linear, x, network), unbiased


def _chosen(layer: FloatLinear, rows: np.ndarray, fmt: Format, input: Quantization, *,
            places: int, zero_point: bool, ranges: WeightRanges, per: Per, window: int) -> Weights:
    if isinstance(fmt, BlockScaled):
        if layer.weights.ndim != 2:
            raise ValueError(f"Weights of layer {layer.name!r} must have a format without "
                             f"exponents, as it is no fully connected one, not {fmt}")
        blocks = blocks_for(layer.biases(), rows, fmt, input, places=places, window=window)
        return Weights(blocks.levels, Quantization(fmt), blocks.exponents)
    weight = spread_for(layer.biases(), rows, fmt, input, places=places, zero_point=zero_point,
                        ranges=ranges, per=per)
    levels = np.asarray(quantize(rows, weight)).reshape(layer.weights.shape)
    return Weights(levels, weight)


def step_of(layer: Linear, network: Network) -> np.ndarray:
    """Real value of one unit of each channel's sum."""
    input, weights = steps(layer, network)
    return input * weights


def biases_of(layer: FloatLinear, step: np.ndarray) -> np.ndarray:
    """Biases in units of the sums, ties up."""
    return integers(list(map(int, round_to_step(layer.biases() / step, 1))), "Bias")


def clip_levels(quantization: Quantization, least: float, most: float) -> tuple[int, int]:
    """Least and largest level of a result that is clipped to two real numbers.

    A ReLU clamps at the zero point, or at the next level above if the format has no 0.
    """
    fmt, zero_point = quantization.format, int(quantization.zero_point)
    if isinstance(fmt, BlockScaled) and (least not in (0, -np.inf) or most != np.inf):
        raise ValueError(f"Ends must be 0 or none for {fmt}, whose levels have no fixed size, not "
                         f"{least} and {most}")
    levels = fmt.levels()
    lo, hi = fmt.min, fmt.max
    if least == 0:
        lo = min(levels[levels >= zero_point].tolist())
    elif np.isfinite(least):
        lo = int(np.asarray(quantize(least, quantization)))
    if np.isfinite(most):
        hi = int(np.asarray(quantize(most, quantization)))
    return lo, max(lo, hi)


def parameters_for(layer: Linear, network: Network, unbiased: Range, bias: np.ndarray,
                   output: Quantization, *, least: float, most: float) -> Mapping[str, np.ndarray]:
    """Return the parameters with which a layer's results have the quantization ``output``."""
    contract, fmt, zero_point = layer.contract, output.format, int(output.zero_point)
    if isinstance(contract, ExactSum):
        return {"bias": bias}
    # A channel whose sums are all 0 may have scales that no contract can represent.
    input, weights = steps(layer, network)
    scales = input, np.where(matters(layer, bias), weights, 0.0), output.step
    total = contract.sum_format(unbiased)
    lo, hi = clip_levels(output, least, most)
    if isinstance(contract, Thresholds):
        if hi != fmt.max:
            raise ValueError(f"Contract must be one with a clamp where layer {layer.name!r} is "
                             f"clipped at {most}, not {contract.name}")
        ladder = threshold_parameters(combined_scale(contract, *scales[:2], output=scales[2]), fmt,
                                      total, zero_point=zero_point, clamp_min=lo)
        return {"bias": bias} | ladder
    assert isinstance(contract, Clamped)
    ones = np.ones(len(bias), dtype=np.int64)
    zero_points = {"zero_point": zero_point * ones} if isinstance(fmt, IntFormat) else {}
    exponents = ({"exponent_min": output.exponents.lo * ones,
                  "exponent_max": output.exponents.hi * ones}
                 if isinstance(fmt, BlockScaled) else {})
    return {"bias": bias,
            **linear_parameters(contract, *scales, total),
            **zero_points, "clamp_min": lo * ones, "clamp_max": hi * ones, **exponents}
