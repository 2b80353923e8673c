"""A model with the arithmetic of each runtime, and the runtimes as they run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exactmac.comparison import Observed
from exactmac.oracles import RUNTIMES, Runtime
from golden.block_scaled import Levels
from golden.networks import Layer
from golden.readers import RUNTIMES as READ
from golden.readers import Model
from golden.run import Proof, prove, run

__all__ = ["UNKNOWN", "Reading", "chosen", "packed", "same_tensors"]


UNKNOWN = "its rounding depends on the processor, and golden does not have it"
WRONG = "golden differs from the runtime here, and so does not have its answer"
"""Why an answer is not known."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A model with the arithmetic of a runtime.

    Parameters
    ----------
    model : Model
    proof : Proof
    observed : Observed or None
        The runtime as it ran; None if it did not.
    unknown : collection of str
        Outputs of operators whose arithmetic is not known.
    """

    model: Model
    proof: Proof
    observed: Observed | None = None
    unknown: Collection[str] = ()

    @classmethod
    def of(cls, model: Model, observed: Observed | None = None, unknown: Collection[str] = ()
           ) -> "Reading":
        """Return the reading of a model, proven."""
        if observed is not None:
            observed = observed._replace(tensors={
                name: packed(each) for name, each in observed.tensors.items()})
        return cls(model, prove(model.network), observed, unknown)

    @property
    def name(self) -> str:
        """Name of the runtime."""
        return self.model.runtime

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return every tensor in golden, of the levels of the inputs."""
        return run(self.model.network, inputs, self.proof)

    def answers(self, reference: Model, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Return what each operator makes of the levels that a reference has for its inputs.

        Operators are the same if their outputs have the same place in the file. Those that are not
        in the file, as the reader has added them, are the same by their name.

        Parameters
        ----------
        reference : Model
            The same file, read with other arithmetic.
        tensors : mapping of str to array of integers
            Its tensors.

        Returns
        -------
        dict of str to array of integers or str
            Outputs by the names, and in the layout, of the reference; or why one is not known.
        """
        own = self.model
        pairs = _pairs(own, reference)
        given = {name: _relaid(tensors[other], other in reference.channels_last,
                               name in own.channels_last) for name, other in pairs.items()}
        made = run(own.network, {each.name: given[each.name] for each in own.network.inputs},
                   self.proof, given=given)
        found = {other: packed(_relaid(made[name], name in own.channels_last,
                                       other in reference.channels_last))
                 for name, other in pairs.items()}
        layers = {layer.name: layer for layer in reference.network.layers}
        for layer in own.network.layers:
            if layer.name in layers and _alike(layer, layers[layer.name]):
                found.setdefault(layer.name, packed(made[layer.name]))
        found |= {pairs.get(name, name): UNKNOWN for name in self.unknown}
        if self.observed is None:
            return found
        for layer in own.network.layers:
            if layer.name in self.unknown and layer.name in pairs and self._met(layer, given):
                other = pairs[layer.name]
                found[other] = packed(_relaid(
                    self.observed.tensors[layer.name], layer.name in own.channels_last,
                    other in reference.channels_last))
        return found | {pairs.get(name, name): WRONG for name in self.observed.comparison.wrong}

    def _met(self, layer: Layer, given: Mapping[str, Any]) -> bool:
        # Whether the runtime itself had these inputs, so that its answer was seen.
        assert self.observed is not None
        seen = {**self.observed.inputs, **self.observed.tensors}
        return layer.name in seen and all(
            name in seen and name in given and same_tensors(packed(seen[name]),
                                                            packed(given[name]))
            for name in layer.inputs)

    @property
    def mismatches(self) -> int:
        """Elements in which golden differs from the runtime as it ran."""
        return 0 if self.observed is None else self.observed.comparison.mismatches

    def equals(self, network_tensors: Mapping[str, Any], reference: Model) -> bool:
        """Whether the runtime has shown every tensor as it is given, in the reference's names."""
        if self.observed is None:
            return False
        shown, pairs = self.observed.tensors, _pairs(self.model, reference)
        names = [layer.name for layer in self.model.network.layers
                 if layer.name in shown and layer.name in pairs]
        return bool(names) and all(same_tensors(shown[name], _relaid(
            network_tensors[pairs[name]], pairs[name] in reference.channels_last,
            name in self.model.channels_last)) for name in names)


def chosen(kind: str, against: Sequence[str] | None) -> list[Runtime]:
    """Return the runtimes to compare, for a model of a kind.

    Parameters
    ----------
    kind : str
    against : sequence of str or None
        Names that were asked for; by default all that are installed, first those whose arithmetic
        golden has.

    Raises
    ------
    ValueError
        If a name is unknown, or its runtime reads other files.
    ToolMissing
        If a runtime that was asked for is not installed.
    """
    if against is None:
        fitting = [name for name, each in RUNTIMES.items() if each.kind == kind]
        ordered = dict.fromkeys((*READ.get(kind, ()), *fitting))
        return [RUNTIMES[name] for name in ordered if RUNTIMES[name].installed]
    for name in against:
        if name not in RUNTIMES:
            raise ValueError(f"Against must be some of {', '.join(RUNTIMES)}, separated by commas, "
                             f"not {name!r}")
    for name in against:
        if RUNTIMES[name].kind != kind:
            some = [each.name for each in RUNTIMES.values() if each.kind == kind]
            raise ValueError(
                f"Against must be some of {', '.join(some)} for a model of kind {kind}, "
                f"not {name!r}" if some else
                f"Against must be left out for a saved network, which no runtime runs, "
                f"not {name!r}")
        RUNTIMES[name].require()
    return [RUNTIMES[name] for name in against]


def packed(levels: Levels) -> Levels:
    """Return integers in the least type that holds them, as they are kept to be compared."""
    if isinstance(levels, np.ndarray) and levels.dtype == np.int64 and levels.size:
        least, most = int(levels.min()), int(levels.max())
        for kind in (np.int8, np.int16, np.int32):
            if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
                return levels.astype(kind)
    return levels


def same_tensors(a, b) -> bool:
    """Whether two tensors of levels are equal, or two of float32 in every bit."""
    if np.asarray(a).dtype == np.float32:
        a, b = (np.ascontiguousarray(each).view(np.int32) for each in (a, b))
    return np.array_equal(a, b)


def _pairs(own: Model, other: Model) -> dict[str, str]:
    # Names in a model of the tensors that have one place in the file with those of another.
    names = {place: name for name, place in other.tensors.items()}
    return {name: names[place] for name, place in own.tensors.items() if place in names}


def _relaid(levels, from_last: bool, to_last: bool):
    if from_last == to_last:
        return levels
    return np.moveaxis(levels, -1, 1) if from_last else np.moveaxis(levels, 1, -1)


def _alike(layer: Layer, other: Layer) -> bool:
    return type(layer) is type(other) and layer.inputs == other.inputs
