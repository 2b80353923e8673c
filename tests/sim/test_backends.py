# amaranth: UnusedElaboratable=no

import re

import numpy as np
import pytest
from amaranth.hdl import Cat, Signal
from amaranth.lib.fifo import SyncFIFOBuffered

from hw.drive import Beats
from sim.backend import Cut, SimulationError
from sim.pysim import AmaranthSimulation
from tests.plain import plain_port
from tests.sim.faulty import (
    AXI,
    CHANGE,
    DROP,
    ERROR,
    FALL,
    FAULTY,
    PASS,
    PEEK,
    SIMULATORS,
    TWICE,
    WITHDRAW,
    Faulty,
    assert_same,
    beats,
    build,
    fault_beats,
    needs_verilator,
    simulated,
)

# One port of each kind of C++ type that Verilator makes: 8, 24, 40 and 72 bits.
ADDER = (
    plain_port("s_axis_job", "i_job", 8),
    plain_port("s_axis_a", "i_a", 20, "not used"),
    plain_port("s_axis_b", "i_b", 40, "not used"),
    plain_port("m_axis_o", "o", 72, "last sum of a job"),
)


class Adder(AXI):
    """For each job, ``job`` sums ``a + b`` with ``a`` above them."""

    def __init__(self):
        super().__init__(ADDER)

    def elaborate(self, platform):
        m = self.module()
        left, full, take, last = Signal(8), Signal(), Signal(), Signal()
        total = Signal(72)
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=73, depth=4)
        m.d.comb += [
            self.s_axis_job_tready.eq(left == 0),
            take.eq((left != 0) & self.s_axis_a_tvalid & self.s_axis_b_tvalid
                    & (~full | fifo.w_rdy)),
            self.s_axis_a_tready.eq(take),
            self.s_axis_b_tready.eq(take),
            fifo.w_en.eq(full),
            fifo.w_data.eq(Cat(last, total)),
            self.m_axis_o_tvalid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.m_axis_o_tready),
            Cat(self.m_axis_o_tlast, self.m_axis_o_tdata).eq(fifo.r_data),
        ]
        a, b = self.s_axis_a_tdata, self.s_axis_b_tdata
        with m.If(self.s_axis_job_tvalid & self.s_axis_job_tready):
            m.d.sync += left.eq(self.s_axis_job_tdata)
        with m.If(fifo.w_rdy):
            m.d.sync += full.eq(0)
        with m.If(take):
            m.d.sync += [total.eq((a + b) | (a << 48)), last.eq(left == 1), left.eq(left - 1),
                         full.eq(1)]
        return m


@pytest.fixture(scope="module", params=SIMULATORS)
def faulty(request, tmp_path_factory):
    return simulated(request.param, FAULTY, tmp_path_factory.mktemp("faulty"))


@pytest.fixture(scope="module")
def adders(tmp_path_factory):
    return (AmaranthSimulation(Adder(), ADDER),
            build(Adder(), ADDER, tmp_path_factory.mktemp("adder")))


def job_beats(rng, jobs):
    """Inputs of an adder, and what is to come out."""
    sizes = rng.integers(1, 6, size=jobs)
    count = int(sizes.sum())
    a, b = (rng.integers(0, 256, (count, width), dtype=np.uint8) for width in (3, 5))
    outputs = [int.from_bytes(x.tobytes(), "little") + int.from_bytes(y.tobytes(), "little")
               for x, y in zip(a, b, strict=True)]
    data = np.array([[*total.to_bytes(6, "little"), *x]
                     for total, x in zip(outputs, a, strict=True)], np.uint8)
    last = np.zeros(count, bool)
    last[np.cumsum(sizes) - 1] = True
    return {"s_axis_job": beats(sizes[:, None]), "s_axis_a": beats(a),
            "s_axis_b": beats(b)}, data, last


@needs_verilator
@pytest.mark.parametrize("stall", [0, 0.1, 0.7])
def test_backends_agree_with_the_reference_and_each_other(rng, adders, stall):
    inputs, data, last = job_beats(rng, 40)
    traces = [adder.run(inputs, len(data), stall=stall, seed=5) for adder in adders]
    for trace in traces:
        np.testing.assert_array_equal(trace.data, data)
        np.testing.assert_array_equal(trace.last, last)
    assert_same(*traces)
    assert traces[0].cycles == traces[0].final["m_axis_o"] + 1
    assert set(traces[0].first) == {port.name for port in ADDER}


@needs_verilator
def test_every_run_starts_from_reset(rng, adders):
    inputs, data, _ = job_beats(rng, 10)
    for adder in adders:
        with pytest.raises(SimulationError, match="^Outputs did not come in 20 cycles"):
            adder.run(inputs, len(data), max_cycles=20)
        assert_same(adder.run(inputs, len(data)), adder.run(inputs, len(data)))


@needs_verilator
@pytest.mark.parametrize("stall", [0, 0.4])
def test_a_reset_ends_a_run(rng, adders, stall):
    inputs, data, last = job_beats(rng, 10)
    cuts = [Cut(job_beats(rng, 10)[0], cycles, reset)
            for cycles, reset in ((0, 1), (1, 3), (17, 2), (300, 1))]
    traces = [adder.run(inputs, len(data), stall=stall, before=cuts) for adder in adders]
    for trace in traces:
        np.testing.assert_array_equal(trace.data, data)
        np.testing.assert_array_equal(trace.last, last)
        assert [len(each.last) > 0 for each in trace.before] == [False, False, True, True]
        assert all(max(each.final.values(), default=0) < max(1, cut.cycles)
                   for each, cut in zip(trace.before, cuts, strict=True))
    assert_same(*traces)
    assert all(adder.run(inputs, len(data)).before == () for adder in adders)


def test_outputs_before_a_reset_are_kept(faulty):
    given = fault_beats(PASS, PASS + 8, ERROR + 16)
    trace = faulty.run(fault_beats(PASS + 24), 1, before=[Cut(given, 4), Cut(given, 50)])
    assert [each.data[:, 0].tolist() for each in trace.before] == [[0, 8], [0, 8, ERROR + 16]]
    assert trace.data.tolist() == [[24, 0]]
    # The third is taken in cycle 4, which the first run does not have.
    assert [each.error for each in (*trace.before, trace)] == [None, 5, None]
    assert [each.cycles for each in trace.before] == [4, 6]


def test_error_is_reported(faulty, adders):
    assert faulty.run(fault_beats(PASS, ERROR, PASS), 3).error == 3
    assert faulty.run(fault_beats(PASS, PASS), 2).error is None
    with pytest.raises(SimulationError, match=r"^error does not stay set \(cycle 5\)$"):
        faulty.run(fault_beats(PASS, ERROR, FALL, PASS), 4)


@needs_verilator
def test_seeds_and_stalls_matter(rng, adders):
    inputs, data, _ = job_beats(rng, 40)
    runs = [(0, 0), (0.3, 0), (0.3, 1), (0.6, 0)]
    cycles = [adders[1].run(inputs, len(data), stall=stall, seed=seed).cycles
              for stall, seed in runs]
    assert cycles[0] < cycles[1] < cycles[3]
    assert cycles[1] != cycles[2]


@needs_verilator
def test_drivers_leave_no_bubbles(rng, adders):
    inputs, data, last = job_beats(rng, 60)
    inputs["s_axis_job"] = beats([[len(data)]])
    for adder in adders:
        trace = adder.run(inputs, len(data))
        # The job is taken in cycle 0; pair k in cycle k + 1, and out three registers later.
        assert trace.final == {"s_axis_job": 0, "s_axis_a": len(data), "s_axis_b": len(data),
                               "m_axis_o": len(data) + 3}
        assert trace.first == {"s_axis_job": 0, "s_axis_a": 1, "s_axis_b": 1, "m_axis_o": 4}


@needs_verilator
def test_after_waits_for_transfers(rng, adders):
    inputs, data, _ = job_beats(rng, 2)
    inputs["s_axis_job"] = beats(
        [[1], [len(data) - 1]], {"m_axis_o": np.array([0, 1]), "s_axis_a": np.array([0, 1])})
    traces = [adder.run(inputs, len(data)) for adder in adders]
    assert_same(*traces)
    # Offered, and taken, in the cycle that follows the transfer.
    assert traces[0].final["s_axis_job"] == traces[0].first["m_axis_o"] + 1

    inputs["s_axis_a"] = beats(inputs["s_axis_a"].data,
                               {"s_axis_b": np.full(len(data), 1)})
    message = (f"Outputs did not come in 300 cycles (s_axis_job 1/2, s_axis_a 0/{len(data)}, "
               f"s_axis_b 0/{len(data)}, m_axis_o 0/{len(data)})")
    for adder in adders:
        with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
            adder.run(inputs, len(data), max_cycles=300)


def test_sound_codes_pass(faulty):
    trace = faulty.run(fault_beats(PASS, PASS + 8, PASS + 0x3f0), 3)
    assert trace.data.tolist() == [[0, 0], [8, 0], [0xf0, 3]]
    assert not trace.last.any()
    assert faulty.run({}, 0).cycles == 0
    named = faulty.run(fault_beats(PASS), {"m_axis_o": 1})
    assert named.data.tolist() == named.outputs["m_axis_o"].data.tolist() == [[0, 0]]


def test_missing_output_is_caught(faulty):
    message = "Outputs did not come in 200 cycles (m_axis_o 2/3, s_axis_fault 3/3)"
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        faulty.run(fault_beats(PASS, DROP, PASS), 3, max_cycles=200)


def test_surplus_output_is_caught(faulty):
    # Code 0 is taken in cycle 0 and sent in cycle 1, and so on.
    message = "m_axis_o offers more than 2 outputs (cycle 4)"
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        faulty.run(fault_beats(PASS, TWICE), 2)
    with pytest.raises(SimulationError, match="^m_axis_o offers more than 0 outputs"):
        faulty.run(fault_beats(PASS), 0)


@pytest.mark.parametrize("code", [CHANGE, WITHDRAW])
def test_output_that_does_not_hold_is_caught(faulty, code):
    codes = [PASS] * 5 + [code] * 20
    with pytest.raises(SimulationError, match=(
            r"^m_axis_o does not hold output \d+ until its transfer \(cycle \d+\)$")):
        faulty.run(fault_beats(*codes), len(codes), stall=0.7)


def test_unwatched_payload_is_ones(faulty):
    assert faulty.run(fault_beats(PASS, PEEK), 2).data.tolist() == [[0, 0], [0xff, 0xff]]


def test_refuses_bad_inputs(faulty):
    def refuse(message, *args, **kwargs):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            faulty.run(*args, **kwargs)

    refuse("Inputs must be for input ports, not 'm_axis_o'", {"m_axis_o": beats([[0, 0]])}, 1)
    refuse("Inputs must be for input ports, not 'x'", {"x": beats([[0, 0]])}, 1)
    refuse("Stall must be a probability below 1, not 1", {}, 1, stall=1)
    refuse("Data of s_axis_fault must be uint8 of shape (beats, 2), not uint8 of shape (1, 1)",
           {"s_axis_fault": beats([[0]])}, 1)
    refuse("Last of s_axis_fault must have shape (1,), not (2,)",
           {"s_axis_fault": Beats(np.zeros((1, 2), np.uint8), np.zeros(2, bool), {})}, 1)
    refuse("After of s_axis_fault must name ports, not 'x'",
           {"s_axis_fault": beats([[0, 0]], {"x": np.zeros(1)})}, 1)


def test_amaranth_refuses_widths_and_writes_waves(tmp_path):
    wide = (FAULTY[0], plain_port("s_axis_fault", "i", 17))
    with pytest.raises(ValueError, match="^s_axis_fault_tdata must be 24 bits wide, not 16$"):
        AmaranthSimulation(Faulty(), wide)
    AmaranthSimulation(Faulty(), FAULTY).run(fault_beats(PASS), 1, vcd=tmp_path / "waves.vcd")
    assert "s_axis_fault_tdata" in (tmp_path / "waves.vcd").read_text()
