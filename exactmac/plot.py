"""Pictures of tiles and networks, as SVG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from golden.readers.contents import printable
from hw.flow.components import Breakdown
from hw.flow.mapping import COLUMNS, TARGETS, Target
from hw.tile.components import COMPONENTS
from sim.layers import Usage
from sim.timing import REASONS

__all__ = ["MATPLOTLIB", "accuracy_plot", "area_plot", "cycles_plot", "density_plot"]

MATPLOTLIB = ("matplotlib", "matplotlib", "pip install 'exactmac[plot]'")
"""Tool for pictures: arguments of :func:`hw.flow.tools.require`."""


def area_plot(title: str, breakdowns: Sequence[Breakdown]) -> bytes:
    """Return a picture of the area of each component, with a panel for each target.

    Bars show LUTs and flip-flops; DSPs and RAM, few or of another unit, are written beside them.
    A carry cell that takes the place of LUTs counts as these.

    Parameters
    ----------
    title : str
        Name of the tile.
    breakdowns : sequence of Breakdown
        Breakdowns of one tile, at least one.
    """
    from matplotlib.figure import Figure

    names = [name for name in COMPONENTS if any(name in each.components for each in breakdowns)]
    figure = Figure(figsize=(2 + 3.5 * len(breakdowns), 1.4 + 0.5 * len(names)), layout="tight")
    figure.suptitle(f"Area of {title} by component, hierarchy kept")
    panels = figure.subplots(1, len(breakdowns), squeeze=False, sharey=True)[0]
    for panel, each in zip(panels, breakdowns, strict=True):
        target = TARGETS[each.target]
        rows = [each.components.get(name, dict.fromkeys(COLUMNS, 0)) for name in names]
        luts = [counts["lut"] + target.carry_luts * counts["carry"] for counts in rows]
        flip_flops = [counts["ff"] for counts in rows]
        texts = [", ".join([f"{value:,}", *_others(target, counts)])
                 for value, counts in zip(luts, rows, strict=True)]
        _bars(panel, -0.2, luts, target.lut_unit, texts)
        _bars(panel, 0.2, flip_flops, "flip-flops", [f"{value:,}" for value in flip_flops])
        panel.set_title(f"{each.target}: {sum(luts):,} {target.lut_unit}")
        panel.margins(x=0.4)
        panel.legend(loc="lower right", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    return _svg(figure)


def accuracy_plot(labels: Sequence[str], accuracies: Sequence[float],
                  costs: Mapping[str, Sequence[int]], goal: float) -> bytes:
    """Return a picture of accuracy against each cost, with a panel for each.

    Parameters
    ----------
    labels : sequence of str
        Name of each point.
    accuracies : sequence of float
        Accuracy of each point.
    costs : mapping of str to sequence of int
        Costs of the points, by the label of their axis.
    goal : float
        Accuracy of the float network, drawn as a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 5 * len(costs), 4), layout="tight")
    panels = figure.subplots(1, len(costs), squeeze=False, sharey=True)[0]
    for panel, (name, values) in zip(panels, costs.items(), strict=True):
        panel.plot(values, [100 * accuracy for accuracy in accuracies], "o-")
        for label, value, accuracy in zip(labels, values, accuracies, strict=True):
            panel.annotate(label, (value, 100 * accuracy), (2, -5), fontsize=7,
                           textcoords="offset points", rotation=-50, rotation_mode="anchor",
                           verticalalignment="top")
        panel.axhline(100 * goal, linestyle="--", color="grey", label=f"float: {goal:.2%}")
        panel.set_xscale("log")
        panel.set_xlabel(name)
        panel.legend(loc="lower right", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy, %")
    return _svg(figure)


def cycles_plot(title: str, layers: Sequence[tuple[str, int, Usage | None]]) -> bytes:
    """Return a picture of the cycles of each layer, and where they went.

    Parameters
    ----------
    title : str
        Name of the network.
    layers : sequence of (str, int, Usage or None)
        Name, cycles and usage of each layer; a layer on a unit has no usage.
    """
    from matplotlib.figure import Figure

    parts: dict[str, list[float]] = {name: [] for name in (
        "products", "idle rows", "idle columns", "idle lanes", *REASONS, "unit")}
    for _, cycles, usage in layers:
        shares = {"unit": float(cycles)} if usage is None else {
            name: slots / usage.capacity for name, slots in zip(
                parts, (usage.macs, usage.idle_rows, usage.idle_cols, usage.idle_lanes),
                strict=False)} | {name: float(getattr(usage, name)) for name in REASONS}
        for name, values in parts.items():
            values.append(shares.get(name, 0.0))
    figure = Figure(figsize=(9, 1.6 + 0.3 * len(layers)), layout="tight")
    panel = figure.subplots()
    left = [0.0] * len(layers)
    for name, values in parts.items():
        if any(values):
            panel.barh(range(len(layers)), values, 0.7, left=left, label=name)
            left = [start + value for start, value in zip(left, values, strict=True)]
    panel.set_yticks(range(len(layers)), [printable(name)[-40:] for name, _, _ in layers],
                     fontsize=8, parse_math=False)
    panel.invert_yaxis()
    panel.set_xlabel("cycles")
    panel.set_title(f"Cycles of {printable(title)}, layer by layer", parse_math=False)
    panel.legend(fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def density_plot(title: str, unit: str, series: Mapping[str, Sequence[tuple[str, int, float]]],
                 joined: Sequence[str]) -> bytes:
    """Return a picture of area against bits, in a colour for each way.

    Parameters
    ----------
    title : str
    unit : str
        What the area is divided by.
    series : mapping of str to sequence of (str, int, float)
        For each way its points: name, bits and area. The names of the first way's are shown.
    joined : sequence of str
        Names of points that a line joins.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="tight")
    panel = figure.subplots()
    for place, (way, points) in enumerate(series.items()):
        panel.plot([bits for _, bits, _ in points], [area for _, _, area in points], "o",
                   color=f"C{place}", markersize=4, label=way)
        line = sorted((bits, area) for name, bits, area in points if name in joined)
        panel.plot([bits for bits, _ in line], [area for _, area in line],
                   color=f"C{place}", linewidth=1)
        for name, bits, area in points if not place else ():
            panel.annotate(name, (bits, area), (4, -9), textcoords="offset points", fontsize=7)
    widths = sorted({bits for points in series.values() for _, bits, _ in points})
    panel.set_xscale("log", base=2)
    panel.set_xticks(widths, [str(bits) for bits in widths])
    panel.set_yscale("log")
    panel.set_xlabel("bits of the two operands")
    panel.set_ylabel(f"placed LUTs per {unit}")
    panel.set_title(title)
    panel.legend(fontsize=8)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def _bars(panel: Any, offset: float, values: Sequence[int], label: str, texts: Sequence[str]):
    bars = panel.barh([place + offset for place in range(len(values))], values, 0.38, label=label)
    panel.bar_label(bars, texts, padding=2, fontsize=8)


def _others(target: Target, counts: Mapping[str, int]) -> list[str]:
    ram = "RAM bits" if target.ram_unit == "bits" else "RAM"
    return [f"{counts[column]:,} {unit}" for column, unit in (("dsp", "DSP"), ("ram", ram))
            if counts[column]]


def _svg(figure: Any) -> bytes:
    from matplotlib import rc_context

    file = io.BytesIO()
    # Equal pictures have equal bytes, and text can be searched.
    with rc_context({"svg.hashsalt": "exactmac", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
