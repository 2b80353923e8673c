# amaranth: UnusedElaboratable=no

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from golden.block_scaled import Blocks, requantize_blocks
from golden.contracts import parse as contract
from golden.formats import BLOCK, NAN, IntFormat, parse
from golden.rounding import nearest_level
from hw import drive
from hw.requantize.shared_exponent import SharedExponent
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from hw.tile.tile import MacTile
from sim import jobs, streams
from sim.jobs import matmul
from sim.vectors import random_phase
from sim.verify import verify
from tests.compiled import compiled
from tests.hw.tiles import phase_of, simulation

TOTAL = IntFormat(20)


def shared_exponent(output="mx_e2m1", name="half_even", **more):
    return SharedExponent(contract=contract(name), total=TOTAL, output=parse(output),
                          **(dict(outputs=4, sidebands=3) | more))


def items_of(dut, rng, blocks):
    """Random results, mostly of the sizes that their exponents are for."""
    fmt, count = dut.output.element, blocks * BLOCK
    asked = rng.integers(100, 150, (blocks, 1)) - rng.integers(0, 12, (blocks, BLOCK))
    right = rng.integers(0, 63, (blocks, BLOCK))
    size = np.clip(asked - 127 + right + fmt.max.bit_length(), 0, 50)
    value = (rng.uniform(-1, 1, (blocks, BLOCK)) * 2.0**size).astype(np.int64)
    ends = np.sort(rng.choice(fmt.levels(), (2, count)), axis=0)
    return [dict(value=int(v), right=int(r), asked=int(a), clamp_min=int(lo), clamp_max=int(hi))
            for v, r, a, lo, hi in zip(value.flat, right.flat, asked.flat, *ends, strict=True)]


def payloads_of(dut, items, sidebands):
    encode = dut.output.element.encode
    coded = [item | {end: int(encode(item[end])) for end in ("clamp_min", "clamp_max")}
             for item in items]
    if isinstance(dut.output.element, IntFormat):
        coded = items
    return [{"items": coded[k:k + dut.outputs], "sidebands": sidebands[k // dut.outputs]}
            for k in range(0, len(items), dut.outputs)]


def wanted(dut, items):
    """Codes and exponents, by definition."""
    fmt = dut.output.element
    codes, exponents = [], []
    for start in range(0, len(items), BLOCK):
        block = items[start:start + BLOCK]
        exponent = max(item["asked"] for item in block)
        for item in block:
            scaled = Fraction(item["value"]) / Fraction(2)**(item["right"] + exponent - 127)
            level = int(nearest_level(scaled.numerator, scaled.denominator.bit_length() - 1, fmt,
                                      dut.contract.rounding))
            level = min(max(level, item["clamp_min"]), item["clamp_max"])
            codes.append(level if isinstance(fmt, IntFormat) else int(fmt.encode(level)))
            exponents.append(exponent)
    return codes, exponents


@pytest.mark.parametrize("output, name, outputs", [
    ("mx_e2m1", "half_even", 1), ("mx_e4m3fn", "half_up", 4), ("mx_s8", "half_away", 32),
    ("mx_odd4", "floor", 8), ("mx_codebook:-9/-2/0/3", "half_up", 16), ("mx_u4", "half_even", 2),
    ("mx_codebook:1/24/44/71", "floor", 16), ("mx_bit", "half_up", 8),
    ("mx_cfloat8_1_5_2", "zero", 4)])
@pytest.mark.parametrize("stall", [0.5])
def test_codes_are_in_units_of_the_largest_exponent(rng, output, name, outputs, stall):
    dut = shared_exponent(output, name, outputs=outputs)
    items = items_of(dut, rng, blocks=8)
    transfers = len(items) // outputs
    sidebands = rng.integers(8, size=transfers).tolist()
    got = streams.transform(
        dut, payloads_of(dut, items, sidebands), transfers,
        stall_i=(lambda: rng.random() < stall) if stall else None)
    codes, exponents = wanted(dut, items)
    assert [int(code) for one in got for code in one.codes] == codes
    assert [int(one.exponent) for one in got] == exponents[::outputs]
    assert [int(one.sidebands) for one in got] == sidebands


@pytest.mark.parametrize("output", [
    "mx_e2m1", "mx_s8", "mx_codebook:-100/-7/0/3",
    *(pytest.param(output, marks=pytest.mark.slow)
      for output in ("mx_e4m3fn", "mx_odd4", "mx_u1", "mx_codebook:1/24/44/71"))])
@pytest.mark.thinned(2)
def test_shifts_as_far_as_they_go(output):
    # To the left and to the right of all levels, the smallest and the largest numbers.
    dut = shared_exponent(output, outputs=32)
    most = 1 << TOTAL.width + 31 - 1
    ends = dict(clamp_min=dut.output.min, clamp_max=dut.output.max)
    items = [dict(value=value, right=right, asked=asked, **ends)
             for asked in [0, *range(127 - 20, 127 + 20), 254] for right in (0, 1, 7, 62)
             for value in (0, 1, -1, 3, -3, most - 1, -most, 5)]
    got = streams.transform(dut, payloads_of(dut, items, [0] * (len(items) // 32)),
                            len(items) // 32)
    codes, exponents = wanted(dut, items)
    assert [int(code) for one in got for code in one.codes] == codes
    assert [int(one.exponent) for one in got] == exponents[::32]


@pytest.mark.parametrize("output, outputs, latency", [
    ("mx_e2m1", 4, 15), ("mx_s8", 32, 6), ("mx_odd2", 1, 37)])
def test_latency_and_throughput(rng, output, outputs, latency):
    dut = shared_exponent(output, outputs=outputs)
    items = items_of(dut, rng, blocks=4)
    payloads = payloads_of(dut, items, [0] * (len(items) // outputs))
    assert streams.measure_throughput(dut, payloads, len(payloads)) == 1
    first, taken = [], []

    async def source(ctx):
        await streams.put_all(ctx, dut.i, payloads)

    async def meter(ctx):
        cycle = 0
        while len(first) < len(payloads):
            _, _, into, out = await ctx.tick().sample(dut.i.valid, dut.o.valid)
            taken.extend([cycle] * into)
            first.extend([cycle] * out)
            cycle += 1

    streams.run(dut, source, meter)
    assert {after - before for before, after in zip(taken, first, strict=True)} == {dut.latency}
    assert dut.latency == latency


def tile(weights="s4n", activations="s4", output="mx_e2m1", name="half_even", **shape):
    shape = dict(rows=2, cols=32, lanes=2, depth=32, outputs=8, channels=64) | shape
    return TileConfig(weights=parse(weights), activations=parse(activations),
                      output=parse(output), contract=contract(name), **shape)


FIXED = dict(bias=0, multiplier=1, shift=0, clamp_min=-12, clamp_max=12, exponent_min=0,
             exponent_max=254)
# A block leaves in four beats, one, eight, sixteen: more requantizers take longer to compile.
TILES = [tile(), tile("mx_e2m1", "s4", "mx_s8", "half_up", rows=1, outputs=32, window=4),
         tile("u4", "s4", "mx_e4m3fn", "pulp", zero_points="both", rows=1, outputs=4),
         tile("mx_e5m2:specials=propagate", "mx_e2m1", "mx_e4m3fn:specials=propagate", "half_up",
              rows=1, outputs=2, window=16)]


@pytest.mark.parametrize("config", [
    TILES[0], *(pytest.param(each, marks=pytest.mark.slow) for each in TILES[1:])],
    ids=lambda config: config.name)
@pytest.mark.thinned(2)
def test_tile_is_golden(rng, config):
    phases = [random_phase(config, rng, jobs=6), random_phase(config, rng, jobs=3)]
    want = jobs.expected(config, phases)
    assert isinstance(want, Blocks)
    assert len(np.unique(want.exponents)) > 1
    verify(config, compiled(config), phases, want, subject="Verilog", simulator="Verilator")


def test_infinities_and_nan_ask_for_nothing():
    config = tile("e4m3fn:specials=propagate", "u2", "mx_e4m3fn:specials=propagate", "half_up",
                  rows=1, outputs=2)
    assert config.output is not None
    w = np.full((64, 4), 1 << 9)
    w[0, 0], w[32:, 0] = NAN, NAN
    parameters = FIXED | dict(clamp_min=config.output.min, clamp_max=config.output.max)
    found, _ = matmul(config, simulation(config), np.full((1, 4), 3), w,
                      {name: np.full(64, value) for name, value in parameters.items()})
    assert isinstance(found, Blocks)
    # 31 results of the first block are 12, which is 384 * 2**(122 - 127); no result of the
    # second block is a number.
    assert found.exponents.tolist() == [[122, 0]]
    assert found.levels.tolist() == [[NAN, *31 * [384 << 9], *32 * [NAN]]]


def test_block_is_busy_in_every_cycle_and_latency(rng):
    config = tile(rows=1, outputs=2)
    phase = phase_of(config, rng, np.full(9, config.steps))
    _, trace = jobs.run(config, simulation(config), [phase])
    assert trace.final["s_axis_weights"] - trace.first["s_axis_weights"] + 1 == 9 * config.steps
    _, one = jobs.run(config, simulation(config), [phase_of(config, rng, [3])])
    assert one.first["m_axis_o"] - one.final["s_axis_weights"] == MacTile(config).latency
    # And results leave as fast, block after block.
    assert trace.final["m_axis_o"] - trace.first["m_axis_o"] + 1 == 9 * config.steps


def test_surplus_channels_ask_for_nothing(rng):
    # binary has no 0, so that the channels that are not there have sums and a bias.
    config = tile("binary", "binary", "mx_e2m1", rows=2, cols=64, channels=64)
    x, w = rng.choice([-1, 1], (3, 7)), rng.choice([-1, 1], (37, 7))
    parameters = {
        "bias": rng.integers(-9, 9, 37), "multiplier": rng.integers(1, 1 << 20, 37),
        "shift": rng.integers(15, 25, 37), "clamp_min": np.full(37, -12),
        "clamp_max": np.full(37, 12), "exponent_min": rng.integers(110, 120, 37),
        "exponent_max": np.full(37, 254)}
    parameters["multiplier"][36] = (1 << 31) - 1
    parameters["multiplier"][32:36] = 1
    w[36] = -x[0]
    found, _ = matmul(config, simulation(config), x, w, drive.fold(config, w, parameters))
    want = requantize_blocks(x @ w.T, config.contract, config.output, parameters)
    assert isinstance(found, Blocks)
    np.testing.assert_array_equal(found.levels, want.levels)
    np.testing.assert_array_equal(found.exponents, want.exponents)
    assert found.exponents.shape == (3, 2)


def test_port_has_the_exponent_behind_the_codes():
    config = tile("mx_s4", "s4", outputs=4)
    rows = [tuple(row.values()) for row in ports(config)[-1].payload.to_json()]
    assert rows == [("codes", 0, 4, [4], "mx_e2m1"), ("exponent", 16, 8, [], "e8m0"),
                    ("outside", 24, 1, [], "unsigned")]


@pytest.mark.parametrize("change, message", [
    (dict(cols=8), "Cols must be a multiple of the 32 results of a block where the output is "
                   "block-scaled, not 8"),
    (dict(cols=96, outputs=3), "Outputs must divide the 32 results of a block where the output is "
                               "block-scaled, not be 3"),
    (dict(output=parse("mx_e4m3fn"), lut="loaded"),
     "Lut must be left out for mx_e4m3fn, whose codes alone are no numbers, not loaded"),
    (dict(contract=contract("onnx")), "Output must be an integer format for contract onnx, "
                                      "not mx_e2m1"),
    (dict(contract=contract("thresholds")),
     "Output must be a format without exponents for contract thresholds, not mx_e2m1"),
    (dict(output=parse("mx_s1")), "Output must have a positive level where it is block-scaled, "
                                  "not mx_s1"),
    (dict(channels=32, parameters=tuple((FIXED | dict(exponent_min=9, exponent_max=8)).items())),
     "Exponent minimum must be at most the maximum 8, not 9"),
    (dict(channels=32, parameters=tuple((FIXED | dict(clamp_min=4, clamp_max=-4)).items())),
     "Clamp minimum must be at most the maximum -4, not 4"),
    (dict(channels=40, parameters=tuple(FIXED.items())),
     "Channels must be a multiple of the 32 results of a block where the output is block-scaled "
     "and parameters are fixed, not 40"),
])
def test_tiles_that_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(tile(), **change)


def test_outputs_must_divide_a_block():
    with pytest.raises(ValueError, match="^Outputs must divide the 32 results of a block, "
                                         "not be 3$"):
        shared_exponent(outputs=3)


def test_fixed_parameters_need_whole_blocks_of_channels(rng):
    config = tile(channels=32, parameters=tuple(FIXED.items()))
    x, w = rng.integers(-8, 8, (3, 7)), rng.integers(-7, 8, (32, 7))
    parameters = {name: np.full(32, value) for name, value in FIXED.items()}
    found, _ = matmul(config, simulation(config), x, w, parameters)
    want = requantize_blocks(x @ w.T, config.contract, config.output, FIXED)
    np.testing.assert_array_equal(found.levels, want.levels)
    np.testing.assert_array_equal(found.exponents, want.exponents)
    with pytest.raises(ValueError, match="^Channels must be a multiple of the 32 results of a "
                                         "block where the output is block-scaled and the "
                                         "parameters are fixed in the tile, not 20$"):
        matmul(config, simulation(config), x, w[:20],
               {name: values[:20] for name, values in parameters.items()})


def test_a_block_with_two_exponents_is_no_result():
    config = tile(outputs=16)
    beats = drive.output_beats(config, Blocks(np.zeros((1, 2, 32), int), np.full((1, 2, 1), 99)))
    assert drive.output_levels(config, beats.data).exponents.tolist() == [[[99], [99]]]
    beats.data[1, 8] ^= 1
    with pytest.raises(ValueError, match="^Exponents of a block must be one, not several$"):
        drive.output_levels(config, beats.data)
