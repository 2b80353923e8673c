"""Packaged example: a float network 64-64-10 with ReLU, and 8x8 images of digits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden import contracts
from golden.block_scaled import Blocks, Levels, shift_levels
from golden.contracts import Contract
from golden.floats import FloatDense
from golden.formats import Format
from golden.networks import Network
from golden.quantize import ZeroPoints, quantize_network

__all__ = ["Digits", "load", "quantized", "accuracy", "PATH"]

PATH = Path(__file__).with_name("digits.npz")

WHITE = 16
"""Largest value of a pixel; the network sees it as 1.0."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Digits:
    """Trained network, with images to quantize and to test it.

    Parameters
    ----------
    layers : tuple of FloatDense
    calibration : array of float, ``(images, 64)``
        Images of the training part: pixels in [0, 1], row by row.
    images : array of float, ``(images, 64)``
        Images of the test part, used only to test.
    labels : array of int, ``(images,)``
        Digits that the test images show.
    seed : int
        Seed of the split and of the training.
    versions : tuple of str
        Versions of the software that trained the network.
    source : str
        Source of the images, and their licence.
    """

    layers: tuple[FloatDense, ...]
    calibration: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    seed: int
    versions: tuple[str, ...]
    source: str


def load(path: Path = PATH) -> Digits:
    """Return the network and images that :mod:`golden.train` wrote."""
    with np.load(path) as data:
        last = sum(name.startswith("weights") for name in data.files) - 1
        return Digits(
            layers=tuple(FloatDense(data[f"weights{k}"].astype(np.float64),
                                    data[f"bias{k}"].astype(np.float64), relu=k < last)
                         for k in range(last + 1)),
            calibration=data["calibration"] / WHITE,
            images=data["images"] / WHITE,
            labels=data["labels"].astype(np.int64),
            seed=int(data["seed"]),
            versions=tuple(data["versions"].tolist()),
            source=str(data["source"]),
        )


def quantized(digits: Digits, *, weights: Format, activations: Format,
              output: Format | None = None, requantization: Contract | None = None,
              zero_points: ZeroPoints = "activations", window: int = 16) -> Network:
    """Return the network in the given formats, by :func:`golden.quantize.quantize_network`.

    The contract is ``half_up`` by default. The ranges of the weights have the least error.
    """
    return quantize_network(
        digits.layers, digits.calibration, weights=weights, activations=activations,
        output=output, contract=requantization or contracts.parse("half_up"),
        zero_points=zero_points,
        weight_ranges="least_error", window=window, classifier=True, name="digits")


def accuracy(outputs: Levels, labels: np.ndarray) -> float:
    """Share of rows whose largest output, the first of equal ones, has the label's index."""
    if isinstance(outputs, Blocks):
        outputs = shift_levels(*outputs)
    if not len(labels):
        raise ValueError("Labels must be one or more, not none")
    return float(np.mean(np.argmax(outputs, axis=1) == labels))
