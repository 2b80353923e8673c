"""Comparison of a simulated tile with golden."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from golden.block_scaled import Levels
from hw.drive import Beats, Phase, output_beats, streams
from hw.tile.config import TileConfig
from hw.tile.jobs import DROPPING
from sim.backend import Backend, Cut, Mismatch, Mistimed, Plan, SimulationError, Trace
from sim.checks import check_tile
from sim.jobs import check_error
from sim.resets import resets
from sim.timing import Timing
from sim.vectors import Malformed, malformed

__all__ = ["Mismatch", "Mistimed", "Verification", "verify", "STALLS"]

STALLS = (0.0, 0.4)
"""Shares of stalled cycles of the two runs of a verification, each after resets."""


@dataclass(frozen=True)
class Verification:
    """Report of a comparison without a difference.

    Parameters
    ----------
    subject : str
        Name of the simulated design.
    simulator : str
    outputs : int
        Outputs compared, all equal.
    cycles : int
        Cycles simulated.
    longest_job : int
        Beats of the longest job.
    """

    subject: str
    simulator: str
    outputs: int
    cycles: int
    longest_job: int

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        return asdict(self)


def verify(config: TileConfig, backend: Backend, schedule: Sequence[Phase], expected: Levels, *,
           subject: str, simulator: str) -> Verification:
    """Run ``schedule``; compare every output and ``tlast``, and the cycles, with golden's.

    Parameters
    ----------
    config : TileConfig
    backend : Backend
    schedule : sequence of Phase
    expected : array ``(jobs, rows, cols)``, or Blocks
        Results of :func:`sim.jobs.expected`.
    subject, simulator : str
        Names for the report.

    Raises
    ------
    ValueError
        If the backend simulates another tile.
    Mismatch
        If outputs differ, or do not come; the message has the first one, or the reason.
    Mistimed
        If all outputs are equal, but transfers are early or late; the message has the port.
    """
    check_tile(config, backend)
    inputs, beats, cycles = streams(config, schedule), output_beats(config, expected, schedule), 0
    timing, wrong = Timing(config), malformed(config, np.random.default_rng(len(schedule)))
    for seed, stall in enumerate(STALLS):
        attacks = wrong[seed::len(STALLS)]
        cuts = [Cut(each.inputs, each.cycles) for each in attacks]
        cuts += [Cut(inputs, *when) for when in resets(schedule)[seed::len(STALLS)]]
        try:
            trace = backend.run(inputs, len(beats.last), stall=stall, seed=seed, before=cuts)
            for each in (*trace.before[len(attacks):], trace):
                check_error(each)
        except SimulationError as error:
            raise Mismatch(f"{subject} differs from golden: {error}") from error
        for each in (*trace.before[len(attacks):], trace):
            _compare(config, subject, beats, each)
        for each, attack in zip(trace.before, attacks, strict=False):
            _compare_dropped(config, subject, attack, each)
        due = timing.transfers(Plan(backend.ports, inputs, len(beats.last), stall, seed))
        for which, cycles_of in due.items():
            for port, cycle in getattr(trace, which).items():
                if cycle != cycles_of[port]:
                    what = ("the transfers" if which == "total" else f"the {which} transfer")
                    when = "cycles of sum" if which == "total" else "cycle"
                    raise Mistimed(f"{subject} makes {what} of {port} in {when} {cycle} "
                                   f"instead of {cycles_of[port]}")
        cycles += trace.cycles
    return Verification(subject, simulator, len(STALLS) * beats.last.size * config.outputs, cycles,
                        int(np.concatenate([phase.beats for phase in schedule]).max()))


def _compare_dropped(config: TileConfig, subject: str, attack: Malformed, trace: Trace):
    # All outputs of the jobs in range, and the cycle in which the error is reported.
    _compare(config, f"{subject}, after {attack.what},", attack.outputs, trace)
    count, due = len(trace.last), len(attack.outputs.last)
    if count < due:
        raise Mismatch(f"{subject} makes {count} of {due} outputs after {attack.what}")
    cycle = trace.first[attack.port] + DROPPING
    if trace.error != cycle:
        raise Mismatch(f"{subject} sets error in cycle {trace.error} instead of {cycle} after "
                       f"{attack.what}")


def _compare(config: TileConfig, subject: str, beats: Beats, trace: Trace):
    # Outputs of a whole run, or those that came before a reset.
    count = len(trace.last)
    if count > len(beats.last):
        raise Mismatch(f"{subject} offers more than {len(beats.last)} outputs")
    wrong = np.flatnonzero((trace.data != beats.data[:count]).any(axis=1)
                           | (trace.last != beats.last[:count]))
    if len(wrong):
        job, step = divmod(int(wrong[0]), config.steps)
        row, col = divmod(step * config.outputs, config.cols)
        raise Mismatch(
            f"{subject} differs from golden in {len(wrong)} of {count} outputs, "
            f"first in job {job} at row {row}, column {col}: "
            f"{trace.data[wrong[0]][::-1].tobytes().hex()} (last {trace.last[wrong[0]]:d}) "
            f"instead of {beats.data[wrong[0]][::-1].tobytes().hex()} "
            f"(last {beats.last[wrong[0]]:d})")
