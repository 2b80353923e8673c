"""The comparison with golden: what is run, and what counts as a difference."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden.formats import parse
from hw.drive import output_beats
from hw.tile.config import TileConfig
from hw.tile.ports import ports
from sim.backend import Trace
from sim.jobs import expected
from sim.vectors import random_phase
from sim.verify import Mismatch, verify

TILE = TileConfig(weights=parse("s4"), activations=parse("s4"), output=parse("s4"), rows=1, cols=2,
                  lanes=1, depth=4, channels=2)


class Recorded:
    """Gives what it was made with, and remembers how it was run."""

    ports, design = ports(TILE), None

    def __init__(self, trace):
        self.trace, self.runs = trace, []

    def run(self, inputs, outputs, *, stall=0.0, seed=0, max_cycles=None, before=()):
        self.runs.append((stall, seed))
        return self.trace


@pytest.fixture
def job(rng):
    phases = [random_phase(TILE, rng, jobs=3)]
    want = expected(TILE, phases)
    beats = output_beats(TILE, want, phases)
    return phases, want, Trace({"m_axis_o": beats}, 10, {}, {}, {})


def test_runs_without_stalls_and_with(job):
    phases, want, trace = job
    backend = Recorded(trace)
    done = verify(TILE, backend, phases, want, subject="Verilog", simulator="none")
    assert backend.runs == [(0.0, 0), (0.4, 1)]
    assert (done.outputs, done.cycles) == (2 * want.size, 20)


@pytest.mark.parametrize("what, first", [("data", 3), ("last", 4)])
def test_any_difference_is_a_mismatch(job, what, first):
    phases, want, trace = job
    beats = trace.outputs["m_axis_o"]
    wrong = np.array(getattr(beats, what))
    wrong[first] = wrong[first] ^ 1
    outputs = {"m_axis_o": replace(beats, **{what: wrong})}
    with pytest.raises(Mismatch, match=re.escape(
            f"Verilog differs from golden in 1 of 6 outputs, first in job {first // 2} at row 0, "
            f"column {first % 2}: ")):
        verify(TILE, Recorded(replace(trace, outputs=outputs)), phases, want, subject="Verilog",
               simulator="none")
