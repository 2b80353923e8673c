"""Parameters that a driver prepares: what a requantizer would compute from each record."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from golden.contracts import Contract, Onnx
from golden.formats import Format, IntFormat
from golden.ranges import levels_range

__all__ = ["FORMULAS", "may_be_prepared", "prepared_formats", "prepared_levels"]

FORMULAS = {
    "offset": "zero_point - clamp_min",
    "room": "{most} - (clamp_max - clamp_min)",
}
"""Fields in place of ``zero_point`` and of ``clamp_min``; ``most`` is the largest level of room."""

_REPLACED: dict[str, str] = dict(zip(("zero_point", "clamp_min"), FORMULAS, strict=True))


def may_be_prepared(contract: Contract, record: Mapping[str, Format]) -> bool:
    """Whether the zero point of a record is for the clamp alone, and not for the scaling."""
    inside = isinstance(contract, Onnx) and contract.inside
    return not inside and all(isinstance(record.get(name), IntFormat) for name in _REPLACED)


def prepared_formats(record: Mapping[str, Format]) -> dict[str, Format]:
    """Return the fields of a prepared record, in their order, low bits first."""
    zero_point, end = (levels_range(record[name]) for name in _REPLACED)
    formats = {"offset": (zero_point - end).format,
               "room": IntFormat(record["clamp_min"].bits, signed=False)}
    return {(new := _REPLACED.get(name, name)): formats.get(new, fmt)
            for name, fmt in record.items()}


def prepared_levels(record: Mapping[str, Format], levels: Mapping[str, Any]) -> dict[str, Any]:
    """Return the levels of a prepared record, from those of the contract's fields."""
    most = levels_range(prepared_formats(record)["room"]).hi
    lo, hi = (np.asarray(levels[name]) for name in ("clamp_min", "clamp_max"))
    found = {"offset": np.asarray(levels["zero_point"]) - lo, "room": most - (hi - lo)}
    return {(new := _REPLACED.get(name, name)): found.get(new, levels[name]) for name in record}
