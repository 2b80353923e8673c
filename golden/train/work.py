"""Makes results: trains each recipe with each seed, judges it in golden, and keeps what is done."""

import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from golden import digits, saved
from golden.affine import quantize
from golden.command import replace_file
from golden.floats import FloatNetwork, run_float
from golden.networks import Network
from golden.run import run
from golden.train.data import Data, data
from golden.train.export import exported, floated
from golden.train.floats import read_float, write_float
from golden.train.loop import fit
from golden.train.post import Choice, choices, post_network
from golden.train.recipes import FLOAT_PLANS, POST_SEEDS, RECIPES, Recipe
from golden.train.start import start
from golden.train.table import INDEX

__all__ = ["Work", "accuracy", "versions"]

DIGEST = 16
"""Hexadecimal digits that are kept of a network's digest."""

_PACKAGES = "numpy", "jax", "jaxlib", "optax", "scikit-learn", "mnist1d"


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _said(by: Any) -> str:
    return ", ".join(f"{name} {own}" for name, own in dict(by).items())


def accuracy(network: Network, given: Data, part: str) -> float:
    """Share of a part's examples whose largest output in golden is that of their class."""
    levels = quantize(given.inputs[part].astype(np.float64), network.input)
    made = run(network, levels, outputs_only=True)
    return digits.accuracy(made[network.outputs[0]], given.labels[part])


class Work:
    """Results in a folder: what is there stays, the rest is made.

    Parameters
    ----------
    folder : Path
        A folder that exists. It gets an index of all accuracies, a network of seed 0 of each
        result, and the float networks of all seeds in ``floats``.

    Raises
    ------
    ValueError
        If the folder has results by other versions, or a damaged index.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.versions = versions()
        self.records: dict[str, Any] = {}
        if (folder / INDEX).exists():
            try:
                index = json.loads((folder / INDEX).read_text())
                by, self.records = index["versions"], dict(index["results"])
                if not all({"validation", "test", "digest"} <= own.keys() for record in
                           self.records.values() for own in record["seeds"].values()):
                    raise ValueError("an accuracy or a digest is missing")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"Results {folder / INDEX} must be whole, not damaged "
                                 f"({error!r})") from error
            if by != self.versions:
                raise ValueError(f"Out must have results by {_said(self.versions)}, not by "
                                 f"{_said(by)} as {folder}; name another folder")
        (folder / "floats").mkdir(exist_ok=True)

    def steps(self, recipe: Recipe, seeds: int) -> Iterator[Callable[[], str]]:
        """What is left to do of a recipe, for each seed, in order; each returns a line on it."""
        record = self._record(recipe)
        for seed in range(min(seeds, recipe.seeds)):
            if str(seed) not in record["seeds"] or not self._file(recipe, seed).exists():
                yield lambda seed=seed: self._make(recipe, seed)

    def _record(self, recipe: Recipe) -> dict[str, Any]:
        # A result by another recipe, or from a float network by another plan, is made again.
        key = sha256(repr((
            replace(recipe, seeds=0), FLOAT_PLANS[recipe.data])).encode()).hexdigest()[:DIGEST]
        if self.records.get(recipe.name, {}).get("key") != key:
            scheme = recipe.scheme
            self.records[recipe.name] = {
                "key": key, "data": recipe.data, "workflow": recipe.workflow,
                "weight_bits": recipe.weight_bits, "activation_bits": recipe.activation_bits,
                "weights": str(scheme.weights) if scheme else "",
                "input": str(scheme.input) if scheme else "",
                "activations": str(scheme.activations) if scheme else "",
                "start": "" if recipe.plan is None else
                         "float network" if recipe.tuned else "scratch",
                "choice": "", "seeds": {}}
        return self.records[recipe.name]

    def _file(self, recipe: Recipe, seed: int) -> Path:
        # Of a quantized result only seed 0 has a network.
        if recipe.workflow == "float" and seed:
            return self.folder / "floats" / f"{recipe.name}-{seed}.npz"
        return self.folder / f"{recipe.name}.npz"

    def _make(self, recipe: Recipe, seed: int) -> str:
        own = data(recipe.data)
        record = self._record(recipe)
        if recipe.workflow == "float":
            network = self._trained_float(recipe, seed)
            judged = [digits.accuracy(run_float(network, own.inputs[part]), own.labels[part])
                      for part in ("validation", "test")]
            digest = sha256(self._file(recipe, seed).read_bytes()).hexdigest()
        else:
            made = (self._post(recipe, seed, record) if recipe.workflow == "post"
                    else self._aware(recipe, seed))
            judged = [accuracy(made, own, part) for part in ("validation", "test")]
            digest = saved.digest(made)
            if not seed:
                weights = made.layers[0].weight  # type: ignore[attr-defined]
                record["weights"] = str(weights.format)
                record["input"] = record["input"] or str(made.input.format)
                record["activations"] = record["activations"] or str(
                    made.layers[0].output.format)
                saved.save(made, self._file(recipe, seed))
        record["seeds"][str(seed)] = {"validation": judged[0], "test": judged[1],
                                      "digest": digest[:DIGEST]}
        kept = {name: self.records[name] for name in RECIPES
                if self.records.get(name, {}).get("seeds")}
        replace_file(self.folder / INDEX, json.dumps(
            {"versions": self.versions, "results": kept}, indent=1).encode() + b"\n")
        return f"validation {100 * judged[0]:.2f} %"

    def float_network(self, name: str, seed: int) -> FloatNetwork:
        """Float network of data and a seed, trained if it is not there."""
        recipe = RECIPES[f"{name}-float"]
        if str(seed) not in self._record(recipe)["seeds"] or not (
                self._file(recipe, seed).exists()):
            self._make(recipe, seed)
        return read_float(self._file(recipe, seed))

    def _trained_float(self, recipe: Recipe, seed: int) -> FloatNetwork:
        assert recipe.plan is not None
        first = start(recipe.data, seed)
        made = floated(first, fit(first, data(recipe.data), recipe.plan, seed))
        write_float(made, self._file(recipe, seed))
        return read_float(self._file(recipe, seed))

    def _aware(self, recipe: Recipe, seed: int) -> Network:
        assert recipe.scheme is not None and recipe.plan is not None
        own = data(recipe.data)
        teacher = self.float_network(recipe.data, seed)
        first = teacher if recipe.tuned else start(recipe.data, seed)
        trained = fit(first, own, recipe.plan, seed, scheme=recipe.scheme, teacher=teacher)
        return exported(first, trained, recipe.scheme, own.calibration, name=recipe.name)

    def _post(self, recipe: Recipe, seed: int, record: dict[str, Any]) -> Network:
        # One way for all seeds: that of the best mean accuracy of validation, the first of equals.
        own = data(recipe.data)
        options = {str(each): each for each in choices(recipe.weight_bits)}
        if record["choice"] not in options:
            floats = [self.float_network(recipe.data, each)
                      for each in range(min(POST_SEEDS, recipe.seeds))]

            def judged(choice: Choice) -> float:
                return sum(accuracy(post_network(each, choice, own.calibration, name=recipe.name),
                                    own, "validation") for each in floats)

            scores = {name: judged(choice) for name, choice in options.items()}
            record["choice"] = max(scores, key=lambda name: scores[name])
        return post_network(self.float_network(recipe.data, seed), options[record["choice"]],
                            own.calibration, name=recipe.name)
