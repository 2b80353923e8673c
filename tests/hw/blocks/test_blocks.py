# amaranth: UnusedElaboratable=no

import math

import numpy as np
import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import data

from golden import ops
from golden.formats import IntFormat, parse
from golden.ranges import Range, dot_range, levels_range
from hw.blocks import DotProductGrid, block_for
from hw.blocks.floats import FloatGrid
from hw.blocks.grid import DotProduct
from hw.blocks.popcount import AndPopcountGrid, XnorPopcountGrid
from hw.blocks.select import SelectGrid
from hw.blocks.split import SplitGrid, split
from hw.blocks.sum_tree import SumTree, tree_latency
from hw.blocks.table import TableGrid
from hw.blocks.vector_sums import VectorSum
from hw.packing import pack, unpack
from hw.targets.fabric import GENERIC
from sim.streams import measure_latency, measure_throughput, run, transform
from tests.hw.resets import valid_after_reset

PAIRS = [("s4n", "s4"), ("u3", "s5"), ("s8", "u8"), ("u4", "u4"), ("s1", "s1"), ("u1", "s1"),
         ("s16", "s16"), ("u16", "s2"), ("odd4", "odd4"), ("binary", "bit"), ("u4", "odd2"),
         ("ternary", "odd8")]
LANES = [1, 2, 4, 5, 17]


def grid(weights, activations, rows, cols, lanes):
    return DotProductGrid(weights=parse(weights), activations=parse(activations), rows=rows,
                          cols=cols, lanes=lanes)


def random_beats(rng, dut, count):
    """Beats of levels; the first few hold an end of each range in every lane."""
    a, w = dut.activations, dut.weights
    activations = rng.choice(a.levels(), size=(count, dut.rows, dut.lanes))
    weights = rng.choice(w.levels(), size=(count, dut.cols, dut.lanes))
    for beat, (x, y) in enumerate([(a.min, w.min), (a.min, w.max), (a.max, w.min),
                                   (a.max, w.max)]):
        activations[beat], weights[beat] = x, y
    return activations, weights


def packed(fmt, levels):
    codes = fmt.encode(levels).reshape(len(levels), -1)
    return [int.from_bytes(row.tobytes(), "little") for row in pack(codes, fmt.bits)]


def payloads(dut, activations, weights):
    shape = dut.i.payload.shape()
    bits = dut.rows * dut.lanes * dut.activations.bits
    return [shape.from_bits(a | w << bits) for a, w in zip(
        packed(dut.activations, activations), packed(dut.weights, weights), strict=True)]


def sums_of(dut, received):
    bits = dut.sum_format.bits
    width = -(-dut.rows * dut.cols * bits // 8)
    raw = np.array([list(payload.as_value().value.to_bytes(width, "little"))
                    for payload in received], np.uint8)
    return dut.sum_format.decode(unpack(raw, bits, dut.rows * dut.cols)).reshape(
        -1, dut.rows, dut.cols)


def golden_sums(activations, weights):
    return ops.matmul(activations, weights.transpose(0, 2, 1))


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("weights, activations", PAIRS)
@pytest.mark.thinned(3)
def test_grid_is_golden(rng, weights, activations, lanes):
    dut = grid(weights, activations, 2, 2, lanes)
    a, w = random_beats(rng, dut, 24)
    received = transform(dut, payloads(dut, a, w), 24, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))


# A pair of formats for each kind of block and each of its cases.
FITTING = [
    (AndPopcountGrid, "bit", "bit"), (XnorPopcountGrid, "binary", "binary"),
    (SplitGrid, "binary", "bit"), (SplitGrid, "bit", "binary"), (SplitGrid, "odd4", "odd3"),
    (SplitGrid, "odd2", "s5n"), (SplitGrid, "u5", "odd4"),
    (SelectGrid, "ternary", "s4"), (SelectGrid, "u4", "ternary"), (SelectGrid, "binary", "odd4"),
    (SelectGrid, "s5", "bit"), (SelectGrid, "s1", "s3"), (SelectGrid, "e2m1", "binary"),
    (SelectGrid, "ternary", "ternary"), (SelectGrid, "codebook:-1/1", "u8"),
    (TableGrid, "odd2", "odd2"), (TableGrid, "codebook:-9/-2/0/5", "codebook:1/3/7"),
    (TableGrid, "e2m1", "s2"), (TableGrid, "odd3", "u3"),
    (FloatGrid, "e2m1", "e2m3"), (FloatGrid, "e4m3fn", "s4"), (FloatGrid, "u5n", "e3m2"),
    (FloatGrid, "cfloat8_1_5_2:denormals=paper", "cfloat8_1_4_3"), (FloatGrid, "odd4", "e5m2"),
    (FloatGrid, "codebook:-9/-2/0/5/100", "e4m3fn"),
    (DotProductGrid, "s4n", "s4"), (DotProductGrid, "s3n", "s3"),
    (DotProductGrid, "codebook:-9/-2/0/5/100", "s4"),
    (DotProductGrid, "odd4", "codebook:-9/-2/0/5/100"),
]


@pytest.mark.parametrize("rows, cols, lanes", [(2, 2, 3), (1, 2, 17)])
@pytest.mark.parametrize("kind, weights, activations", FITTING)
@pytest.mark.thinned(3)
def test_block_that_fits_is_golden(rng, kind, weights, activations, rows, cols, lanes):
    dut = block_for(fabric=GENERIC, weights=parse(weights), activations=parse(activations),
                    rows=rows, cols=cols, lanes=lanes)
    assert type(dut) is kind
    a, w = random_beats(rng, dut, 8)
    received = transform(dut, payloads(dut, a, w), 8, stall_i=lambda: rng.random() < 0.3)
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))


@pytest.mark.parametrize("lanes", [1, 5, 16])
@pytest.mark.parametrize("kind, weights, activations", [
    next(each for each in FITTING if each[0] is kind) for kind in dict.fromkeys(
        each[0] for each in FITTING)])
def test_latency_and_throughput_of_each_kind(rng, kind, weights, activations, lanes):
    dut = kind(weights=parse(weights), activations=parse(activations), rows=1, cols=2,
               lanes=lanes)
    tree = math.ceil(math.log(lanes, 4))
    latency = {FloatGrid: 2 + tree, SplitGrid: max(1 + (lanes > 16), tree) + 1}.get(kind, 1 + tree)
    if kind in (AndPopcountGrid, XnorPopcountGrid):
        latency = 1 + (lanes > 16)
    beats = payloads(dut, *random_beats(rng, dut, 12))
    assert measure_latency(dut, beats[0]) == dut.latency == latency
    assert measure_throughput(dut, beats, 12) == 1


@pytest.mark.parametrize("rows, cols", [(1, 1), (1, 3), (3, 1), (3, 2)])
def test_rows_and_cols_do_not_mix(rng, rows, cols):
    dut = grid("s5", "u3", rows, cols, 2)
    a, w = random_beats(rng, dut, 30)
    received = transform(dut, payloads(dut, a, w), 30)
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))


# All products of two levels at a time: the outer product of 16 of each.
@pytest.mark.parametrize("weights, activations", [
    ("s4n", "s4"), ("u3", "s5"), ("u8", "u8"), ("s1", "u1"), ("odd4", "ternary"),
    pytest.param("s8", "s8", marks=pytest.mark.slow),
    pytest.param("u4", "s12", marks=pytest.mark.slow)])
def test_every_pair_of_levels(weights, activations):
    def chunks(fmt, count):
        levels = fmt.levels()
        return np.pad(levels, (0, -len(levels) % count), mode="edge").reshape(-1, count)

    rows = min(16, len(parse(activations).levels()))
    cols = min(16, len(parse(weights).levels()))
    dut = grid(weights, activations, rows, cols, 1)
    a, w = chunks(dut.activations, rows), chunks(dut.weights, cols)
    first, second = (grid.reshape(-1) for grid in np.indices((len(a), len(w))))
    a, w = a[first][..., None], w[second][..., None]
    received = transform(dut, payloads(dut, a, w), len(a))
    np.testing.assert_array_equal(sums_of(dut, received), golden_sums(a, w))


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("weights, activations", [("s4n", "s4"), ("u8", "u8")])
def test_sums_are_exactly_as_wide_as_they_must_be(weights, activations, lanes):
    dut = grid(weights, activations, 1, 1, lanes)
    a, w = dut.activations, dut.weights
    extremes = [lanes * x * y for x in (a.min, a.max) for y in (w.min, w.max)]
    assert dut.sum_format == Range(min(extremes), max(extremes)).format
    narrower = IntFormat(dut.sum_format.width - 1, signed=dut.sum_format.signed)
    assert not narrower.contains(extremes).all()


@pytest.mark.parametrize("lanes", LANES)
def test_grid_latency_and_throughput(rng, lanes):
    dut = grid("s4", "s4", 1, 2, lanes)
    beats = payloads(dut, *random_beats(rng, dut, 12))
    assert measure_latency(dut, beats[0]) == dut.latency == 1 + math.ceil(math.log(lanes, 4))
    assert measure_throughput(dut, beats, 12) == 1
    assert DotProduct(weights=dut.weights, activations=dut.activations,
                      lanes=lanes).latency == dut.latency


@pytest.mark.parametrize("cycle", range(4))
def test_a_reset_forgets_beats_under_way(rng, cycle):
    dut = grid("s4", "s4", 1, 1, 5)
    beats = payloads(dut, *random_beats(rng, dut, 4))
    assert not any(valid_after_reset(dut, beats[:cycle]))


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("activations", ["s4", "u3", "u1", "s5n", "odd3"])
def test_vector_sums_in_step_with_a_block(rng, activations, lanes):
    block = grid("s4", activations, 3, 1, lanes)
    rows = [VectorSum(fmt=block.activations, lanes=lanes, latency=block.latency)
            for _ in range(3)]
    assert rows[0].sum_format == levels_range(block.activations).times(lanes).format
    m = Module()
    m.submodules.block = block
    m.submodules += rows
    m.d.comb += [row.i.activations.eq(block.i.p.activations[k]) for k, row in enumerate(rows)]
    a, w = random_beats(rng, block, 20)
    beats = iter(payloads(block, a, w))
    seen, sums = [], []

    async def testbench(ctx):
        while len(seen) < 20:
            busy = rng.random() < 0.7
            beat = next(beats, None) if busy else None
            ctx.set(block.i.valid, beat is not None)
            ctx.set(Value.cast(block.i.payload), -1 if beat is None else beat.as_value().value)
            _, _, valid, both, *row = await ctx.tick().sample(
                block.o.valid, block.o.payload, *(row.o for row in rows))
            if valid:
                sums.append(both)
                seen.append(row)

    run(m, testbench, max_cycles=500)
    np.testing.assert_array_equal(seen, a.sum(axis=2))
    np.testing.assert_array_equal(sums_of(block, sums), golden_sums(a, w))


@pytest.mark.parametrize("extra", [0, 1, 3])
@pytest.mark.parametrize("lanes", [1, 4, 5])
def test_vector_sums_have_the_latency_they_are_told(rng, lanes, extra):
    latency = {1: 0, 4: 1, 5: 2}[lanes] + extra
    dut = VectorSum(fmt=parse("s4"), lanes=lanes, latency=latency)
    levels = rng.integers(-8, 8, size=(12, lanes))
    seen = []

    async def testbench(ctx):
        for value in levels.tolist():
            ctx.set(dut.i.activations, value)
            seen.append(ctx.get(dut.o))
            await ctx.tick()

    run(dut, testbench)
    np.testing.assert_array_equal(seen[latency:], levels.sum(axis=1)[:12 - latency])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 15, 16, 17, 20, 64, 65])
@pytest.mark.parametrize("term", [Range(-7, 7), Range(0, 9), Range(-128, 127), Range(-5, 0)],
                         ids=str)
def test_sum_tree(rng, term, count):
    dut = SumTree(term=term, count=count)
    assert dut.latency == tree_latency(count) == sum(4**k < count for k in range(4))
    terms = rng.integers(term.lo, term.hi + 1, size=(12, count))
    terms[0], terms[1] = term.lo, term.hi
    seen = []

    async def testbench(ctx):
        for row in packed(term.format, np.concatenate([terms, terms[:dut.latency]])):
            ctx.set(Value.cast(dut.i), row)
            seen.append(ctx.get(dut.o))
            await ctx.tick()

    run(dut, testbench)
    np.testing.assert_array_equal(seen[dut.latency:], terms.sum(axis=1))


def test_shapes_follow_the_formats():
    dut = DotProduct(weights=parse("s4n"), activations=parse("u3"), lanes=5)
    assert len(dut.o) == dot_range(dut.weights, dut.activations, 5).format.width
    assert isinstance(dut.i.shape(), data.StructLayout)
    assert len(Value.cast(dut.i)) == 5 * (4 + 3)


@pytest.mark.parametrize("name", ["rows", "cols", "lanes"])
@pytest.mark.parametrize("value", [0, -3])
def test_bad_shapes(name, value):
    shape = dict(rows=1, cols=1, lanes=1) | {name: value}
    with pytest.raises(ValueError,
                       match=f"^{name.capitalize()} must be a positive integer, not {value}$"):
        grid("s4", "s4", **shape)


def test_what_cannot_be_split():
    with pytest.raises(TypeError, match=r"^Format must be of odd or integer levels, "
                                        r"not FloatFormat\(.*\)$"):
        split(parse("e2m1"))


def test_bad_trees():
    with pytest.raises(ValueError, match="^Count must be a positive integer, not 0$"):
        SumTree(term=Range(0, 1), count=0)
    with pytest.raises(ValueError, match="^Latency must be at least 2, not 1$"):
        VectorSum(fmt=parse("s4"), lanes=5, latency=1)
