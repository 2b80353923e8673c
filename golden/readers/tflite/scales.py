"""Integers that TFLite's kernels make of scales, beside those of :mod:`golden.multipliers`.

Sources: ``kernel_util.cc`` and the ``Prepare`` functions of tflite-micro's kernels.
"""

import math
from collections.abc import Sequence

import numpy as np

from golden.formats import IntFormat
from golden.multipliers import quantize_multiplier
from golden.networks import Quantization
from golden.tables import code_levels

__all__ = ["SHORT_SHIFT", "activation_clamp", "identity", "leaky_relu", "ratios",
           "relu", "short_factor", "short_leaky_relu"]

SHORT_SHIFT = 8
"""Shift of XNNPACK's short factors."""

BEYOND = np.float32(1 << 20)
"""A quotient beyond the levels of every type."""

# Ends of the fused activations, by their names in the schema.
_ENDS = {"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0),
         "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


def activation_clamp(name: str, output: Quantization, delegated: bool = False) -> tuple[int, int]:
    """Return the least and the largest level of an activation.

    An end is divided by the scale in float32. TFLite rounds the quotient, ties away from zero, and
    adds the zero point. XNNPACK, to which LiteRT delegates, adds it in float32 and rounds the sum,
    ties to even (``xnn_qs8_quantize``).
    """
    level, fmt = _delegated_level if delegated else _level, output.format
    lo, hi = (end if real is None else min(max(level(real, output), fmt.min), fmt.max)
              for real, end in zip(_ENDS[name], (fmt.min, fmt.max), strict=True))
    return lo, hi


def _quotient(real, scale) -> np.float32:
    # In float32; scales of a damaged file may overflow or underflow.
    with np.errstate(over="ignore", under="ignore"):
        return np.float32(real) / np.float32(scale)


def _level(real: float, output: Quantization) -> int:
    quotient = float(np.clip(_quotient(real, output.scale), -BEYOND, BEYOND))
    return output.scalar_zero_point() + int(math.copysign(math.floor(abs(quotient) + 0.5),
                                                          quotient))


def _delegated_level(real: float, output: Quantization) -> int:
    quotient = np.clip(_quotient(real, output.scale), -BEYOND, BEYOND)
    return int(np.rint(quotient + np.float32(output.scalar_zero_point())))


def relu(input: Quantization, output: Quantization, runtime: str) -> dict[str, int]:
    """Return multiplier and shift of RELU; LiteRT divides the scales in float32."""
    ratio = _quotient(input.scale, output.scale)
    if runtime == "tflite-micro":
        ratio = float(np.float32(input.scale)) / float(np.float32(output.scale))
    multiplier, shift = quantize_multiplier(float(ratio))
    return {"multiplier": multiplier, "shift": shift}


def identity() -> dict[str, int]:
    """Return multiplier and shift with which contract ``tflite`` changes nothing."""
    return {"multiplier": 1 << 30, "shift": 1}


def leaky_relu(input: Quantization, output: Quantization, alpha: float, runtime: str
               ) -> dict[str, int]:
    """Return the parameters of LEAKY_RELU (:class:`golden.networks.LeakyRelu`).

    tflite-micro multiplies and divides in float64, LiteRT in float32.
    """
    kind = np.float64 if runtime == "tflite-micro" else np.float32
    x, y, slope = (kind(np.float32(each)) for each in (input.scale, output.scale, alpha))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ratio, factor = float(x / y), float(x * slope / y)
    multiplier, shift = quantize_multiplier(ratio)
    alpha_multiplier, alpha_shift = quantize_multiplier(abs(factor))
    return {"multiplier": multiplier, "shift": shift,
            "alpha_multiplier": -alpha_multiplier if factor < 0 else alpha_multiplier,
            "alpha_shift": alpha_shift}


def ratios(inputs: Sequence[Quantization], output: Quantization) -> list[float]:
    """Return the inputs' scales divided by the output's, in float32."""
    return [float(_quotient(each.scale, output.scale)) for each in inputs]


def short_factor(input: Quantization, output: Quantization, by: float = 1.0) -> int | None:
    """Return XNNPACK's factor of two scales in units of ``2**-SHORT_SHIFT``, times ``by``.

    None if the magnitude is out of the range that XNNPACK takes, 2**-8 to 2**7, or the factor is
    below ``2**-8 - 2**7``.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        factor = _quotient(input.scale, output.scale) * np.float32(by)
    if not 2.0**-8 <= abs(factor) <= 2.0**7 or factor < 2.0**-8 - 2.0**7:
        return None
    return int(np.rint(np.float32(1 << SHORT_SHIFT) * factor))


def short_leaky_relu(input: Quantization, output: Quantization, alpha: float) -> np.ndarray | None:
    """Return the table of LEAKY_RELU in XNNPACK; None if XNNPACK does not take the scales."""
    above, below = short_factor(input, output), short_factor(input, output, alpha)
    if above is None or below is None:
        return None
    x = code_levels(IntFormat(8)) - input.scalar_zero_point()
    scaled = (x * np.where(x >= 0, above, below) + (1 << SHORT_SHIFT - 1)) >> SHORT_SHIFT
    return np.clip(scaled + output.scalar_zero_point(), -128, 127)
