# amaranth: UnusedElaboratable=no
"""Counting the thresholds that a total has reached, by bisection.

Up to `PARALLEL_BITS`, all thresholds of a channel are inputs, and a stage compares with all. Above,
there is a stage for each bit of the count, with a memory of its own and one comparator.
"""

from collections.abc import Callable

from amaranth.hdl import Array, Cat, Const, Module, Value
from amaranth.lib import data
from amaranth.lib.memory import Memory
from amaranth.utils import ceil_log2

from golden.contracts import Contract, Thresholds
from golden.formats import Format, IntFormat
from hw.formats import shape_of
from hw.pipeline import Pipeline

__all__ = ["PARALLEL_BITS", "apart", "code_of_count", "count_apart", "count_together",
           "memory_reader", "threshold_write"]

PARALLEL_BITS = 4
"""Widest output whose thresholds are compared together."""


def apart(contract: Contract, output: Format, record: dict[str, Format]) -> dict[str, Format]:
    """Thresholds of a record that a requantizer has in memories of its own."""
    if not isinstance(contract, Thresholds) or output.bits <= PARALLEL_BITS:
        return {}
    return {name: fmt for name, fmt in record.items() if name.startswith("threshold")}


def threshold_write(places: int, bits: int, total: IntFormat) -> data.StructLayout:
    """Layout of a write of threshold ``step``, from 1, of the record at a place."""
    return data.StructLayout({"valid": 1, "place": range(places), "step": bits,
                              "threshold": shape_of(total)})


def count_together(pipe: Pipeline, total: Value, bits: int, last: int) -> Value:
    """Number of thresholds reached, of the ``last`` that the pipeline holds.

    A stage compares with all of them, the next counts, highest bit first: of the thresholds
    halfway between those of earlier bits, these choose one. Thresholds that there are none of are
    never reached.
    """
    reached = pipe.register(Cat(total >= pipe.take(f"threshold_{step}")
                                for step in range(1, last + 1)), "reached")
    count: Value = Const(0, 0)
    for bit in reversed(range(bits)):
        halfway = [reached[step - 1] if step <= last else Const(0, 1)
                   for step in range(1 << bit, 1 << bits, 2 << bit)]
        count = Cat(Array(halfway)[count] if len(count) else halfway[0], count)
    return pipe.register(count, "count")


def count_apart(pipe: Pipeline, total: Value, bits: int, last: int,
                read: Callable[[int, Value], Value]) -> Value:
    """Number of thresholds reached, of ``last`` in memories.

    A stage reads the first threshold. Then each compares, and reads the next with what it found,
    highest bit first. Thresholds that there are none of are never reached.

    Parameters
    ----------
    pipe : Pipeline
        Pipeline that holds ``place``, the place of the record.
    total : Value
        Total of the pipeline's stage.
    bits, last : int
        Bits of the count, and number of thresholds.
    read : callable
        Function from a step and an address, of the earlier bits and the place, low bits first, to
        the threshold, one cycle later.
    """
    pipe.hold("total", total)
    count: Value = Const(0, 0)
    for step in range(bits):
        found = read(step, Cat(count, pipe["place"]))
        pipe.hold("count", count)
        pipe.advance(pipe.stage + 1)
        count = pipe.take("count")
        reached = pipe["total"] >= found
        # Of the thresholds that this step compares with, those that there are.
        there = (last >> (bits - 1 - step)) + 1 >> 1
        if there < 1 << step:
            reached = reached & (count < there)
        count = Cat(reached, count)
    pipe.take("total")
    pipe.take("place")
    return pipe.register(count, "count")


def memory_reader(m: Module, pipe: Pipeline, write: data.View, places: int, bits: int,
                  total: IntFormat) -> Callable[[int, Value], Value]:
    """Return the function with which :func:`count_apart` reads memories, which ``write`` fills.

    Step ``k`` has a memory of ``places * 2**k`` thresholds: those whose number ends in a one and
    ``bits - 1 - k`` zeros, at the address of the ``k`` bits above.
    """
    def read(step: int, address: Value) -> Value:
        pipe.read["thresholds"] = pipe.stage
        memory = Memory(shape=shape_of(total), depth=1 << ceil_log2(places) + step, init=[])
        m.submodules[f"thresholds_{step}"] = memory
        write_port, read_port = memory.write_port(), memory.read_port()
        number, zeros = write.step, bits - 1 - step
        m.d.comb += [
            write_port.addr.eq(Cat(number[zeros + 1:], write.place)),
            write_port.data.eq(write.threshold),
            write_port.en.eq(write.valid & (number[:zeros + 1] == 1 << zeros)),
            read_port.addr.eq(address),
        ]
        return read_port.data

    return read


def code_of_count(count: Value, output: Format) -> Value:
    """Code of the level that stands at a place, from the smallest, of an output."""
    if isinstance(output, IntFormat):
        return count + output.min
    codes = output.encode(output.levels()).tolist()
    return Array(Const(code, output.bits) for code in codes)[count]
