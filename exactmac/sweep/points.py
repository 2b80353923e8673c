"""Points of a sweep: options that take lists, and their cross product."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from math import prod
from typing import Any, Self

from exactmac.files import lut_of
from exactmac.network import widths
from exactmac.networks.choice import SHAPE, shape_of
from exactmac.options import config_of, of_tile, option
from golden import contracts
from golden.command import integer
from golden.contracts import ADDING, OPTIONS
from golden.suggest import suggestion
from hw.targets.fabric import ECP5, FABRICS, GENERIC
from hw.tile.choices import TileChoices
from hw.tile.config import TileConfig
from hw.tile.inner_products import SMALLEST

__all__ = ["CHOICES", "FLAGS", "INTEGERS", "MOST", "NUMBERS", "Point", "listed", "points_of"]

NUMBERS = ("weights", "activations", "output", "contract", *OPTIONS, "zero_points", "window",
           "lut")
"""Choices that decide a network's numbers."""

CHOICES = ("bits", *NUMBERS, "rows", "cols", "lanes", "depth", "outputs", "channels", "target",
           "dsp", "optimize", "prepared", "inner_product")
"""Choices of a point; each is a list but the table, which names a file."""

INTEGERS = ("multiplier_bits", "addend_bits", "rows", "cols", "lanes", "depth", "outputs",
            "channels", "window", "dsp")
FLAGS = ("prepared", "signed_multiplier")
"""Choices that are integers, and those that are on or off."""

MOST = 10_000
"""Most points of a sweep."""


@dataclass(frozen=True)
class Point:
    """A point of a sweep, in plain types.

    Parameters
    ----------
    given : mapping of str to str, int or bool
        Choices as they were given.
    workflow : str or None
        How the network of a data set is made; None for a model's file.
    config : dict or None
        JSON of the tile for a data set; None where there is no such tile, or for a model.
    smallest : bool
        Whether the tile gets the inner product of the fewest LUTs.
    contract : str or None
        Contract in place of a model's own.
    shape : mapping of str to any
        Shape of a model's tiles.
    no_dsp : bool
        Whether area is estimated without DSPs, of a tile that names no cells.
    committed : mapping of str to str, or None
        Name and digest of the network, if it is a committed result of :mod:`golden.train`.
    refused : str or None
        Why there is no such tile.
    """

    given: Mapping[str, Any]
    workflow: str | None = None
    config: dict[str, Any] | None = None
    smallest: bool = False
    contract: str | None = None
    shape: Mapping[str, Any] | None = None
    no_dsp: bool = False
    committed: Mapping[str, str] | None = None
    refused: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain types for a key of results: what the point is, however it was given."""
        plain = asdict(self)
        del plain["given"], plain["refused"]
        return plain

    def refuse(self, reason: str) -> Self:
        """Return the point with a reason why it is refused."""
        return replace(self, refused=reason)

    @property
    def numbers(self) -> list[Any]:
        """What golden's results depend on, but for the network: points of one shape share them."""
        chosen = self.config or {"contract": self.contract}
        return [self.workflow, self.committed, *(chosen.get(name) for name in NUMBERS)]

    @property
    def name(self) -> str:
        """Choices that were given, as options."""
        return " ".join(f"{option(name)} {_text(value)}" for name, value in self.given.items())


def _text(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def listed(args: argparse.Namespace, workflows: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Return the entries of each option that was given, in the order of :data:`CHOICES`.

    Raises
    ------
    ValueError
        If an entry is not one that its option takes, whatever the other options are.
    """
    found = {}
    for name in ("workflow", *CHOICES):
        text = getattr(args, name)
        if text is None:
            continue
        if name == "lut":
            found[name] = [text]
            continue
        entries = [each.strip() for each in text.split(",")]
        if "" in entries:
            raise ValueError(f"{option(name)} must be a list with commas between its entries, "
                             f"not {text!r}")
        values = [value for each in entries for value in _values(name, each, workflows)]
        found[name] = list(dict.fromkeys(values))
    return found


def _values(name: str, entry: str, workflows: Sequence[str]) -> list[Any]:
    try:
        if name == "bits":
            return widths(entry)
        if name == "workflow":
            if entry not in workflows:
                raise ValueError(f"Workflow must be {', '.join(workflows)}, not {entry!r}"
                                 f"{suggestion(entry, workflows)}")
            return [entry]
        if name in FLAGS:
            if entry not in ("on", "off"):
                raise ValueError(f"{name.replace('_', ' ').capitalize()} must be on or off, "
                                 f"not {entry!r}")
            return [entry == "on"]
        value = integer(entry) if name in INTEGERS else entry
        _check(name, value)
        return [value]
    except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise ValueError(f"{option(name)}, entry {entry!r}: {error}") from None


def _check(name: str, value: Any):
    # A choice by itself, beside others that allow all that it may be.
    if name in OPTIONS:
        contracts.parse(ADDING[0], **{name: value})
    elif name == "contract":
        contracts.parse(value)
    elif (name, value) != ("inner_product", SMALLEST):
        TileChoices.of(**{"weights": "s8", "activations": "s8", "output": "s8",
                          "target": ECP5.name, name: value})


def points_of(lists: Mapping[str, Sequence[Any]], *, model: str | None = None,
              workflow: str | None = None) -> list[Point]:
    """Return the cross product of some lists, the last of them varying fastest.

    Parameters
    ----------
    lists : mapping of str to sequence
        Entries of each option (:func:`listed`).
    model : str, optional
        File of a model, which decides all but shape and contract.
    workflow : str, optional
        Default workflow of a data set.

    Raises
    ------
    ValueError
        If a file of a table cannot be read, there are too many points, an option that every point
        needs is missing, or a model has an option that its file decides.
    """
    if (count := prod(map(len, lists.values()))) > MOST:
        raise ValueError(f"Points must be at most {MOST}, not {count}")
    if model is not None:
        for name, values in lists.items():
            if name not in (*SHAPE, "contract"):
                raise ValueError(f"{option(name)} must be left out for {model}, which decides it, "
                                 f"not {','.join(map(str, values))}")
    else:
        for name in ("weights", "activations"):
            if name not in lists and "bits" not in lists:
                raise ValueError(f"{name.capitalize()} must be given, by --{name} or by --bits")
        for file in lists.get("lut", ()):
            lut_of(file)
    made = [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]
    return [_of_dataset(each, workflow) if model is None else _of_model(each) for each in made]


def _of_model(given: dict[str, Any]) -> Point:
    usual = {name: getattr(TileConfig, name) for name in SHAPE if name not in ("depth", "outputs")}
    args = argparse.Namespace(**dict.fromkeys(SHAPE) | given)
    try:
        return Point(given, contract=given.get("contract"), shape=usual | shape_of(of_tile(args)),
                     no_dsp=_no_dsp(given))
    except ValueError as error:
        return Point(given, refused=str(error))


def _no_dsp(given: dict[str, Any]) -> bool:
    # Whether synthesis may take no DSP: of generic Verilog, there is no other limit.
    target = given.get("target", GENERIC.name)
    generic = not FABRICS.get(target, GENERIC).most_dsp
    if generic and given.get("dsp"):
        raise ValueError(f"Dsp must be 0 or left out for target {target}, not {given['dsp']}")
    return generic and given.get("dsp") == 0


def _of_dataset(given: dict[str, Any], workflow: str | None) -> Point:
    choices = {name: value for name, value in given.items() if name != "workflow"}
    workflow = given.get("workflow", workflow)
    by_size = choices.get("inner_product") == SMALLEST
    if by_size:
        del choices["inner_product"]  # compared where the point is computed, which takes time
    if "bits" not in choices:
        choices.setdefault("output", choices["activations"])
    try:
        no_dsp = _no_dsp(given)
        config = config_of(of_tile(argparse.Namespace(**{"contract": None} | choices)))
    except ValueError as error:
        return Point(given, workflow, refused=str(error))
    return Point(given, workflow, config.to_json(), by_size, no_dsp=no_dsp)
