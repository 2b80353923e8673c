import re

import numpy as np
import pytest

from hw.emit.testbench import stall_words, vectors
from hw.emit.testbench import testbench as bench_text  # pytest would collect its own name
from hw.flow.tools import run_tool
from tests.plain import plain_port
from tests.simulators import icarus, verilator_binary

JOB = plain_port("s_axis_job", "i_job", 8)
X = plain_port("s_axis_x", "i_x", 16, "last of a job")
OUT = plain_port("m_axis_o", "o", 72, "last of a job")
PORTS = (JOB, X, OUT)
AFTER = {"s_axis_job": ["s_axis_x"], "s_axis_x": ["s_axis_job", "m_axis_o"]}
SIZES = np.array([3, 1, 8, 5, 3])
COUNT = int(SIZES.sum())
RESETS = [(4, 1), (9, 1), (30, 3)]
# Measured once; the same in every simulator.
CYCLES, STALLED = 26, 27

# o = {x, 48 bits of ones, job + x}, with the job last taken; +fault breaks it.
DUT = """\
module shift (
    input aclk, input aresetn,
    input [7:0] s_axis_job_tdata, input s_axis_job_tvalid, output s_axis_job_tready,
    input [15:0] s_axis_x_tdata, input s_axis_x_tlast, input s_axis_x_tvalid,
    output s_axis_x_tready,
    output [71:0] m_axis_o_tdata, output m_axis_o_tlast, output m_axis_o_tvalid,
    input m_axis_o_tready, output error
);
    integer fault;
    initial if (!$value$plusargs("fault=%d", fault)) fault = 0;
    reg [7:0] job;
    reg [71:0] data;
    reg last, full, waited, begun;
    initial begun = 1'b0;
    reg [7:0] sent;
    assign s_axis_job_tready = 1'b1;
    assign error = fault == 5 && sent == 20;
    assign s_axis_x_tready = (!full || m_axis_o_tready) && !(fault == 7 && sent == 3);
    assign m_axis_o_tdata = data ^ {71'b0, fault == 3 && waited};
    assign m_axis_o_tlast = last;
    assign m_axis_o_tvalid = (full && !(fault == 4 && waited)) || (fault == 2 && sent == 20);
    always @(posedge aclk)
        if (!aresetn && !(fault == 6 && begun)) begin
            begun <= 1'b1;
            full <= 1'b0;
            waited <= 1'b0;
            sent <= 8'd0;
        end else begin
            waited <= m_axis_o_tvalid && !m_axis_o_tready;
            if (s_axis_job_tvalid) job <= s_axis_job_tdata;
            if (m_axis_o_tready) full <= 1'b0;
            if (fault == 7 && sent == 3) sent <= 8'd100;
            if (m_axis_o_tvalid && m_axis_o_tready) sent <= sent + 8'd1;
            if (s_axis_x_tvalid && s_axis_x_tready) begin
                data <= {s_axis_x_tdata, 48'hffffffffffff, s_axis_x_tdata[7:0] + job};
                last <= s_axis_x_tlast;
                full <= !(fault == 1 && s_axis_x_tlast);
            end
        end
endmodule
"""


def streams():
    """Data, last and after of each port, the same for every simulator."""
    rng = np.random.default_rng(1)
    job = rng.integers(0, 256, (len(SIZES), 1), dtype=np.uint8)
    x = rng.integers(0, 256, (COUNT, 2), dtype=np.uint8)
    index = np.repeat(np.arange(len(SIZES)), SIZES)
    last = np.zeros(COUNT, bool)
    last[np.cumsum(SIZES) - 1] = True
    out = np.full((COUNT, 9), 0xff, np.uint8)
    out[:, 0] = x[:, 0] + job[index, 0]
    out[:, 7:] = x
    return {JOB: (job, np.zeros(len(SIZES), bool), {"s_axis_x": np.cumsum(SIZES) - SIZES}),
            X: (x, last, {"s_axis_job": index + 1,
                          "m_axis_o": np.maximum(np.arange(COUNT) - 6, 0)}), OUT: (out, last, {})}


def write_vectors(folder):
    for port, arrays in streams().items():
        (folder / f"shift_{port.stream}.hex").write_text(vectors(port, *arrays))
    (folder / "shift_stalls.hex").write_text(stall_words(len(PORTS)))


@pytest.fixture(scope="module", params=[
    icarus, pytest.param(verilator_binary, marks=pytest.mark.slow)])
def program(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shift")
    (folder / "shift.v").write_text(DUT)
    (folder / "shift_tb.sv").write_text(bench_text(
        "shift", PORTS, {"s_axis_job": len(SIZES), "s_axis_x": COUNT, "m_axis_o": COUNT},
        after=AFTER, error=True, resets=RESETS, cycles=(CYCLES, STALLED)))
    return request.param(folder, "shift")


def simulate(program, folder, *options):
    """The one line of verdict, and whether the exit status says success."""
    done = run_tool("simulator", [*program, *options], cwd=folder)
    lines = re.findall(r"^(?:PASS|FAIL).*", done.stdout, re.MULTILINE)
    assert len(lines) == 1, done.stdout
    return lines[0], done.returncode == 0


@pytest.mark.parametrize("options", [(), ("+stall=0",), ("+stall=6",)])
def test_passes(program, tmp_path, options):
    write_vectors(tmp_path)
    assert simulate(program, tmp_path, *options) == (f"PASS {COUNT} transfers", True)


def test_reads_vectors_from_a_folder(program, tmp_path):
    (tmp_path / "vectors").mkdir()
    write_vectors(tmp_path / "vectors")
    assert simulate(program, tmp_path, "+dir=vectors") == (f"PASS {COUNT} transfers", True)


@pytest.mark.parametrize("index, place, got, expected", [
    (7, -1, r"tdata (\w{17})(\w) tlast 0", r"tdata \1(?!\2)\w tlast 0"),
    (COUNT - 1, 2, r"tdata (?!f)(\w)(\w{17}) tlast 1", r"tdata f\2 tlast 1"),
    (2, 0, r"tdata (\w{18}) tlast 1", r"tdata \1 tlast 0"),
], ids=["lowest bit", "highest digit", "tlast"])
def test_first_wrong_vector_is_named(program, tmp_path, index, place, got, expected):
    write_vectors(tmp_path)
    file = tmp_path / "shift_o.hex"
    lines = file.read_text().splitlines()
    digits = list(lines[index])
    digits[place] = {-1: f"{int(digits[-1], 16) ^ 1:x}", 2: "f", 0: "0"}[place]
    lines[index] = "".join(digits)
    file.write_text("\n".join(lines) + "\n")
    line, passed = simulate(program, tmp_path)
    assert not passed
    assert re.fullmatch(f"FAIL transfer {index}: got {got}, expected {expected}", line)


@pytest.mark.parametrize("fault, verdict", [
    (1, "FAIL transfer 2: got .*"),
    (2, f"FAIL more than {COUNT} transfers"),
    (3, r"FAIL transfer \d+ did not hold until it was taken"),
    (4, r"FAIL transfer \d+ did not hold until it was taken"),
    (5, "FAIL error is set"),
    (6, "FAIL transfer .*"),
    (7, f"FAIL {COUNT} transfers in {CYCLES + 1} cycles, not {CYCLES}"),
], ids=["missing", "surplus", "changes", "withdraws", "error", "reset tied off", "late"])
def test_faults_are_named(program, tmp_path, fault, verdict):
    write_vectors(tmp_path)
    # The output must wait for a fault in its waiting to show.
    line, passed = simulate(program, tmp_path, f"+fault={fault}", "+stall=6")
    assert not passed
    assert re.fullmatch(verdict, line)


@pytest.mark.parametrize("stream", ["stalls", "i_x", "o"])
def test_a_missing_vector_file_is_named(program, tmp_path, stream):
    write_vectors(tmp_path)
    (tmp_path / f"shift_{stream}.hex").unlink()
    assert simulate(program, tmp_path) == (
        f"FAIL vector file ./shift_{stream}.hex cannot be read", False)


def test_missing_output_runs_out_of_time(program, tmp_path):
    write_vectors(tmp_path)
    # The second job never comes: it is to wait for more beats than there are.
    file = tmp_path / "shift_i_job.hex"
    file.write_text(re.sub("^00000003", "00000fff", file.read_text(), flags=re.MULTILINE))
    limit = 1000 + 64 * (len(SIZES) + 2 * COUNT)
    assert simulate(program, tmp_path, "+stall=0") == (
        f"FAIL 3 of {COUNT} transfers after {limit} cycles", False)


def test_vectors_text():
    data, last = np.array([[1, 2], [3, 0xab]], np.uint8), np.array([False, True])
    after = {"z": np.array([1, 2**32 - 1]), "a": np.array([0, 10])}
    assert vectors(X, data, last) == "0_0201\n1_ab03\n"
    assert vectors(X, data, last, after) == (
        "00000000_00000001_0_0201\n0000000a_ffffffff_1_ab03\n")
    assert vectors(JOB, data[:, :1], last) == "01\n03\n"


def test_text_refuses_what_it_cannot_say():
    def refuse(message, function, *args, **kwargs):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            function(*args, **kwargs)

    one = {"m_axis_o": 1}
    refuse("Ports must have an output, not only s_axis_job", bench_text, "shift", (JOB,), {})
    refuse("Beats of m_axis_o must be positive, not 0", bench_text, "shift", PORTS, {})
    refuse("Beats and after must name ports, not 'x'", bench_text, "shift", PORTS, one | {"x": 1})
    refuse("Beats and after must name ports, not 'y'", bench_text, "shift", PORTS, one,
           after={"s_axis_x": ["y"]})
    refuse("Resets must be after 0 cycles or more, and for 1 or more, not (3, 0)", bench_text,
           "shift", PORTS, one, resets=[(0, 1), (3, 0)])
    refuse("Data of s_axis_x must be uint8 of shape (beats, 2), not uint8 of shape (1, 3)",
           vectors, X, np.zeros((1, 3), np.uint8), np.zeros(1, bool))
    refuse("Counts after a must be in 0 .. 4294967295, not -1 .. -1",
           vectors, X, np.zeros((1, 2), np.uint8), np.zeros(1, bool), {"a": np.array([-1])})


# Every third number leaves by the port high, which is as much slower as +slow says; +fault is wrong
# there.
FORK = """\
module fork_ (
    input aclk, input aresetn, output error,
    input [7:0] s_axis_i_tdata, input s_axis_i_tvalid, output s_axis_i_tready,
    output [7:0] m_axis_o_low_tdata, output m_axis_o_low_tvalid, input m_axis_o_low_tready,
    output [15:0] m_axis_o_high_tdata, output m_axis_o_high_tlast, output m_axis_o_high_tvalid,
    input m_axis_o_high_tready
);
    integer slow, fault;
    initial if (!$value$plusargs("slow=%d", slow)) slow = 0;
    initial if (!$value$plusargs("fault=%d", fault)) fault = 0;
    reg [7:0] data, wait_;
    reg full, high;
    reg [1:0] phase;
    assign error = 1'b0;
    wire leaves = full && (high ? m_axis_o_high_tready && m_axis_o_high_tvalid
                                : m_axis_o_low_tready);
    assign s_axis_i_tready = !full || leaves;
    assign m_axis_o_low_tvalid = full && !high;
    assign m_axis_o_low_tdata = data;
    assign m_axis_o_high_tvalid = full && high && wait_ >= slow;
    assign m_axis_o_high_tdata = {data, fault == 1 ? data : 8'h5a};
    assign m_axis_o_high_tlast = 1'b1;
    always @(posedge aclk)
        if (!aresetn) begin
            full <= 1'b0;
            phase <= 2'd0;
        end else begin
            wait_ <= wait_ + 8'd1;
            if (leaves) full <= 1'b0;
            if (s_axis_i_tvalid && s_axis_i_tready) begin
                data <= s_axis_i_tdata;
                full <= 1'b1;
                high <= phase == 2'd2;
                phase <= phase == 2'd2 ? 2'd0 : phase + 2'd1;
                wait_ <= 8'd0;
            end
        end
endmodule
"""
FORK_PORTS = (plain_port("m_axis_o_low", "o_low", 8), plain_port("s_axis_i", "i", 8),
              plain_port("m_axis_o_high", "o_high", 16, "always"))


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    folder, numbers = tmp_path_factory.mktemp("fork"), np.arange(7, 27, dtype=np.uint8)
    high = np.arange(len(numbers)) % 3 == 2
    sent = {"i": numbers[:, None], "o_low": numbers[~high, None],
            "o_high": np.stack([np.full(high.sum(), 0x5a), numbers[high]], 1).astype(np.uint8)}
    for port in FORK_PORTS:
        data = sent[port.stream]
        (folder / f"fork__{port.stream}.hex").write_text(
            vectors(port, data, np.ones(len(data), bool)))
    (folder / "fork__stalls.hex").write_text(stall_words(len(FORK_PORTS)))
    (folder / "fork_.v").write_text(FORK)
    (folder / "fork__tb.sv").write_text(bench_text(
        "fork_", FORK_PORTS, {port.name: len(sent[port.stream]) for port in FORK_PORTS},
        error=True, resets=[(4, 1)], cycles=(21, 0)))
    return icarus(folder, "fork_"), folder


@pytest.mark.parametrize("option, verdict", [
    ("+stall=2", "PASS 20 transfers"), ("+stall=6", "PASS 20 transfers"),
    ("+fault=1", "FAIL m_axis_o_high transfer 0: got tdata 0909 tlast 1, "
                 "expected tdata 095a tlast 1"),
    # The last number leaves by the port low: the cycle of all outputs is that of its transfer.
    ("+slow=3", "FAIL 14 transfers in 39 cycles, not 21"),
])
def test_two_outputs(forked, option, verdict):
    program, folder = forked
    assert simulate(program, folder, option) == (verdict, verdict.startswith("PASS"))
