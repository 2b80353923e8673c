"""What is measured: designs, and ways to build each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from exactmac.density.arrays import Array
from exactmac.density.dots import DotProduct
from exactmac.density.requantizers import RequantizerDesign
from exactmac.density.simulation import Emitted
from exactmac.density.tiles import TileDesign
from golden.contracts import CONTRACTS, parse
from hw.flow.mapping import TARGETS, Target
from hw.targets.fabric import ECP5, GENERIC
from hw.tile.config import TileConfig

__all__ = ["ARRAYS", "CODES", "CONTRACT_TILES", "DOTS", "ENTRIES", "Entry", "LARGE", "OURS",
           "REQUANTIZERS", "TILE", "selected"]


@dataclass(frozen=True)
class Entry:
    """A design, built in one way.

    Parameters
    ----------
    subject, way : str
        Names of the design and of the way.
    unit : str
        What the area is divided by.
    count : int
        Number of these units.
    bits : int
        Bits of the two operands of a unit.
    emit : function
        Returns the Verilog.
    verify : function
        Compares Verilog with golden; returns the number of equal results.
    target : Target
        Passes of Yosys.
    """

    subject: str
    way: str
    unit: str
    count: int
    bits: int
    emit: Callable[[], Emitted]
    verify: Callable[[Emitted], int]
    target: Target

    @property
    def name(self) -> str:
        """Subject and way."""
        return f"{self.subject}: {self.way}"


DOTS: Mapping[str, DotProduct] = {
    "int8": DotProduct("s8", "s8"),
    "int4": DotProduct("s4", "s4"),
    "int2": DotProduct("s2", "s2"),
    "ternary x int8": DotProduct("ternary", "s8"),
    "binary x binary": DotProduct("binary", "binary", lanes=64),
    "binary x bit": DotProduct("binary", "bit", lanes=64),
    "odd4": DotProduct("odd4", "odd4"),
    "e4m3fn": DotProduct("e4m3fn", "e4m3fn"),
}
"""Dot products by name."""

CODES = ("int8", "int4", "int2")
"""Those that are measured as an inner product of codes, too."""

REQUANTIZERS: Mapping[str, RequantizerDesign] = {
    "half_up": RequantizerDesign("half_up"),
    "half_up 18 bits": RequantizerDesign("half_up", width=18),
    "q31": RequantizerDesign("q31"),
    "q31 18 bits": RequantizerDesign("q31", width=18),
    "tflite": RequantizerDesign("tflite"),
    "tflite 18 bits": RequantizerDesign("tflite", width=18),
    "onnx": RequantizerDesign("onnx"),
}
"""Requantizers by name."""

TILE = TileConfig.of(weights="s4n", activations="s4", output="s4")
"""Tile of ``--bits 4``."""

_DSPS = TARGETS["ecp5"]
_LUTS = _DSPS.without_dsp()
_WIDE = replace(_LUTS, passes=(_LUTS.passes[0].replace("-nowidelut ", ""), *_LUTS.passes[1:]))
_BOOTH = replace(_LUTS, passes=("hierarchy -check -top {top}", "proc", "opt", "wreduce", "booth",
                                *_LUTS.passes))

OURS, PORTABLE = "exactmac on ecp5", "exactmac on generic"
"""Ways of this project: on the measured part's fabric, and on any."""

_WAYS: tuple[tuple[str, Callable[[DotProduct], Emitted], Callable[[DotProduct], bool], Target],
             ...] = (
    (OURS, partial(DotProduct.built, fabric=ECP5), lambda dot: True, _LUTS),
    (PORTABLE, partial(DotProduct.built, fabric=GENERIC), lambda dot: True, _LUTS),
    ("plain Verilog", DotProduct.plain, DotProduct.has_plain, _WIDE),
    ("plain, no wide LUTs", DotProduct.plain, DotProduct.has_plain, _LUTS),
    ("plain, booth", DotProduct.plain, DotProduct.has_booth, _BOOTH),
)


def _way(inner_product: str) -> str:
    return OURS if inner_product == "direct" else f"{OURS}, {inner_product}"


def _dots() -> Iterator[Entry]:
    for subject, dot in DOTS.items():
        for way, emit, suits, target in _WAYS:
            if suits(dot):
                yield Entry(subject, way, "MAC", dot.lanes, dot.bits, partial(emit, dot),
                            dot.verify, target)
            if way == OURS and subject in CODES:
                own = replace(dot, inner_product="codes")
                yield Entry(subject, _way(own.inner_product), "MAC", own.lanes, own.bits,
                            partial(own.built, ECP5), own.verify, target)


def _requantizers() -> Iterator[Entry]:
    for name, design in REQUANTIZERS.items():
        ours = f"{OURS}, prepared" if design.may_be_prepared else OURS
        for way, fabric, target in ((ours, ECP5, _LUTS), (PORTABLE, GENERIC, _DSPS)):
            yield Entry(name, way, "result", 1, design.width, partial(design.built, fabric),
                        design.verify, target)


def _tile(subject: str, way: str, **choices: Any) -> Entry:
    design = TileDesign(replace(TILE, **choices))
    return Entry(subject, way, "tile", 1, TILE.weights.bits + TILE.activations.bits, design.built,
                 design.verify, _LUTS if choices else _DSPS)


def _tiles() -> Iterator[Entry]:
    for way, choices in ((OURS, {"target": "ecp5"}),
                         (f"{OURS}, 4 DSPs", {"target": "ecp5", "dsp": 4}),
                         (f"{OURS}, no DSP", {"target": "ecp5", "dsp": 0}), (PORTABLE, {})):
        yield _tile("tile of 4 bits", way, **choices)


ARRAYS: Mapping[str, Array] = {
    "int8 array": Array("s8", "winograd"),
    "int4 array": Array("s4", "codes"),
    "int2 array": Array("s2", "codes"),
}
"""Arrays by name, each with its smallest inner product."""


def _arrays() -> Iterator[Entry]:
    for subject, array in ARRAYS.items():
        yield Entry(subject, _way(array.inner_product), "MAC", array.macs, array.bits,
                    array.built, array.verify, _LUTS)


CONTRACT_TILES = "tile by contract"
"""Subject of the tiles of ``--bits 4 --target ecp5``. Each contract is a way."""


def _contract_tiles() -> Iterator[Entry]:
    for name in CONTRACTS:
        yield _tile(CONTRACT_TILES, name, contract=parse(name), target="ecp5",
                    output=None if name == "none" else TILE.output)


ENTRIES: tuple[Entry, ...] = (*_dots(), *_requantizers(), *_tiles())
"""Entries of a report, in its order."""

LARGE: tuple[Entry, ...] = (*_arrays(), *_contract_tiles())
"""Entries that are measured only if they are asked for: they take many minutes."""


def selected(names: Iterable[str]) -> tuple[Entry, ...]:
    """Return the entries of some subjects; ``ValueError`` for a name that is none."""
    known = list(dict.fromkeys(entry.subject for entry in (*ENTRIES, *LARGE)))
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise ValueError(f"Only must be some of {', '.join(known)}, not {name!r}")
    return tuple(entry for entry in (*ENTRIES, *LARGE) if entry.subject in wanted)
