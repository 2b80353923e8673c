"""Points of a study as plain data, their fits and Pareto fronts; CSV and JSON."""

import csv
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from exactmac.study.fit import power_laws
from exactmac.study.measure import SHAPE, Job, Saved, named
from exactmac.study.members import Member
from exactmac.sweep.evaluate import GOLDEN, VERIFIED
from exactmac.sweep.report import pareto
from golden.costs import cost_of
from golden.networks import Linear, Network
from golden.quantize.balanced import effective_bits

__all__ = ["COLUMNS", "commands", "costs_of", "csv_bytes", "fits", "json_bytes", "layer_of",
           "lost", "mark_fronts", "point_of", "summary"]

COLUMNS = ("data", "workflow", "width", "weights", "activations", "seed", "samples", "accuracy",
           "float_accuracy", "loss", "macs", "bit_operations", "stored_bytes", "moved_bytes",
           "energy_pj", "cycles", "verified", "vectors", "elements", "mismatches")
"""Columns of the CSV, a row for each seed of each point; then ``lut_TARGET`` of each target."""

_DIGITS = 9  # decimals of a loss: errors of rounding are far below, one example far above

_COSTS = ("macs", "bit_operations", "stored_bytes", "moved_bytes")


def point_of(members: Sequence[Member], jobs: Mapping[str, Job],
             areas: Mapping[str, Mapping[str, Any]], failed: Mapping[str, str], *, folder: Path,
             vectors: int, simulator: str) -> dict[str, Any]:
    """Return a point: networks that differ in their seeds alone.

    Parameters
    ----------
    members : sequence of Member
        Networks of the point, one or more.
    jobs, areas, failed : mapping
        Results, areas by target, and why results are missing, by the network's name.
    folder : Path
        Folder of the study.
    vectors : int
        Examples that were simulated.
    simulator : str
        Simulator with its version.
    """
    first, runs = members[0], []
    for each in members:
        job = jobs[each.name]
        own, equal = job.results[GOLDEN], job.results.get(VERIFIED)
        runs.append({
            "seed": each.seed, "accuracy": own["accuracy"], "float_accuracy": each.float_accuracy,
            "loss": lost(each.float_accuracy, own["accuracy"]),
            "bit_operations": own["cost"]["bit_operations"], "file": f"{each.name}.npz",
            "verified": None if equal is None else {
                "vectors": vectors, "elements": equal["elements"], "mismatches": 0},
            "reason": failed.get(each.name)})
        runs += [{"seed": seed, "accuracy": accuracy, "float_accuracy": base,
                  "loss": lost(base, accuracy),
                  "bit_operations": own["cost"]["bit_operations"], "file": None,
                  "verified": None, "reason": None}
                 for seed, (accuracy, base) in each.others.items()]
    own, cost = jobs[first.name].results[GOLDEN], jobs[first.name].results[GOLDEN]["cost"]
    weights, activations = first.formats
    return {
        "name": first.point, "data": first.data, "workflow": first.workflow, "width": first.width,
        "weights": weights, "activations": activations, "about": dict(first.about),
        **summary(runs), **costs_of(cost), "samples": own["samples"], "cycles": own["cycles"],
        "tiles": own["tiles"], "blocks": own["blocks"], "area": dict(areas[first.name]),
        "simulator": simulator,
        "layers": [
            layer_of(layer, first.network) for layer in first.network.layers
            if isinstance(layer, Linear)], "runs": runs,
        "commands": commands(folder, first.name, Saved.names(first.data)[2])}


def _rounded(points: float) -> float:
    return round(points, _DIGITS) + 0.0  # and not -0.0


def lost(base: float, accuracy: float) -> float:
    """Return the percentage points from one accuracy down to another; exactly 0 for equal ones."""
    return _rounded(100 * (base - accuracy))


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the means and ends of some runs' accuracies, and what was compared in all.

    A run without a file is an accuracy alone: that of a network which is not at hand.
    """
    accuracies = [each["accuracy"] for each in runs]
    equal = [each["verified"] for each in runs if each["file"] is not None]
    known = [each for each in equal if each is not None]
    return {"accuracy": fmean(accuracies), "accuracy_min": min(accuracies),
            "accuracy_max": max(accuracies),
            "float_accuracy": fmean(each["float_accuracy"] for each in runs),
            "loss": _rounded(fmean(each["loss"] for each in runs)),
            "verified": len(known) == len(equal),
            "vectors": min((each["vectors"] for each in known), default=0),
            "elements": sum(each["elements"] for each in known),
            "mismatches": sum(each["mismatches"] for each in known)}


def costs_of(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cost of one example: its sums, and its parts as ``cost``."""
    return {**{name: cost[name] for name in _COSTS},
            "energy_pj": sum(cost[name] for name in cost if name.endswith("_pj")),
            "cost": dict(cost)}


def layer_of(layer: Linear, network: Network) -> dict[str, Any]:
    """Return the configuration and the cost of a layer of sums."""
    cost = cost_of(layer, network)
    return {"name": layer.name, "kind": type(layer).__name__,
            "weights": str(layer.weight.format), "shape": list(layer.weights.shape),
            "input": str(network.quantization(layer.inputs[0]).format),
            "output": str(layer.output.format), "contract": layer.contract.name,
            "macs": cost.macs, "bit_operations": cost.bit_operations,
            "effective_bits": effective_bits(layer.weights)}


def commands(folder: Path, name: str, inputs: str) -> dict[str, str]:
    """Return the commands that build a network's hardware, and that compare it with golden.

    Parameters
    ----------
    folder : Path
        Folder of the study.
    name, inputs : str
        Names of the network, and of the file of its inputs.
    """
    path, shape = named(folder, name), [
        word for option, value in SHAPE.items() for word in (f"--{option}", str(value))]
    return {
        "build": shlex.join(["exactmac", "build", str(path), *shape, "--area", "ecp5",
                             "--dsp", "0"]),
        "compare": shlex.join(["exactmac", "network", str(path), "--inputs",
                               str(path.parent / inputs), *shape])}


def mark_fronts(points: Sequence[dict[str, Any]], targets: Sequence[str]):
    """Mark the Pareto points of each data set: ``pareto`` names the costs of their fronts."""
    costs = {**{name: lambda each, name=name: each[name]
                for name in ("bit_operations", "energy_pj")}, **{
        f"lut_{target}": lambda each, target=target: each["area"].get(target, {}).get("total")
        for target in targets}}
    for each in points:
        each["pareto"] = []
    for data in {each["data"] for each in points}:
        own = [each for each in points if each["data"] == data]
        for name, cost in costs.items():
            for each, on in zip(own, pareto([(each["accuracy"], cost(each)) for each in own]),
                                strict=True):
                each["pareto"] += [name] * on


def fits(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the power law of each workflow of each data set, over all its widths and seeds."""
    kinds = dict.fromkeys((each["data"], each["workflow"]) for each in points)
    return [{"data": data, "workflow": workflow, **power_laws([
        run for each in points if (each["data"], each["workflow"]) == (data, workflow)
        for run in each["runs"]])} for data, workflow in kinds]


def csv_bytes(points: Sequence[Mapping[str, Any]], targets: Sequence[str]) -> bytes:
    """Return a row for each seed of each point, an empty cell for what is missing."""
    text = io.StringIO(newline="")
    areas = [f"lut_{target}" for target in targets]
    writer = csv.DictWriter(text, [*COLUMNS, *areas])
    writer.writeheader()
    for point in points:
        for run in point["runs"]:
            equal = run["verified"] or {}
            own = {**point, **run, "verified": ("Verilog equals golden" if equal else
                                 "accuracy alone" if run["file"] is None else "unverified"),
                   **{name: equal.get(name) for name in ("vectors", "elements", "mismatches")}}
            writer.writerow({name: own[name] for name in COLUMNS} | {
                f"lut_{target}": point["area"].get(target, {}).get("total")
                for target in targets})
    return text.getvalue().encode()


def json_bytes(found: Mapping[str, Any]) -> bytes:
    """Return a study as JSON."""
    return json.dumps(found, indent=1, allow_nan=False).encode() + b"\n"
