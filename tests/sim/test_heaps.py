"""The check of programs: it passes what is compiled, and refuses what computes another sum."""

from dataclasses import replace

import numpy as np
import pytest

from golden.formats import parse
from golden.ranges import Range
from hw.heap import Heap, Program, compiled
from hw.heap.halves import ZERO, end, half, table_of
from hw.heap.heap import NOT, WIRE, Bit
from hw.heap.policy import Policy
from hw.heap.program import HIGH, Half
from sim.heaps import NotExact, check
from tests.hw.heap.test_heap import bits_of, heaps_of, inputs_of

S4 = parse("s4")


def changed(program: Program, rng) -> Program:
    """The program with another table, wire, register, output or column."""
    kind = rng.choice(["table", "pin", "register", "output", "column", "lookup", "none"])
    if kind == "register":
        registers = list(program.registers)
        place = rng.integers(len(registers))
        registers[place] = registers[place][0], registers[rng.integers(len(registers))][0]
        return replace(program, registers=tuple(registers))
    if kind == "none":
        outputs = list(program.outputs)
        outputs[rng.integers(len(outputs))] = None
        return replace(program, outputs=tuple(outputs))
    if kind == "output":
        outputs = list(program.outputs)
        one, other = rng.integers(len(outputs), size=2)
        outputs[one], outputs[other] = outputs[other], outputs[one]
        return replace(program, outputs=tuple(outputs))
    if kind == "lookup":
        lookups = list(program.lookups)
        if lookups:
            place = rng.integers(len(lookups))
            lookups[place] = _turned(lookups[place], rng)
        return replace(program, lookups=tuple(lookups))
    chains = [list(chain) for chain in program.chains]
    chain = chains[rng.integers(len(chains))]
    place = rng.integers(len(chain))
    half = chain[place]
    if kind == "table":
        half = _turned(half, rng)
    elif kind == "column":
        # Half of the next column, in place of this one: another weight.
        half = chain[(place + 1) % len(chain)]._replace(sum=half.sum, column=half.column)
    else:
        pins = list(half.pins)
        wires = [wire for wire, _ in program.registers] + [HIGH]
        pins[rng.integers(4)] = wires[rng.integers(len(wires))]
        half = half._replace(pins=tuple(pins))
    chain[place] = half
    return replace(program, chains=tuple(map(tuple, chains)))


def _turned(cell, rng):
    return cell._replace(table=cell.table ^ 1 << int(rng.integers(16)))


def refused(heap: Heap, program: Program, wires: np.ndarray, rng, count: int):
    """Check that a program passes, and that so many changes which compute another sum do not."""
    check(heap, program)
    before = bits_of(rng.integers(0, 1 << heap.total, wires.shape[1]), heap.total).T
    expected, wrong = program.value(wires, before), 0
    while wrong < count:
        other = changed(program, rng)
        try:
            if (other.value(wires, before) == expected).all():
                continue
        except (ValueError, KeyError):
            pass  # a loop, or a wire that nothing drives
        wrong += 1
        with pytest.raises(NotExact):
            check(heap, other)


@pytest.mark.parametrize("weights, activations, lanes, more", [
    ("s4", "s4", 4, None), ("ternary", "u3", 5, 3), ("binary", "binary", 9, 0),
    ("odd2", "s3", 4, 2)])
def test_changes_that_compute_another_sum_are_refused(weights, activations, lanes, more, rng):
    weights, activations = parse(weights), parse(activations)
    heap = heaps_of(weights, activations, lanes, more)[-1]
    program = compiled(heap, Policy(1))
    # Ends of the range, too: there a sum leaves the width that it is known to.
    wires, _ = inputs_of(weights, activations, lanes, rng, 400)
    refused(heap, program, wires, rng, 100)


def test_one_segment_alone_adds_to_the_accumulator():
    """Another one, of its upper bits alone, would lose the carry from below."""
    [heap] = heaps_of(parse("u4"), parse("u4"), 4, 5)
    program = compiled(heap, Policy(1))
    check(heap, program)
    wire = max(wire for wire, _ in program.registers) + 1000
    halves, outputs = [end(None, None, 0)], list(program.outputs)
    for column in range(heap.width, heap.total):
        halves.append(half(Bit(WIRE, (heap.inputs + column,)), ZERO, wire + column, column))
        outputs[column] = wire + column
    for chains in ((tuple(halves), *program.chains), (*program.chains, tuple(halves))):
        with pytest.raises(NotExact, match="^(Chain . One segment alone|.*must )"):
            check(heap, replace(program, chains=chains, outputs=tuple(outputs)))


def test_a_negative_bit_behind_constants_alone_is_refused():
    """The sum of the column of constants is positive, and the carry of both was not."""
    positive, negative = 0, 1
    heap = Heap(2, Range(6, 16), {3: (Bit(WIRE, (positive,)),)}, {1: (Bit(WIRE, (negative,)),)}, 8)
    chain = (end(None, None, 0), Half(1 << 3, (HIGH, HIGH, negative, HIGH), 2, 0),
             half(Bit(WIRE, (negative,)), ZERO, 3, 1), end(None, 4, 2))
    tables = table_of(Bit(NOT, (3,)), 5), table_of(Bit(NOT, (4,)), 6)
    wrong = Program(2, 0, tables, (chain,), (), (2, 5, 6, positive, None), 0)
    inputs = bits_of(np.arange(4), 2).T
    assert (wrong.value(inputs) != heap.value(inputs)).any()
    with pytest.raises(NotExact, match="must be one that is left$"):
        check(heap, wrong)


def test_a_sum_whose_range_is_claimed_too_narrow_is_refused():
    """Without its sign, repeated above the sum, an accumulator is wrong for negative sums."""
    [heap] = heaps_of(S4, S4, 4, 3)
    program = compiled(heap, Policy(1))
    check(heap, program)
    with pytest.raises(NotExact):
        check(replace(heap, range=Range(0, heap.range.hi)), program)


def test_bits_in_other_cycles_are_refused():
    """A register more or less changes nothing while the inputs are held, but in a stream."""
    [heap] = heaps_of(S4, S4, 4, None)
    program = compiled(heap, Policy(1))
    late = replace(program, latency=program.latency + 1)
    with pytest.raises(NotExact, match=r"^Output 0 must come in cycle \d+, not \d+$"):
        check(heap, late)
    pins = {pin for chain in program.chains for half in chain for pin in half.pins}
    wire, source = next((wire, source) for wire, source in program.registers if wire in pins)
    chains = tuple(tuple(half._replace(pins=tuple(source if pin == wire else pin
                                                  for pin in half.pins)) for half in chain)
                   for chain in program.chains)
    early = replace(program, chains=chains)
    held = np.random.default_rng(0).integers(0, 2, (heap.inputs, 50))
    assert (early.value(held) == heap.value(held)).all()
    with pytest.raises(NotExact):
        check(heap, early)


def test_another_heap_is_refused():
    [heap], [other] = (heaps_of(S4, S4, lanes, None) for lanes in (4, 5))
    program = compiled(heap, Policy(0))
    with pytest.raises(NotExact, match="^Program must have 40 inputs, 0 wires of an accumulator "
                                       "and 10 outputs$"):
        check(other, program)
    [unsigned] = heaps_of(parse("u4"), parse("u4"), 4, None)
    with pytest.raises(NotExact):
        check(unsigned, program)
