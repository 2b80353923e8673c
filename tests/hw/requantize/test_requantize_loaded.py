# amaranth: UnusedElaboratable=no
"""Requantizers to levels of a table that is loaded: another one for each sum."""

import numpy as np
import pytest
from amaranth.hdl import Value

from golden.contracts import parse as contract
from golden.formats import parse
from golden.ranges import Range
from golden.requantize import requantize
from hw.requantize.requantizer import Requantizer
from sim.streams import run
from tests.hw.requantizers import ROUNDINGS

SUMS = Range(-160, 160)
TABLES = {
    "codebook3:loaded=s6": [
        "-32/-9/-4/-1/0/2/3/31", "-32/-9/-4/-1/0/1/3/31", "-9/-4/-1/0/2/3", "0/31", "-32/0",
        "-32/-31/-9/-8/-3/-1", "-1/2", "-2/1", "-1/0/1", "-5/-2/2/9", "5/6/9/30"],
    "codebook2:loaded=u5": ["0/1/3/31", "0/1/4/31", "0/2", "0/30/31", "7/11/12/13", "9/10"],
    "codebook1:loaded=s1": ["-1/0"],
    "codebook4:loaded=u4": ["/".join(map(str, range(16))), "0/1/2/3/4/5/6/8/9/10/11/12/13/14/15",
                            "1/2/3/4/5/6/7/8/9/10/11/13/14/15"],
}


def rows_of(dut, way, tables, rng):
    """Every quarter around all levels, each with every table and any clamp of its levels."""
    sums = np.arange(SUMS.lo, SUMS.hi + 1)
    rows = []
    for table in tables:
        levels = table.levels()
        for multiplier, shift in ((1, 2), (3, 3), (1, 0)):
            p = {"bias": np.zeros(len(sums), int), "multiplier": np.full(len(sums), multiplier),
                 "shift": np.full(len(sums), shift)}
            if "addend" in dut.record:
                p["addend"] = rng.integers(-2, 3, len(sums))
            ends = np.sort(rng.choice(levels, size=(2, len(sums))), axis=0)
            some = rng.integers(4, size=len(sums)) > 0
            p["clamp_min"] = np.where(some, levels[0], ends[0])
            p["clamp_max"] = np.where(some, levels[-1], ends[1])
            want = table.encode(requantize(sums, way, table, p))
            for name in ("clamp_min", "clamp_max"):
                p[name] = table.encode(p[name])
            packed, lsb = np.zeros(len(sums), object), 0
            for name, fmt in {"sum": dut.accumulator, **dut.record}.items():
                values = sums if name == "sum" else p[name]
                packed += (values.astype(object) & ((1 << fmt.bits) - 1)) << lsb
                lsb += fmt.bits
            full = np.pad(levels, (0, (1 << dut.output.bits) - len(levels)), mode="edge")
            word = sum((level & ((1 << dut.output.range.bits) - 1)) << place * dut.output.range.bits
                       for place, level in enumerate(full.tolist()))
            rows += [(row, word, code) for row, code in zip(
                packed.tolist(), want.tolist(), strict=True)]
    return [rows[index] for index in rng.permutation(len(rows))]


@pytest.mark.parametrize("loaded", list(TABLES))
@pytest.mark.parametrize("name", [*ROUNDINGS, "pulp"])
@pytest.mark.thinned(3)
def test_levels_of_the_table_of_each_sum(rng, name, loaded):
    """A row per cycle; its table is there in no other cycle than the one that is said."""
    way, fmt = contract(name), parse(loaded)
    tables = [parse(f"codebook:{text}") for text in TABLES[loaded]]
    if name == "zero":  # golden refuses those without a level 0
        tables = [table for table in tables if table.contains(0)]
    dut = Requantizer(contract=way, accumulator=SUMS.format, total=way.sum_format(SUMS), output=fmt,
                      record=way.fields(SUMS, fmt))
    rows, found = rows_of(dut, way, tables, rng), []
    if loaded != "codebook3:loaded=s6":
        rows = rows[:1500]

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        for cycle in range(len(rows) + dut.latency):
            if cycle < len(rows):
                ctx.set(Value.cast(dut.i.payload), rows[cycle][0])
            # Before and after, all that the wires can carry.
            seen = cycle - dut.table_latency
            ctx.set(Value.cast(dut.table), rows[seen][1] if 0 <= seen < len(rows) else -1)
            if cycle >= dut.latency:
                found.append(ctx.get(dut.o.payload))
            await ctx.tick()

    run(dut, testbench, max_cycles=1 << 20)
    assert dut.table_latency == dut.latency - 2
    want = [code for _, _, code in rows]
    np.testing.assert_array_equal(found, want)
    assert len(set(want)) == max(len(table.table) for table in tables)
