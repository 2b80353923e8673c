"""What a transfer carries: one table, from which layouts, ports, bytes and reports come."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data

from golden.formats import Format
from hw.formats import shape_of
from hw.packing import pack_fields, unpack

__all__ = ["Field", "Payload"]


@dataclass(frozen=True)
class Field:
    """Codes of one kind.

    Parameters
    ----------
    name : str
    format : Format or int
        Format of each code, or how many bits an unsigned number has; a field of no bits is none.
    shape : tuple of int
        Elements in row-major order; empty for one.
    """

    name: str
    format: Format | int
    shape: tuple[int, ...] = ()

    @property
    def bits(self) -> int:
        """Width of each code."""
        return self.format if isinstance(self.format, int) else self.format.bits

    @property
    def size(self) -> int:
        """Width of all of them."""
        return self.bits * prod(self.shape)

    @property
    def layout(self) -> data.Layout | Shape:
        """Shape of a signal that holds them."""
        shape: Any = Shape(self.bits) if isinstance(self.format, int) else shape_of(self.format)
        for length in reversed(self.shape):
            shape = data.ArrayLayout(shape, length)
        return shape

    @property
    def kind(self) -> str:
        """Name of the format of a code, ``e8m0`` of exponents; of other numbers ``unsigned``."""
        if isinstance(self.format, int):
            return "unsigned"
        return "e8m0" if self.name.startswith("exponent") else str(self.format)


@dataclass(frozen=True)
class Payload:
    """Fields side by side, the first one lowest.

    Parameters
    ----------
    fields : tuple of Field
    last : str
        What a bit ``last`` above them marks; empty where there is none. On a port it is ``tlast``.
    """

    fields: tuple[Field, ...]
    last: str = ""

    @classmethod
    def of(cls, formats: Mapping[str, Format], last: str = "") -> "Payload":
        """Payload of one code of each of these formats."""
        return cls(tuple(Field(name, fmt) for name, fmt in formats.items()), last)

    @property
    def bits(self) -> int:
        """Width of all fields."""
        return sum(field.size for field in self.fields)

    @property
    def bytes(self) -> int:
        """Bytes that hold them, as ``tdata`` does, with zeros above."""
        return -(-self.bits // 8)

    @property
    def layout(self) -> data.StructLayout:
        """Layout of a signal that holds them, and ``last`` where there is one."""
        return data.StructLayout({**{field.name: field.layout for field in self.fields},
                                  **({"last": 1} if self.last else {})})

    @property
    def placed(self) -> dict[str, tuple[Field, int]]:
        """By name: each field that has bits, and its lowest one.

        Element ``k`` lies at ``[lsb + k*bits, lsb + (k+1)*bits)``.
        """
        ends = list(accumulate((field.size for field in self.fields), initial=0))
        return {field.name: (field, lsb)
                for field, lsb in zip(self.fields, ends, strict=False) if field.size}

    def to_json(self) -> list[dict[str, Any]]:
        """Return a form for ``json.dump``: a row for each field that has bits."""
        return [{"name": name, "lsb": lsb, "bits": field.bits, "shape": list(field.shape),
                 "format": field.kind} for name, (field, lsb) in self.placed.items()]

    def pack(self, codes: Mapping[str, np.ndarray]) -> np.ndarray:
        """Bytes of transfers, without ``last``.

        Parameters
        ----------
        codes : mapping of str to array of integers, ``(transfers, *shape)``
            Of each field that has bits, from 0 to ``2**bits - 1``.

        Returns
        -------
        array of uint8, ``(transfers, bytes)``
        """
        return pack_fields([
            (np.reshape(codes[name], (len(codes[name]), -1)), field.bits)
            for name, (field, _) in self.placed.items()])

    def unpack(self, transfers: np.ndarray, name: str) -> np.ndarray:
        """Codes of a field of bytes: the inverse of :meth:`pack`.

        Returns
        -------
        array of int64, ``(transfers, *shape)``; of Python integers where ``int64`` may not do.
        """
        field, lsb = self.placed[name]
        codes = unpack(transfers, field.bits, prod(field.shape), lsb)
        return codes.reshape(len(transfers), *field.shape)
