"""A model's network on the emitted Verilog: tiles and units that it needs, layer by layer."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from math import prod

from rich.console import Console

from exactmac.comparison import inputs_for
from exactmac.inputs import apart, count_of, levels, random_samples, read_inputs
from exactmac.names import short
from exactmac.networks.choice import shape_of
from exactmac.networks.report import LEGEND, WIDTH, LayerReport, NetworkReport, table
from exactmac.networks.source import Source, source_of
from exactmac.plot import MATPLOTLIB, cycles_plot
from exactmac.progress import Estimate, estimating
from golden.block_scaled import Blocks, Levels, parts
from golden.command import output_file, write_file
from golden.contracts import Stochastic
from golden.costs import Cost, cost_of
from golden.networks import Layer
from golden.readers.contents import printable
from golden.run import prove
from hw.drive import lower
from hw.flow.tools import require
from hw.tile.config import TileConfig
from sim.layers import Design, Designs, Placement, Run, Usage, placement, run_placed, usage_of
from sim.simulation import SIMULATORS
from sim.verilator import missing

__all__ = ["run"]

MOST_BYTES = 1 << 28
"""Most bytes of a layer's operands, as they are prepared for a tile, in one run."""

_SLOWER = 500


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
        picture = apart(output_file("Plot", args.plot), "Plot", args)
    source = source_of(args)
    x, described = _inputs(args, source)
    place = placement(source.network, **shape_of(args))
    if args.require_hardware and place.golden:
        raise ValueError("Layers must have hardware for --require-hardware, not "
                         + "; ".join(_without_hardware(place)))
    if args.simulator == SIMULATORS[0] and (error := missing()) is not None:
        raise error
    warnings = source.warnings()
    for each in warnings:
        sys.stderr.write(f"exactmac network: warning: {each}\n")
    if not args.json:
        _announce(console, source, place, described)
    with estimating(None if args.json else console, "exactmac network") as estimate:
        layers, runs = _layers(place, x, Designs(args.simulator), estimate)
    report = NetworkReport(
        network=source.network.name, arithmetic=source.arithmetic, inputs=described,
        samples=count_of(x), runs=runs, layers=layers,
        tiles={tile.name: tile.to_json() for tile in place.tiles}, golden=dict(place.golden),
        warnings=tuple(warnings))
    if picture is not None:
        write_file("Plot", picture, cycles_plot(report.network, [
            (each.name, each.cycles, each.usage) for each in layers if each.cycles]))
    if args.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        _print(console, report)


def _inputs(args: argparse.Namespace, source: Source) -> tuple[Mapping[str, Levels], str]:
    if args.inputs is not None:
        if args.samples is not None:
            raise ValueError(f"Samples must be left out with --inputs, not {args.samples}")
        x = levels(source.model, read_inputs(args.inputs, source.model))
        count = count_of(x)
        return x, f"{count} input{'s' * (count > 1)} of {args.inputs}"
    count = random_samples(args, 1)
    x = inputs_for(source.network, count, args.seed)
    return x, f"{count} random input{'s' * (count > 1)} (seed {args.seed})"


def _announce(console: Console, source: Source, place: Placement, described: str):
    lines = [f"{printable(source.network.name)}, {source.arithmetic}, {described}"]
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
            ) -> tuple[tuple[LayerReport, ...], int]:
    network, samples = place.network, count_of(x)
    costs = {layer.name: cost_of(layer, network) for layer in network.layers}
    beats = {layer.name: _beats(place, layer) for layer in network.layers}
    slow = _SLOWER if designs.simulator == "amaranth" else 1
    seconds = {layer.name: samples * slow * _seconds(place, layer, beats[layer.name])
               for layer in network.layers}
    needed = dict.fromkeys([*place.tiles, *place.units.values()])
    building = {design: _building(design) for design in needed}
    total = sum(seconds.values()) + sum(building.values())
    for design, own in building.items():
        estimate(f"building {_title(design)}", own / total)
        designs(design)
    runs: dict[str, list[tuple[int, int, Usage | None]]] = {}
    batches = list(_batches(place, x, beats))
    proof = prove(network)
    for batch in batches:
        ran = run_placed(place, batch, designs, proof=proof)
        for layer in network.layers:
            estimate(f"layer {short(layer.name)}", seconds[layer.name] / len(batches) / total)
            runs.setdefault(layer.name, []).append(_measured(next(ran)))
    return tuple(_report(place, layer, runs[layer.name], costs[layer.name], samples)
                 for layer in network.layers), len(batches)


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
            cost: Cost, samples: int) -> LayerReport:
    design, usage = place.designs.get(layer.name), None
    for _, _, each in runs:
        usage = each if usage is None or each is None else usage + each
    return LayerReport(
        layer.name, type(layer).__name__, "golden" if design is None else _title(design),
        cost.macs * samples if usage is None else usage.macs,
        sum(elements for elements, _, _ in runs), sum(cycles for _, cycles, _ in runs), usage, cost)


def _title(design: Design) -> str:
    return design.name if isinstance(design, TileConfig) else type(design).__name__


def _building(design: Design) -> float:
    # Seconds, by a guess that only the estimate of the time left depends on.
    return 2 + design.macs / 256 if isinstance(design, TileConfig) else 1.0


def _beats(place: Placement, layer: Layer) -> int:
    # Beats of a tile for a layer and one sample; 0 for a layer that runs on none.
    tile, network = place.designs.get(layer.name), place.network
    if not isinstance(tile, TileConfig):
        return 0
    name = layer.inputs[0]
    lowering = lower(layer, (1, *network.tensors[name].shape), network.quantization(name),
                     columns=tile.cols, depth=tile.depth)
    return sum(-(-prod(each.results.counts[:-1]) // tile.rows)
               * -(-each.results.counts[-1] // tile.cols)
               * -(-each.weights.shape[1] // tile.lanes) for each in lowering.products)


def _seconds(place: Placement, layer: Layer, beats: int) -> float:
    design = place.designs.get(layer.name)
    if isinstance(design, TileConfig):
        return beats * (2e-5 + design.macs * 5e-8)
    return prod(place.network.tensors[layer.name].shape) * (5e-6 if design is not None else 1e-7)


def _batches(place: Placement, x: Mapping[str, Levels], beats: Mapping[str, int]
             ) -> Iterator[dict[str, Levels]]:
    # Parts of the samples whose operands fit the memory, in whole rows. Draws count through all
    # samples.
    samples = count_of(x)
    most = max([beats[layer.name] * (tile.rows + tile.cols) * tile.lanes * 8
                for tile, layers in place.tiles.items() for layer in layers], default=1)
    rows = max([tile.rows for tile in place.tiles], default=1)
    size = max(MOST_BYTES // most // rows * rows, 1)
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
    if report.runs > 1:
        wide.print(f"{report.samples} samples in {report.runs} runs, for the memory; each loads "
                   "parameters and fills rows by itself", highlight=False)
    wide.print(table(report))
    compared = [each for each in report.layers if each.elements]
    wide.print(f"{sum(each.elements for each in compared):,} elements of {len(compared)} "
               f"tensor{'s' * (len(compared) != 1)} compared with golden, 0 mismatches",
               highlight=False)
    if report.utilization is not None:
        wide.print(LEGEND, markup=False, highlight=False)
