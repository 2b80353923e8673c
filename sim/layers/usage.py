"""Where the cycles of a layer on a tile go."""

from dataclasses import dataclass
from math import prod
from typing import Self

from hw.drive import LayerSchedule, streams
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim.backend import Mistimed, Plan, Trace
from sim.timing import REASONS, Timing

__all__ = ["Usage", "usage_of"]


@dataclass(frozen=True)
class Usage:
    """Where the cycles of a layer on a tile went.

    A tile computes ``capacity`` products in a cycle that has a beat. ``beats + parameters +
    weights + results + latency = cycles``, and ``macs + idle_rows + idle_cols + idle_lanes =
    beats * capacity``.

    Parameters
    ----------
    cycles : int
        Cycles from the first to the last output of the layer, with everything that comes before.
    macs : int
        Products of the layer's sums.
    capacity : int
        Products of the tile in a cycle.
    beats : int
        Cycles in which the block got a beat.
    parameters : int
        Cycles in which a job waited for its parameter set.
    weights : int
        Cycles in which a job waited for its operands. A tile takes the weights with each beat, so
        that there are none unless a driver is late.
    results : int
        Cycles in which a job waited for the results of earlier ones to leave.
    latency : int
        Cycles before the first job, and between the last beat and the last output.
    idle_rows, idle_cols : int
        Products of vectors beyond the layer's.
    idle_lanes : int
        Products of lanes beyond a sum's length, and of real zeros between groups that share a
        product.
    """

    cycles: int
    macs: int
    capacity: int
    beats: int
    parameters: int
    weights: int
    results: int
    latency: int
    idle_rows: int
    idle_cols: int
    idle_lanes: int

    @property
    def utilization(self) -> float:
        """Share of the products that were the layer's: ``macs / (cycles * capacity)``."""
        return self.macs / (self.cycles * self.capacity)

    def __add__(self, other: Self) -> "Usage":
        if self.capacity != other.capacity:
            raise ValueError(f"Capacity must be {self.capacity}, as the other's, "
                             f"not {other.capacity}")
        return Usage(**{name: value + getattr(other, name) for name, value in vars(self).items()
                        if name != "capacity"}, capacity=self.capacity)


def usage_of(config: TileConfig, schedule: LayerSchedule, trace: Trace) -> Usage:
    """Return where the cycles of a layer went, in a run without stalls.

    The model of :mod:`sim.timing` tells why a cycle had no beat. It must have every port's
    transfers in the cycles of the simulation.

    Parameters
    ----------
    config : TileConfig
    schedule : LayerSchedule
        Jobs of the layer.
    trace : Trace
        Trace of their run.

    Raises
    ------
    Mistimed
        If model and simulation have a transfer in different cycles.
    """
    phases = schedule.phases
    jobs = sum(len(phase.beats) for phase in phases)
    transfers, reasons = Timing(config).run(Plan(
        ports(config), streams(config, phases), jobs * config.steps, 0.0, 0))
    for what, cycle in (("first", lambda each: each[0]), ("final", lambda each: each[-1]),
                        ("total", sum)):
        if (model := {name: cycle(each) for name, each in transfers.items()}) != getattr(
                trace, what):
            raise Mistimed(f"Cycles of the {what} transfers must be {model}, "
                           f"not {getattr(trace, what)}")
    capacity, lanes, cols = config.macs, config.lanes, config.cols
    macs = sum(product.macs for product in schedule.lowering.products)
    beats = idle_rows = idle_cols = 0
    for product, own in zip(schedule.lowering.products, schedule.products, strict=True):
        vectors = prod(product.results.counts[:-1])
        channels = product.results.counts[-1]
        for phase in own:
            groups = int(phase.group.max()) + 1
            count = min(channels, groups * cols)
            channels -= count
            blocks, length = len(phase.beats) // groups, int(phase.beats[0])
            beats += int(phase.beats.sum())
            idle_rows += (blocks * config.rows - vectors) * groups * cols * length * lanes
            idle_cols += vectors * (groups * cols - count) * length * lanes
    return Usage(cycles=trace.cycles, macs=macs, capacity=capacity, beats=beats,
                 idle_rows=idle_rows, idle_cols=idle_cols,
                 idle_lanes=beats * capacity - idle_rows - idle_cols - macs,
                 **{name: reasons[name] for name in REASONS})
