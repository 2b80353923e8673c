"""Texts and tables that :mod:`exactmac.build` prints."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from exactmac.options import option
from golden import contracts
from golden.contracts import CONTRACTS
from golden.formats import (
    BLOCK,
    CODEBOOK_RANGE,
    FLOATS,
    MAX_BIAS,
    MAX_BITS,
    MAX_CODE_BITS,
    MAX_LEVELS,
    MAX_ODD_BITS,
    FloatFormat,
    parse,
)
from hw.flow.compare import Comparison
from hw.flow.components import Breakdown
from hw.flow.mapping import TARGETS
from hw.flow.nextpnr import Placed
from hw.flow.report import area_table, block_table, component_table, path_text
from hw.flow.yosys import Area

__all__ = ["listing", "listing_json", "next_command", "summary"]


def _float(fmt: FloatFormat) -> str:
    largest = fmt.max * 2.0**fmt.unit
    text = f"{len(fmt.levels())} numbers, {-largest:g} .. {largest:g}"
    if fmt.family.startswith("cfloat"):
        return f"{text}, with :bias=0..{MAX_BIAS} and denormals=ieee or paper"
    return f"{text}, with :specials=refuse or propagate" if fmt.reserved else text


_FORMATS = {
    f"s1 .. s{MAX_BITS}": "-2^(N-1) .. 2^(N-1) - 1, two's complement",
    f"s2n .. s{MAX_BITS}n": "-2^(N-1) + 1 .. 2^(N-1) - 1, symmetric",
    f"u1 .. u{MAX_BITS}": "0 .. 2^N - 1",
    f"u2n .. u{MAX_BITS}n": "0 .. 2^N - 2",
    f"odd1 .. odd{MAX_ODD_BITS}": "-2^N + 1 .. 2^N - 1, every other one, symmetric",
    **{name: f"{', '.join(map(str, parse(name).levels().tolist()))}: {other}"
       for name, other in {"binary": "odd1", "bit": "u1", "ternary": "s2n"}.items()},
    **{name: _float(fmt) for name, fmt in FLOATS.items()},
    "codebook:L/L...": f"2 to {MAX_LEVELS} ascending integers of {CODEBOOK_RANGE}, "
                       f"{CODEBOOK_RANGE.min} .. {CODEBOOK_RANGE.max}",
    "codebookN:loaded=F": f"up to 2^N integers of F, which is s1 .. {CODEBOOK_RANGE} or "
                          f"u1 .. u{CODEBOOK_RANGE.width - 1}, loaded at run time, N 1 .. "
                          f"{MAX_CODE_BITS}",
    "mx_F": "those of any other format F but a loaded one, with a power of two for each block of "
            f"{BLOCK}",
}


def listing_json() -> dict[str, dict[str, str]]:
    """Formats, contracts and targets by name, each with a short description."""
    return {
        "formats": _FORMATS,
        "contracts": {name: contracts.parse(name).formula() for name in CONTRACTS},
        "targets": {target.name: target.title for target in TARGETS.values()},
    }


def listing() -> RenderableType:
    """Formats, contracts and targets, as ``--list`` shows them."""
    tables: list[RenderableType] = []
    headings = {"formats": ("format", "numbers"), "targets": ("target", "area estimated for"),
                "contracts": ("contract", "result; x is sum plus bias")}
    for kind, rows in listing_json().items():
        table = _table(*headings[kind])
        for name, text in rows.items():
            table.add_row(name, text)
        tables += [table, Text()]
    return Group(*tables[:-1])


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _sums(inner_products: dict[str, Any], picked: str) -> str:
    """Say what the sums take, and what they would with another inner product."""
    takes = {name: ", ".join(_count(each[unit], unit.upper()) for unit in ("lut", "dsp"))
             for name, each in inner_products.items()}
    return "; ".join([f"{takes[picked]} with inner product {picked}", *(
        f"{text} with {name}" for name, text in takes.items() if name != picked)])


def summary(manifest: dict[str, Any], folder: Path, areas: list[Area],
            placed: Placed | None, seconds: float, *,
            comparisons: Sequence[Comparison] = (),
            breakdown: Breakdown | None = None) -> RenderableType:
    """Lines and tables for the end of a build."""
    c = manifest["config"]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    sums = (f"{c['rows']} x {c['cols']} sum{'s' * (c['rows'] * c['cols'] > 1)} of "
            f"{_count(c['lanes'], 'product')} a cycle")
    facts.add_row("tile", f"{sums}, depth {c['depth']}, accumulator {manifest['accumulator']}")
    facts.add_row("formats", f"weights {c['weights']}, activations {c['activations']}, output "
                             f"{manifest['output']}, zero points {c['zero_points']}")
    facts.add_row("requantizer", f"{c['contract']}, {_count(c['outputs'], 'result')} a cycle, "
                                 f"{_count(c['channels'], 'channel')}"
                                 f"{', parameters fixed' * (c['parameters'] is not None)}"
                                 f"{', prepared by the driver' * c['prepared']}")
    if c["lut"] is not None:
        facts.add_row("table", "behind the results, " + (
            "loaded with each parameter set" if c["lut"] == "loaded" else "fixed"))
    if (kind := c["inner_product"]) != "direct":
        title = {"codes": "of codes", "winograd": "Winograd's"}[kind]
        facts.add_row("inner product", f"{title}: the driver folds a term of the weights into "
                                       "each bias (parameters.weights_term in manifest.json)")
    if len(sums := manifest.get("inner_products", {})) > 1:
        facts.add_row("sums", _sums(sums, c["inner_product"]))
    busy = _count(c["rows"] * c["cols"] // c["outputs"], "beat")
    if (model := manifest.get("model")) is not None:
        facts.add_row("model", f"{model['network']}, {model['arithmetic']}: "
                               f"{_count(len(model['layers']), 'layer')} on this tile")
        facts.add_row("others", Text("\n".join(
            f"{name}: {need}" for name, need in model["others"].items()) or "none"))
    facts.add_row("timing", f"latency {_count(manifest['latency']['cycles'], 'cycle')}, jobs of "
                            f"{busy} or more keep the block busy")
    facts.add_row("verified", _verified(manifest))
    if "proven" in manifest:
        facts.add_row("proven", manifest["proven"])
    if f"{manifest['name']}_cells.v" in manifest["files"]:
        facts.add_row("cells", f"simulated by models of exactmac's own ({manifest['name']}_cells.v)"
                               ", equal to Yosys's but for DSPs and block RAM, where Yosys has "
                               "none")
    facts.add_row("files", f"{folder}/")
    if "replaced" in manifest:
        differs = ", ".join(f"{name} {value}" for name, value in manifest["replaced"].items())
        what = f"with {differs}" if differs else "by another version"
        facts.add_row("replaced", Text(f"a tile of the same name {what}", style="yellow"))
    parts: list[RenderableType] = [Text(manifest["name"], style="bold green"), facts]
    if areas:
        macs = manifest["throughput"]["products_per_cycle"]
        parts += [Text(), area_table(areas, macs, placed)]
        if placed is not None:
            parts.append(Text(path_text(placed.median)))
    if breakdown is not None:
        flat = next(area for area in areas if area.target == breakdown.target)
        parts += [Text(), component_table(breakdown, flat)]
    if comparisons:
        parts += [Text(), block_table(manifest["area"]["block"]["chosen"], comparisons)]
    parts.append(Text(f"done in {seconds:.1f} s", style="dim"))
    return Group(*parts)


def next_command(choices: Mapping[str, Any], folder: Path, model: Sequence[str] = ()) -> str:
    """Return a command to try after a build.

    Parameters
    ----------
    choices : mapping of str to str or int
        Options that decided the configuration, by name.
    folder : Path
        Folder of the tile.
    model : sequence of str
        Arguments that name the model of the tile, if it is of one.
    """
    if model:
        given = [f"{option(name)} {shlex.quote(str(value))}" for name, value in choices.items()]
        return " ".join(["exactmac network", *map(shlex.quote, model), *given])
    if set(choices) == {"bits"}:
        return f"exactmac network --bits {choices['bits']}"
    name = folder.name
    cells = f" {name}_cells.v" if (folder / f"{name}_cells.v").exists() else ""
    return (f"cd {shlex.quote(str(folder))} && iverilog -g2012 -o tb {name}_tb.sv {name}.v{cells} "
            "&& vvp tb")


def _verified(manifest: dict[str, Any]) -> Text:
    text = manifest["verification"]
    for each in manifest["verified"]:
        text += (f"\n{each['subject']} in {each['simulator']}: {each['outputs']:,} outputs, "
                 f"{each['cycles']:,} cycles, 0 mismatches")
    longest = max((each["longest_job"] for each in manifest["verified"]), default=0)
    if manifest["verified"] and longest < manifest["job"]["max_beats"]:
        text += (f"\nlongest job {_count(longest, 'beat')}, of "
                 f"{manifest['job']['max_beats']:,} that fit")
    if manifest["verified"]:
        text += f"\nvectors: {manifest['vectors']}"
    return Text(text, style="" if "equals" in text and "not simulated" not in text else "yellow")
