"""Runs a quantized network, layer by layer, once it is proven that no sum leaves its contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.block_scaled import Blocks, Levels, blocks_of, check_kind, parts
from golden.formats import integers
from golden.layers import kind_of
from golden.networks import INPUT, Add, Concat, Mul, Network, Quantization
from golden.ranges import Range

__all__ = ["Proof", "run", "prove"]


@dataclass(frozen=True, eq=False)
class Proof:
    """What :func:`prove` found of a network.

    Parameters
    ----------
    network : Network
    sums : mapping of str to Range
        What the sums of each linear layer may be, before the bias.
    x : array of integers or Blocks, optional
        The only input for which it holds; by default it holds for every one.
    """

    network: Network
    sums: Mapping[str, Range]
    x: Levels | None = None

    def check(self, network: Network, x: Levels):
        """Raise ``ValueError`` where the proof is not of this network, or not for this input."""
        if self.network is not network:
            raise ValueError(f"Proof must be of the network that is run, {network.name!r}, "
                             f"not of another one, {self.network.name!r}")
        if self.x is not None and not all(map(np.array_equal, parts(self.x).values(),
                                              parts(x).values())):
            raise ValueError("Input must be the one that the proof is for, not another one")


def run(network: Network, x, proof: Proof | None = None) -> dict[str, Any]:
    """Return every tensor of a network, as levels, by name; ``"input"`` among them.

    Those of block-scaled formats are :class:`~golden.block_scaled.Blocks`, all others arrays.

    Parameters
    ----------
    network : Network
    x : array_like of integers, or Blocks
        Levels of the input format, the batch first.
    proof : Proof, optional
        Of this network; by default it is proven first, by :func:`prove`, whatever its input.

    Raises
    ------
    TypeError
        Where the input is not Blocks and its format block-scaled, or the other way round.
    ValueError
        Where the proof fails, or is one of something else, or an input is no level of its format,
        or has an exponent that its quantization has not.
    """
    proof = prove(network) if proof is None else proof
    tensors: dict[str, Any] = {INPUT: _checked(x, network.input)}
    proof.check(network, tensors[INPUT])
    for layer in network.layers:
        taken = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = kind_of(layer).run(layer, network, taken, proof.sums.get(layer.name))
    return tensors


def prove(network: Network, x=None) -> Proof:
    """Prove that every layer computes what it says, whatever levels its inputs have.

    Of a linear layer, that the weights, zero points and parameters are in their formats, that the
    zero point and exponents of its output are those of its parameters, and that each channel's sum
    plus bias stays within the contract's range through every step. All the steps are monotonic in
    the sum, so the two ends of its range decide. Of a pool, that its output has its input's format
    and zero point. Of the layers that bring tensors together, what
    :func:`golden.elementwise.check` says, and that their zero points are those of the tensors.

    Parameters
    ----------
    network : Network
    x : array_like of integers or Blocks, optional
        An input for which alone it is to hold, as for :func:`run`: then the sums of the linear
        layers are those that it makes, and nothing is said of others.

    Raises
    ------
    ValueError
        Naming the layer, the channel where it is one, the constraint and the value.
    """
    if not isinstance(network, Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    sums, tensors = {}, {} if x is None else {INPUT: _checked(x, network.input)}
    for layer in network.layers:
        wanted = 2 if isinstance(layer, Add | Mul) else 1
        if len(layer.inputs) != wanted and not (isinstance(layer, Concat) and layer.inputs):
            raise ValueError(f"Layer {layer.name!r} must have {wanted} "
                             f"input{'s' if wanted > 1 else ''}, not {len(layer.inputs)}")
        kind = kind_of(layer)
        taken = [tensors[name] for name in layer.inputs] if tensors else None
        found = kind.prove(layer, network, taken)
        if found is not None:
            sums[layer.name] = found
        if taken is not None:
            tensors[layer.name] = kind.run(layer, network, taken, found)
    return Proof(network, sums, tensors.get(INPUT))


def _checked(x, quantization: Quantization) -> Levels:
    # The input of a network, once it is found to be of its quantization.
    fmt = quantization.format
    check_kind(x, fmt, "Input")
    if not isinstance(x, Blocks):
        return fmt.check(x, "Input")
    found = Blocks(fmt.check(x.levels, "Input"), integers(x.exponents, "Exponent"))
    blocks_of(found.exponents, found.levels.shape)
    allowed = quantization.exponents
    bad = np.argwhere((found.exponents < allowed.lo) | (found.exponents > allowed.hi))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(f"Exponent of input block {where} must be in range {allowed}, "
                         f"not {found.exponents[where]}")
    return found
