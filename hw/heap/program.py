"""A compiled heap as data: tables, carry chains and registers, evaluated in numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

__all__ = ["HIGH", "Half", "Lookup", "Pins", "Program", "VERSION"]

VERSION = 3
"""Version of the JSON."""

HIGH = -1
"""Wire that is 1."""

Pins = tuple[int, int, int, int]


class Lookup(NamedTuple):
    """A function of four wires.

    Parameters
    ----------
    table : int
        16 bits: bit ``a + 2 b + 4 c + 8 d``.
    pins : tuple of int
        Wires ``a``, ``b``, ``c``, ``d``.
    out : int
        Wire of the result.
    """

    table: int
    pins: Pins
    out: int


class Half(NamedTuple):
    """One bit of a carry chain: a function of four wires, added to the carry.

    With ``f = table[a + 2 b + 4 c + 8 d]``, its sum is ``f ^ carry``. The next carry is ``carry``
    where ``f`` is 1, else ``table[a + 2 b]``. That is half of a CCU2C of the ECP5.

    Parameters
    ----------
    table : int
        16 bits.
    pins : tuple of int
        Wires ``a``, ``b``, ``c``, ``d``.
    sum : int or None
        Wire of the sum; None if nobody reads it.
    column : int
        Column of the sum; of no meaning without one.
    """

    table: int
    pins: Pins
    sum: int | None
    column: int

    @property
    def ends(self) -> bool:
        """True if its own carry does not depend on the one that comes in, which is its sum."""
        return self.pins[2:] == (HIGH, HIGH) and self.table >> 12 == 0


@dataclass(frozen=True)
class Program:
    """Tables, carry chains, and registers between them.

    Each chain begins with a carry whose value does not matter: the first half does not let it
    through.

    Parameters
    ----------
    inputs : int
        Number of the input wires, 0 to ``inputs - 1``.
    total : int
        Number of the wires of an accumulator, behind the inputs; 0 for none. It is read in the
        cycle of the result, which is the accumulator's next value.
    lookups : tuple of Lookup
    chains : tuple of tuple of Half
    registers : tuple of (int, int)
        Wire of each register, and the wire that it delays by a cycle.
    outputs : tuple of int or None
        Wire of each bit of the result, from the lowest on; None for a bit that is always 0.
    latency : int
        Cycles from the inputs to the result.
    """

    inputs: int
    total: int
    lookups: tuple[Lookup, ...]
    chains: tuple[tuple[Half, ...], ...]
    registers: tuple[tuple[int, int], ...]
    outputs: tuple[int | None, ...]
    latency: int

    @property
    def luts(self) -> int:
        """LUTs: tables and halves of carry cells, those included that fill a chain's last cell."""
        return len(self.lookups) + sum(len(chain) + len(chain) % 2 for chain in self.chains)

    def value(self, inputs: np.ndarray, total: np.ndarray | None = None) -> np.ndarray:
        """Return the result for some inputs, held until it is there.

        Parameters
        ----------
        inputs : array of 0 and 1, ``(inputs, ...)``
        total : array of 0 and 1, ``(total, ...)``, optional
            Bits of the accumulator.
        """
        wires: dict[int, np.ndarray] = dict(enumerate(inputs.astype(np.int64)))
        if total is not None:
            wires |= {self.inputs + k: bit.astype(np.int64) for k, bit in enumerate(total)}
        wires[HIGH] = np.ones(inputs.shape[1:], np.int64)
        delayed = {source: wire for wire, source in self.registers}
        # A chain, or a table, is computed once all of its wires are known.
        waiting: list[tuple[Half | Lookup, ...]] = [*((each,) for each in self.lookups),
                                                    *self.chains]
        fresh = list(wires)
        while waiting or fresh:
            while fresh:
                source = fresh.pop()
                if source in delayed:
                    wires[delayed[source]] = wires[source]
                    fresh.append(delayed[source])
            later = []
            for chain in waiting:
                carry = np.zeros(inputs.shape[1:], np.int64)
                for cell in chain:
                    if isinstance(cell, Half) and cell.ends and cell.sum not in (None, *wires):
                        # Its sum is the carry, whatever it injects: that may depend on this sum.
                        wires[cell.sum] = carry
                        fresh.append(cell.sum)
                    if not all(pin in wires for pin in cell.pins):
                        later.append(chain)
                        break
                    a, b, c, d = (wires[pin] for pin in cell.pins)
                    f = cell.table >> (a + 2 * b + 4 * c + 8 * d) & 1
                    out = cell.sum if isinstance(cell, Half) else cell.out
                    if out is not None and out not in wires:
                        wires[out] = f ^ carry
                        fresh.append(out)
                    carry = np.where(f == 1, carry, cell.table >> (a + 2 * b) & 1)
            if later and len(later) == len(waiting) and not fresh:
                raise ValueError("Chains must be without loops, and their wires driven")
            waiting = later
        result = np.zeros(inputs.shape[1:], dtype=object)
        for column, wire in enumerate(self.outputs):
            if wire is not None:
                result += wires[wire].astype(object) * 2**column
        return result

    def to_json(self) -> dict[str, Any]:
        """Everything in plain types."""
        return {"version": VERSION, "inputs": self.inputs, "total": self.total,
                "latency": self.latency,
                "lookups": [[each.table, *each.pins, each.out] for each in self.lookups],
                "chains": [[[half.table, *half.pins, half.sum, half.column] for half in chain]
                           for chain in self.chains],
                "registers": [list(each) for each in self.registers],
                "outputs": list(self.outputs)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Return the program that :meth:`to_json` saved; ``ValueError`` if it is damaged."""
        try:
            if saved["version"] != VERSION:
                raise ValueError(f"version {saved['version']!r}")
            return cls(
                saved["inputs"], saved["total"],
                tuple(Lookup(table, (a, b, c, d), out)
                      for table, a, b, c, d, out in saved["lookups"]),
                tuple(tuple(Half(table, (a, b, c, d), out, column)
                            for table, a, b, c, d, out, column in chain)
                      for chain in saved["chains"]),
                tuple((wire, source) for wire, source in saved["registers"]),
                tuple(saved["outputs"]), saved["latency"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Program must be of version {VERSION} and whole, not damaged "
                             f"({error!r})") from None
