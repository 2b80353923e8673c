"""Runs a quantized network layer by layer, after a proof that no sum leaves its contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.block_scaled import Blocks, Levels, blocks_of, check_kind, parts
from golden.formats import integers
from golden.layers import kind_of
from golden.networks import Float32, Network, Tensor
from golden.networks.quantization import fixed
from golden.ranges import Range

__all__ = ["Proof", "run", "follow", "prove", "check_scales"]


@dataclass(frozen=True, eq=False)
class Proof:
    """Proof of a network, by :func:`prove`.

    Parameters
    ----------
    network : Network
    sums : mapping of str to Range
        Range of the sums of each linear layer, before the bias.
    inputs : mapping of str to array of integers or Blocks, optional
        Only inputs for which the proof holds, by name, copied; by default it holds for all inputs.
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
        """Raise ``ValueError`` if the proof is of another network or for other inputs."""
        if self.network is not network:
            raise ValueError(f"Proof must be of this network, {network.name!r}, "
                             f"not of another, {self.network.name!r}")
        for name, proven in (self.inputs or {}).items():
            if not all(map(np.array_equal, parts(proven).values(), parts(tensors[name]).values())):
                raise ValueError(f"Input {name!r} must be that of the proof, not another")


def run(network: Network, x, proof: Proof | None = None, *, outputs_only: bool = False,
        given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the levels of every tensor of a network by name, including inputs and constants.

    Block-scaled tensors are :class:`~golden.block_scaled.Blocks`, all others arrays.

    Parameters
    ----------
    network : Network
    x : array_like of integers, or Blocks, or mapping of str to them
        Levels of the input, ``(batch, *shape)``; of several inputs, a mapping by name.
    proof : Proof, optional
        Proof of this network; by default :func:`prove` proves it for all inputs first.
    outputs_only : bool
        Whether to keep only the network's outputs; other tensors are dropped after their last use.
    given : mapping of str to array of integers or Blocks, optional
        Levels that the layers behind a tensor take in place of its own. The tensor's own levels are
        returned all the same: each layer is then computed of what another has found.

    Raises
    ------
    TypeError
        If an input of a block-scaled format is no Blocks, or one of another format is.
    ValueError
        If the proof fails or does not apply; or if an input has the wrong shape, a level that its
        format has not, or an exponent outside its quantization's range.
    """
    proof = prove(network) if proof is None else proof
    tensors = _sources(network, x)
    proof.check(network, tensors)
    last = {name: layer for layer in network.layers for name in layer.inputs}
    given = {} if given is None else given
    for layer in network.layers:
        inputs = [given.get(name, tensors[name]) for name in layer.inputs]
        tensors[layer.name] = kind_of(layer).run(layer, network, inputs, proof.sums.get(layer.name))
        if outputs_only:
            for name in {name for name in layer.inputs if last[name] is layer}:
                if name not in network.outputs:
                    del tensors[name]
    return {name: tensors[name] for name in network.outputs} if outputs_only else tensors


def follow(network: Network, tensors: Mapping[str, Any], changed: Mapping[str, Any], proof: Proof
           ) -> dict[str, Any]:
    """Return the levels of every tensor that differs once some tensors have other levels.

    Only layers behind a difference are computed.

    Parameters
    ----------
    network : Network
    tensors : mapping of str to array of integers or Blocks
        Levels of every tensor, as :func:`run` returns them.
    changed : mapping of str to array of integers or Blocks
        Other levels of some of them, which the layers behind take.
    proof : Proof
        Proof of this network for all inputs.
    """
    found = dict(changed)
    for layer in network.layers:
        if layer.name in found or found.keys().isdisjoint(layer.inputs):
            continue
        made = kind_of(layer).run(layer, network, [found.get(name, tensors[name])
                                                   for name in layer.inputs],
                                  proof.sums.get(layer.name))
        if not all(map(np.array_equal, parts(made).values(), parts(tensors[layer.name]).values())):
            found[layer.name] = made
    return found


def prove(network: Network, x=None) -> Proof:
    """Prove that every layer computes what it says, whatever levels its inputs have.

    - Linear layer: the weights, zero points and parameters are in their formats; the parameters
      have the output's zero point and exponents; each channel's sum plus bias stays within the
      contract's range through every step. The steps are monotonic in the sum, so the two ends of
      its range decide.
    - Pool: the output has the input's format and zero point.
    - Elementwise layer: :func:`golden.elementwise.check` passes, and the parameters have the
      tensors' zero points.

    Parameters
    ----------
    network : Network
    x : array_like of integers, or Blocks, or mapping of str to them, optional
        Only inputs for which the proof is to hold, as for :func:`run`: it then takes the sums that
        the linear layers form of these inputs, and holds for no others.

    Raises
    ------
    ValueError
        The message names the layer, the channel if there is one, the constraint and the value.
    """
    if not isinstance(network, Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    sums, tensors = {}, {} if x is None else _sources(network, x)
    for layer in network.layers:
        kind = kind_of(layer)
        inputs = [tensors[name] for name in layer.inputs] if tensors else None
        for name in (*layer.inputs, layer.name):
            if isinstance(network.quantization(name).format, Float32) and not kind.floats:
                raise ValueError(f"Tensor {name!r} must have a format of levels for layer "
                                 f"{layer.name!r}, not float32")
        own_sums = kind.prove(layer, network, inputs)
        if own_sums is not None:
            sums[layer.name] = own_sums
        if inputs is not None:
            tensors[layer.name] = kind.run(layer, network, inputs, own_sums)
    return Proof(network, sums, {each.name: tensors[each.name] for each in network.inputs}
                 if tensors else None)


def check_scales(network: Network):
    """Compare every multiplier of a network with the scales of its layer's tensors.

    - Linear layer: the parameters scale as the contract's source computes them from the tensors'
      scales, by any :class:`golden.contracts.ScaleRule`. A channel whose sums are all 0 may have
      any scale. Contracts without a multiplier and layers with a table are not checked.
    - Elementwise layer: the parameters are those of :mod:`golden.unit_scales`.
    - Pool: the output has the input's scale.

    Raises
    ------
    ValueError
        The message names the layer, the channel if there is one, and both scales.
    """
    if not isinstance(network, Network):
        raise TypeError(f"Network must be a Network, not {network!r}")
    for layer in network.layers:
        kind_of(layer).check_scales(layer, network)


def _sources(network: Network, x) -> dict[str, Any]:
    # Checked inputs, and constants, for a batch.
    names = [tensor.name for tensor in network.inputs]
    inputs = x if isinstance(x, Mapping) else dict(zip(names, [x], strict=False))
    if set(inputs) != set(names):
        raise ValueError(f"Inputs must be {', '.join(names)}, not {', '.join(inputs)}")
    tensors: dict[str, Any] = {
        tensor.name: _checked(inputs[tensor.name], tensor,
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
    exponents = integers(x.exponents, "Exponent")
    blocks_of(exponents, levels.shape)
    bad = np.argwhere((exponents < allowed.lo) | (exponents > allowed.hi))
    if len(bad):
        block = tuple(bad[0].tolist())
        raise ValueError(f"Exponent of i{title[1:]} block {block} must be in range {allowed}, "
                         f"not {exponents[block]}")
    return Blocks(levels, exponents)
