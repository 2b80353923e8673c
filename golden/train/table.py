"""Committed results of training: a table of accuracies, and the networks. Needs numpy alone."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from golden import saved
from golden.floats import FloatNetwork
from golden.networks import Network
from golden.suggest import suggestion
from golden.train.floats import read_float

__all__ = ["RESULTS", "Result", "described", "load", "load_float", "result_of", "results",
           "table"]

RESULTS = Path(__file__).with_name("results")
"""Folder of the committed results."""

INDEX = "results.json"
"""Name of the file of all accuracies in a folder of results."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Accuracies of one workflow at one width.

    Parameters
    ----------
    name : str
        Name, such as ``digits-tuned-w4a4``.
    data, workflow : str
        Name of the data, and of the workflow: ``float``, ``post`` for post-training quantization,
        or a kind of quantization-aware training.
    weight_bits, activation_bits : int
        Widths of all weights and of every layer's input; 0 of a float network.
    weights, input, activations : str
        Formats of the weights, of the network's input and of every other layer's input; empty of a
        float network. A codebook's is that of the first layer of seed 0.
    start : str
        What training started from: ``scratch``, ``float network`` or nothing.
    choice : str
        Way of post-training quantization that validation chose, if any.
    seeds : tuple of int
        Seeds of the float network and of training.
    validation, test : tuple of float
        Accuracy of golden on the parts of the data, for each seed, 0 to 1.
    loss : float
        Points of mean test accuracy below the float network's of the same seeds: percent.
    digests : tuple of str
        First digits of the digest of each seed's network (:func:`golden.saved.digest`); of a float
        network empty.
    """

    name: str
    data: str
    workflow: str
    weight_bits: int
    activation_bits: int
    weights: str
    input: str
    activations: str
    start: str
    choice: str
    seeds: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    loss: float
    digests: tuple[str, ...]


def results(folder: Path = RESULTS) -> dict[str, Result]:
    """Return every committed result by name.

    ``ValueError`` if the folder's index is damaged; ``OSError`` if it cannot be read.
    """
    path = folder / INDEX
    try:
        records = json.loads(path.read_text())["results"]
        floats = {each["data"]: each for each in records.values() if each["workflow"] == "float"}
        return {name: result_of(name, each, floats[each["data"]])
                for name, each in records.items() if each["data"] in floats}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"Results {path} must be whole, not damaged ({error!r})") from error


def result_of(name: str, record: Mapping[str, Any], base: Mapping[str, Any]) -> Result:
    """Return the result of a record of the index, given the float network's record."""
    seeds = sorted(record["seeds"], key=int)
    own = [record["seeds"][seed] for seed in seeds]
    same = [base["seeds"][seed]["test"] for seed in seeds]
    test = tuple(each["test"] for each in own)
    return Result(
        name=name, seeds=tuple(map(int, seeds)), test=test,
        validation=tuple(each["validation"] for each in own),
        digests=tuple(each["digest"] for each in own),
        loss=100 * float(np.mean(same) - np.mean(test)),
        **{field: record[field] for field in (
            "data", "workflow", "weight_bits", "activation_bits", "weights", "input",
            "activations", "start", "choice")})


def load(name: str) -> Network:
    """Return the network of seed 0 of a result.

    ``ValueError`` if there is no such result, or it is a float network's.
    """
    if _named(name).workflow == "float":
        raise ValueError(f"Name must be that of a quantized network, not {name!r}, which "
                         f"golden.train.load_float returns")
    return saved.load(RESULTS / f"{name}.npz")


def load_float(name: str) -> FloatNetwork:
    """Return the float network of seed 0 of a result of workflow ``float``."""
    if _named(name).workflow != "float":
        raise ValueError(f"Name must be that of a float network, not {name!r}, which "
                         f"golden.train.load returns")
    return read_float(RESULTS / f"{name}.npz")


def _named(name: str) -> Result:
    known = results()
    if name not in known:
        raise ValueError(f"Name must be one of golden.train.results(), not {name!r}"
                         f"{suggestion(name, known)}")
    return known[name]


def described(each: Result) -> dict[str, Any]:
    """Return a result as values of JSON, with the means of its accuracies in percent."""
    return asdict(each) | {"mean_validation": 100 * float(np.mean(each.validation)),
                           "mean_test": 100 * float(np.mean(each.test))}


def table(given: Iterable[Result]) -> str:
    """Return a table in Markdown: mean accuracy on the test part, its range over seeds, loss."""
    heads = ("result", "weights", "input", "other inputs", "start", "accuracy", "range", "loss",
             "seeds")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for each in given:
        test = 100 * np.array(each.test)
        formats = [_short(fmt) for fmt in (each.weights, each.input, each.activations)]
        loss = "" if each.workflow == "float" else f"{each.loss:.2f}"
        lines.append(f"| `{each.name}` | " + " | ".join(
            f"`{fmt}`" if fmt else "" for fmt in formats) +
            f" | {each.start} | {test.mean():.2f} % | {test.min():.2f} .. {test.max():.2f} | "
            f"{loss} | {len(each.seeds)} |")
    return "\n".join(lines)


def _short(fmt: str) -> str:
    # A table of 16 levels is too long for a column.
    return f"codebook of {fmt.count('/') + 1}" if fmt.startswith("codebook:") else fmt
