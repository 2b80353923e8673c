# amaranth: UnusedElaboratable=no
"""Data sets of a sweep, and the workflows that make networks for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from exactmac.networks.digits import check_chain
from exactmac.sweep.committed import POST, SCRATCH, TUNED, committed, float_accuracy
from exactmac.sweep.points import Point
from golden import digits
from golden.floats import run_float
from golden.networks import Network
from golden.train import Result, load
from hw.tile.config import TileConfig
from sim.vectors import digits_network

__all__ = ["DATASETS", "Dataset", "Samples", "Workflow"]


class Samples(NamedTuple):
    """Test samples of a data set: real numbers and labels."""

    x: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Workflow:
    """A way from float data to a network.

    Parameters
    ----------
    network : callable
        ``network(config)`` returns the network for a tile. It depends on the tile's formats,
        contract, zero points, window and table alone. It raises ``ValueError`` where it makes no
        network for these.
    float_accuracy : callable
        Returns the accuracy of the float network.
    committed : callable, optional
        If the networks are committed results of :mod:`golden.train`: ``committed(config)`` returns
        the result for a tile, or raises ``ValueError``.
    """

    network: Callable[[TileConfig], Network]
    float_accuracy: Callable[[], float]
    committed: Callable[[TileConfig], Result] | None = None

    @classmethod
    def of_results(cls, data: str, name: str) -> Self:
        """Return the workflow of that name of :mod:`exactmac.sweep.committed`."""
        chosen = partial(committed, data, name)
        return cls(lambda config: load(chosen(config).name), partial(float_accuracy, data), chosen)


@dataclass(frozen=True)
class Dataset:
    """Samples that networks are judged on, and how the networks are made.

    Parameters
    ----------
    path : Path
        File with all data.
    samples : callable
        Returns the :class:`Samples`.
    workflows : mapping of str to Workflow
        Ways from float data to a network. The first is the default.
    """

    path: Path
    samples: Callable[[], Samples]
    workflows: Mapping[str, Workflow]

    def settled(self, point: Point) -> Point:
        """Return a point with the committed network that its formats name, if it is of one.

        ``ValueError`` if there is none. Committed networks have no zero points.
        """
        assert point.workflow is not None
        chosen = self.workflows[point.workflow].committed
        if chosen is None or point.config is None:
            return point
        config = TileConfig.from_json(point.config)
        if "zero_points" not in point.given:
            config = replace(config, zero_points="none")
        try:
            result = chosen(config)
        except ValueError as error:
            raise ValueError(f"--workflow, entry {point.workflow!r}: {error}") from None
        return replace(point, config=config.to_json(), committed={
            "name": result.name, "digest": result.digests[0]})


def _digits_samples() -> Samples:
    data = digits.load()
    return Samples(data.images, data.labels)


def _digits_accuracy() -> float:
    data = digits.load()
    return digits.accuracy(run_float(data.layers, data.images), data.labels)


def _post_training(config: TileConfig) -> Network:
    check_chain(config)
    return digits_network(config, digits.load())


DATASETS: Mapping[str, Dataset] = {
    "digits": Dataset(digits.PATH, _digits_samples, {
        POST: Workflow(_post_training, _digits_accuracy),
        **{name: Workflow.of_results("digits", name) for name in (SCRATCH, TUNED)}}),
}
"""Data sets by name."""
