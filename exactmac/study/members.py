"""Networks of a study: each workflow, width and seed gives one, in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from exactmac.study.workflows import BALANCED, POST, WIDTHS
from golden import digits
from golden.floats import FloatDense, run_float
from golden.formats import parse
from golden.networks import Linear, Network
from golden.quantize import quantize, quantize_network
from golden.quantize.balanced import balanced_weights
from golden.run import run

__all__ = ["CALIBRATION", "FORMATS", "Member", "Samples", "calibrated", "packaged"]

CALIBRATION = 128
"""Images that calibrate a network: those that a seed chooses of the packaged 256."""

FORMATS = {
    POST: {"8": ("s8n", "s8"), "4": ("s4n", "s4"), "3": ("s3n", "s3"), "2": ("odd2", "s2"),
           "ternary": ("ternary", "s2"), "binary": ("binary", "bit")},
    BALANCED: {"8": ("s8n", "s8"), "4": ("s4n", "s4"), "3": ("s3n", "s3"), "2": ("odd2", "s2"),
               "ternary": ("ternary", "s2"), "binary": ("binary", "bit")},
}
"""Formats of weights and of inputs of each width, by workflow."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Test examples of a data set.

    Parameters
    ----------
    x : array of float32, ``(samples, *shape)``
    labels : array of int, ``(samples,)``
    """

    x: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Member:
    """A network of a study.

    Parameters
    ----------
    data, workflow, width : str
    variant : str
        What tells points of one workflow and width apart; empty if nothing has to.
    seed : int
        Seed of what is random: the choice of calibration images, or the training.
    network : Network
    float_accuracy : float
        Share of the test examples that the float network of that seed classifies correctly.
    others : mapping of int to (float, float)
        Accuracy of other seeds' networks, which are not at hand, and of their float networks.
    about : mapping of str to str
        How the network was made, for a reader.
    """

    data: str
    workflow: str
    width: str
    seed: int
    network: Network
    float_accuracy: float
    variant: str = ""
    others: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def point(self) -> str:
        """Name of the point: all seeds share it."""
        parts = (self.data, self.workflow, self.width, self.variant)
        return "-".join(part for part in parts if part)

    @property
    def name(self) -> str:
        """Name of the network's file."""
        return f"{self.point}-seed{self.seed}"

    @property
    def formats(self) -> tuple[str, str]:
        """Formats of the weights and of the inputs of the layers of sums, each of them once."""
        layers = [each for each in self.network.layers if isinstance(each, Linear)]
        weights = dict.fromkeys(_short(str(each.weight.format)) for each in layers)
        inputs = dict.fromkeys(_short(str(self.network.quantization(each.inputs[0]).format))
                               for each in layers)
        return ", ".join(weights), ", ".join(inputs)


def _short(name: str) -> str:
    # A codebook's name has all of its levels.
    name = {"s2n": "ternary", "u1": "bit"}.get(name, name)
    return name if len(name) < 24 else f"codebook of {name.count('/') + 1} levels"


@cache
def packaged() -> tuple[digits.Digits, Samples, float]:
    """Return the packaged float network and digits, its test samples, and its accuracy."""
    data = digits.load()
    samples = Samples(data.images.astype(np.float32), data.labels)
    return data, samples, digits.accuracy(run_float(data.layers, data.images), data.labels)


def calibrated(seed: int, widths: tuple[str, ...] = WIDTHS) -> Iterator[Member]:
    """Yield the packaged network after post-training and after balanced quantization.

    Parameters
    ----------
    seed : int
        Seed of the choice of :data:`CALIBRATION` images.
    widths : tuple of str
    """
    data, _, accuracy = packaged()
    order = np.random.default_rng(seed).permutation(len(data.calibration))[:CALIBRATION]
    images = data.calibration[np.sort(order)]
    for workflow, formats in FORMATS.items():
        for width in widths:
            weights, activations = formats[width]
            given = {} if workflow == POST else {
                f"dense{index}.weights": balanced_weights(
                    layer, parse(weights), by="median", ranges="least_error", per="channel")
                for index, layer in enumerate(data.layers)}
            network, corrected = _nearer(
                data.layers, images, weights=weights, activations=activations, given=given,
                zero_points="none" if activations == "bit" else "activations")
            yield Member(
                data="digits", workflow=workflow, width=width, seed=seed,
                float_accuracy=accuracy, about={
                    "network": "64-64-10 with ReLU, packaged as golden/digits.npz",
                    "calibration": f"{CALIBRATION} of {len(data.calibration)} images, chosen by "
                                   "the seed; least squared error",
                    "biases": ("corrected" if corrected else "not corrected")
                    + ", as agrees with the float network on more calibration images",
                    "weights": ("per channel, least squared error" if workflow == POST else
                                "per channel, balanced by medians, scale of the least squared "
                                "error")},
                network=network)


def _nearer(layers: Sequence[FloatDense], images: np.ndarray, **choices: Any
            ) -> tuple[Network, bool]:
    # With or without corrected biases: the network that gives more of the images the float
    # network's class. No label is seen.
    winners = np.argmax(run_float(layers, images), axis=1)

    def agreement(made: tuple[Network, bool]) -> float:
        network = made[0]
        [output] = network.outputs
        return digits.accuracy(run(network, quantize(images, network.input))[output], winners)

    return max(((quantize_network(layers, images, contract="half_up", classifier=True,
                                  weight_ranges="least_error", correct_bias=corrected,
                                  name="digits", **choices), corrected)
                for corrected in (True, False)), key=agreement)
