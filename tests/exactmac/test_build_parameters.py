"""Parameters and tables that a build is given in files: what it makes of them, or refuses."""

import json
import os
import re
import threading

import pytest

from exactmac import build
from exactmac import files as given
from tests.exactmac.test_build import refused, run
from tests.simulators import icarus

SHAPE = "--weights s8n --activations s8 --output s8 --requant tflite --rows 1 --cols 2 --lanes 2 " \
        "--depth 64 --channels 3 --no-area --name mine"
OWN = {"bias": [1, -2, 300], "multiplier": 1 << 30, "shift": [-4, -5, -6], "zero_point": -3,
       "clamp_min": -100, "clamp_max": 127}


def arguments(folder, parameters):
    file = folder / "own.json"
    file.write_text(parameters if isinstance(parameters, str) else json.dumps(parameters))
    return [*SHAPE.split(), "--parameters", str(file)]


@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
def test_a_tile_with_its_own_parameters(tmp_path, capsys):
    assert run(*arguments(tmp_path, OWN), out=tmp_path / "out") == 0
    folder = tmp_path / "out" / "mine"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["verification"] == "Verilog equals golden"
    assert manifest["config"]["parameters"] == OWN
    assert manifest["parameters"]["words_per_record"] == 0
    assert [field["name"] for field in manifest["parameters"]["record"]] == list(OWN)
    assert [port["name"] for port in manifest["ports"]] == [
        "s_axis_job", "s_axis_activations", "s_axis_weights", "m_axis_o"]
    assert manifest["vectors"].startswith("corners, random (not the digits network: ")
    assert not (folder / "mine_i_parameters.hex").exists()
    for suffix in (".v", "_tb.sv", "_instance.vh", ".core"):
        text = (folder / f"mine{suffix}").read_text()
        assert "s_axis_parameters" not in text and "i_parameters" not in text
    assert "parameters fixed" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
def test_a_tile_with_its_own_exponents(tmp_path):
    own = {"bias": 7, "multiplier": [*range(1 << 20, (1 << 20) + 32)], "shift": 20, "clamp_min": 0,
           "clamp_max": 12, "exponent_min": 120, "exponent_max": 130}
    file = tmp_path / "own.json"
    file.write_text(json.dumps(own))
    shape = "--weights s4 --activations s4 --output mx_e2m1 --rows 1 --cols 32 --lanes 1 " \
            "--depth 16 --outputs 16 --channels 32 --no-area --name mine"
    assert run(*shape.split(), "--parameters", str(file), out=tmp_path) == 0
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    assert manifest["verification"] == "Verilog equals golden"
    assert manifest["config"]["parameters"] == own


def test_other_parameters_are_another_tile(tmp_path, capsys):
    for bias in (1, 2):
        run(*arguments(tmp_path, OWN | {"bias": bias}), "--no-verify", out=tmp_path / "out")
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"a tile of the same name with parameters fixed, [0-9a-f]{8}", said)


@pytest.mark.slow
def test_its_testbench(tmp_path):
    from tests.cosim.test_shipped import simulate
    run(*arguments(tmp_path, OWN), "--no-verify", out=tmp_path)
    folder = tmp_path / "mine"
    transfers = len((folder / "mine_o.hex").read_text().splitlines())
    assert simulate(folder, icarus(folder, "mine")) == (0, [f"PASS {transfers} transfers"])


FIELDS = "bias, multiplier, shift, zero_point, clamp_min, clamp_max"

BAD = [
    ("{", "Parameters must be a file of JSON, not {file} (no JSON: Expecting property name "
          "enclosed in double quotes in line 1, column 2)"),
    ([1, 2], "Parameters must be an object of fields, not the contents of {file}"),
    (OWN | {"scale": 1}, f"Parameters must be {FIELDS}, not {FIELDS}, scale (having scale)"),
    ({"bias": 1}, f"Parameters must be {FIELDS}, not bias (lacking multiplier, shift, zero_point, "
                  "clamp_min, clamp_max)"),
    ({}, f"Parameters must be {FIELDS}, not none"),
    (OWN | {"bias": [1, 2]},
     "Bias must be one value, or a list of 3, one per channel, not a list of 2"),
    (OWN | {"bias": 1 << 31},
     "Bias must be in range [-2147483648, 2147483647] of s32, not 2147483648"),
    (OWN | {"bias": [0, 0, 1 << 31]},
     "Bias must be in range [-2147483648, 2147483647] of s32, not 2147483648 at index 2"),
    (OWN | {"bias": 0.5}, "Bias must be an integer, or a list of one per channel, not 0.5"),
    (OWN | {"bias": [1, 2, "3"]},
     "Bias must be an integer, or a list of one per channel, not '3' at index 2"),
    (OWN | {"bias": {"a": 1}},
     "Bias must be an integer, or a list of one per channel, not {{'a': 1}}"),
    ('{"bias": 1, "shift": 2, "bias": 1}',
     "Parameters must have each field once, not bias 2 times"),
    (OWN | {"shift": [-4, -32, 0]},
     "Shift must be in range [-31, 31] of contract tflite, not -32"),
    (OWN | {"clamp_min": [0, 1, 2], "clamp_max": 1},
     "Clamp minimum must be at most the maximum 1, not 2"),
    # A sum that the contract does not take can occur.
    (OWN | {"bias": (1 << 31) - 1}, "Sum plus bias must be in range [-2147483648, 2147483647] "
     "of s32, not 2148524031 at index 0"),
    (OWN | {"shift": 15}, "Sum plus bias, shifted left, must be in range [-2147483648, 2147483647] "
     "of s32, not -34091270144 at index 0"),
]


@pytest.mark.parametrize("parameters, message", BAD)
def test_bad_parameters(tmp_path, capsys, parameters, message):
    line = refused(capsys, *arguments(tmp_path, parameters), out=tmp_path / "out")
    assert line == message.format(file=tmp_path / "own.json")


@pytest.mark.parametrize("option, must", [
    ("--parameters", "Parameters must be a file of JSON"),
    ("--lut", "Lut must be loaded or a file of JSON")])
@pytest.mark.parametrize("what, reason", [
    ("/dev/zero", "neither a file nor a pipe"),
    ("/dev/null", "neither a file nor a pipe"),
    ("{}", "Is a directory"),
    ("{}/pipe", "nothing came in 0 s"),
    ("{}/large", "more than 0 MiB"),
    ("{}/latin", "no JSON"),
    ("{}/deep", "no JSON"),
    ("{}/digits", "an integer of more than 4300 digits"),
    ("{}/" + "a" * 300, "File name too long"),
])
def test_what_is_no_file_of_levels(tmp_path, capsys, monkeypatch, option, must, what, reason):
    monkeypatch.setattr("hw.files.PATIENCE", 0)
    monkeypatch.setattr("hw.files.MOST_BYTES", 100_000)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_text(f"[{' ' * 100_000}]")
    (tmp_path / "latin").write_bytes(b'{"bi\xe4s": 1}')
    (tmp_path / "digits").write_text("[" + "9" * 5000 + "]")
    (tmp_path / "deep").write_text("[" * 100_000)
    file = what.format(tmp_path)
    line = refused(capsys, *SHAPE.split(), "--requant", "half_up", option, file,
                   out=tmp_path / "out")
    assert line == f"{must}, not {file} ({reason})"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_of_any_encoding_that_json_has(tmp_path, encoding):
    (tmp_path / "file").write_text(json.dumps(OWN), encoding)
    assert given.parameters_of(str(tmp_path / "file")) == OWN


def test_a_pipe_is_read_to_its_end(tmp_path):
    """Such as that of ``<(...)``: it may be written late, and bit by bit."""
    reading, writing = os.pipe()

    def write():
        with open(writing, "w") as stream:
            for letter in json.dumps([*range(256)]):
                stream.write(letter)
                stream.flush()

    writer = threading.Thread(target=write)
    writer.start()
    assert given.lut_of(f"/dev/fd/{reading}") == [*range(256)]
    writer.join()
    os.close(reading)


def test_a_pipe_that_stays_open_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.files.PATIENCE", 0)
    reading, writing = os.pipe()
    file = f"/dev/fd/{reading}"
    try:
        os.write(writing, b'{"bias": [1,')
        with pytest.raises(ValueError, match=f"^Parameters must be a file of JSON, not {file} "
                                             r"\(only a part came in 0 s\)$"):
            given.parameters_of(file)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_that_is_not_there(capsys):
    line = refused(capsys, *SHAPE.split(), "--parameters", "nowhere.json")
    assert line == ("Parameters must be a file of JSON, not nowhere.json "
                    "(No such file or directory)")


def test_thresholds_in_memories_are_not_fixed(tmp_path, capsys):
    file = tmp_path / "parameters.json"
    file.write_text(json.dumps({"bias": 0, **{f"threshold_{k}": k for k in range(1, 32)}}))
    line = refused(capsys, *"--bits 5 --requant thresholds --no-area --parameters".split(),
                   str(file), out=tmp_path / "out")
    assert line == ("Parameters must not be fixed for contract thresholds with an output of more "
                    "than 4 bits, s5")


def test_thresholds_that_fall(tmp_path, capsys):
    bits = "--bits 2 --requant thresholds --no-area --channels 2".split()
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"bias": 0, "threshold_1": 3, "threshold_2": [3, 2],
                                "threshold_3": 9}))
    line = refused(capsys, *bits, "--parameters", str(file), out=tmp_path / "out")
    assert line == "Threshold 2 must be at least the one before, 3, not 2"


def test_scales_that_are_none(tmp_path, capsys):
    own = {name: value for name, value in OWN.items() if name not in ("multiplier", "shift")}
    line = refused(capsys, *arguments(tmp_path, own | {"scale": 0x7F800000}), "--requant", "onnx",
                   out=tmp_path / "out")
    assert line == "Scale must be the bits of a positive normal float32, not 0x7f800000"


@pytest.mark.parametrize("levels, message", [
    ([1] * 255, "Lut must have 256 levels, not 255"),
    ([1] * 255 + [-129], "Lut level must be in range [-128, 127] of s8, not -129 at index 255"),
    ([1.5] * 256, "Lut must be a list of integers, not 1.5 at index 0"),
    ([1] * 255 + [True], "Lut must be a list of integers, not True at index 255"),
    ({}, "Lut must be a list of integers, not the contents of {}"),
], ids=str)
def test_bad_tables(tmp_path, capsys, levels, message):
    file = tmp_path / "table.json"
    file.write_text(json.dumps(levels))
    line = refused(capsys, "--bits", "8", "--lut", str(file), out=tmp_path / "out")
    assert line == message.format(file)


def test_a_table_is_in_the_manifest_and_in_the_summary(tmp_path, capsys):
    table = [*range(-128, 128)]
    (tmp_path / "table.json").write_text(json.dumps(table))
    arguments = "--bits 8 --rows 1 --cols 1 --depth 8 --no-area --no-verify --name mine".split()
    for lut, said in ((str(tmp_path / "table.json"), table), ("loaded", "loaded")):
        run(*arguments, "--lut", lut, out=tmp_path / "out")
        manifest = json.loads((tmp_path / "out" / "mine" / "manifest.json").read_text())
        assert manifest["lut"] == {"after": "half_up", "order": "codes 0 to 255"}
        assert manifest["config"]["lut"] == said
        kind = "loaded" if lut == "loaded" else "fixed"
        assert re.search(rf"\ntable +behind the results, {kind}", capsys.readouterr().out)
