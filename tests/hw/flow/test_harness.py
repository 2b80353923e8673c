"""Harness of registers around a design."""

import pytest

from hw.flow.harness import Harness, enclose
from hw.flow.mapping import TARGETS
from hw.flow.netlist import Netlist
from hw.flow.tools import ToolFailed
from hw.flow.yosys import run_script, synthesize
from sim.verilator import available
from tests.hw.flow.test_netlists import mismatches

DESIGN = """
module dut (input clk, input [3:0] a, input b, output reg [4:0] sum, output [1:0] through,
            output [1:0] constant);
    initial sum = 0;
    assign through = {a[0] & b, a[1]};
    assign constant = 2'b10;
    always @(posedge clk) sum <= sum + a + b;
endmodule
"""
# Chain of registers, from the first input on; constants are left out.
REFERENCE = DESIGN.replace("module dut", "module inner") + """
module dut (input clk, input harness_in, output harness_out);
    reg [4:0] in = 0;
    reg [6:0] out = 0;
    wire [4:0] sum;
    wire [1:0] through;
    wire [6:0] o = {through, sum};
    inner i (.clk(clk), .a(in[3:0]), .b(in[4]), .sum(sum), .through(through));
    always @(posedge clk) begin
        in <= {in, harness_in};
        out <= {out, in[4]} ^ o;
    end
    assign harness_out = out[6];
endmodule
"""


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    folder = tmp_path_factory.mktemp("harness")
    (folder / "dut.v").write_text(DESIGN)
    synthesize([folder / "dut.v"], "dut", TARGETS["ecp5"], netlist=folder / "out")
    return folder / "out.json"


def count(netlist, kind):
    return sum(cell["type"] == kind for cell in netlist.cells.values())


@pytest.mark.skipif(available() is not None, reason=str(available()))
def test_the_harness_is_a_chain_of_registers(tmp_path, design):
    own = Netlist.read(design)
    before = count(own, "TRELLIS_FF"), count(own, "LUT4")
    # `through` is an input too, but needs a register as output.
    assert enclose(own, "clk") == Harness(registers=5 + 7, luts=7)
    assert (count(own, "TRELLIS_FF"), count(own, "LUT4")) == (before[0] + 12, before[1] + 7)
    assert {name: len(port["bits"]) for name, port in own.ports.items()} == {
        "clk": 1, "harness_in": 1, "harness_out": 1}
    own.write(tmp_path / "own.json")
    (tmp_path / "run.ys").write_text("read_json own.json\nwrite_verilog -noattr own.v\n")
    run_script(tmp_path)
    for folder, reference, same in (("sim", REFERENCE, True),
                                    ("fault", REFERENCE.replace("in[4]} ^", "in[3]} ^"), False)):
        differ = mismatches(tmp_path / folder, TARGETS["ecp5"],
                            {"harness_in": 1, "harness_out": -1}, reference,
                            (tmp_path / "own.v").read_text())
        assert (differ == 0) is same


@pytest.mark.parametrize("change, message", [
    (lambda ports: ports.pop("clk"), r"no clock named 'clk' among b$"),
    (lambda ports: ports["clk"].update(direction="output"), r"no clock named 'clk' among b$"),
    (lambda ports: ports["b"].update(direction="inout"), r"port 'b' is bidirectional$")])
def test_ports_that_a_harness_cannot_have(design, change, message):
    own = Netlist.read(design)
    change(own.ports)
    with pytest.raises(ToolFailed, match=f"^nextpnr-ecp5 failed: {message}"):
        enclose(own, "clk")
