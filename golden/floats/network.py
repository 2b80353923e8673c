"""Float networks: layers of real numbers, and their tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from golden.floats.layers import FloatConv2d, FloatDense, FloatLayer
from golden.formats import finite
from golden.networks import INPUT
from golden.networks.layers import Shape, check_inputs

__all__ = ["FloatNetwork", "float_tensors", "run_float"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FloatNetwork:
    """Layers of real numbers, in an order in which they can run.

    Parameters
    ----------
    name : str
    layers : tuple of FloatLayer
    input_shape : tuple of int
        Shape of the input, without the batch.
    input : str
        Name of the input.

    Members
    -------
    shapes : mapping of str to tuple of int
        Shape of each tensor, without the batch.

    Raises
    ------
    ValueError
        If there is no layer, a name is used twice, or a layer does not take its inputs.
    """

    name: str = "network"
    layers: tuple[FloatLayer, ...]
    input_shape: Shape
    input: str = INPUT
    shapes: Mapping[str, Shape] = field(init=False, repr=False)

    def __post_init__(self):
        if not self.layers:
            raise ValueError("Layers must be one or more, not none")
        shapes: dict[str, Shape] = {self.input: tuple(self.input_shape)}
        for layer in self.layers:
            if not layer.name or layer.name in shapes:
                raise ValueError(f"Layer name must be new, not {layer.name!r}")
            check_inputs(layer.name, layer.inputs, layer.input_count, shapes)
            try:
                shapes[layer.name] = layer.shape([shapes[name] for name in layer.inputs])
            except ValueError as error:
                raise ValueError(f"Layer {layer.name!r}: {error}") from error
        # Through object, for the instance is frozen.
        object.__setattr__(self, "shapes", MappingProxyType(shapes))

    @property
    def output(self) -> str:
        """Name of the output tensor: the last layer's."""
        return self.layers[-1].name

    def readers(self, name: str) -> list[FloatLayer]:
        """Layers that read a tensor."""
        return [layer for layer in self.layers if name in layer.inputs]

    @classmethod
    def chain(cls, layers: Sequence[FloatLayer], input_shape: Shape, *, name: str = "network"
              ) -> "FloatNetwork":
        """Return the network in which each layer takes the output of the one before.

        Layers without a name get one: ``dense0``, ``dense1``, ``conv0`` ...
        """
        if not isinstance(layers, Sequence | np.ndarray):
            raise TypeError(f"Layers must be a sequence of FloatDense, not {layers!r}")
        named, before, counts = [], INPUT, dict[str, int]()
        for layer in layers:
            if not isinstance(layer, FloatLayer):
                raise TypeError(f"Layer must be a FloatDense, not {layer!r}")
            kind = {FloatDense: "dense", FloatConv2d: "conv"}.get(
                type(layer), type(layer).__name__.removeprefix("Float").lower())
            own = layer.name or f"{kind}{counts.setdefault(kind, 0)}"
            counts[kind] = counts.get(kind, 0) + 1
            named.append(replace(layer, name=own, inputs=(before,)))
            before = own
        return cls(name=name, layers=tuple(named), input_shape=tuple(input_shape))


def float_tensors(network: FloatNetwork, x) -> dict[str, np.ndarray]:
    """Every tensor of a network by name, for a batch of inputs.

    Parameters
    ----------
    network : FloatNetwork
    x : array_like of float, ``(batch, *input_shape)``
    """
    x = finite(x, "Input")
    if x.shape[1:] != network.shapes[network.input]:
        raise ValueError(f"Input must have shape (batch, "
                         f"{', '.join(map(str, network.shapes[network.input]))}), not {x.shape}")
    tensors = {network.input: x}
    for layer in network.layers:
        tensors[layer.name] = layer.run(*(tensors[name] for name in layer.inputs))
    return tensors


def run_float(network: FloatNetwork | Sequence[FloatLayer], x) -> np.ndarray:
    """Output of a float network, or of a chain of layers, for a batch of inputs."""
    if not isinstance(network, FloatNetwork):
        network = FloatNetwork.chain(network, np.shape(x)[1:])
    return float_tensors(network, x)[network.output]
