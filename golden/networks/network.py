"""Networks: tensors and the layers that make them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from golden.formats import BlockScaled, integers
from golden.networks.layers import Layer, Shape, check_inputs
from golden.networks.quantization import Quantization, fixed

__all__ = ["INPUT", "Tensor", "Network"]

INPUT = "input"
"""Default name of the input tensor of a network with one input."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """Tensor that goes from layer to layer.

    Parameters
    ----------
    name : str
    quantization : Quantization
    shape : tuple of int
        Shape of each member of a batch.
    source : Layer or array of integers, optional
        Layer that makes the tensor, or the levels of a constant, the same for each member of a
        batch. By default the tensor is an input of the network.

    Raises
    ------
    TypeError
        If the quantization is no Quantization, or a size or a level is no integer.
    ValueError
        If a size is not positive; if the levels of a constant are not in its format, have another
        shape or have exponents.
    """

    name: str
    quantization: Quantization
    shape: Shape
    source: Layer | np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.quantization, Quantization):
            raise TypeError(f"Quantization of tensor {self.name!r} must be a Quantization, "
                            f"not {self.quantization!r}")
        sizes = integers(self.shape, f"Shape of tensor {self.name!r}")
        if sizes.ndim != 1 or (sizes < 1).any():
            raise ValueError(f"Shape of tensor {self.name!r} must be positive sizes, "
                             f"not {self.shape!r}")
        # Through object, for the instance is frozen.
        object.__setattr__(self, "shape", tuple(sizes.tolist()))
        if self.source is None or isinstance(self.source, Layer):
            return
        if isinstance(self.quantization.format, BlockScaled):
            raise ValueError(f"Format of constant {self.name!r} must be one without exponents, "
                             f"not {self.quantization.format}")
        levels = self.quantization.format.check(self.source, f"Level of constant {self.name!r}")
        if levels.shape != self.shape:
            raise ValueError(f"Levels of constant {self.name!r} must have shape {self.shape}, "
                             f"not {levels.shape}")
        object.__setattr__(self, "source", fixed(levels))


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """Layers in an order in which they can run.

    Parameters
    ----------
    name : str
    inputs : tuple of Tensor
    layers : tuple of Layer
    constants : tuple of Tensor
        Constant tensors, with their levels.
    outputs : tuple of str
        Names of the output tensors; by default the output of the last layer.

    Members
    -------
    tensors : mapping of str to Tensor
        Every tensor by name: inputs, constants and outputs of layers.

    Raises
    ------
    TypeError
        If an input or a constant is no Tensor, or a layer none of this package's.
    ValueError
        If there is no input; a name is used twice; a layer has an input that no earlier layer
        makes, too many or too few inputs, or one of the wrong shape; or an output is unknown.
    """

    name: str
    inputs: tuple[Tensor, ...]
    layers: tuple[Layer, ...] = ()
    constants: tuple[Tensor, ...] = ()
    outputs: tuple[str, ...] = ()
    tensors: Mapping[str, Tensor] = field(init=False, repr=False)

    def __post_init__(self):
        # Through object, for the instance is frozen.
        for name in ("inputs", "layers", "constants", "outputs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        tensors: dict[str, Tensor] = {}
        for title, sources in (("Input", self.inputs), ("Constant", self.constants)):
            for tensor in sources:
                if not isinstance(tensor, Tensor):
                    raise TypeError(f"{title} must be a Tensor, not {tensor!r}")
                if isinstance(tensor.source, np.ndarray) != (title == "Constant"):
                    raise ValueError(f"{title} {tensor.name!r} must have "
                                     f"{'levels' if title == 'Constant' else 'no source'}, "
                                     f"not {tensor.source!r}")
                if tensor.name in tensors:
                    raise ValueError(f"{title} name must be new, not {tensor.name!r}")
                tensors[tensor.name] = tensor
        if not self.inputs:
            raise ValueError("Inputs must be one or more, not none")
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Layer must be one of golden.networks, not {layer!r}")
            if layer.name in tensors:
                raise ValueError(f"Layer name must be new, not {layer.name!r}")
            check_inputs(layer.name, layer.inputs, layer.input_count, tensors)
            try:
                shape = layer.shape([tensors[name].shape for name in layer.inputs])
            except (TypeError, ValueError) as error:
                raise type(error)(f"Layer {layer.name!r}: {error}") from error
            tensors[layer.name] = Tensor(layer.name, layer.output, shape, layer)
        object.__setattr__(self, "tensors", MappingProxyType(tensors))
        object.__setattr__(self, "outputs", self.outputs or (next(reversed(tensors)),))
        for name in self.outputs:
            if name not in tensors:
                raise ValueError(f"Outputs must be among {sorted(tensors)}, not {name!r}")

    @property
    def input(self) -> Quantization:
        """Quantization of the input of a network with one input."""
        tensor, *others = self.inputs
        if others:
            raise ValueError(f"Network must have one input, not {len(self.inputs)}: call "
                             f"Network.quantization")
        return tensor.quantization

    def quantization(self, name: str) -> Quantization:
        """Quantization of the tensor called ``name``."""
        return self.tensors[name].quantization
