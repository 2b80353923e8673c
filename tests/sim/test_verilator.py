import re
from pathlib import Path

import numpy as np
import pytest

from hw.drive import Beats
from hw.flow.cache import cache_folder, kept
from hw.flow.tools import ToolFailed, ToolMissing
from sim import verilator
from sim.backend import SimulationError
from sim.verilator import VerilatorSimulation
from tests.plain import plain_port

pytestmark = pytest.mark.skipif(verilator.available() is not None,
                                reason=str(verilator.available()))

IN = plain_port("s_axis_i", "i", 12)
OUT = plain_port("m_axis_o", "o", 12)
HEAD = """\
module echo(input aclk, input aresetn,
            input [15:0] s_axis_i_tdata, input s_axis_i_tvalid, output s_axis_i_tready,
            output [15:0] m_axis_o_tdata, output m_axis_o_tvalid, input m_axis_o_tready);
"""
ECHO = HEAD + """\
    `ifndef MASK
    `define MASK 16'h0
    `endif
    assign s_axis_i_tready = m_axis_o_tready;
    assign m_axis_o_tvalid = s_axis_i_tvalid & aresetn;
    assign m_axis_o_tdata = s_axis_i_tdata ^ `MASK;
endmodule
"""
OSCILLATOR = HEAD + """\
    wire flips = s_axis_i_tvalid & ~flips;
    assign s_axis_i_tready = flips & m_axis_o_tready;
    assign m_axis_o_tvalid = 1'b0;
    assign m_axis_o_tdata = s_axis_i_tdata;
endmodule
"""
UNCONNECTED = """\
module pin(input a, output b);
    assign b = a;
endmodule
module echo(input aclk, output o);
    pin p(.b(o));
endmodule
"""


@pytest.fixture
def build(tmp_path):
    def build(text, ports=(IN, OUT), **kwargs):
        source = tmp_path / "echo.v"
        source.write_text(text)
        return VerilatorSimulation([source], "echo", ports, **{"fast": False} | kwargs)
    return build


def send(echo, *values):
    data = np.array([[value & 0xff, value >> 8] for value in values], np.uint8)
    beats = Beats(data, np.zeros(len(data), bool), {})
    trace = echo.run({"s_axis_i": beats}, len(data))
    return [low | high << 8 for low, high in trace.data.tolist()]


def test_designs_live_side_by_side(build):
    plain = build(ECHO)
    masked = build(ECHO, flags=["-DMASK=16'h00f"])
    assert send(plain, 1, 2) == [1, 2]
    assert send(masked, 1, 2) == [14, 13]
    assert send(plain, 0xabc) == [0xabc]


@pytest.fixture
def models(build, tmp_path):
    """A cache of its own, with what does not depend on a design."""
    models = tmp_path / "models"
    models.mkdir()
    build(ECHO)
    for each in cache_folder("exactmac").glob("*"):
        if each.suffix in (".o", ".gch"):
            (models / each.name).symlink_to(each)
    return models


@pytest.mark.slow
def test_models_are_kept(build, models, monkeypatch):
    """Each under all that it is made of; what does not depend on the design is compiled once."""
    calls, call = [], verilator._call

    def counted(tool, command, *others):
        calls.append("header" if "c++-header" in command else
                     Path(command[-3]).name if "-c" in command else "")
        return call(tool, command, *others)

    monkeypatch.setattr(verilator, "_call", counted)

    def made(text, **kwargs):
        calls.clear()
        build(text, cache=models, **kwargs)
        return len([*models.glob("*.so")]), sum(name.startswith("unit") for name in calls)

    assert made(ECHO) == (1, 1)
    before = {path: path.stat().st_mtime_ns for path in models.iterdir()}
    assert made(ECHO) == (1, 0)
    assert {path: path.stat().st_mtime_ns for path in models.iterdir()} == before
    assert made(ECHO + "// another text\n") == (2, 1)
    assert not {"header", "verilated.cpp"} & {*calls}
    assert made(ECHO, flags=["-DMASK=16'h1"]) == (3, 1)
    assert made(ECHO, fast=True) == (4, 1)


@pytest.mark.parametrize("state", ["cut", "not to be loaded", "not to be written"])
def test_a_cache_never_hurts(build, models, monkeypatch, tmp_path, state):
    """A library that is not whole, or of another machine, is made again."""
    text, load = f"{ECHO}// {state}\n", verilator.ctypes.CDLL
    before = {*models.glob("*.so")}

    def refused(path, mode):
        if Path(path).parent == models:
            raise OSError(f"{path}: failed to map segment")
        return load(path, mode)

    if state == "not to be written":
        monkeypatch.setattr(verilator, "keep", lambda built, place: built)
    if state == "not to be loaded":
        monkeypatch.setattr(verilator.ctypes, "CDLL", refused)
    assert send(build(text, cache=models), 5) == [5]
    new = {*models.glob("*.so")} - before
    assert len(new) == (state != "not to be written")
    for library in new:
        size, cut = library.stat().st_size, tmp_path / "cut"
        cut.write_bytes(library.read_bytes()[:2000])
        cut.replace(library)  # not into the file, which this process may have loaded
        assert send(build(text, cache=models), 6) == [6]
        assert kept(library) and library.stat().st_size == size


@pytest.mark.parametrize("port, message", [
    (plain_port("s_axis_i", "i", 17),
     "echo must have a port s_axis_i_tdata of 24 bits, not 16"),
    (plain_port("s_axis_i", "i", 12, "last"),
     "echo must have a port s_axis_i_tlast of 1 bits, not none"),
])
def test_refuses_other_ports(build, port, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(ECHO, (port, OUT))


@pytest.mark.parametrize("text, complaint", [
    (HEAD + "x y\n", "syntax error"),
    (UNCONNECTED, "PINMISSING"),
    (OSCILLATOR, "UNOPTFLAT"),
])
def test_warnings_and_errors_stop_the_build(build, text, complaint):
    with pytest.raises(ToolFailed, match=f"^verilator failed: .*{complaint}"):
        build(text)


def test_oscillation_is_an_error_and_not_the_end_of_python(build):
    oscillator = build(OSCILLATOR, flags=["-Wno-UNOPTFLAT"])
    with pytest.raises(SimulationError, match="^Verilator stopped: DIDNOTCONVERGE"):
        send(oscillator, 1)


@pytest.mark.parametrize("compiler, error, message", [
    (None, ToolMissing, "g++ is not installed; run: apt-get install g++"),
    ("#!/bin/sh\necho no libraries >&2; exit 1\n", ToolFailed, "g++ failed: no libraries"),
    ("#!/bin/sh\nexit 1\n", ToolFailed, "g++ failed: no output"),
    ("", ToolFailed, "g++ failed: [Errno 8] Exec format error: 'g++'"),
])
def test_missing_and_broken_tools_are_named(build, monkeypatch, tmp_path, compiler, error,
                                            message):
    if compiler is not None:
        (tmp_path / "g++").write_text(compiler)
        (tmp_path / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert verilator.available() == message
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        build(ECHO)
    monkeypatch.setattr(verilator, "verilator_root", lambda: None)
    assert str(verilator.available()).startswith("verilator is not installed")
