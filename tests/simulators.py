"""Compile ``<name>_tb.sv`` with ``<name>.v`` in a folder; each returns the command that runs it."""

import shutil
from pathlib import Path

import pytest

from hw.flow.tools import run_tool
from hw.lint import WAIVED
from sim import verilator

__all__ = ["icarus", "verilator_binary"]


def icarus(folder: Path, name: str) -> list[str]:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        pytest.skip("iverilog is not installed; run: apt-get install iverilog")
    program = folder / f"{name}.vvp"
    done = run_tool("iverilog", ["iverilog", "-g2012", "-o", program, folder / f"{name}_tb.sv",
                                 folder / f"{name}.v"])
    assert not done.returncode, done.stderr
    return ["vvp", "-N", str(program)]


def verilator_binary(folder: Path, name: str) -> list[str]:
    missing = verilator.available() or next(
        (f"{tool} is not installed; run: apt-get install {tool}" for tool in ("perl", "make")
         if shutil.which(tool) is None), None)
    if missing:
        pytest.skip(missing)
    # The wheel's makefile has these empty; the optimizer would take longer than it saves.
    variables = ("CXX=g++ LINK=g++ AR=ar CFG_CXXFLAGS_PCH_I=-include "
                 "CFG_CXXFLAGS_STD=-std=gnu++20 CFG_CXXFLAGS_COROUTINES=-fcoroutines "
                 "CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O0 OPT_GLOBAL=-O0")
    root = verilator.verilator_root()
    done = run_tool("verilator", [
        root / "bin/verilator", "--binary", "--timing", "-j", "2", "-Wall",
        *(f"-Wno-{rule}" for rule in WAIVED), "--top-module", f"{name}_tb",
        "--Mdir", folder / "obj", folder / f"{name}_tb.sv", folder / f"{name}.v"],
        environment={"VERILATOR_ROOT": str(root), "MAKEFLAGS": variables})
    assert not done.returncode, done.stderr
    return [str(folder / f"obj/V{name}_tb")]
