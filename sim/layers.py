"""Layers and networks on simulated hardware, compared with golden."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from golden.block_scaled import Levels, parts
from golden.networks import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Layer,
    LeakyRelu,
    Linear,
    Lookup,
    Mul,
    Network,
    Pool,
    Reduce,
    Rescale,
    Sub,
    TransposeConv2d,
)
from golden.run import run as run_golden
from hw.drive import LayerSchedule, layer_schedule
from hw.tile.config import TileConfig
from sim import jobs
from sim.backend import Backend, Mismatch, SimulationError, Trace
from sim.checks import check_layer
from sim.hardware import Hardware, Units
from sim.unit_layers import on_concat, on_elementwise, on_pool, on_table

__all__ = ["KINDS", "run_layer", "run_network", "schedule_of"]


def schedule_of(config: TileConfig, network: Network, layer: Layer, x: Levels) -> LayerSchedule:
    """Jobs of a tile for a layer with input ``x``.

    Raises
    ------
    ValueError
        If the layer has no sums, or its contract, output or fixed table is not the tile's.
    """
    if not isinstance(layer, Linear | Reduce):
        raise ValueError(f"Layer must be one of sums to run on a tile, not {_named([layer])}")
    check_layer(config, layer)
    return layer_schedule(config, layer, network.quantization(layer.inputs[0]), x)


def on_tile(hardware: Hardware, network: Network, layer: Linear | Reduce,
            inputs: Sequence[Levels]) -> tuple[Levels, Trace]:
    """Run a layer of sums on the tile, all its products in one go."""
    [x] = inputs
    schedule = schedule_of(hardware.config, network, layer, x)
    results, trace = jobs.run(hardware.config, hardware.tile, schedule.phases)
    return schedule.output(results), trace


KINDS: Mapping[type[Layer], Callable[[Hardware, Network, Any, Sequence[Any]],
                                     tuple[Levels, Trace]]] = {
    Dense: on_tile, Conv2d: on_tile, TransposeConv2d: on_tile, Reduce: on_tile,
    Lookup: on_table, LeakyRelu: on_table, Rescale: on_elementwise, Add: on_elementwise,
    Sub: on_elementwise, Mul: on_elementwise, Concat: on_concat, Pool: on_pool}
"""How each kind of layer runs in hardware; others are golden's alone."""


def run_layer(config: TileConfig, backend: Backend, network: Network, layer: Layer, *inputs: Levels,
              units: Units | None = None) -> tuple[Levels, Trace]:
    """Run one layer on simulated hardware, as :func:`run_network` does.

    Returns
    -------
    array of int64 or Blocks, Trace
        Output of the layer, and the trace of the tile or unit.
    """
    _check_kinds([layer])
    return _run(Hardware(config=config, tile=backend, units=units or Units()), network, layer,
                inputs)


def run_network(config: TileConfig, backend: Backend, network: Network, x: Any, *,
                units: Units | None = None) -> tuple[Levels, list[Trace]]:
    """Run a network on simulated hardware, each layer on the hardware's results of earlier ones.

    Dense, Conv2d, TransposeConv2d and Reduce run on the tile; Lookup and LeakyRelu of 8 bits on a
    table; Rescale, Add, Sub, Mul, Concat and Pool on their units.

    Parameters
    ----------
    config : TileConfig
        Tile of all layers of sums.
    backend : Backend
        Simulation of that tile.
    network : Network
    x : array ``(batch, *shape)``, or Blocks, or mapping of str to them
        Levels of the network's input; of several inputs, a mapping by name.
    units : Units, optional
        Simulations of units; by default their Verilog is compiled.

    Returns
    -------
    array of int64 or Blocks, list of Trace
        First output of the network, and the trace of each layer.

    Raises
    ------
    ValueError
        If a layer has no hardware, which names all such layers, or the tile cannot compute one.
    Mismatch
        If levels or exponents of hardware and golden differ; the message has the layer, the first
        index and both values.
    """
    _check_kinds(network.layers)
    hardware = Hardware(config=config, tile=backend, units=units or Units())
    golden, traces = run_golden(network, x), []
    made = {layer.name for layer in network.layers}
    tensors = {name: levels for name, levels in golden.items() if name not in made}
    for layer in network.layers:
        try:
            output, trace = _run(hardware, network, layer, [tensors[name] for name in layer.inputs])
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


def _run(hardware: Hardware, network: Network, layer: Layer, inputs: Sequence[Levels]
         ) -> tuple[Levels, Trace]:
    return KINDS[type(layer)](hardware, network, layer, inputs)


def _check_kinds(layers: Iterable[Layer]):
    if others := [layer for layer in layers if type(layer) not in KINDS]:
        raise ValueError("Layers must be of kinds that have hardware, "
                         f"{', '.join(kind.__name__ for kind in KINDS)}, not {_named(others)}")


def _named(layers: Iterable[Layer]) -> str:
    return ", ".join(f"{type(layer).__name__} {layer.name!r}" for layer in layers)
