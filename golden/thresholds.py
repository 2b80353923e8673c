"""Thresholds of real scales, for contract ``thresholds``."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np

from golden.formats import Format, IntFormat
from golden.networks import check_scale
from golden.ranges import INT64, levels_range

__all__ = ["threshold_parameters"]


def threshold_parameters(real, output: Format, sum_format: IntFormat, *, zero_point: int = 0,
                         clamp_min: int | None = None) -> dict[str, np.ndarray]:
    """Return the thresholds that scale by real factors, rounding half up.

    ``threshold_k`` is the smallest sum ``x`` with which ``x * real + zero_point`` is at least as
    near to level ``k`` of the output, counted from the smallest, as to the level below. It is exact
    for the float64 ``real``. Every sum reaches the levels up to ``clamp_min``. A threshold that no
    sum reaches becomes the largest sum, which alone then reaches it. With a factor of 0 every other
    sum reaches the same level.

    Parameters
    ----------
    real : array of float, ``(channels,)``
        Factors, not negative.
    output : Format
    sum_format : IntFormat
        Format of sum plus bias.
    zero_point, clamp_min : int
        Zero point and least level of the output.

    Returns
    -------
    dict of str to array of ``int64``, ``(channels,)``; of Python integers if ``sum_format`` has
    more than 64 bits.

    Raises
    ------
    ValueError
        If a scale is negative or not finite.
    """
    real = check_scale(real, zero=True).astype(np.float64)
    if real.ndim != 1:
        raise ValueError(f"Scale must have one axis, of channels, not shape {real.shape}")
    lowest = output.min if clamp_min is None else clamp_min
    thresholds = {}
    for step, (below, level) in enumerate(pairwise(output.levels().tolist()), 1):
        border = Fraction(below + level, 2) - zero_point
        reached = [sum_format.min if level <= lowest or (value == 0 and border <= 0)
                   else sum_format.max if value == 0 else math.ceil(border / Fraction(value))
                   for value in real.tolist()]
        bounded = np.clip(np.array(reached, dtype=object), sum_format.min, sum_format.max)
        thresholds[f"threshold_{step}"] = bounded.astype(
            np.int64 if levels_range(sum_format) in INT64 else object)
    return thresholds
