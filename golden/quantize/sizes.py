"""Accuracy of a quantized classifier against the number of its calibration examples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from golden.affine import dequantize, quantize
from golden.floats import FloatLayer, FloatNetwork
from golden.formats import finite, integers
from golden.quantize.extremes import least
from golden.quantize.network import quantize_network
from golden.run import run

__all__ = ["SizeResult", "accuracy_by_size", "powers_of_two"]


@dataclass(frozen=True, kw_only=True)
class SizeResult:
    """Accuracy of a network that was calibrated with some of the examples.

    Parameters
    ----------
    size : int
        Number of examples.
    seed : int
        Seed of their choice.
    correct : int
        Number of inputs whose largest output, the first of equal ones, has the label's index.
    accuracy : float
        Share of these among all inputs.
    """

    size: int
    seed: int
    correct: int
    accuracy: float


def powers_of_two(count: int) -> list[int]:
    """1, 2, 4 ... below ``count``, then ``count``."""
    least("Count", count, 1)
    return [1 << place for place in range((count - 1).bit_length())] + [count]


def accuracy_by_size(network: FloatNetwork | Sequence[FloatLayer], calibration, x, labels, *,
                     sizes: Iterable[int] | None = None, seeds: Iterable[int] = range(5),
                     **choices) -> list[SizeResult]:
    """Accuracy for each number of calibration examples and each seed.

    A seed puts the examples in an order (numpy's ``default_rng(seed).permutation``), and each size
    takes the first ones, so that a larger set contains the smaller. The order of the chosen
    examples is that of ``calibration``: all of them give one network, whatever the seed.

    Parameters
    ----------
    network : FloatNetwork or sequence of FloatLayer
    calibration : array_like of float, ``(examples, *input_shape)``
    x : array_like of float, ``(inputs, *input_shape)``
        Inputs to be classified.
    labels : array_like of int, ``(inputs,)``
    sizes : iterable of int, optional
        By default :func:`powers_of_two` up to the number of examples.
    seeds : iterable of int
    **choices
        Other arguments of :func:`golden.quantize.quantize_network`.

    Returns
    -------
    list of SizeResult
        Sizes in their order, for each one the seeds.
    """
    calibration, x = finite(calibration, "Calibration"), finite(x, "Inputs")
    labels = integers(labels, "Labels")
    if not len(x) or labels.shape != (len(x),):
        raise ValueError(f"Labels must be one for each of one or more inputs, not of shape "
                         f"{labels.shape} for {len(x)}")
    sizes = powers_of_two(len(calibration)) if sizes is None else list(sizes)
    seeds = list(seeds)
    for size in sizes:
        least("Size", size, 1)
        if size > len(calibration):
            raise ValueError(f"Size must be at most the {len(calibration)} calibration examples, "
                             f"not {size}")
    orders = {seed: np.random.default_rng(seed).permutation(len(calibration)) for seed in seeds}

    def result(size: int, seed: int) -> SizeResult:
        made = quantize_network(network, calibration[np.sort(orders[seed][:size])], **choices)
        layer = made.layers[-1]
        levels = run(made, quantize(x, made.input))[layer.name]
        # Channels are the last axis of outputs; where they have scales, dequantize expects them
        # first.
        outputs = (dequantize(levels.T, layer.output).T if np.ndim(layer.output.scale)
                   else dequantize(levels, layer.output))
        if outputs.ndim != 2:
            raise ValueError(f"Network must have one axis of outputs, not shape "
                             f"{outputs.shape[1:]}")
        correct = int((np.argmax(outputs, axis=1) == labels).sum())
        return SizeResult(size=size, seed=seed, correct=correct, accuracy=correct / len(labels))

    return [result(size, seed) for size in sizes for seed in seeds]
