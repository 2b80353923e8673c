"""The classes that a classifier's outputs win, and the tensor whose range keeps them apart."""

from dataclasses import dataclass

import numpy as np

from golden.floats import FloatLayer, FloatNetwork, FloatPool
from golden.quantize.joins import keeps_quantization

__all__ = ["Winners", "winners_of"]


@dataclass(frozen=True, eq=False)
class Winners:
    """Winner of each example, and how a tensor's numbers become the outputs.

    Parameters
    ----------
    tensor : str
        Last tensor whose range is chosen.
    layers : tuple of FloatLayer
        Layers behind it, which move numbers or take the largest.
    classes : array of int64, ``(examples,)``
        Index of the largest output of each example, the first of equals.
    """

    tensor: str
    layers: tuple[FloatLayer, ...]
    classes: np.ndarray

    def outputs(self, values: np.ndarray) -> np.ndarray:
        """Outputs for numbers of the tensor, ``(examples, classes)``.

        Levels are in the same order as numbers: moves and maxima of levels are those of numbers.
        """
        for layer in self.layers:
            values = layer.run(values)
        return values.reshape(len(values), -1)


def winners_of(network: FloatNetwork, outputs: np.ndarray) -> Winners:
    """Return the winners of a network's float outputs, ``(examples, *shape)``.

    Raises
    ------
    ValueError
        If the output has several axes of more than one element, if an average stands behind the
        last sums, or if no range is chosen behind the input.
    """
    shape = outputs.shape[1:]
    if sum(size != 1 for size in shape) > 1:
        raise ValueError(f"Classifier must have an output of one axis, that of the classes, "
                         f"not of shape {shape}")
    layers = {layer.name: layer for layer in network.layers}
    tensor, behind = network.output, list[FloatLayer]()
    while tensor in layers and keeps_quantization(layers[tensor]):
        layer = layers[tensor]
        if isinstance(layer, FloatPool) and layer.kind == "average":
            raise ValueError(f"Classifier must have no average behind its last sums, as layer "
                             f"{layer.name!r} is: it rounds means of levels, which no range of the "
                             f"sums keeps apart")
        behind.insert(0, layer)
        [tensor] = layer.inputs
    if tensor not in layers:
        raise ValueError("Classifier must have a layer whose range is chosen, not only pools and "
                         "moves")
    return Winners(tensor, tuple(behind), np.argmax(outputs.reshape(len(outputs), -1), axis=1))
