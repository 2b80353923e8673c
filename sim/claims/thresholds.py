"""Claims on counts of thresholds in memories."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import Format
from golden.ranges import levels_range
from hw.formats import shape_of
from hw.requantize.thresholds import count_apart
from sim.claims.base import Transparent, circuit, claim

__all__ = ["bisection"]

PLACE = 3
"""Bits of the record's place."""


@claim("thresholds in memories, reads free", "{}")
def bisection(output: Format) -> str:
    """The count of thresholds reached, for any thresholds that ascend.

    Each step reads a free number. A count ``n`` is right if it was compared with threshold ``n``
    and threshold ``n + 1``, unless there is none, of the record's own place, and the total has
    reached the first and not the second. That leaves no other count to thresholds that ascend.
    """
    m, bits, last = Module(), output.bits, len(output.levels()) - 1
    shape = shape_of(contract("thresholds").sum_format(levels_range(S32)))
    total, place = Signal(shape, name="total"), Signal(PLACE, name="place")
    reads = [Signal(shape, name=f"read_{step}") for step in range(bits)]
    addresses: list[Value] = []

    def read(step: int, address: Value) -> Value:
        addresses.append(address)
        return reads[step]

    count = count_apart(Transparent(m, {"place": place}), total, bits, last, read)
    reached, missed, own = count == 0, count == last, Const(1, 1)
    for step, address in enumerate(addresses):
        number = Cat(Const(0, bits - 1 - step), Const(1, 1), address[:step])
        own = own & (address[step:] == place)
        reached = reached | ((number == count) & (total >= reads[step]))
        missed = missed | ((number == count + 1) & (total < reads[step]))
    right = reached & missed & own & (count <= last)
    return circuit(m, (total, place, *reads), right, Const(1))
