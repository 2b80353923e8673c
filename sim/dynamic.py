# amaranth: UnusedElaboratable=no
"""Dynamic quantization on simulated hardware: sums, their range, then codes by that range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.contracts import parse as contract_of
from golden.networks import Network
from golden.quantize.dynamic import (
    U8,
    DynamicLayer,
    DynamicResult,
    codes_network,
    dynamic_input,
    output_quantization,
    real_sums,
    run_dynamic,
    sums_network,
)
from hw.tile.config import TileConfig
from hw.units.tensor_range import TensorRange
from sim.backend import Backend, Mismatch
from sim.layers.designs import Design
from sim.layers.placement import Placement
from sim.layers.run import Run, run_placed
from sim.ranges import tile_transfers, track

__all__ = ["DynamicDesigns", "dynamic_designs", "run_dynamic_on", "run_one", "same_ends"]


@dataclass(frozen=True)
class DynamicDesigns:
    """Hardware of a chain of layers.

    Parameters
    ----------
    sums : TileConfig
        Tile of the exact sums plus bias.
    codes : TileConfig
        Tile of the codes of the next layer.
    tracker : TensorRange
        Range tracker of the results of ``sums``.
    """

    sums: TileConfig
    codes: TileConfig
    tracker: TensorRange


def dynamic_designs(layers: Sequence[DynamicLayer], contract: str = "thresholds", **shape: Any
                    ) -> DynamicDesigns:
    """Return the designs that compute every layer of a chain.

    Parameters
    ----------
    layers : sequence of DynamicLayer
        Layers, whose weights have one format.
    contract : "thresholds" or "onnx"
        Contract of the codes between layers.
    **shape
        Shape of the tiles: choices of a :class:`~hw.tile.config.TileConfig`; by default as deep
        as the longest sum.
    """
    own = {"weights": layers[0].weight.format, "activations": U8, "zero_points": "activations",
           "depth": max(layer.weights.shape[1] for layer in layers)} | shape
    sums = TileConfig(**own, output=None, contract=contract_of("none"))
    codes = TileConfig(**own, output=U8, contract=contract_of(contract))
    return DynamicDesigns(sums, codes, TensorRange(results=sums.output_format,
                                                   outputs=sums.outputs))


def run_dynamic_on(designs: DynamicDesigns, backends: Callable[[Any], Backend],
                   layers: Sequence[DynamicLayer], x,
                   note: Callable[[Run], None] = lambda run: None) -> list[DynamicResult]:
    """Run a chain of layers on a batch, as :func:`golden.quantize.dynamic.run_dynamic` does.

    The tile's sums pass the tracker; from the ends that it finds follow scale and zero point, and
    from these the parameters with which a tile makes the codes of the next layer.

    Parameters
    ----------
    designs : DynamicDesigns
        Designs of :func:`dynamic_designs`.
    backends : callable
        Simulation of a tile or of the tracker, such as :class:`~sim.layers.designs.Designs`.
    layers : sequence of DynamicLayer
    x : array_like of float32, ``(batch, inputs)``
    note : callable
        Called with each run of a tile.

    Raises
    ------
    Mismatch
        If sums, ends or codes of hardware and golden differ; the message names the layer.
    """
    golden = run_dynamic(layers, x, designs.codes.contract.name)
    levels, input = dynamic_input(x)
    results: list[DynamicResult] = []
    for place, (layer, expected) in enumerate(zip(layers, golden, strict=True), 1):
        done = run_one(sums_network(layer, input), designs.sums, backends, levels)
        note(done)
        sums = np.asarray(done.output)
        results.append(DynamicResult(layer, input, levels, sums, real_sums(layer, input, sums)))
        if place < len(layers):
            assert done.schedule is not None and done.trace is not None
            [ends], _ = track(designs.tracker, backends(designs.tracker), [tile_transfers(
                designs.sums, done.schedule, done.trace)])
            same_ends(layer.name, ends, expected.sums)
            output = output_quantization(layer, input, *ends.tolist())
            done = run_one(codes_network(layer, input, output, designs.codes.contract.name),
                           designs.codes, backends, levels)
            note(done)
            levels, input = np.asarray(done.output), output
    return results


def run_one(network: Network, design: Design, backends: Callable[[Any], Backend], x) -> Run:
    """Run the only layer of a network on a design."""
    [layer] = network.layers
    [done] = run_placed(Placement(network, {layer.name: design}, {}), x, backends)
    return done


def same_ends(name: str, ends: np.ndarray, levels: np.ndarray):
    """Raise ``Mismatch`` if a tracker's ends of a tensor are not those of golden."""
    expected = [int(levels.min()), int(levels.max())]
    if ends.tolist() != expected:
        raise Mismatch(f"Range of layer {name} differs from golden: {ends.tolist()} instead of "
                       f"{expected}")
