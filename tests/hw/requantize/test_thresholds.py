# amaranth: UnusedElaboratable=no
"""Requantizers with their thresholds in memories: outputs of 5 to 8 bits."""

import re

import numpy as np
import pytest
from amaranth.hdl import Value

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import Range
from golden.requantize import requantize
from hw.requantize.requantizer import Requantizer
from sim.streams import run

WAY, SUMS, PLACES = contract("thresholds"), Range(-700, 700), 4
TOTAL = WAY.sum_format(SUMS)


def requantizer(output, **more):
    return Requantizer(contract=WAY, accumulator=SUMS.format, total=TOTAL, output=output,
                       record=WAY.fields(SUMS, output), **{"places": PLACES} | more)


def ladders(rng, steps):
    """Thresholds among the sums, equal ones, ends of their format, and none within the sums."""
    own = np.sort(rng.integers(-650, 650, (PLACES, steps)), axis=1)
    own[1, steps // 4:] = own[1, steps // 4]
    own[2, :steps // 3], own[2, -steps // 3:] = TOTAL.min, TOTAL.max
    own[3] = np.sort(rng.integers(TOTAL.min, TOTAL.max, steps))
    return own


@pytest.mark.parametrize("output", [
    "s5", "s8", *(pytest.param(name, marks=pytest.mark.slow)
                  for name in ("u5n", "s6n", "odd6", "u7", "u8n", "e4m3fn", "e3m2"))])
def test_sums_about_every_threshold(rng, output):
    """One sum per cycle, each at, next to or between thresholds, of any place."""
    fmt = parse(output)
    dut, steps = requantizer(fmt), len(fmt.levels()) - 1
    rungs = ladders(rng, steps)
    place, bias = rng.integers(0, PLACES, 1500), rng.integers(-9, 10, 1500)
    rung = rng.integers(steps, size=1500)
    place[:steps], rung[:steps] = 0, np.arange(steps)
    near = rungs[place, rung] + rng.integers(-1, 2, 1500) - bias
    some = np.where(rng.integers(4, size=1500) == 0, rng.integers(-700, 701, 1500), near)
    sums = np.clip(some, SUMS.lo, SUMS.hi)
    received = []

    async def testbench(ctx):
        # In any order: a memory has no more than addresses.
        for index in rng.permutation(rungs.size).tolist():
            at, step = divmod(index, steps)
            for name, value in {"valid": 1, "place": at, "step": step + 1,
                                "threshold": int(rungs[at, step])}.items():
                ctx.set(dut.write[name], value)
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        ctx.set(dut.i.valid, 1)
        for k in range(len(sums) + dut.latency):
            if k < len(sums):
                ctx.set(dut.i.p["sum"], int(sums[k]))
                ctx.set(dut.i.p.parameters.bias, int(bias[k]))
                ctx.set(dut.i.p.place, int(place[k]))
            else:
                ctx.set(dut.i.valid, 0)
            received.append((ctx.get(dut.o.valid), ctx.get(dut.o.payload)))
            await ctx.tick()

    run(dut, testbench, max_cycles=1 << 16)
    want = np.empty(len(sums), dtype=int)
    for at, own in enumerate(rungs.tolist()):
        want[place == at] = requantize(sums[place == at], WAY, fmt, {
            "bias": bias[place == at],
            **{f"threshold_{k}": value for k, value in enumerate(own, 1)}}, unbiased=SUMS)
    assert len(np.unique(want)) > 0.75 * len(fmt.levels())
    codes = want if isinstance(fmt, IntFormat) else fmt.encode(want)
    valid, levels = zip(*received, strict=True)
    assert valid == (0,) * dut.latency + (1,) * len(want)
    np.testing.assert_array_equal(levels[dut.latency:], codes)


def test_latency():
    for bits in (5, 6, 7, 8):
        dut = requantizer(IntFormat(bits))
        # Total, first read, a bit of the count per cycle; the last of them compares alone.
        assert (dut.latency, dut.table_latency) == (2 + bits, bits)


def test_what_arrives_with_a_sum():
    """The bias, and where the thresholds are; up to 4 bits, they arrive themselves."""
    assert set(requantizer(IntFormat(5)).i.payload.shape().members) == {
        "sum", "parameters", "place"}
    assert len(Value.cast(requantizer(IntFormat(8)).i.p.parameters)) == S32.width
    narrow = requantizer(IntFormat(4), places=0)
    assert len(Value.cast(narrow.i.p.parameters)) == S32.width + 15 * TOTAL.width


@pytest.mark.parametrize("bits, more, message", [
    (5, {"places": 0}, "Places must be a positive integer for thresholds of an output s5, not 0"),
    (4, {"places": 2}, "Places must be left out for thresholds of an output s4, not 2"),
    (8, {"fixed": {"threshold_3": 0}},
     "Thresholds must not be fixed for an output s8, of more than 4 bits")])
def test_bad_parameters(bits, more, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        requantizer(IntFormat(bits), **more)
