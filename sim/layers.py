"""Layers and networks on a simulated tile, compared with golden."""

from typing import Any

import numpy as np

from golden.block_scaled import Blocks, Levels, parts
from golden.formats import EXPONENT_BIAS, Codebook, LoadedCodebook
from golden.networks import Dense, Layer, Linear, Network
from golden.run import run as run_golden
from hw.drive import fold
from hw.tile.config import TileConfig
from sim.backend import Backend, Mismatch, SimulationError, Trace
from sim.checks import check_layer
from sim.jobs import matmul

__all__ = ["codebooks", "folded", "operands", "run_layer", "run_network"]


def folded(config: TileConfig, network: Network, layer: Linear) -> dict[str, np.ndarray]:
    """Parameters of a layer as a tile takes them: zero points folded into the bias."""
    taken = network.quantization(layer.inputs[0])
    return fold(config, layer.weights, layer.parameters, zero_point=int(taken.zero_point),
                weight_zero_points=layer.weight.zero_point,
                codebooks=codebooks(config, network, layer))


def codebooks(config: TileConfig, network: Network, layer: Linear) -> dict[str, Codebook]:
    """Formats of a layer's operands and output that the tile loads."""
    given = {"weights": layer.weight.format,
             "activations": network.quantization(layer.inputs[0]).format,
             "output": layer.output.format}
    return {name: fmt.check_table(given[name]) for name in given
            if isinstance(fmt := getattr(config, name), LoadedCodebook)}


def operands(config: TileConfig, network: Network, layer: Layer, x: Levels) -> dict[str, Any]:
    """All that :func:`sim.jobs.matmul` is told of a layer that is given ``x``, by name.

    The base is what golden's sums are in units of: the least exponents that the layer's input may
    have, and its weights have.

    Raises
    ------
    ValueError
        If the layer is no Dense one, its contract or output is not the tile's, or its table
        not the one that is fixed in the tile.
    """
    if not isinstance(layer, Dense):
        raise ValueError(f"Layer must be a Dense one to run on a tile, not {type(layer).__name__} "
                         f"{layer.name!r}")
    check_layer(config, layer)
    table = layer.table
    if isinstance(config.lut, tuple):
        if table is None or tuple(np.asarray(table).tolist()) != config.lut:
            raise ValueError(f"Table of layer {layer.name!r} must be the tile's")
        table = None
    exponents, base = {}, network.quantization(layer.inputs[0]).exponents.lo
    if isinstance(x, Blocks):
        exponents["activations"] = x.exponents
    if layer.exponents is None:
        base += EXPONENT_BIAS
    else:
        exponents["weights"] = layer.exponents
        base += int(layer.exponents.min())
    return {"activations": parts(x)["levels"], "weights": layer.weights,
            "parameters": folded(config, network, layer), "first_draw": layer.seed, "table": table,
            "codebooks": codebooks(config, network, layer), "exponents": exponents, "base": base}


def run_layer(config: TileConfig, backend: Backend, network: Network, layer: Layer,
              x: Levels) -> tuple[Levels, Trace]:
    """Run one layer on a simulated tile; return its results and the trace."""
    return matmul(config, backend, **operands(config, network, layer, x))


def run_network(config: TileConfig, backend: Backend, network: Network, x: Levels
                ) -> tuple[Levels, list[Trace]]:
    """Run a network on a simulated tile, each layer on the hardware's result of the one before.

    Parameters
    ----------
    config : TileConfig
    backend : Backend
    network : Network
        Of Dense layers.
    x : array ``(vectors, features)``, or Blocks
        Levels of the network's input.

    Returns
    -------
    array of int64 or Blocks, list of Trace
        The output, and what the simulation of each layer saw.

    Raises
    ------
    Mismatch
        Naming the layer, the index and both values where levels, or else exponents, of hardware
        and golden first differ.
    """
    golden, tensors, traces = run_golden(network, x), {network.inputs[0].name: x}, []
    for layer in network.layers:
        try:
            found, trace = run_layer(config, backend, network, layer, tensors[layer.inputs[0]])
        except SimulationError as error:
            raise Mismatch(f"Layer {layer.name} does not finish: {error}") from error
        for name, want in parts(golden[layer.name]).items():
            own = parts(found)[name]
            wrong = np.argwhere(own != want)
            if len(wrong):
                where = tuple(wrong[0].tolist())
                place = {"levels": "index", "exponents": "exponent"}[name]
                raise Mismatch(f"Layer {layer.name} differs from golden at {place} {where}: "
                               f"{own[where]} instead of {want[where]}")
        tensors[layer.name] = found
        traces.append(trace)
    return tensors[network.outputs[0]], traces
