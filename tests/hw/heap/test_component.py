# amaranth: UnusedElaboratable=no

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from golden.formats import parse
from hw.heap import HeapSum, compiled, product_heaps
from hw.heap.policy import Policy
from hw.heap.program import HIGH
from sim.streams import run


def of(weights, activations, lanes, more):
    heaps = product_heaps(parse(weights), parse(activations), lanes)
    return product_heaps(parse(weights), parse(activations), lanes,
                         total=heaps[0].width + more)[0]


HEAPS = {
    "a sign is repeated": of("s2", "s2", 1, 2),
    "modulo the accumulator": of("u2", "u1", 2, 0),
    "the lowest bit stays": of("binary", "binary", 2, 1),
}


def without_free_pins(program):
    """A program whose accumulator's halves have what is added where ``keep`` would come."""
    def moved(half):
        a, b, c, d = half.pins
        if not program.inputs <= a < program.inputs + program.total or (b, d) != (HIGH, HIGH):
            return half
        return half._replace(pins=(a, c, HIGH, HIGH), table=sum(
            (index & 1 ^ (index >> 1 & 1 if index >> 2 else 0)) << index for index in range(16)))
    return replace(program, chains=tuple(tuple(map(moved, chain)) for chain in program.chains))


@pytest.mark.parametrize("heap, change", [
    *((heap, lambda program: program) for heap in HEAPS.values()),
    (HEAPS["modulo the accumulator"], without_free_pins),
], ids=[*HEAPS, "no pin is free"])
def test_the_accumulator_counts_where_it_is_kept(heap, change):
    """All inputs, totals and both values of ``keep``."""
    program = compiled(heap, Policy(0))
    changed = change(program)
    assert (changed == program) == (change is not without_free_pins)
    dut = HeapSum(program=changed)
    cases = [*product(range(1 << heap.inputs), range(1 << heap.total), (0, 1))]
    found = []

    async def testbench(ctx):
        for cycle in range(len(cases) + dut.latency):
            # The accumulator is read in the cycle of the result.
            now, late = (cases[min(max(0, at), len(cases) - 1)]
                         for at in (cycle, cycle - dut.latency))
            ctx.set(dut.i, now[0])
            ctx.set(dut.total, late[1])
            ctx.set(dut.keep, late[2])
            found.append(ctx.get(dut.o))
            await ctx.tick()

    run(dut, testbench)
    inputs, total, keep = np.array(cases).T
    bits = inputs >> np.arange(heap.inputs)[:, None] & 1
    sums = heap.value(bits).astype(np.int64)
    if heap.range.lo < 0:
        sums -= (sums >> heap.width - 1) << heap.width
    want = (sums + total * keep) % (1 << heap.total)
    assert found[dut.latency:] == want.tolist()
