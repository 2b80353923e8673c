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
    """Parameters of a layer for a tile: zero points folded into the bias."""
    quantization = network.quantization(layer.inputs[0])
    return fold(config, layer.weights, layer.parameters, zero_point=int(quantization.zero_point),
                weight_zero_points=layer.weight.zero_point,
                codebooks=codebooks(config, network, layer))


def codebooks(config: TileConfig, network: Network, layer: Linear) -> dict[str, Codebook]:
    """Codebooks that the tile loads for a layer's operands and output."""
    formats = {"weights": layer.weight.format,
               "activations": network.quantization(layer.inputs[0]).format,
               "output": layer.output.format}
    return {name: fmt.check_table(formats[name]) for name in formats
            if isinstance(fmt := getattr(config, name), LoadedCodebook)}


def operands(config: TileConfig, network: Network, layer: Layer, x: Levels) -> dict[str, Any]:
    """Arguments of :func:`sim.jobs.matmul` for a layer with input ``x``, by name.

    The base is the unit of golden's sums: the least exponent that the layer's input may have, plus
    the least exponent of its weights.

    Raises
    ------
    ValueError
        If the layer is no Dense one, or its contract, output or fixed table is not the tile's.
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
    """Run a network on a simulated tile, each layer on the hardware's results of earlier ones.

    Parameters
    ----------
    config : TileConfig
    backend : Backend
    network : Network
        Network of Dense layers.
    x : array ``(vectors, features)``, or Blocks
        Levels of the network's input.

    Returns
    -------
    array of int64 or Blocks, list of Trace
        Output of the network, and the trace of each layer.

    Raises
    ------
    Mismatch
        If levels or exponents of hardware and golden differ; the message has the layer, the first
        index and both values.
    """
    golden, tensors, traces = run_golden(network, x), {network.inputs[0].name: x}, []
    for layer in network.layers:
        try:
            output, trace = run_layer(config, backend, network, layer, tensors[layer.inputs[0]])
        except SimulationError as error:
            raise Mismatch(f"Layer {layer.name} does not finish: {error}") from error
        for name, expected in parts(golden[layer.name]).items():
            actual = parts(output)[name]
            wrong = np.argwhere(actual != expected)
            if len(wrong):
                where = tuple(wrong[0].tolist())
                place = {"levels": "index", "exponents": "exponent"}[name]
                raise Mismatch(f"Layer {layer.name} differs from golden at {place} {where}: "
                               f"{actual[where]} instead of {expected[where]}")
        tensors[layer.name] = output
        traces.append(trace)
    return tensors[network.outputs[0]], traces
