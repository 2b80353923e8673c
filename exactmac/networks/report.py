"""What a network on the Verilog took, layer by layer: rows, a table and JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from exactmac.names import short
from golden.costs import Cost
from sim.layers import Usage

__all__ = ["LEGEND", "WIDTH", "LayerReport", "NetworkReport", "digits", "table"]

WIDTH = 150
"""Columns of a terminal that the table needs."""


@dataclass(frozen=True)
class LayerReport:
    """A layer that equals golden, with all samples.

    Parameters
    ----------
    name, operator : str
    on : str
        Name of its tile or unit; ``golden`` if it has none.
    macs : int
        Products of the layer's sums; sums and means over axes count theirs by 1.
    elements : int
        Levels and exponents that were compared, all equal; 0 if golden alone computed them.
    cycles : int
        Cycles to the layer's last output.
    usage : Usage or None
        Where the cycles of a tile went.
    cost : Cost
        Of one sample.
    """

    name: str
    operator: str
    on: str
    macs: int
    elements: int
    cycles: int
    usage: Usage | None
    cost: Cost


@dataclass(frozen=True)
class NetworkReport:
    """A network on the Verilog.

    Parameters
    ----------
    network, arithmetic, inputs : str
        Name of the network; whose arithmetic it has; where the inputs are from.
    samples : int
    runs : int
        Parts of the samples that were simulated one after the other.
    tiles : mapping of str to dict
        Choices of each tile, by its name.
    layers : tuple of LayerReport
    golden : mapping of str to str
        Why each layer without hardware has none, by its name.
    warnings : tuple of str
    """

    network: str
    arithmetic: str
    inputs: str
    samples: int
    runs: int
    tiles: dict[str, Any]
    layers: tuple[LayerReport, ...]
    golden: dict[str, str]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything in plain types, and the sums of all layers."""
        plain = asdict(self)
        for row, layer in zip(plain["layers"], self.layers, strict=True):
            if layer.usage is not None:
                row["usage"]["utilization"] = layer.usage.utilization
        return plain | {"all": {
            "elements": sum(each.elements for each in self.layers), "mismatches": 0,
            "macs": sum(each.macs for each in self.layers),
            "cycles": sum(each.cycles for each in self.layers),
            "cycles_of_tiles": sum(usage.cycles for usage in self._usages),
            "moved_bytes": sum(each.cost.moved_bytes for each in self.layers),
            "bit_operations": sum(each.cost.bit_operations for each in self.layers),
            "utilization": self.utilization}}

    @property
    def _usages(self) -> list[Usage]:
        return [each.usage for each in self.layers if each.usage is not None]

    @property
    def utilization(self) -> float | None:
        """Products of all layers of sums, divided by those that their tiles had time for."""
        slots = sum(usage.cycles * usage.capacity for usage in self._usages)
        return sum(usage.macs for usage in self._usages) / slots if slots else None


def digits(count: float) -> str:
    """Return a number in few letters, with three digits."""
    units = ["", "k", "M", "G", "T", "P"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.3g}{units[0]}"


def table(report: NetworkReport) -> Table:
    """Return the rows of all layers, and their sum."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("layer", "operator", "on"):
        table.add_column(column, no_wrap=True)
    for column in ("MACs", "cycles", *_SHARES, "bytes", "BitOps"):
        table.add_column(column, justify="right", no_wrap=True)
    names = list(report.tiles)
    for each in report.layers:
        on = f"tile {names.index(each.on) + 1}" if each.on in names else each.on
        # A name from a file is no markup.
        table.add_row(Text(short(each.name)), each.operator, on, *_cells([each]))
    table.add_section()
    tiled = [each for each in report.layers if each.usage is not None]
    if tiled and len(tiled) < len(report.layers):
        table.add_row("tiles", "", "", *_cells(tiled), style="bold")
    table.add_row("all", "", "", *_cells(report.layers), style="bold")
    return table


def _cells(layers: Sequence[LayerReport]) -> list[str]:
    usages = [each.usage for each in layers if each.usage is not None]
    cycles, costs = sum(each.cycles for each in layers), [each.cost for each in layers]
    # Shares are those of a tile's cycles.
    slots = sum(usage.cycles * usage.capacity for usage in usages) * (len(usages) == len(layers))
    macs = sum(each.macs for each in layers)
    return [digits(macs) if macs else "", f"{cycles:,}" if cycles else "",
            *(f"{100 * sum(map(part, usages)) / slots:.1f}" if slots else ""
              for part in _SHARES.values()),
            digits(sum(cost.moved_bytes for cost in costs)),
            digits(sum(cost.bit_operations for cost in costs))]


# Products that a tile had time for, by what became of them.
_SHARES: Mapping[str, Callable[[Usage], int]] = {
    "used": lambda usage: usage.macs,
    "rows": lambda usage: usage.idle_rows,
    "cols": lambda usage: usage.idle_cols,
    "lanes": lambda usage: usage.idle_lanes,
    "params": lambda usage: usage.parameters * usage.capacity,
    "weights": lambda usage: usage.weights * usage.capacity,
    "results": lambda usage: usage.results * usage.capacity,
    "latency": lambda usage: usage.latency * usage.capacity,
}

LEGEND = ("used: MACs / (cycles * MACs a cycle), in %; the rest: idle rows, cols and lanes; waits "
          "for parameters,\nweights (none: every beat brings its own) and results; latency of a "
          "layer. Bytes and BitOps: of one sample")
"""What the columns of the table are."""
