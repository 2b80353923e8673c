# amaranth: UnusedElaboratable=no
"""Tiles to test, jobs for them, and two ways to run these."""

import numpy as np
from amaranth.sim import Simulator

from golden.block_scaled import parts
from golden.contracts import parse as contract
from golden.formats import parse
from hw import drive
from hw.bus.axi_tile import AxiTile
from hw.drive import Phase
from hw.tile.config import TileConfig
from sim import jobs
from sim.pysim import AmaranthSimulation
from sim.vectors import random_parameters

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
    last = drive.output_beats(config, want, phases).last
    backend = backend or simulation(config)
    for seed, stall in enumerate(stalls):
        levels, trace = jobs.run(config, backend, phases, stall=stall, seed=seed)
        for got, due in zip(parts(levels).values(), parts(want).values(), strict=True):
            np.testing.assert_array_equal(got, due)
        np.testing.assert_array_equal(trace.last, last)
    return trace


def phase_of(config, rng, beats, groups=None):
    """Jobs of these numbers of beats, with random operands and parameters for the whole store."""
    c = config
    beats = np.asarray(beats)
    return Phase(
        drive.resolved(c), random_parameters(c, rng, c.groups * c.cols),
        rng.integers(c.groups, size=len(beats)) if groups is None else np.asarray(groups), beats,
        rng.integers(c.activations.min, c.activations.max + 1,
                     size=(beats.sum(), c.rows, c.lanes)),
        rng.integers(c.weights.min, c.weights.max + 1, size=(beats.sum(), c.cols, c.lanes)))


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
