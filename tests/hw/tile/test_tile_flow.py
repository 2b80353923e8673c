# amaranth: UnusedElaboratable=no
"""Readies of a tile, and what holds its outputs back."""

import itertools

import numpy as np
import pytest
from amaranth.hdl import Value

from hw import drive
from hw.tile.tile import MacTile
from sim import jobs, streams
from tests.hw.tiles import SHAPES, phase_of, tile_config


@pytest.mark.parametrize("name, zero_points", [("half_up", "both"), ("none", "none")])
@pytest.mark.parametrize("shape", ["1x1x1", "3x2x5", "2x6x3/6", "4x4x4/4"])
@pytest.mark.thinned(2)
def test_backpressure_in_bursts(rng, shape, name, zero_points):
    # The output stands still until every input has, and then again now and then.
    config = tile_config(name, zero_points, **SHAPES[shape])
    phase = phase_of(config, rng, rng.integers(1, config.max_beats + 1, size=40))
    want = jobs.expected(config, [phase])
    tile = MacTile(config)
    received = []

    async def feed(ctx, stream, name):
        beats = drive.streams(config, [phase])[name]
        payloads = [int.from_bytes(row.tobytes(), "little") for row in beats.data]
        width = len(Value.cast(stream.payload))
        if name == "s_axis_parameters":
            payloads = [word | int(last) << 32
                        for word, last in zip(payloads, beats.last, strict=True)]
        await streams.put_all(ctx, stream, [
            stream.payload.shape().from_bits(payload & (1 << width) - 1) for payload in payloads])

    async def drain(ctx):
        for _ in range(20 * config.max_beats + 200):
            await ctx.tick()
        left, burst = len(phase.beats) * config.steps, itertools.cycle([3, 1, 17, 40])
        while left:
            count = min(left, next(burst))
            received.extend(await streams.get_all(ctx, tile.o, count))
            left -= count
            for _ in range(int(rng.integers(60))):
                await ctx.tick()

    async def feed_job(ctx):
        await feed(ctx, tile.i_job, "s_axis_job")

    async def feed_activations(ctx):
        await feed(ctx, tile.i_activations, "s_axis_activations")

    async def feed_weights(ctx):
        await feed(ctx, tile.i_weights, "s_axis_weights")

    async def feed_parameters(ctx):
        await feed(ctx, tile.i_parameters, "s_axis_parameters")

    streams.run(tile, drain, feed_parameters, feed_job, feed_activations, feed_weights,
                monitors=[streams.hold_monitor(tile.o)])
    got = [payload.codes[k] for payload in received for k in range(config.outputs)]
    np.testing.assert_array_equal(np.reshape(got, want.shape), want)
    assert [payload.last for payload in received] == (
        [0] * (config.steps - 1) + [1]) * len(phase.beats)


@pytest.mark.parametrize("shape, zero_points", [
    ("1x1x1", "none"), ("3x2x5", "both"), ("4x4x4/4", "none")])
def test_no_path_from_o_ready_to_any_output_of_the_tile(rng, shape, zero_points):
    config = tile_config(zero_points=zero_points, **SHAPES[shape])
    tile = MacTile(config)
    inputs = [tile.i_job, tile.i_activations, tile.i_weights, tile.i_parameters]
    watched = [stream.ready for stream in inputs] + [tile.o.valid, Value.cast(tile.o.payload)]
    seen = set()

    async def testbench(ctx):
        offered = [False] * 4
        for cycle in range(600):
            for k, stream in enumerate(inputs):
                if not offered[k]:
                    width = len(Value.cast(stream.payload))
                    offered[k] = rng.random() < 0.8
                    payload = int.from_bytes(rng.bytes(width // 8 + 1), "little") % (1 << width)
                    if stream is tile.i_job:
                        bits = config.max_beats.bit_length()
                        payload = int(rng.integers(1, config.max_beats + 1)) | int(
                            rng.integers(config.groups)) << bits
                    if stream is tile.i_parameters:
                        # Sets of which most have all records of most groups.
                        payload = payload % (1 << 32) | (int(rng.random() < 0.02) << 32)
                    ctx.set(Value.cast(stream.payload), payload)
                    ctx.set(stream.valid, bool(offered[k]))
            looks = []
            for ready in (0, 1, 0, 1):
                ctx.set(tile.o.ready, ready)
                looks.append(tuple(ctx.get(signal) for signal in watched))
            assert len(set(looks)) == 1, f"cycle {cycle}"
            seen.add(looks[0][:5])
            # Full for a while, now and then.
            ctx.set(tile.o.ready, bool(cycle % 100 > 50 and rng.random() < 0.8))
            _, _, *taken = await ctx.tick().sample(*(stream.ready for stream in inputs))
            offered = [held and not took for held, took in zip(offered, taken, strict=True)]

    streams.run(tile, testbench)
    # Every ready, and the output's valid, was seen at both levels.
    assert all({each[k] for each in seen} == {0, 1} for k in range(5) if k != 3)


@pytest.mark.parametrize("ready", [False, True])
def test_readies_of_the_operands(ready):
    # An operand is taken with the other, and neither before there is a job.
    config = tile_config(**SHAPES["1x1x1"])
    tile = MacTile(config)

    async def testbench(ctx):
        ctx.set(tile.o.ready, ready)
        ctx.set(tile.i_activations.valid, 1)
        ctx.set(tile.i_weights.valid, 1)
        for _ in range(5):
            assert not ctx.get(tile.i_job.ready | tile.i_activations.ready | tile.i_weights.ready)
            await ctx.tick()
        ctx.set(tile.i_parameters.valid, 1)
        ctx.set(tile.i_parameters.p.last, 1)
        await ctx.tick()
        ctx.set(tile.i_parameters.valid, 0)
        ctx.set(tile.i_weights.valid, 0)
        ctx.set(tile.i_job.p.beats, 2)
        ctx.set(tile.i_job.valid, 1)
        assert ctx.get(tile.i_job.ready)
        await ctx.tick()
        ctx.set(tile.i_job.valid, 0)
        for _ in range(5):
            await ctx.tick()
            assert not ctx.get(tile.i_activations.ready)
        assert ctx.get(tile.i_weights.ready)
        ctx.set(tile.i_weights.valid, 1)
        assert ctx.get(tile.i_activations.ready)

    streams.run(tile, testbench)
