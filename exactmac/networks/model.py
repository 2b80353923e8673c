"""A model's network on the emitted Verilog: tiles and units that it needs, layer by layer."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.console import Console

from exactmac.comparison import inputs_for
from exactmac.inputs import MOST_SAMPLES, levels, read_inputs
from exactmac.networks.choice import SHAPE
from exactmac.networks.report import LEGEND, WIDTH, LayerReport, NetworkReport, table
from exactmac.networks.source import Source, source_of
from exactmac.plot import MATPLOTLIB, cycles_plot
from exactmac.progress import Estimate, estimating
from golden.block_scaled import Blocks, Levels, parts
from golden.command import output_file, write_file
from golden.contracts import Stochastic
from golden.costs import cost_of
from golden.networks import Layer
from golden.run import prove
from hw.flow.tools import require
from hw.tile.config import TileConfig
from sim.layers import Design, Designs, Placement, Run, Usage, placement, run_placed, usage_of
from sim.simulation import SIMULATORS
from sim.verilator import missing

__all__ = ["run"]

MOST_PRODUCTS = 1 << 26
"""Most products of a layer, counted for a whole tile, that are simulated in one run."""

def run(args: argparse.Namespace):
    """Run the model that the arguments name, and print what each layer took.

    Raises
    ------
    ValueError, OSError, ToolMissing, ToolFailed
        If the arguments are wrong, the model cannot be read, a file cannot be written, or a tool is
        missing or fails.
    Mismatch
        If hardware and golden differ.
    """
    console = Console()
    picture = None
    if args.plot is not None:
        require(*MATPLOTLIB)
        picture = output_file("Plot", args.plot)
    source = source_of(args)
    x, described = _inputs(args, source)
    place = placement(source.network, **_shape(args))
    if args.require_hardware and place.golden:
        raise ValueError("Layers must have hardware for --require-hardware, not "
                         + "; ".join(_without_hardware(place)))
    if args.simulator == SIMULATORS[0] and (error := missing()) is not None:
        raise error
    warnings = source.warnings(x)
    for each in warnings:
        sys.stderr.write(f"exactmac network: warning: {each}\n")
    if not args.json:
        _announce(console, source, place, described)
    with estimating(None if args.json else console, "exactmac network") as estimate:
        layers = _layers(place, x, Designs(args.simulator), estimate)
    samples = len(parts(next(iter(x.values())))["levels"])
    report = NetworkReport(
        network=source.network.name, arithmetic=source.arithmetic, inputs=described,
        samples=samples, tiles={tile.name: tile.to_json() for tile in place.tiles}, layers=layers,
        golden=dict(place.golden), warnings=tuple(warnings))
    if args.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _print(console, report)
    if picture is not None:
        write_file("Plot", picture, cycles_plot(report.network, [
            (each.name, each.cycles, each.usage) for each in layers if each.cycles]))


def _shape(args: argparse.Namespace) -> dict[str, int]:
    given = {name: value for name in SHAPE if (value := getattr(args, name)) is not None}
    # Results leave as fast as a column each.
    return {"outputs": given.get("cols", TileConfig.cols)} | given


def _inputs(args: argparse.Namespace, source: Source) -> tuple[Mapping[str, Levels], str]:
    if args.inputs is not None:
        if args.samples is not None:
            raise ValueError(f"Samples must be left out with --inputs, not {args.samples}")
        x = levels(source.model, read_inputs(args.inputs, source.model))
        count = len(parts(next(iter(x.values())))["levels"])
        return x, f"{count} input{'s' * (count > 1)} of {args.inputs}"
    count = 1 if args.samples is None else args.samples
    if not 1 <= count <= MOST_SAMPLES:
        raise ValueError(f"Samples must be in range [1, {MOST_SAMPLES}], not {count}")
    if args.seed < 0:
        raise ValueError(f"Seed must not be negative, not {args.seed}")
    x = inputs_for(source.network, count, args.seed)
    return x, f"{count} random input{'s' * (count > 1)} (seed {args.seed})"


def _announce(console: Console, source: Source, place: Placement, described: str):
    lines = [f"{source.network.name}, {source.arithmetic}, {described}"]
    for tile, layers in place.tiles.items():
        lines.append(f"tile    {tile.name}: {_count(layers)}, {tile.macs:,} products a cycle")
    kinds: dict[str, int] = {}
    for unit in place.units.values():
        kinds[type(unit).__name__] = kinds.get(type(unit).__name__, 0) + 1
    if kinds:
        lines.append("units   " + ", ".join(f"{name} ({count})" for name, count in kinds.items()))
    lines += [f"golden  {each}" for each in _without_hardware(place)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _without_hardware(place: Placement) -> list[str]:
    kinds = {layer.name: type(layer).__name__ for layer in place.network.layers}
    return [f"{kinds[name]} {name!r}: {reason}" for name, reason in place.golden.items()]


def _count(layers: list[Layer]) -> str:
    return f"{len(layers)} layer{'s' * (len(layers) > 1)}"


def _layers(place: Placement, x: Mapping[str, Levels], designs: Designs, estimate: Estimate
            ) -> tuple[LayerReport, ...]:
    network, samples = place.network, len(parts(next(iter(x.values())))["levels"])
    costs = {layer.name: cost_of(layer, network) for layer in network.layers}
    seconds = {layer.name: _seconds(place, layer, costs[layer.name].macs, samples)
               for layer in network.layers}
    needed = dict.fromkeys([*place.tiles, *place.units.values()])
    building = {design: _building(design) for design in needed}
    total = sum(seconds.values()) + sum(building.values())
    for design, own in building.items():
        estimate(f"building {_title(design)}", own / total)
        designs(design)
    runs: dict[str, list[tuple[int, int, Usage | None]]] = {}
    batches = list(_batches(place, x, costs))
    proof = prove(network)
    for batch in batches:
        ran = run_placed(place, batch, designs, proof=proof)
        for layer in network.layers:
            estimate(f"layer {layer.name}", seconds[layer.name] / len(batches) / total)
            runs.setdefault(layer.name, []).append(_measured(next(ran)))
    return tuple(_report(place, layer, runs[layer.name], costs[layer.name])
                 for layer in network.layers)


def _measured(done: Run) -> tuple[int, int, Usage | None]:
    # Elements, cycles and usage of a layer.
    if done.trace is None:
        return 0, 0, None
    elements = sum(part.size for part in parts(done.output).values())
    usage = None
    if isinstance(done.design, TileConfig) and done.schedule is not None:
        usage = usage_of(done.design, done.schedule, done.trace)
    return elements, done.trace.cycles, usage


def _report(place: Placement, layer: Layer, runs: list[tuple[int, int, Usage | None]],
            cost: Any) -> LayerReport:
    design, usage = place.designs.get(layer.name), None
    for _, _, each in runs:
        usage = each if usage is None or each is None else usage + each
    return LayerReport(
        layer.name, type(layer).__name__, "golden" if design is None else _title(design),
        sum(elements for elements, _, _ in runs), sum(cycles for _, cycles, _ in runs), usage, cost)


def _title(design: Design) -> str:
    return design.name if isinstance(design, TileConfig) else type(design).__name__


def _building(design: Design) -> float:
    # Seconds, by a guess that only the estimate of the time left depends on.
    return 2 + design.macs / 256 if isinstance(design, TileConfig) else 1.0


def _seconds(place: Placement, layer: Layer, macs: int, samples: int) -> float:
    design = place.designs.get(layer.name)
    if isinstance(design, TileConfig):
        return samples * macs / design.macs * (2e-5 + design.macs * 5e-8)
    outputs = int(np.prod(place.network.tensors[layer.name].shape))
    return samples * outputs * (5e-6 if design is not None else 1e-7)


def _batches(place: Placement, x: Mapping[str, Levels], costs: Mapping[str, Any]
             ) -> Iterator[dict[str, Levels]]:
    # Parts of the samples whose layers fit the memory. Draws count through all samples.
    samples = len(parts(next(iter(x.values())))["levels"])
    most = max([costs[layer.name].macs for layer in place.network.layers], default=0)
    size = max(1, MOST_PRODUCTS // max(most, 1))
    if any(isinstance(getattr(layer, "contract", None), Stochastic)
           for layer in place.network.layers):
        size = samples
    for start in range(0, samples, size):
        yield {name: _part(levels, slice(start, start + size)) for name, levels in x.items()}


def _part(levels: Levels, samples: slice) -> Levels:
    if isinstance(levels, Blocks):
        return Blocks(levels.levels[samples], levels.exponents[samples])
    return levels[samples]


def _print(console: Console, report: NetworkReport):
    wide = Console(width=max(console.width, WIDTH))
    wide.print(table(report))
    compared = [each for each in report.layers if each.elements]
    wide.print(f"{sum(each.elements for each in compared):,} elements of {len(compared)} tensors "
               f"compared with golden, 0 mismatches", highlight=False)
    if report.utilization is not None:
        wide.print(LEGEND, markup=False, highlight=False)
