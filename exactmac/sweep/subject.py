# amaranth: UnusedElaboratable=no
"""What a sweep is of, a data set or a model's file, and golden's results for a point."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

from exactmac.comparison import inputs_for
from exactmac.explanation.differences import Effects
from exactmac.inputs import count_of, labels_for, levels, read_inputs
from exactmac.networks.source import Source, source_of
from exactmac.sweep.committed import tile_for
from exactmac.sweep.networks import DATASETS, Dataset
from exactmac.sweep.points import Point
from golden import digits
from golden.block_scaled import Levels
from golden.costs import Cost, cost_of, total
from golden.networks import Linear, Network
from golden.quantize import quantize
from golden.readers import files_of
from golden.run import Proof, prove, run
from golden.suggest import suggestion
from hw.tile.config import TileConfig
from hw.tile.inner_products import smallest
from sim.layers import Placement, placement

__all__ = ["SAMPLES", "Computed", "Subject"]

SAMPLES = 1
"""Random inputs of a model, by default."""


class Computed(NamedTuple):
    """Golden's results of a network: those of points that differ in shape alone.

    Parameters
    ----------
    network : Network
    proof : Proof
    tensors : mapping of str to array of integers or Blocks
        Levels of every tensor, inputs included.
    samples : int
    accuracy, float_accuracy : float or None
        Shares of the samples that are classified correctly; None without labels, or without a
        float network.
    cost : Cost
        Cost of one sample.
    """

    network: Network
    proof: Proof
    tensors: Mapping[str, Any]
    samples: int
    accuracy: float | None
    float_accuracy: float | None
    cost: Cost

    @property
    def x(self) -> dict[str, Levels]:
        """Levels of the inputs."""
        return {each.name: self.tensors[each.name] for each in self.network.inputs}


@dataclass(frozen=True)
class Subject:
    """What a sweep is of, in plain types.

    Parameters
    ----------
    network : str
        Name of a data set, or path of a model's file.
    runtime, inputs, labels : str or None
        Of a model: whose arithmetic it has; paths of samples and of their labels.
    samples, seed : int
        Of a model without ``inputs``: number of random inputs, and their seed.
    files, digests : tuple of str
        Paths of all files that results depend on, and the SHA-256 of each (:meth:`dated`).
    """

    network: str
    runtime: str | None = None
    inputs: str | None = None
    labels: str | None = None
    samples: int = SAMPLES
    seed: int = 0
    files: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def dataset(self) -> Dataset | None:
        """The data set; None for a model's file."""
        return DATASETS.get(self.network)

    def read(self) -> Self:
        """Return the subject with its files and their digests, once they have been checked.

        Raises
        ------
        OSError, ValueError
            If there is no such network, or a file cannot be read.
        """
        if self.dataset is None:
            if not Path(self.network).exists():
                raise ValueError(f"Network must be {', '.join(DATASETS)} or the file of a model, "
                                 f"not {self.network!r}{suggestion(self.network, DATASETS)}")
            if self.labels is not None and self.inputs is None:
                raise ValueError(f"Labels must be given with --inputs, not {self.labels} alone")
            source = self._source(None)
            labels_for(source.network, self.labels, count_of(self._inputs(source)))
        return self.dated()

    def dated(self) -> Self:
        """Return the subject with its files and the digests that they have now.

        A model may be in several files. ``OSError`` if one cannot be read.
        """
        paths = [self.dataset.path] if self.dataset is not None else [
            *files_of(self.network), *(each for each in (self.inputs, self.labels)
                                       if each is not None)]
        files = tuple(map(str, paths))
        return replace(self, files=files, digests=_digests(files))

    def changed(self) -> bool:
        """Whether a file is missing now, or has another digest."""
        try:
            return _digests(self.files) != self.digests
        except OSError:
            return True

    def to_json(self) -> dict[str, Any]:
        """Return plain types for a key of results: contents of files, whatever their names."""
        plain = asdict(self)
        del plain["files"]
        if self.dataset is None:
            plain |= {name: plain[name] is not None for name in ("network", "inputs", "labels")}
        return plain

    def computed(self, point: Point) -> Computed:
        """Return golden's results for a point; the latest ones are kept.

        Raises
        ------
        ValueError
            If there is no network with the point's numbers.
        """
        key = json.dumps([self.to_json(), point.numbers], sort_keys=True)
        found = _latest.get(key)
        if found is None:
            found = self._model(point) if self.dataset is None else self._network(point)
            while len(_latest) >= _MOST:
                _latest.pop(next(iter(_latest)), None)
            _latest[key] = found
        return found

    def placement(self, point: Point, network: Network) -> Placement:
        """Return what each layer of a point's network runs on.

        Raises
        ------
        ValueError
            If there is no tile of that shape.
        """
        if point.shape is not None:
            return placement(network, **point.shape)
        assert point.config is not None
        config = TileConfig.from_json(point.config)
        tiles = {layer.name: config if point.committed is None else tile_for(config, layer)
                 for layer in network.layers if isinstance(layer, Linear)}
        if point.smallest:
            tiles = {name: smallest(tile) for name, tile in tiles.items()}
        return Placement(network, tiles, {})

    def _network(self, point: Point) -> Computed:
        dataset = self.dataset
        assert dataset is not None and point.config is not None and point.workflow is not None
        workflow = dataset.workflows[point.workflow]
        network = workflow.network(TileConfig.from_json(point.config))
        data = dataset.samples()
        done = _run(network, {network.inputs[0].name: quantize(data.x, network.input)})
        [output] = network.outputs
        return done._replace(accuracy=digits.accuracy(done.tensors[output], data.labels),
                             float_accuracy=workflow.float_accuracy())

    def _model(self, point: Point) -> Computed:
        source = self._source(point.contract)
        x = levels(source.model, self._inputs(source))
        done = _run(source.network, x)
        labels = labels_for(source.network, self.labels, done.samples)
        return done._replace(
            accuracy=Effects(source.model, done.proof, done.tensors, labels).accuracy())

    def _source(self, contract: str | None) -> Source:
        return source_of(argparse.Namespace(model=self.network, runtime=self.runtime,
                                            contract=contract))

    def _inputs(self, source: Source) -> Mapping[str, Any]:
        if self.inputs is not None:
            return read_inputs(self.inputs, source.model)
        return inputs_for(source.network, self.samples, self.seed)


def _digests(files: Sequence[str]) -> tuple[str, ...]:
    return tuple(sha256(Path(path).read_bytes()).hexdigest() for path in files)


# Results of the latest numbers, by what they depend on: points of one come one after the other.
_latest: dict[str, Computed] = {}
_MOST = 4


def _run(network: Network, x: Mapping[str, Levels]) -> Computed:
    proof = prove(network)
    return Computed(network, proof, {**x, **run(network, x, proof)}, count_of(x), None, None,
                    total(cost_of(layer, network) for layer in network.layers))
