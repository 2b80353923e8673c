"""What single cells of a program add: identities of their truth tables."""

from hw.heap.program import HIGH, Half, Pins

__all__ = ["Function", "ONE", "WIRE", "ZERO", "adds_four", "ends", "inverted", "reduced", "two"]

Function = tuple[int, tuple[int, ...]]
"""Truth table and wires, in ascending order: equal functions are equal."""

WIRE = 0b10
"""Table of one wire."""

ZERO: Function = (0, ())
ONE: Function = (1, ())

_PARITY, _CARRIES = 0x6996, 0x7888


def reduced(table: int, wires: tuple[int, ...]) -> Function:
    """Return a function of the wires that it depends on."""
    free = sorted(set(wires))
    values = []
    for index in range(1 << len(free)):
        own = {wire: index >> place & 1 for place, wire in enumerate(free)}
        values.append(table >> sum(own[wire] << k for k, wire in enumerate(wires)) & 1)
    for wire in list(free):
        place = 1 << free.index(wire)
        if all(values[index] == values[index ^ place] for index in range(len(values))):
            values = [value for index, value in enumerate(values) if not index & place]
            free.remove(wire)
    return sum(value << index for index, value in enumerate(values)), tuple(free)


def inverted(function: Function) -> Function:
    """Return the complement of a function."""
    table, wires = function
    return table ^ ((1 << (1 << len(wires))) - 1), wires


def ends(half: Half) -> bool:
    """Return True if no carry passes a half: with c and d 1, its function is 0 for any a and b."""
    return half.pins[2:] == (HIGH, HIGH) and half.table >> 12 == 0


def adds_four(low: Half, high: Half) -> bool:
    """Return True if two neighbouring halves add their four pins, for all 16 inputs."""
    if low.pins != high.pins or (low.table, high.table) != (_PARITY, _CARRIES):
        return False
    for index in range(16):
        total = 0
        for place, table in enumerate((low.table, high.table)):
            f = table >> index & 1
            total += (1 if f else 2 * (table >> (index & 3) & 1)) << place
        if total != index.bit_count():
            return False
    return True


def two(half: Half) -> tuple[tuple[int, tuple[int, ...]], tuple[int, Pins]]:
    """Return tables and pins of the two bits that a half adds."""
    x = half.table & 15
    y = sum((half.table >> index & 1 ^ x >> (index & 3) & 1) << index for index in range(16))
    return (x, half.pins[:2]), (y, half.pins)
