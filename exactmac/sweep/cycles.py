# amaranth: UnusedElaboratable=no
"""Cycles of a network's layers without a simulation, by formulas of jobs, beats and latencies.

A layer runs from a reset of its tile or unit to its last output, without stalls: nothing is late,
and every output is taken at once. No cycle depends on data, except that equal parameter sets need
not wait for one another.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from golden.block_scaled import Blocks, Levels, parts
from golden.networks import Layer, LeakyRelu, Lookup, Network, Pool
from hw.drive import LayerSchedule, Phase
from hw.tile.config import LUT_WORDS, TileConfig
from hw.tile.tile import MacTile
from sim.layers import Placement, schedule_of
from sim.layers.on_units import LANES

__all__ = ["TileCycles", "network_cycles", "unit_cycles"]

FIRST = 2
"""Cycles from a job's acceptance to its first beat: those of the queue of jobs."""

WAITING = 3
"""Jobs in that queue, the one whose beats enter among them."""


@dataclass(frozen=True)
class Set:
    """A parameter set, and the jobs that a driver sends with it.

    Parameters
    ----------
    words : int
        Words of the set; 0 where parameters are fixed in the tile.
    jobs, beats : int
        Jobs, and beats of each.
    repeats : bool
        True if the set equals the one before, so that its jobs need not wait for it.
    """

    words: int
    jobs: int
    beats: int
    repeats: bool = False


class TileCycles:
    """Cycles of a tile.

    Parameters
    ----------
    config : TileConfig

    Members
    -------
    block : str
        Title of the block that computes the sums.
    """

    def __init__(self, config: TileConfig):
        tile = MacTile(config)
        self.config = config
        self.block = tile.block.title
        self.latency = tile.latency
        # From a job's last beat to the last use of its parameter set.
        self.release = tile.total_latency - 1 + config.steps + tile.release_latency

    def layer(self, schedule: LayerSchedule, samples: int, given: int = 1) -> int:
        """Return the cycles of a layer on many samples.

        Parameters
        ----------
        schedule : LayerSchedule
            Jobs of the layer on some samples, by number ``given``.
        samples, given : int
        """
        sets: list[Set] = []
        for product, phases in zip(schedule.lowering.products, schedule.products, strict=True):
            vectors = prod(product.results.counts[:-1]) // given * samples
            blocks = -(-vectors // self.config.rows)
            for phase in phases:
                before = schedule.phases[len(sets) - 1] if sets else None
                sets.append(Set(self._words(phase), blocks * (int(phase.group.max()) + 1),
                                int(phase.beats[0]), before is not None and _equal(before, phase)))
        return self.run(sets)

    def run(self, sets: Sequence[Set]) -> int:
        r"""Return the cycles of some parameter sets and their jobs.

        With one set of ``W`` words and ``J`` jobs of ``B`` beats and ``S`` steps, these are
        ``W + 2 + (B - 1) + (J - 1) * max(B, S) + latency + S`` cycles: the words; the way of the
        first job through the queue; its beats; the other jobs, each as long as its beats take to
        enter or the results before it to leave; latency and steps of the last.

        Of more sets, a set's last word waits until all jobs of the sets before are accepted, and
        its first word until the jobs of the set before the last, whose memory it takes, have
        made their results.
        """
        steps = self.config.steps
        accepted: list[int] = []  # cycle in which each job is accepted
        lasts: list[int] = []     # cycle of its last beat
        closed: list[int] = []    # cycle of the last word of each set
        first = 0                 # first of the equal sets before
        before = 0                # jobs of the sets in front of these
        for index, each in enumerate(sets):
            if not each.repeats:
                self._close(sets[len(closed):index], before, accepted, lasts, closed)
                first, before = index, len(lasts)
                self._close([each], before, accepted, lasts, closed)
            for _ in range(each.jobs):
                job = len(lasts)
                at = closed[first] + 1
                if job:
                    at = max(at, accepted[-1] + 1)
                if job >= WAITING:
                    at = max(at, lasts[job - WAITING] + 1)
                begin = max(at + FIRST, lasts[-1] + 1 if job else 0)
                last = begin + each.beats - 1
                accepted.append(at)
                lasts.append(max(last, lasts[-1] + steps) if job else last)
        return lasts[-1] + self.latency + steps

    def _close(self, sets: Sequence[Set], before: int, accepted: Sequence[int],
               lasts: Sequence[int], closed: list[int]):
        # Append the cycle in which each set is complete.
        for each in sets:
            begin = closed[-1] + 1 if closed else 0
            if len(closed) > 1:
                # Jobs whose set has the same memory: accepted by the end of the set before.
                users = bisect(accepted, closed[-1])
                if users:
                    begin = max(begin, lasts[users - 1] + self.release + 1)
            end = begin + each.words - 1
            closed.append(max(end, accepted[before - 1] + 1) if before and each.words else end)

    def _words(self, phase: Phase) -> int:
        if self.config.parameters is not None:
            return 0
        records = len(next(iter(phase.parameters.values())))
        return sum(self.config.head.values()) + records * self.config.words


def _equal(one: Phase, other: Phase) -> bool:
    return all(np.array_equal(values, other.parameters[name])
               for name, values in one.parameters.items())


def unit_cycles(unit: Any, network: Network, layer: Layer, samples: int) -> int:
    """Return the cycles of a layer on a unit: parameters or table, a beat per cycle, latency."""
    shape = network.tensors[layer.name].shape
    if isinstance(layer, Lookup | LeakyRelu):
        return LUT_WORDS + -(-samples * prod(shape) // LANES) + unit.latency
    beats = -(-samples * prod(shape) // unit.lanes)
    if isinstance(layer, Pool):
        beats = samples * -(-shape[-1] // unit.lanes) * prod(
            _taps(layer, axis, network.tensors[layer.inputs[0]].shape[axis], shape[axis])
            for axis in (0, 1))
    return 1 + beats + unit.latency

def _taps(layer: Pool, axis: int, size: int, windows: int) -> int:
    # Taps of all windows along an axis that are not padding.
    firsts = [index * layer.stride[axis] - layer.padding[axis][0] for index in range(windows)]
    return sum(min(first + layer.size[axis], size) - max(first, 0) for first in firsts)


def network_cycles(placement: Placement, tensors: Mapping[str, Levels], samples: int
                   ) -> tuple[int, dict[TileConfig, TileCycles]]:
    """Return the cycles of all layers that have hardware, and the tiles.

    Every check of a tile's driver is made, on the first sample; on all of them where tensors are
    block-scaled, since a block may be outside of the window.

    Parameters
    ----------
    placement : Placement
    tensors : mapping of str to array of integers or Blocks
        Levels of every tensor, inputs included.
    samples : int

    Raises
    ------
    ValueError
        If a tile cannot compute its layer.
    """
    tiles = {config: TileCycles(config) for config in placement.tiles}
    cycles = 0
    for layer in placement.network.layers:
        design = placement.designs.get(layer.name)
        if isinstance(design, TileConfig):
            x = tensors[layer.inputs[0]]
            x = x if isinstance(x, Blocks) else x[:1]
            schedule = schedule_of(design, placement.network, layer, x)
            cycles += tiles[design].layer(schedule, samples, len(parts(x)["levels"]))
        elif design is not None:
            cycles += unit_cycles(design, placement.network, layer, samples)
    return cycles, tiles
