# amaranth: UnusedElaboratable=no
"""Data sets of a sweep, and the workflows that make networks for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from exactmac.networks.digits import check_chain
from golden import digits
from golden.floats import run_float
from golden.networks import Network
from hw.tile.config import TileConfig
from sim.vectors import digits_network

__all__ = ["DATASETS", "Dataset", "Samples"]


class Samples(NamedTuple):
    """Test samples of a data set: real numbers, labels, and the accuracy of the float network."""

    x: np.ndarray
    labels: np.ndarray
    float_accuracy: float


@dataclass(frozen=True)
class Dataset:
    """Samples that networks are judged on, and how the networks are made.

    Parameters
    ----------
    path : Path
        File with all data.
    samples : callable
        Returns the :class:`Samples`.
    workflows : mapping of str to callable
        Ways from float data to a network: ``workflow(config)`` returns the network for a tile. It
        depends on the tile's formats, contract, zero points, window and table alone, and raises
        ``ValueError`` where it makes no network for these. The first is the default.
    """

    path: Path
    samples: Callable[[], Samples]
    workflows: Mapping[str, Callable[[TileConfig], Network]]


def _digits_samples() -> Samples:
    data = digits.load()
    return Samples(data.images, data.labels,
                   digits.accuracy(run_float(data.layers, data.images), data.labels))


def _post_training(config: TileConfig) -> Network:
    check_chain(config)
    return digits_network(config, digits.load())


DATASETS: Mapping[str, Dataset] = {
    "digits": Dataset(digits.PATH, _digits_samples, {"post-training": _post_training}),
}
"""Data sets by name."""
