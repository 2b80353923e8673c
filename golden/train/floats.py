"""Files of trained float networks: the arrays of their layers, as float32."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from golden.command import replace_file
from golden.floats import FloatNetwork
from golden.train.start import linear_layers, start

__all__ = ["read_float", "write_float"]


def write_float(network: FloatNetwork, path: Path):
    """Write the weights of a network of :func:`golden.train.start.start`, or nothing."""
    data = io.BytesIO()
    arrays: dict[str, Any] = {
        f"{layer.name}.{part}": np.asarray(value, np.float32)
        for layer in linear_layers(network)
        for part, value in (("weights", layer.weights), ("bias", layer.biases()))}
    np.savez(data, name=np.array(network.name), **arrays)
    replace_file(path, data.getvalue())


def read_float(path: Path) -> FloatNetwork:
    """Return the network that :func:`write_float` wrote; ``ValueError`` if the file is damaged."""
    data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            network = start(str(arrays["name"]), 0)
            layers = {layer.name: replace(layer, weights=arrays[f"{layer.name}.weights"],
                                          bias=arrays[f"{layer.name}.bias"])
                      for layer in linear_layers(network)}
    except Exception as error:  # a damaged archive may fail in any way
        raise ValueError(f"Float network {path} must be whole, not damaged ({error!r})") from error
    return replace(network, layers=tuple(layers.get(each.name, each) for each in network.layers))
