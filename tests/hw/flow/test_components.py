import pytest

from hw.flow.components import break_down
from hw.flow.mapping import TARGETS
from hw.flow.tools import ToolFailed

# Modules nested as those of a tile, with registers that tell them apart: 1 in the tile, 2 in the
# array, 4 in each of two cells.
TILE = """
module top(input clk, input [3:0] i, output [8:0] o);
  inner tile(.clk(clk), .i(i), .o(o));
endmodule
module inner(input clk, input [3:0] i, output reg [8:0] o);
  wire [3:0] first, second;
  wire [3:0] sums;
  sums array(.clk(clk), .i(i), .first(first), .second(second));
  store results(.clk(clk), .address(i), .o(sums));
  always @(posedge clk) o[0] <= ^i;
  assign o[8:1] = {first ^ sums, second};
endmodule
module sums(input clk, input [3:0] i, output [3:0] first, output [3:0] second);
  reg [1:0] q;
  always @(posedge clk) q <= i[1:0] ^ i[3:2];
  cell4 cell_0_0(.clk(clk), .i(i), .o(first));
  cell4 cell_0_1(.clk(clk), .i({q, q}), .o(second));
endmodule
module cell4(input clk, input [3:0] i, output reg [3:0] o);
  always @(posedge clk) o <= {i[2:0], i[3]};
endmodule
module store(input clk, input [3:0] address, output reg [3:0] o);
  memory store(.clk(clk), .address(address), .o(o));
endmodule
module memory(input clk, input [3:0] address, output reg [3:0] o);
  reg [3:0] memory [0:15];
  always @(posedge clk) begin
    memory[address] <= o;
    o <= memory[address];
  end
endmodule
"""


def broken_down(folder, target, text=TILE):
    (folder / "top.v").write_text(text)
    return break_down(folder / "top.v", "top", TARGETS[target])


def test_cells_count_where_they_are(tmp_path):
    found = broken_down(tmp_path, "ecp5")
    flip_flops = {name: counts["ff"] for name, counts in found.components.items()}
    assert list(flip_flops) == ["block", "accumulators", "parameter store", "control"]
    assert flip_flops == {"block": 8, "accumulators": 2, "parameter store": 4, "control": 1}
    assert found.components["parameter store"]["lut"] == 6  # a TRELLIS_DPR16X4
    assert found.sum["ff"] == 15
    assert found.sum["lut"] == sum(counts["lut"] for counts in found.components.values())


@pytest.mark.parametrize("target", ["generic", *(
    pytest.param(name, marks=pytest.mark.slow) for name in ("ice40", "xc7"))])
def test_every_target_keeps_hierarchy(tmp_path, target):
    found = broken_down(tmp_path, target)
    assert found.components["block"] == {"lut": 0, "carry": 0, "ff": 8, "dsp": 0, "ram": 0}
    assert found.components["accumulators"]["ff"] == 2


def test_memories_count_in_bits(tmp_path):
    found = broken_down(tmp_path, "generic")
    assert found.components["parameter store"]["ram"] == found.sum["ram"] == 64


def test_errors_of_yosys(tmp_path):
    with pytest.raises(ToolFailed, match=r"^yosys failed: ERROR: Module `top' not found!$"):
        broken_down(tmp_path, "ecp5", "module other; endmodule\n")
