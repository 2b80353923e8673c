"""Runs a quantized network, layer by layer, once it is proven that no sum leaves its contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.block_scaled import Blocks, Levels, blocks_of, check_kind, parts
from golden.formats import integers
from golden.layers import kind_of
from golden.networks import Network, Tensor
from golden.networks.quantization import fixed
from golden.ranges import Range

__all__ = ["Proof", "run", "prove", "check_scales"]


@dataclass(frozen=True, eq=False)
class Proof:
    """What :func:`prove` found of a network.

    Parameters
    ----------
    network : Network
    sums : mapping of str to Range
        What the sums of each linear layer may be, before the bias.
    inputs : mapping of str to array of integers or Blocks, optional
        The only inputs for which it holds, by name; by default it holds for all. They are copied.
    """

    network: Network
    sums: Mapping[str, Range]
    inputs: Mapping[str, Levels] | None = None

    def __post_init__(self):
        if self.inputs is not None:
            # Through object, for the instance is frozen.
            object.__setattr__(self, "inputs", {
                name: Blocks(*map(fixed, x)) if isinstance(x, Blocks) else fixed(x)
                for name, x in self.inputs.items()})

    def check(self, network: Network, tensors: Mapping[str, Levels]):
        """Raise ``ValueError`` where the proof is not of this network, or not for these inputs."""
        if self.network is not network:
            raise ValueError(f"Proof must be of the network that is run, {network.name!r}, "
                             f"not of another one, {self.network.name!r}")
        for name, proven in (self.inputs or {}).items():
            if not all(map(np.array_equal, parts(proven).values(), parts(tensors[name]).values())):
                raise ValueError(f"Input {name!r} must be the one that the proof is for, "
                                 f"not another one")


def run(network: Network, x, proof: Proof | None = None) -> dict[str, Any]:
    """Return every tensor of a network, as levels, by name; inputs and constants among them.

    Those of block-scaled formats are :class:`~golden.block_scaled.Blocks`, all others arrays.

    Parameters
    ----------
    network : Network
    x : array_like of integers, or Blocks, or mapping of str to them
        Levels of the input, ``(batch, *shape)``; where there are several, of each by its name.
    proof : Proof, optional
        Of this network; by default it is proven first, by :func:`prove`, whatever its input.

    Raises
    ------
    TypeError
        Where the input is not Blocks and its format block-scaled, or the other way round.
    ValueError
        Where the proof fails, or is one of something else, or an input has not its shape, is no
        level of its format, or has an exponent that its quantization has not.
    """
    proof = prove(network) if proof is None else proof
    tensors = _given(network, x)
    proof.check(network, tensors)
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
    x : array_like of integers, or Blocks, or mapping of str to them, optional
        Inputs for which alone it is to hold, as for :func:`run`: then the sums of the linear layers
        are those that these make, and nothing is said of others.

    Raises
    ------
    ValueError
        Naming the layer, the channel where it is one, the constraint and the value.
    """
    if not isinstance(network, Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    sums, tensors = {}, {} if x is None else _given(network, x)
    for layer in network.layers:
        kind = kind_of(layer)
        taken = [tensors[name] for name in layer.inputs] if tensors else None
        found = kind.prove(layer, network, taken)
        if found is not None:
            sums[layer.name] = found
        if taken is not None:
            tensors[layer.name] = kind.run(layer, network, taken, found)
    return Proof(network, sums, {each.name: tensors[each.name] for each in network.inputs}
                 if tensors else None)


def check_scales(network: Network):
    """Compare every multiplier of a network with the scales of the tensors that it is to bring on.

    A layer of sums is to scale as its contract's source would make it of these scales, in the
    floats of any of :class:`golden.contracts.ScaleRule`; where all sums of a channel are 0, as it
    likes. A layer that brings tensors together has the parameters of :mod:`golden.unit_scales`,
    and a pool the scale of its input. Contracts without a multiplier, and layers whose results go
    through a table, are passed over.

    Raises
    ------
    ValueError
        Naming the layer, the channel where it is one, and both scales.
    """
    if not isinstance(network, Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    for layer in network.layers:
        kind_of(layer).check_scales(layer, network)


def _given(network: Network, x) -> dict[str, Any]:
    # Inputs, once they are found to be what they should, and constants, for a batch.
    names = [tensor.name for tensor in network.inputs]
    given = x if isinstance(x, Mapping) else dict(zip(names, [x], strict=False))
    if set(given) != set(names):
        raise ValueError(f"Inputs must be {', '.join(names)}, not {', '.join(given)}")
    tensors: dict[str, Any] = {
        tensor.name: _checked(given[tensor.name], tensor,
                              "Input" if len(names) == 1 else f"Input {tensor.name!r}")
        for tensor in network.inputs}
    sizes = {name: len(parts(levels)["levels"]) for name, levels in tensors.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"Inputs must have batches of one size, not "
                         f"{', '.join(f'{size} of {name}' for name, size in sizes.items())}")
    for constant in network.constants:
        levels = np.asarray(constant.source)
        tensors[constant.name] = np.broadcast_to(levels, (sizes[names[0]], *levels.shape))
    return tensors


def _checked(x, tensor: Tensor, title: str) -> Levels:
    fmt, allowed = tensor.quantization.format, tensor.quantization.exponents
    check_kind(x, fmt, title)
    levels = fmt.check(x.levels if isinstance(x, Blocks) else x, title)
    if levels.shape[1:] != tensor.shape or not levels.ndim:
        raise ValueError(f"{title} must have shape ({', '.join(map(str, ('batch', *tensor.shape)))}"
                         f"), not {levels.shape}")
    if not isinstance(x, Blocks):
        return levels
    found = Blocks(levels, integers(x.exponents, "Exponent"))
    blocks_of(found.exponents, levels.shape)
    bad = np.argwhere((found.exponents < allowed.lo) | (found.exponents > allowed.hi))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(f"Exponent of i{title[1:]} block {where} must be in range {allowed}, "
                         f"not {found.exponents[where]}")
    return found
