"""Layers and networks on simulated hardware, compared with golden."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.block_scaled import Levels, parts
from golden.networks import Layer, Linear, Network, Reduce
from golden.run import Proof
from golden.run import run as run_golden
from hw.drive import LayerSchedule, layer_schedule
from hw.tile.config import TileConfig
from sim import jobs
from sim.backend import Backend, Mismatch, SimulationError, Trace
from sim.checks import check_layer
from sim.layers.designs import Design, Designs
from sim.layers.on_units import UNITS
from sim.layers.placement import Placement

__all__ = ["Run", "run_layer", "run_network", "run_placed", "schedule_of"]


@dataclass(frozen=True, eq=False)
class Run:
    """A layer that has run.

    Parameters
    ----------
    layer : Layer
    output : array of int64 or Blocks
        Levels of its output.
    design : TileConfig, Shared or None
        Tile or unit on which it ran; None if golden alone computed it.
    trace : Trace or None
        Trace of the simulation.
    schedule : LayerSchedule or None
        Jobs of the tile.
    """

    layer: Layer
    output: Levels
    design: Design | None = None
    trace: Trace | None = None
    schedule: LayerSchedule | None = None


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


def run_layer(config: TileConfig, backend: Backend, network: Network, layer: Layer, *inputs: Levels,
              units: Designs | None = None) -> tuple[Levels, Trace]:
    """Run one layer on simulated hardware, as :func:`run_network` does.

    Returns
    -------
    array of int64 or Blocks, Trace
        Output of the layer, and the trace of the tile or unit.
    """
    [design] = _designs(config, network, [layer])
    done = _run(network, layer, inputs, design, _backends(config, backend, units))
    assert done.trace is not None
    return done.output, done.trace


def run_network(config: TileConfig, backend: Backend, network: Network, x: Any, *,
                units: Designs | None = None) -> tuple[Levels, list[Trace]]:
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
    units : Designs, optional
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
    layers = network.layers
    designs = dict(zip([layer.name for layer in layers], _designs(config, network, layers),
                       strict=True))
    runs = list(run_placed(Placement(network, designs, {}), x, _backends(config, backend, units)))
    outputs = {each.layer.name: each.output for each in runs}
    return outputs[network.outputs[0]], [each.trace for each in runs if each.trace is not None]


def run_placed(placement: Placement, x: Any, backends: Callable[[Design], Backend], *,
               proof: Proof | None = None) -> Iterator[Run]:
    """Run each layer of a network on its design, and yield it once it equals golden.

    Each layer takes the hardware's results of earlier ones. Golden computes the layers that have no
    hardware.

    Parameters
    ----------
    placement : Placement
    x : array ``(batch, *shape)``, or Blocks, or mapping of str to them
        Levels of the network's input; of several inputs, a mapping by name.
    backends : callable
        Simulation of a design, such as :class:`~sim.layers.designs.Designs`.
    proof : Proof, optional
        Proof of the network; by default it is proven.

    Raises
    ------
    ValueError
        If a tile cannot compute its layer.
    Mismatch
        If levels or exponents of hardware and golden differ; the message has the layer, the first
        index and both values.
    """
    network = placement.network
    golden = run_golden(network, x, proof)
    for layer in network.layers:
        # All that is before the layer has been found equal.
        inputs, expected = [golden[name] for name in layer.inputs], golden[layer.name]
        design = placement.designs.get(layer.name)
        if design is None:
            yield Run(layer, expected)
            continue
        try:
            done = _run(network, layer, inputs, design, backends)
        except SimulationError as error:
            raise Mismatch(f"Layer {layer.name} does not finish: {error}") from error
        _compare(layer, done.output, expected)
        yield done


def _compare(layer: Layer, output: Levels, golden: Levels):
    for name, expected in parts(golden).items():
        actual = parts(output)[name]
        wrong = np.argwhere(actual != expected)
        if len(wrong):
            where = tuple(wrong[0].tolist())
            place = {"levels": "index", "exponents": "exponent"}[name]
            raise Mismatch(f"Layer {layer.name} differs from golden at {place} {where}: "
                           f"{actual[where]} instead of {expected[where]}")


def _run(network: Network, layer: Layer, inputs: Sequence[Levels], design: Design,
         backends: Callable[[Design], Backend]) -> Run:
    backend = backends(design)
    if isinstance(design, TileConfig):
        # All products of the layer in one go.
        [x] = inputs
        schedule = schedule_of(design, network, layer, x)
        results, trace = jobs.run(design, backend, schedule.phases)
        return Run(layer, schedule.output(results), design, trace, schedule)
    output, trace = UNITS[type(layer)].run(design, backend, network, layer, inputs)
    return Run(layer, output, design, trace)


def _backends(config: TileConfig, backend: Backend, units: Designs | None
              ) -> Callable[[Design], Backend]:
    units = units or Designs()
    return lambda design: backend if design == config else units(design)


def _designs(config: TileConfig, network: Network, layers: Sequence[Layer]) -> Iterable[Design]:
    kinds = [Linear, Reduce, *UNITS]
    if others := [layer for layer in layers if not isinstance(layer, tuple(kinds))]:
        raise ValueError("Layers must be of kinds that have hardware, "
                         f"{', '.join(kind.__name__ for kind in kinds)}, not {_named(others)}")
    return [config if isinstance(layer, Linear | Reduce) else
            UNITS[type(layer)].unit(network, layer) for layer in layers]


def _named(layers: Iterable[Layer]) -> str:
    return ", ".join(f"{type(layer).__name__} {layer.name!r}" for layer in layers)
