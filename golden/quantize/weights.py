"""Quantizes the weights of a layer, by channel or by block, so that the bias fits."""

from dataclasses import replace
from typing import Literal

import numpy as np

from golden.affine import quantize
from golden.block_scaled import Blocks, quantize_blocks
from golden.formats import EXPONENT, EXPONENT_BIAS, BlockScaled, Format, finite
from golden.layers.linear import shifted_range
from golden.networks import Quantization
from golden.quantize.calibration import FRACTIONS, least_error_rows
from golden.ranges import Range

__all__ = ["Per", "WeightRanges", "quantize_weights", "spread_for", "blocks_for"]

WeightRanges = Literal["max", "least_error"]

Per = Literal["channel", "tensor"]
"""What has a scale of its own in the weights."""


def quantize_weights(weights, fmt: Format, *, zero_point: bool = False,
                     ranges: WeightRanges = "max", per: Per = "channel"
                     ) -> tuple[np.ndarray, Quantization]:
    """Levels of weights, and the quantization of each output channel: the first axis.

    Parameters
    ----------
    weights : array_like of float
    fmt : Format
    zero_point : bool
        Whether a channel spans its minimum to its maximum; else ``max|W|`` to either side of 0.
    ranges : "max" or "least_error"
        ``max`` spans all of that. ``least_error`` spans the share of it with the least squared
        error and saturates the largest weights: better at 2 and 3 bits, about equal above.
    """
    if not zero_point:
        _check_sides(fmt)
    if ranges not in ("max", "least_error"):
        raise ValueError(f"Weight ranges must be max or least_error, not {ranges!r}")
    if per not in ("channel", "tensor"):
        raise ValueError(f"Per must be channel or tensor, not {per!r}")
    rows = finite(weights, "Weights")
    rows = np.atleast_1d(rows) if per == "channel" else rows.reshape(1, -1)
    chosen = least_error_rows(rows, fmt, zero_point=zero_point,
                              shares=FRACTIONS if ranges == "least_error" else (1.0,))
    if per == "tensor":
        chosen = replace(chosen, scale=float(np.asarray(chosen.scale)[0]),
                         zero_point=int(np.ravel(chosen.zero_point)[0]))
    return np.asarray(quantize(weights, chosen)), chosen


def spread_for(biases: np.ndarray, weights, fmt: Format, input: Quantization, *, places: int,
               zero_point: bool = False, ranges: WeightRanges = "max", per: Per = "channel"
               ) -> Quantization:
    """Quantization of each channel's weights with which its bias is less than ``2**places``.

    A channel of tiny weights gets a larger scale than from :func:`quantize_weights`, as the bias
    counts steps of input scale times weight scale. Weights of 2**-24 of the layer's largest are
    negligible. If all weights are 0, the scale is 2**-24, or what the bias needs: a format without
    a level 0 has no smaller weights.

    Parameters
    ----------
    biases : array of float, ``(outputs,)``
    weights : array_like of float, ``(outputs, inputs)``
    fmt : Format
        Format of the weights.
    input : Quantization
        Quantization of the layer's input.
    places : int
        Binary logarithm of the bias's bound.
    zero_point, ranges, per
        Parameters of :func:`quantize_weights`.

    Raises
    ------
    ValueError
        If a scale must grow and the format has no level 0: such weights do not vanish, and their
        sum may exceed the bias.
    """
    _, weight = quantize_weights(weights, fmt, zero_point=zero_point, ranges=ranges, per=per)
    used = np.any(weights, axis=1)
    scale = np.broadcast_to(weight.scale, used.shape)
    coarsest = scale.max(initial=0.0, where=used) or 1.0
    finest = np.maximum(np.where(used, scale, 0.0), coarsest * 2.0**-24)
    needed = np.abs(biases) / (input.least_step * 2.0 ** (places + fmt.unit))
    if (needed > finest).any():
        _check_vanishing(fmt, input, np.shape(weights)[1], places)
    if per == "tensor":
        return replace(weight, scale=float(np.maximum(finest, needed).max(initial=0.0)))
    return replace(weight, scale=np.maximum(finest, needed))


def blocks_for(biases: np.ndarray, weights, fmt: BlockScaled, input: Quantization, *,
               places: int, window: int) -> Blocks:
    """Block-scaled weights with which the layer's biases are less than ``2**places``.

    The least exponent, in whose units the sums and biases are, is larger than from
    :func:`golden.block_scaled.quantize_blocks` if a bias needs it. Weights that then become 0 are
    negligible compared with the biases.

    Parameters
    ----------
    biases, weights, input, places
        Parameters of :func:`spread_for`.
    fmt : BlockScaled
        Format of the weights.
    window : int
        Number of exponents that the weights may have.

    Raises
    ------
    ValueError
        If the least exponent must grow and the format has no level 0, as in :func:`spread_for`.
    """
    _check_sides(fmt)
    blocks = quantize_blocks(weights, fmt, window=window)
    if not np.any(weights):
        # In a format without a level 0 these weights are not 0, and must be small.
        finest = EXPONENT_BIAS - 24
        blocks = quantize_blocks(weights, fmt, exponents=Range(finest, finest))
    least, most = int(blocks.exponents.min()), int(blocks.exponents.max())
    unit = input.least_step * 2.0 ** (places + fmt.unit)
    largest = np.abs(biases).max()
    enough = int(np.frexp(largest / unit)[1]) + EXPONENT_BIAS
    if largest == 0 or enough <= least:
        return blocks
    _check_vanishing(fmt, input, np.shape(weights)[1], places)
    least = min(enough, EXPONENT.max)
    return quantize_blocks(weights, fmt, exponents=Range(least, max(least, most)))


def _check_sides(fmt: Format):
    if fmt.min >= 0 or fmt.max < 1:
        raise ValueError(f"Weights must have a format with levels on both sides of 0 where they "
                         f"have no zero points, not {fmt}")


def _check_vanishing(fmt: Format, input: Quantization, count: int, places: int):
    # The largest sum of as many weights of the level nearest to 0.
    if count * fmt.idle * shifted_range(input).magnitude >= 2**places:
        raise ValueError(f"Weights that are tiny compared with the bias must have a format with a "
                         f"level 0, not {fmt}")
