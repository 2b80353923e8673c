"""Parts of a program while it is compiled."""

from hw.heap.halves import end, table_of
from hw.heap.heap import WIRE, Bit
from hw.heap.program import Half, Lookup

__all__ = ["Builder"]


class Builder:
    """Wires, registers, tables and segments so far.

    Parameters
    ----------
    wires : int
        Number of the wires that there are: inputs and accumulator.

    Members
    -------
    registers : dict of int to int
        Register of each wire that has one.
    lookups : list of Lookup
    segments : list of (Bit or None, list of Half, int or None)
        Bit that is injected, halves, and wire of the carry.
    """

    def __init__(self, wires: int):
        self.wires = wires
        self.registers: dict[int, int] = {}
        self.lookups: list[Lookup] = []
        self.segments: list[tuple[Bit | None, list[Half], int | None]] = []

    def wire(self) -> int:
        """Return a new wire."""
        self.wires += 1
        return self.wires - 1

    def lookup(self, bit: Bit) -> Bit:
        """Return a bit as one wire, by a table of its own."""
        self.lookups.append(table_of(bit, self.wire()))
        return Bit(WIRE, (self.wires - 1,))

    def register(self, wire: int) -> int:
        """Return the register of a wire."""
        if wire not in self.registers:
            self.registers[wire] = self.wire()
        return self.registers[wire]

    def chains(self, most: int) -> tuple[tuple[Half, ...], ...]:
        """Segments, in order, in chains of at most so many halves."""
        chains: list[tuple[Half, ...]] = []
        chain: list[Half] = []
        carry: int | None = None
        for injected, halves, out in self.segments:
            if chain and len(chain) + len(halves) + 2 > most:
                chains.append(_ended(chain, carry))
                chain, carry = [], None
            # The first half of a chain keeps out whatever carry the chain begins with.
            before = chain[-1].column + 1 if chain else 0
            chain += [end(injected, carry, before), *halves]
            carry = out
        if chain:
            chains.append(_ended(chain, carry))
        return tuple(chains)


def _ended(chain: list[Half], carry: int | None) -> tuple[Half, ...]:
    return tuple(chain if carry is None else [*chain, end(None, carry, chain[-1].column + 1)])
