import pytest

from hw.flow import nextpnr, tools
from hw.flow.mapping import TARGETS
from hw.flow.nextpnr import Placement, place
from hw.flow.tools import ToolFailed, ToolMissing
from hw.flow.yosys import synthesize

DESIGN = """
module top (input aclk, input we, input [8:0] wa, input [8:0] ra, input [35:0] d,
            input [17:0] a, input [17:0] b, output reg [35:0] product, output reg [19:0] count,
            output reg [255:0] wide);
    reg [35:0] memory [0:511];
    reg [35:0] q;
    reg [17:0] a_q, b_q;
    always @(posedge aclk) begin
        if (we) memory[wa] <= d;
        q <= memory[ra];
        a_q <= a;
        b_q <= b;
        product <= a_q * b_q ^ q;
        count <= count + 1;
        wide <= {wide, a[0]};
    end
endmodule
"""
# More block RAMs than the smallest device has, 56 of them.
LARGE = """
module top (input aclk, input we, input [8:0] wa, input [8:0] ra, input [35:0] d,
            output [36*BLOCKS-1:0] q);
    genvar k;
    generate for (k = 0; k < BLOCKS; k = k + 1) begin : each
        reg [35:0] memory [0:511];
        reg [35:0] read;
        always @(posedge aclk) begin
            if (we) memory[wa] <= d ^ k;
            read <= memory[ra];
        end
        assign q[36*k+:36] = read;
    end endgenerate
endmodule
"""


def netlist(folder, text):
    (folder / "top.v").write_text(text)
    return synthesize([folder / "top.v"], "top", TARGETS["ecp5"], netlist=folder / "out")


@pytest.mark.slow
def test_placement(tmp_path, capfd, monkeypatch):
    # 376 port bits, more than the device has pads.
    area = netlist(tmp_path, DESIGN)
    run, reports = nextpnr._run, []

    def kept(*arguments):
        reports.append(run(*arguments))
        return reports[-1]

    monkeypatch.setattr(nextpnr, "_run", kept)
    placed = place(tmp_path / "out.json")
    assert capfd.readouterr() == ("", "")
    assert (placed.device, placed.speed, placed.seed, placed.frequency) == ("25k", 6, 1, 200)
    assert (placed.ff, placed.dsp, placed.ram) == (area.ff, area.dsp, area.ram)
    assert (placed.dsp, placed.ram) == (1, 1)
    # Chains of carries have ends, which take LUTs of their own; constants may need one.
    assert area.total <= placed.lut <= area.total + 8
    assert placed.fmax is not None and 50 < placed.fmax < 1000
    again = place(tmp_path / "out.json")
    assert (again.lut, again.fmax) == (placed.lut, placed.fmax)
    assert place(tmp_path / "out.json", speed=8).fmax > placed.fmax
    monkeypatch.setattr(nextpnr, "_run", lambda *arguments: reports[0])
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: no clock named 'clk' among aclk$"):
        place(tmp_path / "out.json", clock="clk")


@pytest.mark.slow
def test_distributed_ram_takes_six_luts(tmp_path):
    text = """
module top (input aclk, input we, input [3:0] wa, input [3:0] ra, input [3:0] d, output [3:0] q);
    reg [3:0] memory [0:15];
    assign q = memory[ra];
    always @(posedge aclk) if (we) memory[wa] <= d;
endmodule
"""
    area = netlist(tmp_path, text)
    assert dict(area.cells) == {"TRELLIS_DPR16X4": 1}
    placed = place(tmp_path / "out.json")
    assert placed.lut == area.lut == 6
    assert placed.fmax is None


LOG = """
Info: Device utilisation:
Info: 	          TRELLIS_IO:       0/    197     0%
Info: 	              DP16KD:      56/     56   100%
Info: 	          MULT18X18D:      40/     28   142%
ERROR: Unable to place cell 'm', no BELs remaining to implement cell type 'MULT18X18D'
"""


def test_devices_are_tried_in_turn(tmp_path, monkeypatch):
    tried = []

    class Run:
        returncode, stdout, stderr = 1, "", LOG

    def run(tool, arguments, **keywords):
        tried.append(next(each for each in arguments if each.endswith("k")))
        return Run

    (tmp_path / "out.json").write_text("{}")
    monkeypatch.setattr(nextpnr, "run_tool", run)
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: the design does not fit the "
                                         r"largest device, 40 of 28 MULT18X18D on 85k$"):
        place(tmp_path / "out.json", device="45k")
    assert tried == ["--45k", "--85k"]


@pytest.mark.slow
def test_the_device_grows_with_the_design(tmp_path, monkeypatch):
    """Until there is no larger one."""
    area = netlist(tmp_path, LARGE.replace("BLOCKS", "57"))
    assert area.ram == 57
    placed = place(tmp_path / "out.json")
    assert (placed.device, placed.ram) == ("45k", 57)
    monkeypatch.setattr(nextpnr, "DEVICES", ("25k",))
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: the design does not fit the "
                                         r"largest device, 57 of 56 DP16KD on 25k$"):
        place(tmp_path / "out.json")


@pytest.mark.slow
def test_broken_netlist(tmp_path, capfd):
    (tmp_path / "out.json").write_text('{"modules": ')
    with pytest.raises(ToolFailed, match=r"^nextpnr-ecp5 failed: ERROR: "):
        place(tmp_path / "out.json")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("arguments,message", [
    (dict(device="12k"), r"^Device must be one of 25k, 45k, 85k, not '12k'$"),
    (dict(speed=5), r"^Speed must be 6, 7 or 8, not 5$"),
])
def test_arguments(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        place(tmp_path / "out.json", **arguments)


def test_nextpnr_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r"^nextpnr-ecp5 is not installed; "
                                          r"run: pip install 'exactmac\[pnr\]'$"):
        place(tmp_path / "out.json")


def test_json():
    placed = Placement(device="25k", speed=6, seed=2, frequency=99.5, lut=1, ff=2, dsp=3,
                       ram=4, fmax=None, seconds=0.5)
    assert placed.to_json() == dict(device="25k", speed=6, seed=2, frequency=99.5, lut=1, ff=2,
                                    dsp=3, ram=4, fmax=None, seconds=0.5, ports="not timed")
