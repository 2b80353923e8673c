"""The network of a model's file, with the arithmetic of a runtime or another contract."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exactmac.comparison import inputs_for
from golden import contracts
from golden.block_scaled import parts
from golden.networks import Linear, Network
from golden.readers import RUNTIMES, Model, UnsupportedModel, kind_of, read_model
from golden.readers.saved import RUNTIME as SAVED
from golden.recontract import network_with, rounds
from golden.run import run

__all__ = ["Source", "source_of"]

SAMPLES = 32
"""Random inputs that tell which runtime is nearest to a contract."""


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

    def warnings(self) -> list[str]:
        """Say that no runtime has the contract, which is nearest, and which layers keep their own.

        The nearest are those whose outputs differ in the fewest elements, on :data:`SAMPLES` random
        inputs.
        """
        if self.contract is None:
            return []
        x = inputs_for(self.network, SAMPLES, 0)
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
            least = min(differ.values())
            total = sum(each.size for each in own.values())
            many = f"{least:,} of {total:,} output elements differ on {SAMPLES} random inputs"
            nearest = " and ".join(name for name, count in differ.items() if count == least)
            said.append(f"contract {self.contract} is not that of the saved network: {many}"
                        if SAVED in differ else
                        f"contract {self.contract} is that of no runtime of this model; nearest is "
                        f"{nearest}: {many}")
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
        if len(kept) == sum(map(rounds, network.layers)):
            raise ValueError(f"Contract must be one that a layer of {args.model} can have, not "
                             f"{args.contract}: {next(iter(kept.values()), 'none rounds')}")
        model = replace(model, network=network)
    return Source(args.model, model, args.contract, kept)


def _outputs(network: Network, x: Mapping[str, Any]) -> dict[str, np.ndarray]:
    # Levels and exponents of each output.
    return {f"{name} {part}": value for name, output in run(network, x, outputs_only=True).items()
            for part, value in parts(output).items()}
