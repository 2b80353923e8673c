# amaranth: UnusedElaboratable=no
"""The packaged network with dynamic quantization: accuracy, cost, and the comparison."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from exactmac.study.measure import SHAPE, Job, areas_of
from exactmac.study.members import Samples, packaged
from exactmac.study.report import commands, costs_of, layer_of, lost, summary
from exactmac.study.workflows import DYNAMIC
from exactmac.sweep.cycles import network_cycles
from golden import digits
from golden.costs import cost_of, total
from golden.formats import IntFormat
from golden.networks import Linear, Network
from golden.quantize.dynamic import (
    DynamicLayer,
    codes_network,
    output_quantization,
    quantize_dynamic,
    run_dynamic,
    sums_network,
)
from hw.tile.config import TileConfig
from sim.backend import Mistimed
from sim.dynamic import dynamic_designs, run_dynamic_on
from sim.layers import Designs, Run, placement

__all__ = ["BATCH", "WEIGHTS", "Pass", "compared", "golden_results", "inputs_of", "layers_of",
           "passes_of", "point"]

BATCH = 64
"""Examples of a batch, which share ranges."""

WEIGHTS = "s8n"


def layers_of() -> tuple[DynamicLayer, ...]:
    """Layers of the packaged network with weights of one scale."""
    return quantize_dynamic(packaged()[0].layers, IntFormat(8, narrow=True))


class Pass(NamedTuple):
    """What a tile computes of a batch in one go: a layer's sums, or its codes.

    Parameters
    ----------
    name : str
        ``sums0``, ``codes0`` and so on, by the layer's place.
    network : Network
        Network of that layer alone.
    levels : array of int64, ``(batch, inputs)``
    """

    name: str
    network: Network
    levels: np.ndarray


def passes_of(x: np.ndarray) -> list[Pass]:
    """Return the passes of a batch: sums, then codes, of each layer. The last has sums alone."""
    layers, made = layers_of(), []
    for index, (layer, done) in enumerate(zip(layers, run_dynamic(layers, x), strict=True)):
        made.append(Pass(f"sums{index}", sums_network(layer, done.input), done.levels))
        if index + 1 < len(layers):
            ends = int(done.sums.min()), int(done.sums.max())
            made.append(Pass(f"codes{index}", codes_network(
                layer, done.input, output_quantization(layer, done.input, *ends)), done.levels))
    return made


def _batches(x: np.ndarray) -> Iterator[np.ndarray]:
    return (x[start:start + BATCH] for start in range(0, len(x), BATCH))


def _cycles(x: np.ndarray) -> tuple[int, list[str]]:
    # Of all passes of all batches, by the formula; and the blocks of the tiles.
    cycles, blocks = 0, []
    for each in chain.from_iterable(map(passes_of, _batches(x))):
        own, tiles = network_cycles(placement(each.network, **SHAPE),
                                    {each.network.inputs[0].name: each.levels}, len(each.levels))
        cycles += own
        blocks += [tile.block for tile in tiles.values()]
    return cycles, list(dict.fromkeys(blocks))


def golden_results(samples: Samples) -> dict[str, Any]:
    """Accuracy and cycles over all batches, and the cost of all passes of one example."""
    outputs = np.concatenate([run_dynamic(layers_of(), x)[-1].output
                              for x in _batches(samples.x)])
    cost = total(cost_of(layer, each.network) for each in passes_of(samples.x[:BATCH])
                 for layer in each.network.layers)
    cycles, blocks = _cycles(samples.x)
    return {"accuracy": digits.accuracy(outputs, samples.labels), "cost": asdict(cost),
            "samples": len(samples.x), "cycles": cycles, "blocks": blocks}


def compared(samples: Samples, vectors: int) -> dict[str, int]:
    """Run batches on the emitted Verilog of tiles and tracker; each equals golden, or it raises.

    ``Mismatch`` names the first layer that differs; ``Mistimed`` says that the tiles do not take
    the formula's cycles.
    """
    layers, simulations, elements, simulated = layers_of(), Designs(), 0, 0
    designs = dynamic_designs(layers, "thresholds", **SHAPE)

    def note(run: Run):
        nonlocal simulated
        assert run.trace is not None
        simulated += run.trace.cycles

    for x in _batches(samples.x[:vectors]):
        results = run_dynamic_on(designs, simulations, layers, x, note)
        # Sums of each layer with the ends of their range, and the codes of all but the last.
        elements += sum(each.sums.size for each in results)
        elements += sum(each.sums.size + 2 for each in results[:-1])
    if (cycles := _cycles(samples.x[:vectors])[0]) != simulated:
        raise Mistimed(f"Cycles of the simulation must be {cycles}, not {simulated}")
    return {"elements": elements, "vectors": vectors}


def point(samples: Samples, own: Mapping[str, Any], equal: Mapping[str, int],
          jobs: Mapping[str, Job], *, targets: Sequence[str], folder: Path, simulator: str
          ) -> dict[str, Any]:
    """Return the point of dynamic quantization, as :func:`exactmac.study.report.point_of` does.

    Parameters
    ----------
    samples : Samples
    own : mapping
        What :func:`golden_results` returned.
    equal : mapping
        What :func:`compared` returned.
    jobs : mapping of str to Job
        Jobs of :func:`passes_of` by the names of their files, with the areas of their tiles.
    targets : sequence of str
    folder : Path
    simulator : str
    """
    accuracy, cost = packaged()[2], own["cost"]
    run = {"seed": 0, "accuracy": own["accuracy"], "float_accuracy": accuracy,
           "loss": lost(accuracy, own["accuracy"]), "bit_operations": cost["bit_operations"],
           "file": ", ".join(f"{name}.npz" for name in jobs),
           "verified": {**equal, "mismatches": 0}, "reason": None}
    areas = areas_of(list(jobs.values()))
    tiles = {job.tiles: areas[name] for name, job in jobs.items()}
    layers = []
    for each in passes_of(samples.x[:BATCH]):
        [layer] = each.network.layers
        assert isinstance(layer, Linear)
        layers.append(layer_of(layer, each.network) | {
            "name": f"{each.network.name} {layer.name}"})
    return {
        "name": f"digits-{DYNAMIC}-8", "data": "digits", "workflow": DYNAMIC, "width": "8",
        "weights": WEIGHTS, "activations": "u8", "about": {
            "network": "64-64-10 with ReLU, packaged as golden/digits.npz",
            "ranges": f"of each batch of {BATCH} images, found by the range tracker",
            "weights": "one scale per tensor",
            "passes": "a layer's sums, then, but for the last layer, its codes: costs, cycles and "
                      "area count both; the commands compare each pass of the first batch"},
        **costs_of(cost), **summary([run]), "samples": own["samples"],
        "cycles": own["cycles"], "tiles": [
            TileConfig.from_json(json.loads(each)).name for tile in tiles for each in tile],
        "blocks": own["blocks"], "simulator": simulator, "layers": layers, "runs": [run],
        "area": {target: {column: sum(area[target][column] for area in tiles.values())
                          for column in next(iter(tiles.values()))[target]}
                 for target in targets if all(target in area for area in tiles.values())},
        "commands": _commands(folder, jobs)}


def _commands(folder: Path, jobs: Mapping[str, Job]) -> dict[str, str]:
    # Equal tiles are built once; every pass is compared.
    own = {name: commands(folder, name, inputs_of(name)) for name in jobs}
    builds: dict[tuple[str, ...], str] = {}
    for name, job in jobs.items():
        builds.setdefault(job.tiles, own[name]["build"])
    return {"build": "\n".join(builds.values()),
            "compare": "\n".join(each["compare"] for each in own.values())}


def inputs_of(name: str) -> str:
    """Return the name of the file with the inputs of a pass, given that of its network."""
    return f"{name}-inputs.npy"
