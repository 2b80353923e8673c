# amaranth: UnusedElaboratable=no

import itertools

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator

from golden import ops
from golden.contracts import contract
from golden.formats import parse
from golden.requantize import requantize
from hw.bus import AxiTile
from hw.config import TileConfig
from hw.tile import MacTile
from sim import jobs, streams
from sim.backend import Beats
from sim.jobs import Phase
from sim.pysim import AmaranthSimulation
from sim.vectors import corner_phase, random_parameters, random_phase

CONTRACTS = ["none", "floor", "zero", "half_up", "half_even", "half_away", "tflite",
             "tflite_single"]
ZERO_POINTS = ["none", "activations", "both"]
SHAPES = {
    "1x1x1": dict(rows=1, cols=1, lanes=1, depth=6, channels=3),
    "4x4x4": dict(rows=4, cols=4, lanes=4, depth=64, channels=16),
    "4x4x4/4": dict(rows=4, cols=4, lanes=4, depth=20, channels=4, outputs=4),
    "3x2x5": dict(rows=3, cols=2, lanes=5, depth=23, channels=7),
    "2x6x3": dict(rows=2, cols=6, lanes=3, depth=17, channels=14),
    "2x6x3/2": dict(rows=2, cols=6, lanes=3, depth=17, channels=14, outputs=2),
    "2x6x3/3": dict(rows=2, cols=6, lanes=3, depth=9, channels=5, outputs=3),
    "2x6x3/6": dict(rows=2, cols=6, lanes=3, depth=17, channels=14, outputs=6),
    "1x3x17": dict(rows=1, cols=3, lanes=17, depth=17, channels=3, outputs=3),
}
FORMATS = [("s4n", "u4", "s8"), ("s8", "s8", "u8"), ("u3", "s5", "s2"), ("s2n", "u1", "u1"),
           ("s12", "s3", "s16")]


def tile_config(name="half_up", zero_points="none", formats=FORMATS[0], **shape):
    weights, activations, output = (parse(fmt) for fmt in formats)
    return TileConfig(weights=weights, activations=activations,
                      output=None if name == "none" else output, contract=contract(name),
                      zero_points=zero_points, **shape)


def simulation(config):
    tile = AxiTile(config)
    return AmaranthSimulation(tile, tile.ports)


def check(config, phases, stalls=(0.0, 0.3, 0.6), backend=None):
    """Equal to golden under stalls; `AmaranthSimulation` sees to holding and to the watchdog."""
    want = jobs.expected(config, phases)
    last = jobs.output_beats(config, want).last
    backend = backend or simulation(config)
    for seed, stall in enumerate(stalls):
        levels, trace = jobs.run(config, backend, phases, stall=stall, seed=seed)
        np.testing.assert_array_equal(levels, want)
        np.testing.assert_array_equal(trace.last, last)
    return trace


def phase_of(config, rng, beats, groups=None):
    """Jobs of these numbers of beats, with random operands and parameters for the whole store."""
    c = config
    beats = np.asarray(beats)
    return Phase(
        random_parameters(c, rng, c.groups * c.cols),
        rng.integers(c.groups, size=len(beats)) if groups is None else np.asarray(groups), beats,
        rng.integers(c.activations.min, c.activations.max + 1,
                     size=(beats.sum(), c.rows, c.lanes)),
        rng.integers(c.weights.min, c.weights.max + 1, size=(beats.sum(), c.cols, c.lanes)))


# Each contract on several shapes, each shape with several contracts, formats turning beside them.
EVERY = list(itertools.product(SHAPES, CONTRACTS, ZERO_POINTS))
CHOSEN = [(shape, CONTRACTS[(s + 3 * k) % 8], ZERO_POINTS[(s + k) % 3])
          for s, shape in enumerate(SHAPES) for k in range(3)]


def case_of(shape, name, zero_points):
    formats = FORMATS[(list(SHAPES).index(shape) + CONTRACTS.index(name)) % len(FORMATS)]
    return tile_config(name, zero_points, formats, **SHAPES[shape])


def check_case(rng, config):
    phases = [random_phase(config, rng, jobs=12), corner_phase(config, rng),
              phase_of(config, rng, [1] * 20), random_phase(config, rng, jobs=3)]
    check(config, phases, stalls=(0.0, 0.5))


@pytest.mark.parametrize("shape, name, zero_points", CHOSEN)
def test_tile_is_golden(rng, shape, name, zero_points):
    check_case(rng, case_of(shape, name, zero_points))


@pytest.mark.slow
@pytest.mark.parametrize("shape, name, zero_points", [
    case for case in EVERY if case not in CHOSEN])
def test_every_contract_on_every_shape(rng, shape, name, zero_points):
    check_case(rng, case_of(shape, name, zero_points))


@pytest.mark.parametrize("name, zero_points", [("half_even", "both"), ("tflite", "activations")])
def test_matrices_of_ragged_sizes(rng, name, zero_points):
    config = tile_config(name, zero_points, ("s4", "u4", "s8"), rows=3, cols=4, lanes=5, depth=24,
                         channels=8, outputs=2)
    x, w = rng.integers(16, size=(7, 23)), rng.integers(-8, 8, size=(19, 23))
    zx, zw = 5, rng.integers(-8, 8, size=19) if zero_points == "both" else 0
    multiplier, shift = rng.integers(1 << 30, 1 << 31, 19), 5
    own = {"bias": rng.integers(-500, 500, 19), "multiplier": multiplier,
           "shift": 31 + shift if name == "half_even" else -shift, "zero_point": 3,
           "clamp_min": -100, "clamp_max": 127}
    folded = jobs.fold(config, w, own, zero_point=zx, weight_zero_points=zw)
    levels, _ = jobs.matmul(config, simulation(config), x, w, folded, stall=0.2)
    direct = ops.dense(x, w, x_zero_point=zx, w_zero_point=zw)
    np.testing.assert_array_equal(levels, requantize(direct, config.contract, config.output, own))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name, zero_points", [
    ("half_up", "none"), ("tflite", "both"), ("none", "both"), ("none", "none")])
def test_latency(rng, shape, name, zero_points):
    config = tile_config(name, zero_points, **SHAPES[shape])
    backend = simulation(config)
    for beats in {1, config.max_beats}:
        phase = phase_of(config, rng, [beats])
        levels, trace = jobs.run(config, backend, [phase])
        np.testing.assert_array_equal(levels, jobs.expected(config, [phase]))
        ends = {trace.final["s_axis_activations"], trace.final["s_axis_weights"]}
        assert ends == {trace.first["m_axis_o"] - backend.component.tile.latency}
        # Once begun, the outputs of a job leave one after another.
        assert trace.final["m_axis_o"] - trace.first["m_axis_o"] == config.steps - 1


LONG_ENOUGH = {
    "1x1x1": dict(rows=1, cols=1, lanes=1, depth=6, channels=3),
    "4x4x2/2": dict(rows=4, cols=4, lanes=2, depth=30, channels=8, outputs=2),
    "3x2x5": dict(rows=3, cols=2, lanes=5, depth=60, channels=6),
    "2x4x1/4": dict(rows=2, cols=4, lanes=1, depth=8, channels=8, outputs=4),
    "1x4x17/4": dict(rows=1, cols=4, lanes=17, depth=100, channels=4, outputs=4),
    "4x4x4": dict(rows=4, cols=4, lanes=4, depth=80, channels=4),
}


@pytest.mark.parametrize("name, zero_points", [("half_up", "none"), ("tflite", "both"),
                                               ("none", "none")])
@pytest.mark.parametrize("shape", LONG_ENOUGH)
def test_utilisation(rng, shape, name, zero_points):
    config = tile_config(name, zero_points, **LONG_ENOUGH[shape])
    backend = simulation(config)
    longer = [config.steps + int(extra) for extra in rng.integers(0, 4, size=20)]
    for beats in ([config.steps] * 20, longer):
        phase = phase_of(config, rng, np.minimum(beats, config.max_beats))
        levels, trace = jobs.run(config, backend, [phase])
        np.testing.assert_array_equal(levels, jobs.expected(config, [phase]))
        busy = trace.final["s_axis_weights"] - trace.first["s_axis_weights"] + 1
        # All of the cycles, and so more than 99 % of them.
        assert busy == phase.beats.sum()


@pytest.mark.parametrize("shape", ["4x4x4", "3x2x5", "2x6x3/2", "1x1x1"])
@pytest.mark.parametrize("name", ["half_up", "tflite"])
def test_an_output_per_cycle_of_short_jobs(rng, shape, name):
    config = tile_config(name, **SHAPES[shape])
    phase = phase_of(config, rng, [1] * 15)
    levels, trace = jobs.run(config, simulation(config), [phase])
    np.testing.assert_array_equal(levels, jobs.expected(config, [phase]))
    busy = trace.final["m_axis_o"] - trace.first["m_axis_o"] + 1
    assert busy == 15 * config.steps


@pytest.mark.parametrize("name, zero_points", [("half_up", "both"), ("none", "none")])
@pytest.mark.parametrize("shape", ["1x1x1", "3x2x5", "2x6x3/6", "4x4x4/4"])
def test_backpressure_in_bursts(rng, shape, name, zero_points):
    # The output stands still until every input has, and then again now and then.
    config = tile_config(name, zero_points, **SHAPES[shape])
    phase = phase_of(config, rng, rng.integers(1, config.max_beats + 1, size=40))
    want = jobs.expected(config, [phase])
    tile = MacTile(config)
    received = []

    async def feed(ctx, stream, name):
        beats = jobs.streams(config, [phase])[name]
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


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("shape, zero_points", [("1x1x1", "none"), ("2x6x3/3", "both")])
def test_jobs_use_the_set_that_was_closed_before_them(rng, shape, zero_points, stall):
    config = tile_config("floor", zero_points, **SHAPES[shape])
    phases = [phase_of(config, rng, rng.integers(1, config.max_beats + 1, size=size))
              for size in (1, 1, 2, 1, 5, 1, 1, 3, 1, 1)]
    check(config, phases, stalls=(stall,))


@pytest.mark.parametrize("early", range(-3, 4))
def test_sets_close_while_jobs_arrive(rng, early):
    # The second job is offered ``early`` cycles before the cycle in which the second set closes.
    config = tile_config("none", **SHAPES["2x6x3"])
    first, second = (phase_of(config, rng, [2], groups=[0]) for _ in range(2))
    inputs = jobs.streams(config, [first, second])
    words, job = inputs["s_axis_parameters"], inputs["s_axis_job"]
    each = len(words.last) // 2
    words = Beats(words.data, words.last, {})  # words come one per cycle, from the first
    extra = max(0, -early)
    if extra:
        # Words of a third set, which stays open, to count the cycles after that.
        words = Beats(np.concatenate([words.data, words.data[:extra]]),
                      np.concatenate([words.last, np.zeros(extra, bool)]), {})
    job = Beats(job.data, job.last, {"s_axis_parameters": np.array([each, 2 * each - 1 - early])})
    run = simulation(config).run(
        inputs | {"s_axis_parameters": words, "s_axis_job": job}, 2 * config.steps)
    closed = 2 * each - 1
    assert run.final["s_axis_parameters"] == closed + extra
    assert run.final["s_axis_job"] == closed - early
    used = first if early >= 0 else second
    want = jobs.expected(config, [first, Phase(
        used.parameters, second.group, second.beats, second.activations, second.weights)])
    np.testing.assert_array_equal(jobs.output_levels(config, run.data), want)


def test_the_first_job_waits_for_the_first_set(rng):
    config = tile_config(**SHAPES["3x2x5"])
    phase = phase_of(config, rng, [2, 1])
    inputs = jobs.streams(config, [phase])
    job = inputs["s_axis_job"]
    inputs["s_axis_job"] = Beats(job.data, job.last, {})  # offered from the first cycle
    trace = simulation(config).run(inputs, 2 * config.steps)
    assert trace.first["s_axis_job"] == trace.final["s_axis_parameters"] + 1
    np.testing.assert_array_equal(jobs.output_levels(config, trace.data),
                                  jobs.expected(config, [phase]))


def test_writing_waits_for_the_jobs_of_the_set_before_last(rng):
    # The third must not spoil the first, which a long job still uses.
    config = tile_config("none", **SHAPES["2x6x3"])
    first, second = phase_of(config, rng, [6], groups=[2]), phase_of(config, rng, [1, 1])
    third = phase_of(config, rng, [1])
    phases = [first, second, third]
    inputs = jobs.streams(config, phases)
    each = len(inputs["s_axis_parameters"].last) // 3
    # Operands wait for the second set, behind which the third would follow at once.
    weights = inputs["s_axis_weights"]
    inputs["s_axis_weights"] = Beats(weights.data, weights.last, {
        "s_axis_parameters": np.full(len(weights.last), 2 * each)})
    trace = simulation(config).run(inputs, 4 * config.steps)
    np.testing.assert_array_equal(jobs.output_levels(config, trace.data),
                                  jobs.expected(config, phases))
    assert trace.final["s_axis_parameters"] > trace.first["m_axis_o"]


class Bench:
    """Feeds every input of an `AxiTile` as fast as it takes, for so many cycles or outputs."""

    def __init__(self, tile):
        self.tile = tile
        self.inputs = [port for port in tile.ports if port.is_input]

    def wire(self, port, signal):
        return getattr(self.tile, f"{port.name}_{signal}")

    async def reset(self, ctx):
        for port in self.inputs:
            ctx.set(self.wire(port, "tvalid"), 0)
        ctx.set(self.tile.m_axis_o_tready, 0)
        ctx.set(self.tile.aresetn, 0)
        await ctx.tick()
        ctx.set(self.tile.aresetn, 1)
        assert not ctx.get(self.tile.m_axis_o_tvalid)

    async def feed(self, ctx, beats, *, cycles=500, outputs=None, ready=lambda cycle: True,
                   offer=lambda name, cycle: True):
        """Cycle and contents of each output; `log` keeps the name of every input transfer."""
        queues = {port.name: [
            (int.from_bytes(row.tobytes(), "little"), int(last)) for row, last in zip(
                beats[port.name].data, beats[port.name].last, strict=True)][::-1]
            for port in self.inputs}
        received, self.log = [], []
        offered = dict.fromkeys(queues, False)
        for cycle in range(cycles):
            if len(received) == outputs:
                return received
            takes = ready(cycle)
            ctx.set(self.tile.m_axis_o_tready, takes)
            for port in self.inputs:
                queue = queues[port.name]
                if queue and not offered[port.name]:
                    offered[port.name] = offer(port.name, cycle)
                ctx.set(self.wire(port, "tvalid"), offered[port.name])
                data, last = queue[-1] if offered[port.name] else (0, 0)
                ctx.set(self.wire(port, "tdata"), data)
                if port.last:
                    ctx.set(self.wire(port, "tlast"), last)
            _, _, valid, data, last, *taken = await ctx.tick().sample(
                self.tile.m_axis_o_tvalid, self.tile.m_axis_o_tdata, self.tile.m_axis_o_tlast,
                *(self.wire(port, "tready") for port in self.inputs))
            for port, took in zip(self.inputs, taken, strict=True):
                if took and offered[port.name]:
                    offered[port.name] = False
                    self.log.append((cycle, port.name, queues[port.name].pop()[1]))
            if valid and takes:
                received.append((cycle, data, last))
        assert outputs is None, f"{len(received)} of {outputs} outputs came"
        return received

    def run(self, testbench):
        simulator = Simulator(self.tile)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.run()


def integers(beats):
    return [(int.from_bytes(row.tobytes(), "little"), int(last))
            for row, last in zip(beats.data, beats.last, strict=True)]


@pytest.mark.parametrize("words", [0.2, 1])
@pytest.mark.parametrize("shape", ["1x1x1", "1x1x17", "2x2x5/2"])
def test_sets_and_jobs_in_any_order(rng, shape, words):
    # Nothing keeps sets and jobs apart: which set a job is to use follows from what came first.
    # Jobs pile up while the operands pause, which is when most are under way at once.
    shapes = {"1x1x1": SHAPES["1x1x1"], "1x1x17": dict(rows=1, cols=1, lanes=17, channels=1),
              "2x2x5/2": dict(rows=2, cols=2, lanes=5, channels=4, outputs=2)}
    config = tile_config("none", **{"depth": 34} | shapes[shape])
    sets = [phase_of(config, rng, rng.integers(1, 3, size=1)) for _ in range(150)]
    inputs = jobs.streams(config, sets)
    bench = Bench(AxiTile(config))
    received = []

    def offer(name, cycle):
        pause = name == "s_axis_weights" and cycle % 40 < 20
        return not pause and (name != "s_axis_parameters" or bool(rng.random() < words))

    async def testbench(ctx):
        await bench.reset(ctx)
        received.extend(await bench.feed(
            ctx, inputs, cycles=3000, outputs=150 * config.steps, offer=offer,
            ready=lambda cycle: cycle % 100 < 80))

    bench.run(testbench)
    closed = [cycle for cycle, name, last in bench.log if name == "s_axis_parameters" and last]
    accepted = [cycle for cycle, name, _ in bench.log if name == "s_axis_job"]
    used = np.searchsorted(closed, accepted) - 1
    assert len(set(used.tolist())) > 10
    want = jobs.expected(config, [
        Phase(sets[index].parameters, job.group, job.beats, job.activations, job.weights)
        for index, job in zip(used, sets, strict=True)])
    assert [(data, last) for _, data, last in received] == integers(
        jobs.output_beats(config, want))


RESET_SHAPES = {
    "1x1x1": SHAPES["1x1x1"],
    "4x2x2": dict(rows=4, cols=2, lanes=2, depth=4, channels=2),
    "2x2x2": dict(rows=2, cols=2, lanes=2, depth=4, channels=2),
}


@pytest.mark.parametrize("ready", [False, True])
@pytest.mark.parametrize("shape, name, zero_points", [
    ("1x1x1", "half_up", "none"),
    ("4x2x2", "none", "none"),  # few words, many outputs: a reset meets the drain's whole count
    ("2x2x2", "tflite", "both"),
])
def test_reset_at_every_cycle(rng, shape, name, zero_points, ready):
    config = tile_config(name, zero_points, **RESET_SHAPES[shape])
    broken = jobs.streams(config, [phase_of(config, rng, [2, 1, 2])])
    phases = [phase_of(config, rng, [2, 1, 1, 2])]
    whole = jobs.streams(config, phases)
    beats = jobs.output_beats(config, jobs.expected(config, phases))
    want = integers(beats)
    tile = AxiTile(config)
    bench = Bench(tile)
    # From the first word to well after the last output.
    cycles = len(broken["s_axis_parameters"].last) + 5 + 3 * config.steps + tile.tile.latency + 6
    done, times = [], []

    async def testbench(ctx):
        for cycle in range(cycles + 1):
            await bench.reset(ctx)
            got = await bench.feed(ctx, broken, cycles=cycle, ready=lambda cycle: ready)
            await bench.reset(ctx)
            received = await bench.feed(ctx, whole, outputs=len(want))
            assert [(data, last) for _, data, last in received] == want, f"cycle {cycle}"
            # In the same cycles as ever, too.
            times.append([time for time, *_ in received])
            assert times[-1] == times[0], f"cycle {cycle}"
            done.append(len(got))

    bench.run(testbench)
    assert len(done) == cycles + 1
    assert done[-1] == (3 * config.steps if ready else 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_attributes(shape):
    config = tile_config("tflite", "both", **SHAPES[shape])
    tile = MacTile(config)
    assert tile.config is config
    assert tile.output_queue == tile.latency
    streams.run(tile, max_cycles=10)
