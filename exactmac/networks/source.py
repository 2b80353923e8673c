"""The network of a model's file, with the arithmetic of a runtime or another contract."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from golden import contracts
from golden.block_scaled import parts
from golden.networks import Linear, Network
from golden.readers import RUNTIMES, Model, UnsupportedModel, kind_of, read_model
from golden.readers.saved import RUNTIME as SAVED
from golden.recontract import network_with
from golden.run import run

__all__ = ["Source", "source_of"]


@dataclass(frozen=True, eq=False)
class Source:
    """A model, and the network of it that is wanted.

    Parameters
    ----------
    path : str
    model : Model
        The model as read; its network is :attr:`network`.
    contract : str or None
        Contract in place of the model's own.
    kept : mapping of str to str
        Why a layer does not have that contract, by the layer's name.
    """

    path: str
    model: Model
    contract: str | None
    kept: Mapping[str, str]

    @property
    def network(self) -> Network:
        """The network that is wanted."""
        return self.model.network

    @property
    def arithmetic(self) -> str:
        """Whose arithmetic the network has, as a phrase."""
        own = ("as it was saved" if self.model.runtime == SAVED else
               f"as {self.model.runtime} computes it")
        return own if self.contract is None else f"with contract {self.contract}"

    def warnings(self, x: Mapping[str, Any]) -> list[str]:
        """Say that no runtime has the contract, which one is nearest, and what keeps its own.

        The nearest is that whose results differ in the fewest elements of the outputs, for ``x``.

        Parameters
        ----------
        x : mapping of str to array of integers or Blocks
            Levels of the inputs.
        """
        if self.contract is None:
            return []
        own, said, differ = _outputs(self.network, x), [], {}
        for name in RUNTIMES.get(kind_of(self.path), (SAVED,)):
            try:
                theirs = read_model(self.path, name).network
            except UnsupportedModel:
                continue
            if {layer.contract.name for layer in theirs.layers if isinstance(layer, Linear)} == {
                    self.contract}:
                break
            others = _outputs(theirs, x)
            if set(others) == set(own):
                differ[name] = sum(int(np.sum(others[each] != own[each])) for each in own)
        else:
            nearest = min(differ, key=lambda name: differ[name])
            said.append(f"contract {self.contract} is that of no runtime of this model; nearest is "
                        f"{nearest}: {differ[nearest]:,} of "
                        f"{sum(each.size for each in own.values()):,} output elements differ on "
                        "these inputs")
        if self.kept:
            said.append(f"layers {', '.join(map(repr, self.kept))} keep their arithmetic, which "
                        f"contract {self.contract} does not have: "
                        + "; ".join(dict.fromkeys(self.kept.values())))
        return said


def source_of(args: argparse.Namespace) -> Source:
    """Return the model that the arguments name: its file, a runtime, a contract.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or there is no such runtime or contract.
    """
    model, kept = read_model(args.model, args.runtime), {}
    if args.contract is not None:
        network, kept = network_with(model.network, contracts.parse(args.contract))
        model = replace(model, network=network)
    return Source(args.model, model, args.contract, kept)


def _outputs(network: Network, x: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: parts(levels)["levels"]
            for name, levels in run(network, x, outputs_only=True).items()}
