"""Exact sums at the outputs of a QONNX model, and the real numbers that they stand for."""

import numpy as np

from golden.networks import Layer, Move, Pool, Reshape, Slice, Transpose
from golden.readers.model import Exact, Model

__all__ = ["sums_of"]


def sums_of(model: Model, name: str) -> tuple[Exact, np.ndarray] | None:
    """Return the function of a tensor of exact sums, and the channel of each element.

    Operators may have moved the sums, or chosen among those of a channel.

    Parameters
    ----------
    model : Model
    name : str
        Tensor of the network.

    Returns
    -------
    pair of Exact and array of integers, or None
        The array has the tensor's shape without the batch. None if the tensor is no sums.
    """
    tensors, chain = model.network.tensors, []
    layer = tensors[name].source
    while name not in model.exact and isinstance(layer, Move | Pool) and len(layer.inputs) == 1:
        chain.append(layer)
        name = layer.inputs[0]
        layer = tensors[name].source
    exact = model.exact.get(name)
    if exact is None or exact.level is not None:
        return None
    shape = tensors[name].shape
    channels = np.broadcast_to(np.arange(shape[-1]), shape)
    for layer in reversed(chain):
        channels = _moved(layer, channels, tensors[layer.name].shape)
    return exact, channels


def _moved(layer: Layer, channels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    match layer:
        case Reshape():
            return channels.reshape(shape)
        case Transpose():
            return channels.transpose([axis - 1 for axis in layer.axes[1:]])
        case Slice():
            return channels[layer.slices[1:]]
        case Pool():  # windows are of one channel
            return np.broadcast_to(channels[:1, :1], shape)
    raise TypeError(f"Layer must move sums, not be {layer!r}")
