"""Networks that :mod:`golden.train` trained, with the accuracies of all their seeds."""

from collections.abc import Iterator

from exactmac.study.members import Member, Samples
from exactmac.sweep.committed import workflow_of
from golden.formats import parse
from golden.train import Result, load, results
from golden.train.data import data
from hw.flow.tools import require

__all__ = ["MAKERS", "QUICK", "kinds", "samples_of", "trained"]

MAKERS = {"mnist1d": ("mnist1d", "mnist1d", "pip install 'exactmac[train]'")}
"""Packages that make a data set: arguments of :func:`hw.flow.tools.require`."""

QUICK = ("digits-step-", "digits-tuned-", "digits-ternary-", "digits-binary-")
"""Beginnings of the names of the results that a quick study has."""


def trained(quick: bool) -> Iterator[Member]:
    """Yield the committed network of each result, that of its first seed.

    Networks that were quantized after training are of workflow ``post-training``: validation
    images chose their formats and calibration.

    Parameters
    ----------
    quick : bool
        Whether to yield those of :data:`QUICK` alone.
    """
    found = _results()
    floats = {each.data: dict(zip(each.seeds, each.test, strict=True))
              for each in found.values() if each.workflow == "float"}
    for name, each in found.items():
        if each.workflow == "float" or not each.seeds or quick and not name.startswith(QUICK):
            continue
        own, base = dict(zip(each.seeds, each.test, strict=True)), floats[each.data]
        first, *others = each.seeds
        about = {"network": f"golden.train's {name}, committed for seed {first}",
                 "training": f"{each.workflow}, from {each.start}" if each.start else "",
                 "chosen": each.choice}
        yield Member(
            data=each.data, workflow=workflow_of(each), width=_width(each), variant=each.workflow,
            seed=first, network=load(name), float_accuracy=base[first],
            others={seed: (own[seed], base[seed]) for seed in others},
            about={title: text for title, text in about.items() if text})


def kinds() -> set[tuple[str, str]]:
    """Workflow and width of every result."""
    return {(workflow_of(each), _width(each)) for each in _results().values()
            if each.workflow != "float"}


def _results() -> dict[str, Result]:
    try:
        return results()
    except FileNotFoundError:  # nothing has been trained
        return {}


def _width(result: Result) -> str:
    if parse(result.weights) == parse("ternary"):  # its own name is s2n
        return "ternary"
    return "binary" if result.weight_bits == 1 else str(result.weight_bits)


def samples_of(name: str) -> Samples:
    """Return the test examples of a data set of :mod:`golden.train`.

    ``ToolMissing`` if the package that makes it is not installed.
    """
    if name in MAKERS:
        require(*MAKERS[name])
    own = data(name)
    return Samples(own.inputs["test"], own.labels["test"])
