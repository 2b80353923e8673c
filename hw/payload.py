"""Payloads of transfers: one table for layouts, ports, bytes and reports."""

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
    """Field of a payload: codes of one format.

    Parameters
    ----------
    name : str
    format : Format or int
        Format of each code, or the width of an unsigned number; a field of width 0 is left out.
    shape : tuple of int
        Elements in row-major order; empty for a single element.
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
        """Width of all codes."""
        return self.bits * prod(self.shape)

    @property
    def layout(self) -> data.Layout | Shape:
        """Shape of a signal that holds the field."""
        shape: Any = Shape(self.bits) if isinstance(self.format, int) else shape_of(self.format)
        for length in reversed(self.shape):
            shape = data.ArrayLayout(shape, length)
        return shape

    @property
    def kind(self) -> str:
        """Name of the codes' format; ``e8m0`` for exponents, ``unsigned`` for other numbers."""
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
        Meaning of a bit ``last`` above the fields; empty if there is none. On a port the bit is
        ``tlast``.
    """

    fields: tuple[Field, ...]
    last: str = ""

    @classmethod
    def of(cls, formats: Mapping[str, Format], last: str = "") -> "Payload":
        """Payload with one code of each format."""
        return cls(tuple(Field(name, fmt) for name, fmt in formats.items()), last)

    @property
    def bits(self) -> int:
        """Width of all fields."""
        return sum(field.size for field in self.fields)

    @property
    def bytes(self) -> int:
        """Bytes of all fields, as in ``tdata``, with zeros above."""
        return -(-self.bits // 8)

    @property
    def layout(self) -> data.StructLayout:
        """Layout of a signal that holds the fields, and ``last`` if there is one."""
        return data.StructLayout({**{field.name: field.layout for field in self.fields},
                                  **({"last": 1} if self.last else {})})

    @property
    def placed(self) -> dict[str, tuple[Field, int]]:
        """Each field that has bits, and its lowest bit, by name.

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
            Codes of each field that has bits, from 0 to ``2**bits - 1``.

        Returns
        -------
        array of uint8, ``(transfers, bytes)``
        """
        return pack_fields([
            (np.reshape(codes[name], (len(codes[name]), -1)), field.bits)
            for name, (field, _) in self.placed.items()])

    def unpack(self, transfers: np.ndarray, name: str) -> np.ndarray:
        """Codes of a field, from bytes: the inverse of :meth:`pack`.

        Returns
        -------
        array of int64, ``(transfers, *shape)``; of Python integers if codes may exceed ``int64``.
        """
        field, lsb = self.placed[name]
        codes = unpack(transfers, field.bits, prod(field.shape), lsb)
        return codes.reshape(len(transfers), *field.shape)
