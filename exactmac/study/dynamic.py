# amaranth: UnusedElaboratable=no
"""The packaged network with dynamic quantization: accuracy, cost, and the comparison."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from exactmac.study.measure import SHAPE, Job, areas_of
from exactmac.study.members import Samples, packaged
from exactmac.study.report import commands, costs_of, layer_of, summary
from exactmac.study.workflows import DYNAMIC
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
from sim.dynamic import dynamic_designs, run_dynamic_on
from sim.layers import Designs

__all__ = ["BATCH", "WEIGHTS", "compared", "golden_results", "layers_of", "networks_of",
           "point"]

BATCH = 64
"""Examples of a batch, which share ranges."""

WEIGHTS = "s8n"


def layers_of() -> tuple[DynamicLayer, ...]:
    """Layers of the packaged network with weights of one scale."""
    return quantize_dynamic(packaged()[0].layers, IntFormat(8, narrow=True))


def networks_of(samples: Samples) -> dict[str, Network]:
    """Return what the tiles compute of the first batch: sums, then codes, of each layer.

    The last layer has sums alone.
    """
    layers, made = layers_of(), {}
    results = run_dynamic(layers, samples.x[:BATCH])
    for index, (layer, done) in enumerate(zip(layers, results, strict=True)):
        made[f"sums{index}"] = sums_network(layer, done.input)
        if index + 1 < len(layers):
            ends = int(done.sums.min()), int(done.sums.max())
            made[f"codes{index}"] = codes_network(
                layer, done.input, output_quantization(layer, done.input, *ends))
    return made


def golden_results(samples: Samples) -> dict[str, Any]:
    """Accuracy over all batches, and the cost of all passes of one example."""
    outputs = np.concatenate([run_dynamic(layers_of(), samples.x[start:start + BATCH])[-1].output
                              for start in range(0, len(samples.x), BATCH)])
    cost = total(cost_of(layer, each) for each in networks_of(samples).values()
                 for layer in each.layers)
    return {"accuracy": digits.accuracy(outputs, samples.labels), "cost": asdict(cost),
            "samples": len(samples.x)}


def compared(samples: Samples, vectors: int) -> dict[str, int]:
    """Run batches on the emitted Verilog of tiles and tracker; each equals golden, or it raises.

    ``Mismatch`` names the first layer that differs.
    """
    layers, simulations, elements = layers_of(), Designs(), 0
    designs = dynamic_designs(layers, "thresholds", **SHAPE)
    for start in range(0, vectors, BATCH):
        results = run_dynamic_on(designs, simulations, layers,
                                 samples.x[start:min(start + BATCH, vectors)])
        # Sums of each layer with the ends of their range, and the codes of all but the last.
        elements += sum(each.sums.size for each in results)
        elements += sum(each.sums.size + 2 for each in results[:-1])
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
        Jobs of :func:`networks_of`, with the areas of their tiles.
    targets : sequence of str
    folder : Path
    simulator : str
    """
    accuracy, cost = packaged()[2], own["cost"]
    run = {"seed": 0, "accuracy": own["accuracy"], "float_accuracy": accuracy,
           "loss": 100 * (accuracy - own["accuracy"]), "bit_operations": cost["bit_operations"],
           "file": f"{next(iter(jobs))}.npz", "verified": {**equal, "mismatches": 0},
           "reason": None}
    areas = areas_of(list(jobs.values()))
    tiles = {job.tiles: areas[name] for name, job in jobs.items()}
    layers = []
    for network in networks_of(samples).values():
        [layer] = network.layers
        assert isinstance(layer, Linear)
        layers.append(layer_of(layer, network) | {"name": f"{network.name} {layer.name}"})
    return {
        "name": f"digits-{DYNAMIC}-8", "data": "digits", "workflow": DYNAMIC, "width": "8",
        "weights": WEIGHTS, "activations": "u8", "about": {
            "network": "64-64-10 with ReLU, packaged as golden/digits.npz",
            "ranges": f"of each batch of {BATCH} images, found by the range tracker",
            "weights": "one scale per tensor",
            "passes": "a layer's sums, then, but for the last layer, its codes: costs and area "
                      "count both"},
        **costs_of(cost), **summary([run]), "samples": own["samples"],
        "cycles": None, "tiles": [
            TileConfig.from_json(json.loads(each)).name for tile in tiles for each in tile],
        "blocks": [], "simulator": simulator, "layers": layers, "runs": [run],
        "area": {target: {column: sum(area[target][column] for area in tiles.values())
                          for column in next(iter(tiles.values()))[target]}
                 for target in targets if all(target in area for area in tiles.values())},
        "commands": commands(folder, next(iter(jobs)), "digits")}
