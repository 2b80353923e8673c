"""The digits network on the emitted Verilog, layer by layer, compared with golden."""

import argparse
import csv
import io
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exactmac.options import area_of, config_of
from exactmac.plot import MATPLOTLIB, accuracy_plot
from golden import digits
from golden.block_scaled import parts
from golden.command import output_file, undoing, write_file
from golden.contracts import ExactSum
from golden.floats import run_float
from golden.networks import Dense
from golden.quantize import quantize
from golden.run import run as run_golden
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.flow.mapping import TARGETS, Target
from hw.flow.tools import PYOSYS, require
from hw.flow.yosys import synthesize
from hw.folder import scratch
from hw.tile.config import TileConfig
from sim.backend import Backend
from sim.export import check_export, export_network
from sim.layers import run_network
from sim.simulation import simulation
from sim.vectors import digits_network

__all__ = ["Result", "check_chain", "run", "run_digits"]

WEIGHTS = "s_axis_weights"


@dataclass(frozen=True)
class Result:
    """Result of the digits network on one tile.

    Parameters
    ----------
    weights, activations, output, contract : str
    table : str
        ``fixed`` or ``loaded`` for a table after the requantizers, else empty.
    float_accuracy, golden_accuracy, hardware_accuracy : float
        Shares of the test images that are classified correctly.
    compared : int
        Levels and exponents of intermediate tensors that were compared, all equal.
    cycles : int
        Cycles of all layers, each to its last output.
    utilisation : float
        Beats of the weights, divided by the cycles from the first to the last of them.
    bit_operations : int
        Products per image, times the bits of a weight, times the bits of an activation.
    target : str
        Target of the area; empty if area is not estimated.
    area, ff, dsp, ram : int or None
        LUTs, including the carry cells that replace LUTs; flip-flops; DSPs; RAM.
    """

    weights: str
    activations: str
    output: str
    contract: str
    table: str
    float_accuracy: float
    golden_accuracy: float
    hardware_accuracy: float
    compared: int
    cycles: int
    utilisation: float
    bit_operations: int
    target: str = ""
    area: int | None = None
    ff: int | None = None
    dsp: int | None = None
    ram: int | None = None


def run_digits(config: TileConfig, backend: Backend) -> Result:
    """Run every test image of the digits network on a simulated tile."""
    data = digits.load()
    network = digits_network(config, data)
    x = quantize(data.images, network.input)
    golden = run_golden(network, x)
    output, traces = run_network(config, backend, network, x)
    blocks = math.ceil(len(data.images) / config.rows)
    beats = sum(blocks * math.ceil(len(layer.weights) / config.cols)
                * math.ceil(layer.weights.shape[1] / config.lanes)
                for layer in network.layers if isinstance(layer, Dense))
    span = sum(trace.final[WEIGHTS] - trace.first[WEIGHTS] + 1 for trace in traces)
    return Result(
        weights=str(config.weights), activations=str(config.activations),
        output=str(config.output), contract=config.contract.name,
        table="fixed" if isinstance(config.lut, tuple) else config.lut or "",
        float_accuracy=digits.accuracy(run_float(data.layers, data.images), data.labels),
        golden_accuracy=digits.accuracy(golden[network.outputs[0]], data.labels),
        hardware_accuracy=digits.accuracy(output, data.labels),
        compared=sum(part.size for layer in network.layers
                     for part in parts(golden[layer.name]).values()),
        cycles=sum(trace.cycles for trace in traces), utilisation=beats / span,
        bit_operations=config.weights.bits * config.activations.bits * sum(
            layer.weights.size for layer in network.layers if isinstance(layer, Dense)))


def with_area(result: Result, config: TileConfig, target: Target) -> Result:
    """Return the result of a tile with its area on a target."""
    with scratch() as folder:
        verilog = folder / "tile.v"
        verilog.write_text(emit.verilog(AxiTile(config), config.name))
        area = synthesize([verilog], config.name, target)
    return replace(result, target=target.name, area=area.total, ff=area.ff, dsp=area.dsp,
                   ram=area.ram)


def run(args: argparse.Namespace):
    """Run the digits network on the tile of each width that the arguments name, and print.

    Raises
    ------
    ValueError, OSError, ToolMissing, ToolFailed
        If the arguments are wrong, a file cannot be written, or a tool is missing or fails.
    Mismatch
        If hardware and golden differ.
    """
    console, results = Console(), []
    file = None if args.csv is None else output_file("Csv", args.csv)
    where = None
    if args.area is not None:
        where = area_of(args.area, args.target or TileConfig.target)
        require(*PYOSYS)
    picture = None
    if args.plot is not None:
        if where is None:
            raise ValueError("Area must be asked for, by --area, for --plot")
        require(*MATPLOTLIB)
        picture = output_file("Plot", args.plot)
    if args.export is not None:
        if len(args.bits or [None]) != 1:
            raise ValueError(f"Bits must be one width for --export, not {len(args.bits)} "
                             "widths")
        check_export(Path(args.export))
    configs = []
    for bits in args.bits or [None]:
        args.bits = bits
        configs.append(config_of(args))
        check_chain(configs[-1])
    bar = partial(Progress, console=console, transient=True, disable=not console.is_terminal)
    with undoing(bar, Progress.stop) as progress, progress:
        for config in progress.track(configs, description="digits network"):
            result = run_digits(config, simulation(config, args.simulator))
            results.append(result if where is None else with_area(result, config, where))
    if args.export is not None:
        export_digits(configs[0], Path(args.export))
    # Printed before the file is written, which may be standard output, or on a full disk.
    console.print(table(results))
    if file is not None:
        write_csv(file, results)
    if picture is not None:
        write_file("Plot", picture, plot(results))


def check_chain(config: TileConfig):
    """Raise ``ValueError`` unless a layer of the network takes the results of another."""
    if isinstance(config.contract, ExactSum):
        raise ValueError("Contract must be one whose results another layer takes, not none")
    if config.output != config.activations:
        raise ValueError(f"Output must be {config.activations}, as the activations of the next "
                         f"layer, not {config.output}")


def export_digits(config: TileConfig, place: Path):
    """Write the transfers of the digits network on every test image; see :mod:`sim.export`."""
    data = digits.load()
    network = digits_network(config, data)
    export_network(config, network, quantize(data.images, network.input), place)


def write_csv(path: Path, results: list[Result]):
    """Write ``results`` to ``path``, as :func:`golden.command.write_file` does."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Result)])
    writer.writeheader()
    writer.writerows(asdict(result) for result in results)
    write_file("Csv", path, text.getvalue().encode())


def plot(results: list[Result]) -> bytes:
    """Return a picture of the accuracy of ``results`` against their costs, a point each."""
    first = results[0]
    costs = {f"{TARGETS[first.target].lut_unit} on {first.target}": [
                 each.area or 0 for each in results],
             "bit operations of an image": [each.bit_operations for each in results]}
    return accuracy_plot([f"{each.weights} x {each.activations}" for each in results],
                         [each.hardware_accuracy for each in results], costs,
                         first.float_accuracy)


def table(results: list[Result]) -> Table:
    """Table of ``results``, a row each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("weights x activations -> output")
    measured = bool(results[0].target)
    # Columns that fit into 80 characters; a file has all.
    last = ("LUT", "DSP") if measured else ("utilisation",)
    for column in ("float", "golden", "hardware", "cycles", *last):
        table.add_column(column, justify="right", no_wrap=True)
    for r in results:
        behind = f", {r.table} table" if r.table else ""
        table.add_row(f"{r.weights} x {r.activations} -> {r.output} ({r.contract}{behind})",
                      f"{r.float_accuracy:.2%}", f"{r.golden_accuracy:.2%}",
                      f"{r.hardware_accuracy:.2%}", f"{r.cycles:,}",
                      *((f"{r.area:,}", f"{r.dsp:,}") if measured else (f"{r.utilisation:.2%}",)))
    table.caption = (f"{sum(r.compared for r in results):,} elements of intermediate tensors "
                     "compared with golden, 0 mismatches")
    if measured:
        table.caption += f"\nArea on {results[0].target}; LUTs include those of carry cells"
    table.caption_justify = "left"
    return table
