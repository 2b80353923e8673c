"""Models of the cells that are instantiated: equal to those of Yosys."""

import subprocess
import sys

import numpy as np
import pytest

from hw.targets.fabric import ECP5


def proven(folder, more=""):
    """Run of Yosys that proves that `differ` is never set."""
    (folder / "run.ys").write_text(
        "read_verilog -D NO_INCLUDES own.v top.v\nread_verilog -overwrite +/ecp5/cells_sim.v\n"
        "hierarchy -top top\nproc\nflatten\nopt_clean\nasync2sync\n"
        f"sat -verify {more} -prove differ 0\n")
    return subprocess.run([sys.executable, "-c", "from pyosys import libyosys as y; "
                           "y.run_pass('script run.ys', y.Design())"], cwd=folder,
                          capture_output=True, text=True)


@pytest.mark.parametrize("inject", ["NO", "YES"])
def test_the_carry_cell_is_that_of_yosys(tmp_path, rng, inject):
    """For all inputs, and random tables."""
    assert ECP5.models is not None
    (tmp_path / "own.v").write_text(ECP5.models.replace("module CCU2C", "module own"))
    pins = [f"{pin}{half}" for half in "01" for pin in "ABCD"]
    tables = [int(each) for each in rng.integers(0, 1 << 16, 12)] + [0x6996, 0x7888, 0, 0xFFFF]
    cells = []
    for place, (low, high) in enumerate(zip(tables, np.roll(tables, 1).tolist(), strict=True)):
        ports = ", ".join([".CIN(c)", *(f".{pin}({pin})" for pin in pins)])
        for kind, name in (("CCU2C", "theirs"), ("own", "ours")):
            outputs = ", ".join(f".{pin}({name}[{3 * place + k}])"
                                for k, pin in enumerate(("S0", "S1", "COUT")))
            cells.append(f'  {kind} #(.INIT0(16\'h{low:04x}), .INIT1(16\'h{high:04x}), '
                         f'.INJECT1_0("{inject}"), .INJECT1_1("{inject}")) {name}_{place} '
                         f"({ports}, {outputs});")
    width = 3 * len(tables)
    (tmp_path / "top.v").write_text(
        f"module top(input c, {', '.join(f'input {pin}' for pin in pins)}, output differ);\n"
        f"  wire [{width - 1}:0] theirs, ours;\n" + "\n".join(cells)
        + "\n  assign differ = theirs != ours;\nendmodule\n")
    done = proven(tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "SAT proof finished - no model found: SUCCESS!" in done.stdout


def test_the_register_is_that_of_yosys(tmp_path):
    assert ECP5.models is not None
    (tmp_path / "own.v").write_text(ECP5.models.replace("module FD1S3AX", "module own"))
    (tmp_path / "top.v").write_text("""\
module top(input d, input clock, output differ);
  wire theirs, ours;
  FD1S3AX #(.GSR("DISABLED")) one(.D(d), .CK(clock), .Q(theirs));
  own #(.GSR("DISABLED")) other(.D(d), .CK(clock), .Q(ours));
  assign differ = theirs != ours;
endmodule
""")
    done = proven(tmp_path, "-tempinduct")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Induction step proven: SUCCESS!" in done.stdout


@pytest.mark.parametrize("cell, pins, tables", [
    ("LUT4", "ABCD", [0x6996, 0x7888, 0x0001, 0xCA53]), ("PFUMX", ("ALUT", "BLUT", "C0"), [None])])
def test_lookup_cells_are_those_of_yosys(tmp_path, cell, pins, tables):
    assert ECP5.models is not None
    (tmp_path / "own.v").write_text(ECP5.models.replace(f"module {cell}", "module own"))
    ports, cells = ", ".join(f".{pin}({pin})" for pin in pins), []
    for place, table in enumerate(tables):
        parameters = "" if table is None else f" #(.INIT(16'h{table:04x}))"
        cells += [f"  {kind}{parameters} {name}_{place} ({ports}, .Z({name}[{place}]));"
                  for kind, name in ((cell, "theirs"), ("own", "ours"))]
    (tmp_path / "top.v").write_text(
        f"module top({', '.join(f'input {pin}' for pin in pins)}, output differ);\n"
        f"  wire [{len(tables) - 1}:0] theirs, ours;\n" + "\n".join(cells)
        + "\n  assign differ = theirs != ours;\nendmodule\n")
    done = proven(tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "SAT proof finished - no model found: SUCCESS!" in done.stdout
