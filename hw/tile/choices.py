"""Choices of a tile, with their defaults and limits; to JSON and back."""

import hashlib
import json
import re
from dataclasses import dataclass, fields
from inspect import cleandoc
from typing import Any, Literal, Self

import numpy as np

from golden import contracts
from golden.contracts import Contract, title_of
from golden.formats import MAX_BITS, BlockScaled, Format, IntFormat, parse
from golden.inner_products import INNER_PRODUCTS, InnerProduct
from hw.targets.fabric import FABRICS, GENERIC

__all__ = ["TileChoices", "VERSION", "usual_zero_points"]

VERSION = 3
"""Version of the JSON. A new choice, or a new meaning of one, is a new version."""

_FORMATS = ("weights", "activations", "output")

_MOST = {"rows": 1024, "cols": 1024, "lanes": 1024, "depth": 1 << 24, "outputs": 1024,
         "channels": 1 << 16, "window": 64}
"""Largest value of each choice; the smallest is 1."""

_AMONG = {"zero_points": ("none", "activations", "both"), "target": FABRICS,
          "optimize": ("area", "speed"), "inner_product": INNER_PRODUCTS}
"""Allowed names of each choice."""


@dataclass(frozen=True, kw_only=True)
class TileChoices:
    """Everything that decides what a :class:`~hw.tile.tile.MacTile` is.

    :meth:`meaning`, and so ``--help``, quotes the texts below.

    Parameters
    ----------
    weights : Format or str
        Format of the weights.
    activations : Format or str
        Format of the activations.
    output : Format, str or None
        Format of the results; none for contract ``none``, whose output is the exact sum.
    contract : Contract or str
        Contract that turns sums into results.
    rows : int
        Activation vectors of a job.
    cols : int
        Weight vectors of a job; a multiple of 32 for a block-scaled output.
    lanes : int
        Products per sum and cycle; a divisor of 32 for block-scaled operands.
    depth : int
        Most products per sum; sizes the accumulator.
    outputs : int
        Results per cycle, and requantizers; a divisor of ``cols``, and of 32 for a block-scaled
        output.
    channels : int
        Records of the parameter store; a multiple of 32 for a block-scaled output with fixed
        parameters.
    zero_points : str
        Operands that have zero points; those of activations are folded into the bias by the
        driver, those of weights, one per channel, take hardware.
    window : int
        Combined exponents of blocks, above a job's base, that are summed exactly, of block-scaled
        operands only; others raise a flag.
    lut : tuple of int, "loaded" or None
        Table behind results of 8 bits: the levels that codes 0 to 255 become, or ``loaded``, where
        each parameter set brings one; none for a block-scaled output.
    parameters : tuple of (str, int or tuple of int) or None
        Fixed parameters, in place of a store to be loaded: every field of a record with its level,
        or with one for each channel.
    target : str
        Whose cells the Verilog may use; generic Verilog is for any target.
    dsp : int or None
        Most DSPs of a target with cells, given to the parts where each saves most.
    optimize : str
        What such cells are chosen for: the fewest LUTs, or the highest frequency.
    prepared : bool
        Whether the driver prepares the parameters of the clamp, which saves LUTs of such cells.
    inner_product : str
        How products are summed: those of levels, those of codes that are never negative, or one
        for two lanes, as Winograd has it. The driver of the last two folds a term of the weights
        into the bias; they are of integers, on a target with carry cells.

    Raises
    ------
    TypeError, ValueError
        If a choice is outside of its limits.
    """

    weights: Format
    activations: Format
    output: Format | None
    contract: Contract = contracts.parse("half_up")
    rows: int = 4
    cols: int = 4
    lanes: int = 4
    depth: int = 1024
    outputs: int = 1
    channels: int = 256
    zero_points: Literal["none", "activations", "both"] = "none"
    window: int = 16
    lut: tuple[int, ...] | Literal["loaded"] | None = None
    parameters: tuple[tuple[str, int | tuple[int, ...]], ...] | None = None
    target: str = GENERIC.name
    dsp: int | None = None
    optimize: Literal["area", "speed"] = "area"
    prepared: bool = False
    inner_product: InnerProduct = "direct"

    def __post_init__(self):
        if isinstance(self.contract, str):
            object.__setattr__(self, "contract", contracts.parse(self.contract))
        for name in _FORMATS:
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, _parsed(name, value))
            fmt = getattr(self, name)
            if not isinstance(fmt, Format) and (name, fmt) != ("output", None):
                must = "a Format or None" if name == "output" else "a Format"
                raise TypeError(f"{title_of(name)} must be {must}, not {fmt!r}")
            if isinstance(fmt, IntFormat) and fmt.width > MAX_BITS:
                raise ValueError(f"{title_of(name)} must have at most {MAX_BITS} bits, not {fmt}")
        chosen = self.contract
        if not isinstance(chosen, Contract):
            raise TypeError(f"Contract must be a Contract, not {chosen!r}")
        if contracts.parse(chosen.name, **contracts.options_of(chosen)) != chosen:
            raise ValueError(f"Contract must be the one called {chosen.name}, not {chosen!r}")
        for name in (*_MOST, "lut", "parameters", "dsp"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{title_of(name)} must be an integer, not {value!r}")
            if not 1 <= value <= most:
                raise ValueError(f"{title_of(name)} must be in range [1, {most}], not {value!r}")
        for name, among in _AMONG.items():
            if getattr(self, name) not in among:
                raise ValueError(f"{title_of(name)} must be one of {', '.join(among)}, "
                                 f"not {getattr(self, name)!r}")
        if not isinstance(self.prepared, bool):
            raise TypeError(f"Prepared must be True or False, not {self.prepared!r}")
        self._check_cells()

    def _check_cells(self):
        most = FABRICS[self.target].most_dsp
        if self.optimize != "area" and not FABRICS[self.target].heaps:
            raise ValueError(f"Optimize must be area for target {self.target}, not "
                             f"{self.optimize}")
        if self.dsp is None:
            return
        if not most:
            raise ValueError(f"Dsp must be left out for target {self.target}, not {self.dsp!r}")
        if not isinstance(self.dsp, int) or isinstance(self.dsp, bool):
            raise TypeError(f"Dsp must be an integer, not {self.dsp!r}")
        if not 0 <= self.dsp <= most:
            raise ValueError(f"Dsp must be in range [0, {most}], those of the largest "
                             f"{self.target}, not {self.dsp}")

    @classmethod
    def meaning(cls, name: str) -> str:
        """Description of a choice, as above, and its limits, as part of a sentence."""
        entry = re.search(rf"\n{name} : .*\n    (\w)((?:.*\n    )*.*)\.\n",
                          cleandoc(TileChoices.__doc__ or ""))
        text = entry[1].lower() + entry[2] if entry else name
        text = " ".join(text.replace("``", "").split())
        limits = f"1 to {_MOST[name]}" if name in _MOST else ", ".join(_AMONG.get(name, ()))
        return f"{text}: {limits}" if limits else text

    @classmethod
    def of(cls, **plain: Any) -> Self:
        """Return the choices from plain types: formats and contract by name, lists, objects.

        The options of :func:`golden.contracts.parse` are choices too. Missing choices have their
        defaults; missing zero points, :func:`usual_zero_points`.
        """
        options = {name: plain.pop(name) for name in contracts.OPTIONS if name in plain}
        for name in _FORMATS:
            value = plain.get(name)
            plain[name] = None if value is None else _parsed(name, value)
        plain.setdefault("zero_points", usual_zero_points(plain["weights"], plain["activations"]))
        plain["contract"] = contracts.parse(plain.get("contract", cls.contract.name), **options)
        if isinstance(plain.get("lut"), list):
            plain["lut"] = tuple(plain["lut"])
        if isinstance(plain.get("parameters"), dict):
            plain["parameters"] = tuple(
                (name, tuple(value) if isinstance(value, list) else value)
                for name, value in plain["parameters"].items())
        return cls(**plain)

    @classmethod
    def from_json(cls, saved: Any) -> Self:
        """Return the choices that :meth:`to_json` saved.

        Raises
        ------
        TypeError, ValueError
            If ``saved`` is damaged, or of another version.
        """
        if not isinstance(saved, dict):
            raise TypeError(f"Configuration must be an object, not of type {type(saved).__name__}")
        if type(saved.get("version")) is not int or saved["version"] != VERSION:
            raise ValueError(f"Configuration must be of version {VERSION}, "
                             f"not {saved.get('version')!r}")
        names = {"version", "multiplier_bits", *(each.name for each in fields(cls))}
        for what, wrong in (("lack", names - set(saved)),
                            ("add", set(saved) - names - set(contracts.OPTIONS))):
            if wrong:
                raise ValueError("Configuration must have each choice and nothing else, "
                                 f"not {what} {', '.join(sorted(wrong))}")
        return cls.of(**{name: value for name, value in saved.items() if name != "version"})

    def to_json(self) -> dict[str, Any]:
        """Every choice in plain types; equal choices give equal JSON."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in _FORMATS:
            plain[name] = None if plain[name] is None else str(plain[name])
        plain["contract"] = self.contract.name
        plain |= contracts.options_of(self.contract)
        if isinstance(self.lut, tuple):
            plain["lut"] = list(self.lut)
        if self.parameters is not None:
            plain["parameters"] = {name: list(value) if isinstance(value, tuple) else value
                                   for name, value in self.parameters}
        return {"version": VERSION, **plain}

    def describe(self) -> dict[str, str | int | None]:
        """Every choice in few letters; different choices give different letters."""
        return {name: f"fixed, {_digest(value)[:8]}" if isinstance(value, list | dict) else value
                for name, value in self.to_json().items() if name != "version"}

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON, with its keys sorted and no spaces: 64 hexadecimal digits."""
        return _digest(self.to_json())


def usual_zero_points(weights: Format, activations: Format) -> str:
    """Operands that have zero points, unless a command line says otherwise."""
    movable = isinstance(activations, IntFormat) and activations.width > 1
    return "activations" if movable and not isinstance(weights, BlockScaled) else "none"


def _parsed(name: str, value: Any) -> Format:
    try:
        return parse(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{title_of(name)}: {error}") from None


def _plain(value: Any) -> Any:
    # Integers of numpy become Python's, which JSON has.
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    return int(value) if isinstance(value, np.integer) else value


def _digest(plain: Any) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
