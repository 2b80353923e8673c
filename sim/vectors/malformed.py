"""Traffic that begins with a job or beat out of range: a tile drops it, and sets ``error``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from amaranth.utils import ceil_log2

from hw.drive import Beats, Phase, output_beats, streams
from hw.tile.config import TileConfig
from sim.jobs import expected
from sim.vectors.aim import aimed
from sim.vectors.traffic import random_phase

__all__ = ["Malformed", "among", "malformed"]

JOBS = 6
"""Jobs in range that follow a malformed transfer."""

LONGEST = 256
"""Most beats of the jobs in range."""


@dataclass(frozen=True, eq=False)
class Malformed:
    """Traffic with a wrong first transfer on one port, and the tile's expected outputs.

    Parameters
    ----------
    what : str
        Name of the fault, for messages.
    port : str
        Name of the port. ``error`` must be set in the cycle after its first transfer.
    inputs : mapping of str to Beats
        Transfers of each input, as for a run.
    outputs : Beats
        Outputs of the jobs that are in range.
    """

    what: str
    port: str
    inputs: Mapping[str, Beats]
    outputs: Beats

    @property
    def cycles(self) -> int:
        """Cycles that suffice for all transfers, with stalls."""
        return 500 + 8 * sum(len(beats.last) for beats in (*self.inputs.values(), self.outputs))


def malformed(config: TileConfig, rng: np.random.Generator) -> list[Malformed]:
    """Traffic for each kind of job out of range that the ports' fields can express.

    The first job has 0 beats, one too many, or as many as its field holds; its group is the first
    beyond the records of its set; or the first beat has a wrong ``tlast``, early or missing, on
    one of the operand ports. Jobs in range follow, some of as many beats as a power of two.
    """
    c = config
    groups = min(c.groups, 2)
    attacks = []
    most = (1 << c.max_beats.bit_length()) - 1
    for beats in sorted({0, min(c.max_beats + 1, most), most} - {c.max_beats}):
        attacks.append(_job(c, rng, groups, f"a job of {beats} beats", beats=beats))
    beyond = c.groups if c.parameters is not None else groups
    if beyond < 1 << ceil_log2(c.groups):
        attacks.append(_job(c, rng, groups, f"a job of group {beyond}", group=beyond))
    for name in ("activations", "weights"):
        attacks.append(_last(c, rng, groups, name, "missing", beats=1))
        if c.max_beats > 1:
            attacks.append(_last(c, rng, groups, name, "early", beats=2))
    return attacks


def among(phase: Phase, jobs: np.ndarray) -> Phase:
    """Return the phase with the jobs that a mask selects."""
    beats = np.repeat(jobs, phase.beats)
    return replace(
        phase, group=phase.group[jobs], beats=phase.beats[jobs],
        activations=phase.activations[beats], weights=phase.weights[beats],
        states=None if phase.states is None else phase.states[jobs],
        exponents={name: each[beats] for name, each in phase.exponents.items()},
        base=None if phase.base is None else phase.base[jobs])


def _job(config: TileConfig, rng: np.random.Generator, groups: int, what: str, *, beats: int = 1,
         group: int | None = None) -> Malformed:
    phase = _phase(config, rng, groups, beats)
    if group is not None:
        phase = replace(phase, group=np.array([group, *phase.group[1:]]))
    good = among(phase, np.arange(len(phase.beats)) > 0)
    return Malformed(what, "s_axis_job", streams(config, [phase]), _outputs(config, good))


def _last(config: TileConfig, rng: np.random.Generator, groups: int, name: str, how: str, *,
          beats: int) -> Malformed:
    phase, port = _phase(config, rng, groups, beats), f"s_axis_{name}"
    inputs = streams(config, [phase])
    last = inputs[port].last.copy()
    last[0] ^= True
    inputs[port] = replace(inputs[port], last=last)
    return Malformed(f"a {how} tlast of {name}", port, inputs, _outputs(config, phase))


def _outputs(config: TileConfig, phase: Phase) -> Beats:
    return output_beats(config, expected(config, [phase]), [phase])


def _phase(config: TileConfig, rng: np.random.Generator, groups: int, beats: int) -> Phase:
    # The first job has `beats` beats. The longest of the others have a power of two, with at most
    # ``depth`` products for sure.
    powers = [1 << place for place in range(LONGEST.bit_length())
              if 1 << place < config.max_beats]
    phase = random_phase(config, rng, jobs=1 + JOBS + len(powers), groups=groups)
    return aimed(config, rng, _of_beats(phase, [
        beats, *phase.beats[1:1 + JOBS].tolist(), *powers]))


def _of_beats(phase: Phase, beats: Sequence[int]) -> Phase:
    # Jobs with other numbers of beats: their own beats, repeated or cut.
    starts = np.cumsum(phase.beats) - phase.beats
    index = np.concatenate([start + np.arange(count) % had for start, count, had in zip(
        starts, beats, phase.beats, strict=True)])
    return replace(
        phase, beats=np.array(beats), activations=phase.activations[index],
        weights=phase.weights[index],
        exponents={name: each[index] for name, each in phase.exponents.items()})
