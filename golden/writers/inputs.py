"""Quantizers of a QONNX file's inputs, which round real numbers as the network does."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from golden.affine import quantize
from golden.formats import IntFormat, OddFormat
from golden.networks import Network, Quantization
from golden.runtimes.qonnx import quant
from golden.writers.quantizers import BIPOLAR, Quantizer

__all__ = ["input_quantizer", "missed_ties", "ties_note"]

_MODES = "ROUND", "HALF_UP", "HALF_DOWN"

_NEIGHBOURS = 2
"""Scales of float32 on each side of the nearest one that are tried."""


def input_quantizer(quantization: Quantization, title: str) -> Quantizer:
    """Return the quantizer of an input that is nearest to :func:`golden.affine.quantize`.

    The scale is the nearest number of float32 or one of two on each side of it, the rounding one of
    ROUND, HALF_UP and HALF_DOWN. A tie is a number of float32 in the middle of two levels; the
    network makes the upper level of it. The quantizer is the one that does so for the most ties
    from 0 up, then for the most ties; then the one with the network's level for the most numbers of
    float32 that are nearest to a middle, from 0 up, then of all; then the one of the nearest scale.

    Most often this holds all ties from 0 up, and below 0 all if the zero point is not in the middle
    of the levels. :func:`missed_ties` returns those that it does not hold.

    Parameters
    ----------
    quantization : Quantization
    title : str
        The tensor, in messages.

    Raises
    ------
    ValueError
        As :meth:`golden.writers.quantizers.Quantizer.of`.
    """
    nearest = Quantizer.of(quantization, title)
    if nearest.output.format == BIPOLAR:
        return nearest
    numbers, ties = _middles(quantization)
    wanted = quantize(numbers, quantization)
    above = numbers >= 0

    def rank(quantizer: Quantizer) -> tuple[int | Fraction, ...]:
        wrong = _levels(quantizer, numbers) != wanted
        return (int((wrong & ties & above).sum()), int((wrong & ties).sum()),
                int((wrong & above).sum()), int(wrong.sum()),
                abs(quantizer.step - nearest.step))

    return min((replace(own, mode=mode) for own in _neighbours(nearest) for mode in _MODES),
               key=rank)


def missed_ties(network: Network) -> dict[str, np.ndarray]:
    """Return the ties of each input of which its QONNX file makes another level, the lower one.

    Parameters
    ----------
    network : Network
        One that :func:`golden.writers.qonnx.qonnx_model` writes.

    Returns
    -------
    dict of str to array of float32
        Inputs by name that have such numbers.
    """
    missed = {}
    for tensor in network.inputs:
        quantizer = input_quantizer(tensor.quantization, "the tensor")
        if quantizer.output.format == BIPOLAR:
            continue
        numbers, ties = _middles(tensor.quantization)
        wrong = _levels(quantizer, numbers) != quantize(numbers, tensor.quantization)
        if len(own := numbers[ties & wrong]):
            missed[tensor.name] = own
    return missed


def ties_note(network: Network) -> str:
    """Return a line about the numbers that :func:`missed_ties` returns; empty if there are none."""
    parts = [f"{len(ties)} of input {name!r}, such as {ties[-1]:g}"
             for name, ties in missed_ties(network).items()]
    if not parts:
        return ""
    return (f"note: the QONNX file rounds down, and the network up, numbers in the middle of two "
            f"levels: {'; '.join(parts)}")


def _middles(quantization: Quantization) -> tuple[np.ndarray, np.ndarray]:
    # Numbers of float32 that are nearest to the middles of levels, and whether they are there.
    levels, step = quantization.format.levels(), float(quantization.step)
    middles = (levels[:-1] + levels[1:]) / 2 - quantization.scalar_zero_point()
    with np.errstate(over="ignore"):
        numbers = (middles * step).astype(np.float32)
    held = np.isfinite(numbers)
    numbers, middles = numbers[held], middles[held]
    return numbers, numbers.astype(np.float64) / step == middles


def _neighbours(nearest: Quantizer) -> list[Quantizer]:
    # The nearest first, so that it is chosen of equals.
    scale = np.float32(float(nearest.output.scale))
    found = [scale]
    for end in (np.float32(0), np.float32(np.inf)):
        own = scale
        for _ in range(_NEIGHBOURS):
            own = np.nextafter(own, end)
            if np.finfo(np.float32).tiny <= own * nearest.factor < np.inf:
                found.append(own)
    return [replace(nearest, output=replace(nearest.output, scale=float(own))) for own in found]


def _levels(quantizer: Quantizer, x: np.ndarray) -> np.ndarray:
    # Levels of numbers of float32, as qonnx's executor computes them.
    fmt, zero = quantizer.output.format, quantizer.zero
    whole = IntFormat(fmt.bits) if isinstance(fmt, OddFormat) else fmt
    assert isinstance(whole, IntFormat)
    q = quant(x, np.float32(float(quantizer.scale)), np.float32(float(zero)), whole,
              quantizer.mode)
    offset = quantizer.output.scalar_zero_point() - Fraction(quantizer.factor) * zero
    return quantizer.factor * q + int(offset)
