"""Layers and networks on a simulated tile, compared with golden."""

from typing import Any

import numpy as np

from golden.block_scaled import Blocks
from golden.formats import Codebook, LoadedCodebook
from golden.networks import INPUT, Dense, Layer, Linear, Network
from golden.run import run as run_golden
from hw.config import TileConfig
from sim.backend import Backend, SimulationError, Trace
from sim.jobs import fold, matmul
from sim.verify import Mismatch

__all__ = ["codebooks", "folded", "operands", "run_layer", "run_network"]


def folded(config: TileConfig, network: Network, layer: Linear) -> dict[str, np.ndarray]:
    """Parameters of a layer as a tile takes them: zero points folded into the bias."""
    taken = network.quantization(layer.inputs[0])
    return fold(config, layer.weights, layer.parameters, zero_point=int(taken.zero_point),
                weight_zero_points=layer.weight.zero_point,
                codebooks=codebooks(config, network, layer))


def codebooks(config: TileConfig, network: Network, layer: Linear) -> dict[str, Codebook]:
    """Formats of a layer's operands that the tile loads."""
    given = {"weights": layer.weight.format,
             "activations": network.quantization(layer.inputs[0]).format}
    return {name: fmt.check_table(given[name]) for name in given
            if isinstance(fmt := getattr(config, name), LoadedCodebook)}


def operands(config: TileConfig, network: Network, layer: Linear) -> dict[str, Any]:
    """All that :func:`sim.jobs.matmul` is told of a layer, by name, but for its activations.

    Raises
    ------
    ValueError
        Where the layer's table is not the one that the tile has for good.
    """
    table = layer.table
    if isinstance(config.lut, tuple):
        if table is None or tuple(np.asarray(table).tolist()) != config.lut:
            raise ValueError(f"Table of layer {layer.name!r} must be the tile's")
        table = None
    return {"weights": layer.weights, "parameters": folded(config, network, layer),
            "first_draw": layer.seed, "table": table,
            "codebooks": codebooks(config, network, layer),
            "exponents": {} if layer.exponents is None else {"weights": layer.exponents}}


def run_layer(config: TileConfig, backend: Backend, network: Network, layer: Layer,
              x: np.ndarray) -> tuple[np.ndarray, Trace]:
    """Run one layer on a simulated tile; return its levels and the trace."""
    if not isinstance(layer, Dense):
        raise ValueError(f"Layer must be a Dense one to run on a tile, not {type(layer).__name__} "
                         f"{layer.name!r}")
    levels, trace = matmul(config, backend, x, **operands(config, network, layer))
    assert not isinstance(levels, Blocks)
    return levels, trace


def run_network(config: TileConfig, backend: Backend, network: Network, x: np.ndarray
                ) -> tuple[np.ndarray, list[Trace]]:
    """Run a network on a simulated tile, each layer on the hardware's result of the one before.

    Parameters
    ----------
    config : TileConfig
    backend : Backend
    network : Network
        Of Dense layers.
    x : array ``(vectors, features)``
        Levels of the network's input.

    Returns
    -------
    array of int64, list of Trace
        The output's levels, and what the simulation of each layer saw.

    Raises
    ------
    Mismatch
        Naming the layer, the index and both values where hardware and golden first differ.
    """
    golden, tensors, traces = run_golden(network, x), {INPUT: x}, []
    for layer in network.layers:
        try:
            levels, trace = run_layer(config, backend, network, layer, tensors[layer.inputs[0]])
        except SimulationError as error:
            raise Mismatch(f"Layer {layer.name} does not finish: {error}") from error
        wrong = np.argwhere(levels != golden[layer.name])
        if len(wrong):
            where = tuple(wrong[0].tolist())
            raise Mismatch(f"Layer {layer.name} differs from golden at index {where}: "
                           f"{levels[where]} instead of {golden[layer.name][where]}")
        tensors[layer.name] = levels
        traces.append(trace)
    return tensors[network.layers[-1].name], traces
