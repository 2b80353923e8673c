"""Networks that :mod:`golden.train` trained, with the accuracies of all their seeds."""

from collections.abc import Iterator

from exactmac.study.members import Member, Samples
from exactmac.study.workflows import POST, SCRATCH, TUNED
from golden.train import Result, load, results
from golden.train.data import data

__all__ = ["QUICK", "samples_of", "trained"]

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
    try:
        found = results()
    except FileNotFoundError:  # nothing has been trained
        return
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
            data=each.data, width=_width(each), variant=each.workflow, seed=first,
            workflow=(POST if each.workflow == "post" else
                      SCRATCH if each.start == "scratch" else TUNED),
            network=load(name), float_accuracy=base[first],
            others={seed: (own[seed], base[seed]) for seed in others},
            about={title: text for title, text in about.items() if text})


def _width(result: Result) -> str:
    if result.weights == "ternary":
        return "ternary"
    return "binary" if result.weight_bits == 1 else str(result.weight_bits)


def samples_of(name: str) -> Samples:
    """Return the test examples of a data set of :mod:`golden.train`.

    ``ModuleNotFoundError`` if the package that makes it is not installed.
    """
    own = data(name)
    return Samples(own.inputs["test"], own.labels["test"])
