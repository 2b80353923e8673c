# amaranth: UnusedElaboratable=no

import itertools
from dataclasses import replace

import numpy as np
import pytest

from golden import block_scaled, ops
from golden.contracts import parse as contract
from golden.formats import BLOCK, parse
from golden.requantize import requantize
from hw import drive
from hw.blocks import block_for
from hw.blocks.scaled import ScaledBlock
from hw.bus.axi_tile import AxiTile
from hw.targets.fabric import GENERIC
from hw.tile.config import TileConfig
from sim import jobs, streams
from sim.pysim import AmaranthSimulation
from sim.vectors import corner_phase, random_phase


def scaled_block(weights="mx_s4", activations="mx_e2m1", window=5, **shape):
    shape = dict(rows=2, cols=3, lanes=4) | shape
    w, x = parse(weights), parse(activations)
    block = block_for(fabric=GENERIC, weights=getattr(w, "element", w),
                      activations=getattr(x, "element", x), **shape)
    return ScaledBlock(block=block, weights=w, activations=x, window=window)


@pytest.mark.parametrize("weights, activations, window", [
    ("mx_s4", "mx_e2m1", 5), ("mx_s4", "u3", 16), ("binary", "mx_e4m3fn", 1),
    ("mx_bit", "mx_bit", 2)])
def test_block_shifts_exactly_in_the_window(rng, weights, activations, window):
    block = scaled_block(weights, activations, window)
    w, x = block.weights, block.activations
    beats, wanted, outside, alone = [], [], [], 0
    # Shifts about both ends of the window, some of them outside, of each pair on its own.
    for _ in range(60):
        xl, wl = rng.choice(x.levels(), size=(2, 4)), rng.choice(w.levels(), size=(3, 4))
        xe, we = np.full(2, 127), np.full(3, 127)
        if "mx" in activations:
            xe = rng.integers(100, 103, size=2)
        if "mx" in weights:
            we = rng.integers(max(0, window - 2), window + 1, size=3)
        # Code 255 is not a number, wherever in the window it would be.
        marked = [each for each, name in ((xe, activations), (we, weights))
                  if "mx" in name and rng.random() < 0.15]
        if marked:
            xe[:], we[:] = xe[0], we[0]
        for each in marked:
            each[:] = 254
            each[rng.integers(len(each))] = 255
        base = int(xe[0] + we[0] - rng.choice([0, window // 2, window - 1]))
        beat = {"activations": x.encode(xl).tolist(), "weights": w.encode(wl).tolist(),
                "base": base}
        if "mx" in activations:
            beat["activations_exponents"] = xe.tolist()
        if "mx" in weights:
            beat["weights_exponents"] = we.tolist()
        by = xe[:, None] + we - base
        beats.append(beat)
        outside.append(bool(marked) or bool(((by < 0) | (by >= window)).any()))
        alone += bool(marked) and not ((by < 0) | (by >= window)).any()
        wanted.append(ops.matmul(xl, wl.T) << by.clip(0, window - 1))
    assert any(outside) and not all(outside) and (alone or window == 1)

    got = []

    async def check(ctx):
        for cycle in range(len(beats) + block.latency):
            if cycle < len(beats):
                ctx.set(block.i.payload, beats[cycle])
            ctx.set(block.i.valid, int(cycle < len(beats)))
            await ctx.tick()
            if cycle >= block.latency - 1 and ctx.get(block.o.valid):
                got.append(([[ctx.get(block.o.p[r][c]) for c in range(3)] for r in range(2)],
                            ctx.get(block.outside)))

    streams.run(block, check)
    assert len(got) == len(beats)
    for (sums, flag), want, out in zip(got, wanted, outside, strict=True):
        assert flag == out
        assert out or sums == want.tolist()


def tile_config(weights="mx_e2m1", activations="mx_s4", name="half_up", output="s8", **shape):
    shape = dict(rows=2, cols=2, lanes=8, depth=80, channels=6) | shape
    return TileConfig(weights=parse(weights), activations=parse(activations),
                      output=None if name == "none" else parse(output), contract=contract(name),
                      **shape)


def simulation(config):
    tile = AxiTile(config)
    return AmaranthSimulation(tile, tile.ports)


@pytest.mark.parametrize("config", [
    tile_config(),
    tile_config("mx_s3", "u4", "tflite", window=4, outputs=2),
    tile_config("s2n", "mx_s3", "none", window=2, lanes=2, rows=1, depth=33),
    tile_config("mx_e5m2:specials=propagate", "mx_e2m1", "half_even",
                "e5m2:specials=propagate", window=9, lanes=2, depth=32),
], ids=lambda config: config.name)
def test_tile_is_golden_under_stalls(rng, config):
    phases = [corner_phase(config, rng), random_phase(config, rng, jobs=10)]
    want, backend = jobs.expected(config, phases), simulation(config)
    beats = drive.output_beats(config, want)
    for seed, stall in enumerate((0.0, 0.5)):
        _, trace = jobs.run(config, backend, phases, stall=stall, seed=seed)
        np.testing.assert_array_equal(trace.data, beats.data)
        np.testing.assert_array_equal(trace.last, beats.last)


def test_latency(rng):
    config = tile_config()
    backend = simulation(config)
    phase = random_phase(config, rng, jobs=1)
    _, trace = jobs.run(config, backend, [phase])
    plain = AxiTile(replace(config, weights=parse("e2m1"), activations=parse("s4"))).tile
    assert backend.component.tile.latency == plain.latency + 1
    assert backend.component.tile.block.shared_key == plain.block.shared_key
    assert trace.final["s_axis_weights"] == (
        trace.first["m_axis_o"] - backend.component.tile.latency)


@pytest.mark.parametrize("depth, base", [(3, None), (BLOCK, 100), (80, 100)])
def test_matrices_of_blocks(rng, depth, base):
    config = tile_config("mx_e2m1", "mx_e2m3", "half_even", rows=3, cols=4, channels=8, window=12)
    x = rng.choice(config.activations.levels(), size=(7, depth))
    w = rng.choice(config.weights.levels(), size=(11, depth))
    blocks = -(-depth // BLOCK)
    exponents = {"activations": 40 + rng.integers(7, size=(7, blocks)),
                 "weights": 60 + rng.integers(6, size=(11, blocks))}
    own = {"bias": rng.integers(-500, 500, 11), "multiplier": rng.integers(1 << 30, 1 << 31, 11),
           "shift": 44, "zero_point": 3, "clamp_min": -100, "clamp_max": 127}
    folded = drive.fold(config, w, own)
    levels, _ = jobs.matmul(config, simulation(config), x, w, folded, exponents=exponents,
                            base=base, stall=0.2)
    base = sum(int(codes.min()) for codes in exponents.values()) if base is None else base
    sums = block_scaled.matmul(x, exponents["activations"], w, exponents["weights"], base=base,
                               window=12)
    np.testing.assert_array_equal(levels, requantize(sums, config.contract, config.output, own))


def outside_bit(config, trace):
    bit = config.outputs * config.output_format.bits
    return trace.data[:, bit // 8] >> bit % 8 & 1


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("beat, row, step", [(0, 0, "below"), (2, 1, "above"), (4, 0, "above")])
def test_blocks_outside_raise_a_flag_that_stays(rng, stall, beat, row, step):
    config = tile_config(window=4)
    phase = replace(random_phase(config, rng, jobs=6), beats=np.array([1, 4, 2, 5, 1, 3]))
    total = phase.beats.sum()
    codes = rng.integers(config.activations.levels().size, size=(total, 2, 8))
    phase = replace(
        phase, base=np.full(6, 90), activations=config.activations.levels()[codes],
        weights=rng.choice(config.weights.levels(), size=(total, 2, 8)),
        exponents={"activations": 50 + rng.integers(3, size=(total, 2)),
                   "weights": 40 + rng.integers(2, size=(total, 2))})
    want, backend = jobs.expected(config, [phase]), simulation(config)

    # One vector of one beat of the fourth job; with one of the weights it is just outside.
    place = int(phase.beats[:3].sum()) + beat
    bad = {name: codes.copy() for name, codes in phase.exponents.items()}
    bad["weights"][place] = 40, 41
    bad["activations"][place, row] = 49 if step == "below" else 53
    wrong = replace(phase, exponents=bad)
    with pytest.raises(ValueError, match=r"^Combined exponent of block \(\d+, \d, \d\) must be in "
                                         r"range \[90, 93\], not (89|94)$"):
        jobs.expected(config, [wrong])
    levels, trace = jobs.run(config, backend, [wrong], stall=stall, seed=3)
    flags = outside_bit(config, trace).reshape(6, -1)
    np.testing.assert_array_equal(flags, np.repeat([[0], [0], [0], [1], [1], [1]], 4, axis=1))
    others = [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(levels[others], want[others])
    # Only a reset clears it, as every run begins with one.
    levels, trace = jobs.run(config, backend, [phase], stall=stall, seed=4)
    assert not outside_bit(config, trace).any()
    np.testing.assert_array_equal(levels, want)


def test_idle_lanes_need_a_zero():
    config = tile_config("mx_odd2", "mx_odd2")
    parameters = {"bias": 0, "multiplier": 1 << 30, "shift": 31, "zero_point": 0, "clamp_min": -128,
                  "clamp_max": 127}
    drive.fold(config, np.ones((2, 16), int), parameters)
    with pytest.raises(ValueError, match="^Depth must be a multiple of the 8 lanes where operands "
                                         "are block-scaled and neither has a level 0, not 17$"):
        drive.fold(config, np.ones((2, 17), int), parameters)


@pytest.mark.parametrize("more, message", [
    (dict(exponents={"weights": [[127]], "activations": [[255]]}),
     r"Exponent must be in range \[0, 254\] of u8n, not 255 at index \(0, 0\)"),
    (dict(exponents={"weights": [[127, 127]]}),
     r"Exponents must have shape \(1, 1\), one for each 32 levels, not \(1, 2\)"),
    (dict(base=509), r"Base must be in range \[0, 508\], not 509"),
])
def test_exponents_that_are_refused(more, message):
    config = tile_config()
    ones = np.ones((1, 8), int)
    with pytest.raises(ValueError, match=f"^{message}$"):
        list(drive.matmul_phases(config, ones, ones, {}, **more))


def test_exponents_of_plain_formats_are_refused():
    with pytest.raises(ValueError, match="^Exponents of weights must be left out for s4, which is "
                                         "not block-scaled$"):
        list(drive.matmul_phases(tile_config("s4"), np.ones((1, 8), int), np.ones((1, 8), int), {},
                                exponents={"weights": np.array([[127]])}))


def test_phases_without_a_base_are_refused(rng):
    config = tile_config()
    phase = replace(random_phase(config, rng, jobs=2), base=None)
    for use in (jobs.expected, drive.streams):
        with pytest.raises(ValueError, match="^Base must be given where operands are block-scaled, "
                                             "not None$"):
            use(config, [phase])


@pytest.mark.parametrize("change, message", [
    (dict(window=0), r"Window must be in range \[1, 64\], not 0"),
    (dict(window=65), r"Window must be in range \[1, 64\], not 65"),
    (dict(lanes=5), "Lanes must divide the 32 elements of a block where operands are block-scaled, "
                    "not be 5"),
    (dict(weights=parse("mx_s4"), activations=parse("s4"), zero_points="activations"),
     "Zero points must be none where operands are block-scaled, not 'activations'"),
])
def test_tiles_that_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(tile_config(), **change)


def test_sums_have_the_window():
    plain = tile_config("e2m1", "s4")
    for weights, activations in itertools.product(("e2m1", "mx_e2m1"), ("s4", "mx_s4")):
        config = tile_config(weights, activations, window=16)
        scale = 1 << 15 if config.block_scaled else 1
        assert config.sums == plain.sums.times(scale)


@pytest.mark.parametrize("window, message", [
    (0, "Window must be a positive integer, not 0")])
def test_block_messages(window, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        scaled_block(window=window)
