# amaranth: UnusedElaboratable=no
"""Designs with several output ports."""

import re

import numpy as np
import pytest

from sim.backend import Cut, SimulationError
from sim.pysim import AmaranthSimulation
from tests.sim.faulty import (
    CHANGE,
    DROP,
    FAULTY,
    FORKED,
    HIGH,
    LOW,
    SIDES,
    SIMULATORS,
    TWICE,
    WITHDRAW,
    Faulty,
    assert_same,
    build,
    fault_beats,
    needs_verilator,
    simulated,
)


@pytest.fixture(scope="module", params=SIMULATORS)
def forked(request, tmp_path_factory):
    return simulated(request.param, FORKED, tmp_path_factory.mktemp("forked"))


def sent(codes, which):
    """Data and last that an output of `FORKED` makes of these codes."""
    mine = [code for code in codes if code & HIGH == which]
    width = 3 if which else 2
    return ([[*code.to_bytes(width, "little")] for code in mine],
            [bool(which and code >> 9 & 1) for code in mine])


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    return (AmaranthSimulation(Faulty(FORKED), FORKED),
            build(Faulty(FORKED), FORKED, tmp_path_factory.mktemp("forks")))


@needs_verilator
@pytest.mark.parametrize("stall", [0, 0.3, 0.7])
def test_outputs_are_apart(rng, forks, stall):
    codes = (rng.integers(1 << 16, size=120) & ~7).tolist()
    inputs = fault_beats(*codes)
    due = {name: len(sent(codes, which)[0]) for name, which in reversed(SIDES.items())}
    cuts = [Cut(inputs, cycles) for cycles in (0, 30, 100)]
    traces = [fork.run(inputs, due, stall=stall, seed=2, before=cuts) for fork in forks]
    assert_same(*traces)
    for trace in traces[0].before[2], traces[0]:
        for name, which in SIDES.items():
            data, last = sent(codes, which)
            got = trace.outputs[name]
            assert 0 < len(got.last) <= due[name]
            assert got.data.tolist() == data[:len(got.data)]
            assert got.last.tolist() == last[:len(got.last)]
    assert {name: len(each.last) for name, each in traces[0].outputs.items()} == due
    assert traces[0].cycles == max(traces[0].final.values()) + 1
    assert set(traces[0].first) == {port.name for port in FORKED}


@pytest.mark.parametrize("name, beside", [tuple(SIDES), tuple(reversed(SIDES))])
def test_faults_of_each_output_are_named(forked, name, beside):
    which, other = SIDES[name], SIDES[beside]

    def refuse(message, due, *codes, **more):
        with pytest.raises(SimulationError, match=f"^{message}$"):
            forked.run(fault_beats(*codes), {name: due, beside: 1}, **more)

    counts = {name: "1/2", beside: "1/1"}
    refuse(re.escape(f"Outputs did not come in 200 cycles (m_axis_o_low {counts['m_axis_o_low']}, "
                     f"s_axis_fault 3/3, m_axis_o_high {counts['m_axis_o_high']})"),
           2, which, which | DROP, other, max_cycles=200)
    # Before the other output has made its transfers, and after.
    refuse(rf"{name} offers more than 1 outputs \(cycle 2\)", 1, which | TWICE)
    refuse(rf"{name} offers more than 1 outputs \(cycle 3\)", 1, other, which | TWICE)
    refuse(rf"{name} offers more than 0 outputs \(cycle 2\)", 0, other, which)
    for code in CHANGE, WITHDRAW:
        refuse(rf"{name} does not hold output \d+ until its transfer \(cycle \d+\)",
               20, other, *[which | code] * 20, stall=0.7)


def test_numbers_of_outputs(forked):
    codes = [LOW, HIGH, HIGH | 8]
    counts = {"m_axis_o_low": 1, "m_axis_o_high": 2}
    trace = forked.run(fault_beats(*codes), counts)
    assert {name: len(beats.data) for name, beats in trace.outputs.items()} == counts
    with pytest.raises(ValueError, match="^Outputs must be one for data and last, not 2$"):
        np.asarray(trace.data)
    # One number is that of every output.
    both = forked.run(fault_beats(LOW, HIGH), 1).outputs
    assert [beats.data.tolist() for beats in both.values()] == [[[0, 0]], [[0, 128, 0]]]
    for wrong in ({"m_axis_o_low": 1}, {**counts, "s_axis_fault": 1}):
        with pytest.raises(ValueError, match=(
                "^Outputs must be counts of m_axis_o_low, m_axis_o_high, "
                f"not of {', '.join(wrong)}$")):
            forked.run(fault_beats(*codes), wrong)
    with pytest.raises(ValueError, match="^Ports must have an output, not only s_axis_fault$"):
        AmaranthSimulation(Faulty(), FAULTY[1:]).run({}, 0)
