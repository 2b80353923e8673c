# amaranth: UnusedElaboratable=no

import re

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import ResetInserter, Signal
from amaranth.lib import data

from golden.formats import parse
from golden.tables import lookup
from hw.requantize.lut import Lut, Table
from hw.tile.config import LUT_WORDS
from sim.streams import (
    get_all,
    hold_monitor,
    measure_latency,
    measure_throughput,
    put_all,
    run,
    transform,
)

S8 = parse("s8")


def words(codes):
    return np.array(codes, np.uint8).view("<u4").tolist()


def table_of(rng):
    return tuple(rng.permutation(256).tolist())


def transfers(dut, codes, last=None):
    shape = dut.i.payload.shape()
    rows = np.asarray(codes).reshape(-1, dut.outputs).tolist()
    return [shape.const({"codes": row, "last": k % 3 == 0}) for k, row in enumerate(rows)]


def seen(received):
    return ([[payload.codes[k] for k in range(len(payload.codes))] for payload in received],
            [payload.last for payload in received])


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_every_code_of_a_fixed_table(rng, outputs):
    codes = table_of(rng)
    dut = Lut(outputs=outputs, codes=codes)
    order = rng.permutation(np.tile(np.arange(256), outputs))
    payloads = transfers(dut, order)

    def some():
        return rng.random() < 0.4

    for stalls in ({}, dict(stall_i=some, stall_o=some)):
        got, last = seen(transform(dut, payloads, len(payloads), **stalls))
        np.testing.assert_array_equal(np.reshape(got, -1), np.array(codes)[order])
        assert last == [k % 3 == 0 for k in range(256)]
    # The same, in levels.
    levels = S8.decode(np.array(codes))
    np.testing.assert_array_equal(S8.decode(np.reshape(got, -1)),
                                  lookup(levels, S8.decode(order), S8))


def test_latency_and_throughput(rng):
    dut = Lut(outputs=2, codes=table_of(rng))
    payloads = transfers(dut, rng.integers(256, size=60))
    assert measure_latency(dut, payloads[0]) == dut.latency == Table.latency == 1
    assert measure_throughput(dut, payloads, len(payloads)) == 1


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_tables_are_loaded_while_codes_go_on(rng, outputs, stall):
    """Each code becomes what the newest whole table said when it was accepted."""
    tables = [table_of(rng) for _ in range(4)]
    dut = Lut(outputs=outputs, codes=None)
    given = rng.integers(256, size=(400, outputs))
    payloads = transfers(dut, given)
    loaded, used, received = [], [], []

    def some():
        return rng.random() < stall

    async def load(ctx):
        for codes in tables:
            for word in words(codes):
                while some():
                    await ctx.tick()
                ctx.set(dut.i_table.payload, word)
                ctx.set(dut.i_table.valid, 1)
                await ctx.tick()
                ctx.set(dut.i_table.valid, 0)
                ctx.set(dut.i_table.payload, 0xFFFFFFFF)
            loaded.append(codes)

    async def monitor(ctx):
        words_in = 0
        async for _, _, i_valid, i_ready, word in ctx.tick().sample(
                dut.i.valid, dut.i.ready, dut.i_table.valid):
            if i_valid and i_ready:
                used.append(words_in // LUT_WORDS - 1)
            words_in += word

    async def put(ctx):
        await put_all(ctx, dut.i, payloads, stall=some)

    async def get(ctx):
        received.extend(await get_all(ctx, dut.o, len(payloads), stall=some))

    run(dut, load, put, get, monitors=[monitor, hold_monitor(dut.o)])
    assert set(used) == {0, 1, 2, 3} and len(loaded) == 4
    want = [[tables[index][code] for code in row]
            for index, row in zip(used, given.tolist(), strict=True)]
    assert seen(received)[0] == want


def test_nothing_is_accepted_before_the_first_table(rng):
    dut = Lut(outputs=1, codes=None)
    table = table_of(rng)
    ready = []

    async def testbench(ctx):
        for word in words(table):
            ready.append(ctx.get(dut.i.ready))
            ctx.set(dut.i_table.payload, word)
            ctx.set(dut.i_table.valid, 1)
            await ctx.tick()
        ctx.set(dut.i_table.valid, 0)
        ready.append(ctx.get(dut.i.ready))
        assert not ctx.get(dut.o.valid)

    run(dut, testbench)
    assert ready == [0] * LUT_WORDS + [1] and LUT_WORDS == 64


def test_a_reset_forgets_the_table_and_what_is_under_way(rng):
    dut, reset = Lut(outputs=1, codes=None), Signal()

    async def testbench(ctx):
        for word in words(table_of(rng)) + [7]:
            ctx.set(dut.i_table.payload, word)
            ctx.set(dut.i_table.valid, 1)
            await ctx.tick()
        ctx.set(dut.i_table.valid, 0)
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        assert ctx.get(dut.o.valid)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.o.valid) and not ctx.get(dut.i.ready)
        for word in words(range(256)):
            ctx.set(dut.i_table.payload, word)
            ctx.set(dut.i_table.valid, 1)
            await ctx.tick()
        ctx.set(dut.i_table.valid, 0)
        ctx.set(dut.i.p.codes[0], 200)
        await ctx.tick()
        assert ctx.get(dut.o.p.codes[0]) == 200

    run(ResetInserter(reset)(dut), testbench)


@pytest.mark.parametrize("codes, message", [
    (range(255), "Table must have 256 codes, not 255"),
    ([0] * 255 + [256], "Table code must be in range [0, 255], not 256"),
    ([-1] + [0] * 255, "Table code must be in range [0, 255], not -1"),
])
def test_bad_tables(codes, message):
    for make in (Table, lambda codes: Lut(outputs=1, codes=codes)):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            make(codes=tuple(codes))
    with pytest.raises(ValueError, match=r"^Outputs must be a positive integer, not 0$"):
        Lut(outputs=0, codes=None)


def test_verilog_of_its_own(rng):
    for codes in (None, table_of(rng)):
        text = verilog.convert(Lut(outputs=2, codes=codes), name="own", emit_src=False)
        assert "module own(" in text and ("i_table__ready" in text) == (codes is None)


def test_a_layout_is_that_of_a_tile(rng):
    shape = Lut(outputs=3, codes=None).o.payload.shape()
    assert shape == data.StructLayout({"codes": data.ArrayLayout(8, 3), "last": 1})
