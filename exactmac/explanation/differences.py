"""Differences of tensors, and what a difference in one tensor makes of the network's outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from golden.block_scaled import Blocks, shift_levels
from golden.contracts import Stochastic
from golden.networks import Float32, Network
from golden.readers import Model
from golden.readers.borders import reals_of
from golden.readers.qonnx.outputs import sums_of
from golden.run import Proof, follow

__all__ = ["Difference", "Effects", "difference", "distances", "plain"]


class Difference(NamedTuple):
    """How far two tensors are apart.

    Parameters
    ----------
    count : int
        Elements that differ.
    largest : int
        Largest distance of two of them.
    first : tuple of int or None
        Place of the first of them.
    """

    count: int
    largest: int
    first: tuple[int, ...] | None


def difference(network: Network, name: str, a, b) -> Difference:
    """Return the difference of two versions of a network's tensor."""
    far = distances(network, name, a, b)
    places = np.argwhere(far != 0)
    return Difference(len(places), int(far.max(initial=0)),
                      tuple(places[0].tolist()) if len(places) else None)


def distances(network: Network, name: str, a, b) -> np.ndarray:
    """Distance of each element of two versions of a network's tensor.

    It is counted in levels; in a tensor of float32 in numbers of float32.
    """
    a, b = (plain(network, name, each) for each in (a, b))
    if isinstance(network.quantization(name).format, Float32):
        a, b = map(_ordered, (a, b))
    return np.abs(a - b)


def plain(network: Network, name: str, levels) -> np.ndarray:
    """Return a network's tensor as one array; block-scaled levels on that of the least exponent."""
    if isinstance(levels, Blocks):
        return shift_levels(*levels, least=network.quantization(name).exponents.lo)
    return np.asarray(levels)


def _ordered(numbers: np.ndarray) -> np.ndarray:
    # Integers in the order of numbers of float32, neighbours one apart.
    bits = np.ascontiguousarray(numbers).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


@dataclass(frozen=True, eq=False)
class Effects:
    """Outputs of a network in which one operator answers otherwise.

    Parameters
    ----------
    model : Model
    proof : Proof
    tensors : mapping of str to array of integers or Blocks
        Every tensor as the model has it.
    labels : array of int64, ``(samples,)``, optional
        Place of each sample's class among the elements of the output.
    """

    model: Model
    proof: Proof
    tensors: Mapping[str, Any]
    labels: np.ndarray | None = None

    def of(self, name: str, levels) -> tuple[Difference, float | None]:
        """Return the difference of the outputs if a tensor has other levels, and the accuracy."""
        network, rows = self.model.network, self._rows(name, levels)
        changed = follow(network, _Rows(self.tensors, rows), {name: _taken(levels, rows)},
                         self.proof)
        count = largest = 0
        for output in network.outputs:
            if output in changed:
                own = difference(network, output, changed[output],
                                 _taken(self.tensors[output], rows))
                count, largest = count + own.count, max(largest, own.largest)
        return Difference(count, largest, None), self.accuracy(changed, rows)

    def accuracy(self, changed: Mapping[str, Any] | None = None, rows: np.ndarray | None = None
                 ) -> float | None:
        """Share of the samples whose largest output has the label's place; None without labels.

        Parameters
        ----------
        changed : mapping of str to array of integers or Blocks, optional
            Other outputs.
        rows : array of int, optional
            Samples that they are of; by default all.
        """
        if self.labels is None:
            return None
        [output] = self.model.network.outputs
        found = self._classes(output, self.tensors[output])
        if changed is not None and output in changed:
            found[slice(None) if rows is None else rows] = self._classes(output, changed[output])
        return float(np.mean(found == self.labels))

    def _classes(self, name: str, levels) -> np.ndarray:
        own = self.model.network.quantization(name)
        if sums_of(self.model, name) is not None:
            numbers = reals_of(self.model, name, levels)
        else:
            numbers = (plain(self.model.network, name, levels) - own.zero_point) * own.step
        return np.argmax(np.reshape(numbers, (len(numbers), -1)), axis=1)

    def _rows(self, name: str, levels) -> np.ndarray:
        # Samples that differ. A stochastic rounding draws by the place in the batch: then all.
        far = distances(self.model.network, name, levels, self.tensors[name])
        if any(isinstance(getattr(layer, "contract", None), Stochastic)
               for layer in self.model.network.layers):
            return np.arange(len(far))
        return np.flatnonzero(far.reshape(len(far), -1).any(axis=1))


class _Rows(Mapping):
    # Some samples of tensors, taken when they are asked for.

    def __init__(self, tensors: Mapping[str, Any], rows: np.ndarray):
        self.tensors, self.rows = tensors, rows

    def __getitem__(self, name):
        return _taken(self.tensors[name], self.rows)

    def __iter__(self):
        return iter(self.tensors)

    def __len__(self):
        return len(self.tensors)


def _taken(levels, rows: np.ndarray):
    if isinstance(levels, Blocks):
        return Blocks(*(each[rows] for each in levels))
    return levels if len(rows) == len(levels) else levels[rows]
