"""Networks on a simulated tile: equal to golden, or the first difference is named."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest

from exactmac import network, timing
from exactmac.networks import digits as on_tiles
from exactmac.options import config_of, parser
from golden import command, digits
from golden.quantize import quantize
from golden.run import run as run_golden
from hw.flow.yosys import Area
from sim.layers import run_layer, run_network
from sim.simulation import simulation
from sim.vectors import digits_network
from sim.verify import Mismatch
from sim.verilator import VerilatorSimulation, available
from tests.compiled import compiled

needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


def tile(*arguments):
    return config_of(parser().parse_args([*arguments]))


@needs_verilator
@pytest.mark.parametrize("bits, points", [(4, 2.0), (8, 0.3)])
def test_accuracy_on_the_verilog(bits, points):
    config = tile("--bits", str(bits))
    result = on_tiles.run_digits(config, compiled(config))
    assert result.hardware_accuracy == result.golden_accuracy
    assert 100 * (result.float_accuracy - result.hardware_accuracy) <= points
    assert result.compared == 540 * (64 + 10)
    assert result.utilisation >= 0.99


@needs_verilator
@pytest.mark.parametrize("arguments", [
    "--bits 5 --zero-points both --rows 3 --cols 6 --outputs 2",
    "--bits 6 --zero-points none --requant tflite --channels 24",
    *(pytest.param(each, marks=pytest.mark.slow) for each in (
        "--bits 8 --requant stochastic --lut loaded --outputs 2",
        "--weights s4n --activations codebook4:loaded=s8 --output codebook4:loaded=s8",
        "--weights mx_e2m1 --activations mx_e4m3fn --output mx_e4m3fn --rows 1 --cols 32 --lanes 2",
        "--bits 16 --lanes 3",
        "--bits 8 --activations u8 --output u8 --requant half_even --multiplier-bits 12",
        "--weights s4n --activations mx_s8 --output mx_s8 --rows 1 --cols 32 --lanes 2 --window 5",
        "--weights mx_e2m1 --activations mx_e4m3fn --output e4m3fn --rows 2",
        "--weights mx_s3 --activations s8 --output s8 --window 2 --cols 2 --lanes 16")),
], ids=str)
@pytest.mark.thinned(2)
def test_every_tensor_is_golden(arguments):
    config = tile(*arguments.split())
    result = on_tiles.run_digits(config, compiled(config))
    assert result.hardware_accuracy == result.golden_accuracy


def test_a_table_after_every_layer(tmp_path):
    """The tile's own, which golden's network then has too; one of another network is refused."""
    (tmp_path / "table.json").write_text(str(list(range(255, -1, -1))))
    config = tile("--bits", "8", "--activations", "u8", "--output", "u8", "--lanes", "16",
                  "--lut", str(tmp_path / "table.json"))
    data = digits.load()
    quantized = digits_network(config, data)
    x = quantize(data.images[:4], quantized.input)
    levels, _ = run_network(config, simulation(config, "amaranth"), quantized, x)
    first = run_golden(replace(quantized, outputs=(), layers=tuple(
        replace(layer, table=None) for layer in quantized.layers[:1])), x)["dense0"]
    np.testing.assert_array_equal(run_golden(quantized, x)["dense0"], 255 - first)
    np.testing.assert_array_equal(levels, run_golden(quantized, x)["dense1"])
    for table in (None, np.arange(256)):
        other = replace(quantized, outputs=(),
                        layers=(replace(quantized.layers[0], table=table),))
        with pytest.raises(ValueError, match=r"^Table of layer 'dense0' must be the tile's$"):
            run_layer(config, simulation(config, "amaranth"), other, other.layers[0], x)


def test_a_table_is_loaded_for_each_layer(rng):
    config = tile("--bits", "8", "--lut", "loaded", "--lanes", "16")
    data = digits.load()
    plain = digits_network(config, data)
    tables = [np.arange(-128, 128)[rng.permutation(256)] for _ in plain.layers]
    quantized = replace(plain, layers=tuple(
        replace(layer, table=table) for layer, table in zip(plain.layers, tables, strict=True)))
    x = quantize(data.images[:4], quantized.input)
    levels, _ = run_network(config, simulation(config, "amaranth"), quantized, x)
    np.testing.assert_array_equal(levels, run_golden(quantized, x)["dense1"])
    assert (levels != run_golden(plain, x)["dense1"]).any()


def test_amaranth_runs_the_same_network():
    config = tile("--bits", "3", "--rows", "8", "--cols", "2", "--lanes", "16")
    data = digits.load()
    quantized = digits_network(config, data)
    levels, traces = run_network(config, simulation(config, "amaranth"), quantized,
                                 quantize(data.images[:8], quantized.input))
    assert levels.shape == (8, 10) and len(traces) == 2


class Faulty:
    """A backend with one wrong bit in one output."""

    def __init__(self, backend, output, bit=0):
        self.backend, self.output, self.bit = backend, output, bit
        self.ports, self.design = backend.ports, backend.design

    def run(self, *args, **kwargs):
        trace = self.backend.run(*args, **kwargs)
        data = trace.data.copy()
        data[self.output, self.bit // 8] ^= 1 << self.bit % 8
        [(name, only)] = trace.outputs.items()
        return replace(trace, outputs={name: replace(only, data=data)})


def test_a_difference_is_named():
    config = tile("--bits", "4", "--rows", "2", "--cols", "2", "--lanes", "8")
    data = digits.load()
    quantized = digits_network(config, data)
    # Output 5 is of the second job: row 0, column 1 of channels 2 and 3.
    backend = Faulty(simulation(config, "amaranth"), 5)
    with pytest.raises(Mismatch, match=r"^Layer dense0 differs from golden at index \(0, 3\): "
                                       r"(-?\d+) instead of (?!\1$)-?\d+$"):
        run_network(config, backend, quantized, quantize(data.images[:2], quantized.input))


@pytest.mark.slow
def test_a_difference_of_exponents_is_named():
    config = tile("--weights", "mx_s4", "--activations", "mx_e2m1", "--output", "mx_e2m1",
                  "--rows", "1", "--cols", "32", "--lanes", "4", "--outputs", "32")
    quantized = digits_network(config, digits.load())
    x = quantize(digits.load().images[:2], quantized.input)
    # Beat 3 is the second half of the second image's 64 channels: 32 codes and their exponent.
    backend = Faulty(simulation(config, "amaranth"), 3, bit=32 * 4)
    with pytest.raises(Mismatch, match=r"^Layer dense0 differs from golden at exponent \(1, 1\): "
                                       r"(\d+) instead of (?!\1$)\d+$"):
        run_network(config, backend, quantized, x)


@pytest.mark.parametrize("lut, named", [(None, "half_up"), ("loaded", "half_up, loaded table"),
                                        ("table.json", "half_up, fixed table")])
def test_a_row_names_the_table(tmp_path, monkeypatch, capsys, lut, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")  # a row of one line
    (tmp_path / "table.json").write_text(str(list(range(-128, 128))))
    monkeypatch.setattr(on_tiles, "simulation", lambda *arguments: None)
    # As if golden were the hardware.
    monkeypatch.setattr(on_tiles, "run_network", lambda config, backend, quantized, x: (
        run_golden(quantized, x)["dense1"], [Trace()]))
    assert network.main(["--bits", "8", *(["--lut", lut] if lut else []), "--csv", "rows.csv"]) == 0
    assert f"s8n x s8 -> s8 ({named}) " in capsys.readouterr().out
    [row] = csv.DictReader((tmp_path / "rows.csv").read_text().splitlines())
    assert row["table"] == ("" if lut is None else "loaded" if lut == "loaded" else "fixed")


def test_the_table_is_shown_where_its_file_is_full(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(command, "_try", lambda number: None)  # as if it filled up later
    monkeypatch.setattr(on_tiles, "simulation", lambda *arguments: None)
    monkeypatch.setattr(on_tiles, "run_network", lambda config, backend, quantized, x: (
        run_golden(quantized, x)["dense1"], [Trace()]))
    with pytest.raises(SystemExit) as end:
        network.main(["--bits", "8", "--csv", "/dev/full"])
    said = capsys.readouterr()
    assert end.value.code == 2 and "s8n x s8 -> s8 (half_up) " in said.out
    assert said.err == ("exactmac network: error: Csv must be writable, not /dev/full "
                        "(No space left on device)\n")


def test_area_and_bit_operations(tmp_path, monkeypatch, capsys):
    """Of tiles that are not simulated, whose areas are made up; the table has 80 characters."""
    areas = {"s2n": Area("ecp5", (), lut=1200, carry=30, ff=7, dsp=5, ram=3, transistors=None,
                         seconds=1.0)}
    areas["s8n"] = replace(areas["s2n"], lut=3400, ff=8, dsp=68)

    def synthesize(verilog, top, target):
        assert f"module {top}(" in verilog[0].read_text() and target.name == "ecp5"
        return areas[re.match("mac_(s.n)_", top)[1]]

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(network, "widths", lambda text: [2, 8])
    monkeypatch.setattr(on_tiles, "simulation", lambda *arguments: None)
    monkeypatch.setattr(on_tiles, "run_network", lambda config, backend, quantized, x: (
        run_golden(quantized, x)["dense1"], [Trace()]))
    monkeypatch.setattr(on_tiles, "synthesize", synthesize)
    monkeypatch.setattr(on_tiles, "plot", lambda results: str(len(results)).encode())
    file, picture = tmp_path / "rows.csv", tmp_path / "a.svg"
    assert network.main(["--bits", "2..8", "--area", "ecp5", "--csv", str(file), "--plot",
                         str(picture)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^s2n x s2 -> s2 \(half_up\) .* 1,260    5$", said, re.MULTILINE)
    assert re.search(r"^s8n x s8 -> s8 \(half_up\) .* 3,460   68$", said, re.MULTILINE)
    assert "Area on ecp5" in said and "utilisation" not in said
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["target"], row["area"], row["ff"], row["dsp"], row["ram"]) for row in rows] == [
        ("ecp5", "1260", "7", "5", "3"), ("ecp5", "3460", "8", "68", "3")]
    # 64 * 64 + 64 * 10 products.
    assert [int(row["bit_operations"]) for row in rows] == [4 * 4736, 64 * 4736]
    assert picture.read_bytes() == b"2"


class Trace:
    """Of one beat."""

    first = final = {on_tiles.WEIGHTS: 0}
    cycles = 1


@pytest.mark.slow
@needs_verilator
def test_sweep_and_csv(tmp_path, capsys):
    assert network.main(["--bits", "3..4", "--rows", "2", "--cols", "1", "--csv",
                         str(tmp_path / "table.csv")]) == 0
    said = capsys.readouterr().out
    assert "s3n x s3 -> s3 (half_up)" in said and "0 mismatches" in said
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["weights"] for row in rows] == ["s3n", "s4n"]
    assert all(row["golden_accuracy"] == row["hardware_accuracy"] for row in rows)


@pytest.mark.parametrize("arguments, message", [
    ("--bits 0", "argument --bits: must be N or N..M with widths in range [1, 16], not '0'"),
    ("--bits 4..2", "argument --bits: must be N or N..M with widths in range [1, 16], "
                    "not '4..2'"),
    ("--bits 4 --requant none", "Contract must be one whose results another layer takes, not none"),
    ("--bits 4 --output s8", "Output must be s4, as the activations of the next layer, not s8"),
    ("--weights mx_s4 --activations mx_s8 --output s8",
     "Output must be mx_s8, as the activations of the next layer, not s8"),
    ("--bits 4 --depth 32", "Depth must be at least the 64 products of a sum, not 32"),
    ("", "Weights must be given, by --weights or by --bits"),
    ("--bits 4 --csv /nowhere/table.csv", "Csv must be in a folder that exists, not "
                                          "/nowhere/table.csv"),
    ("--bits 4 --csv .", "Csv must be a file, not the folder ."),
    ("--bits 4 --area ecp6", "Area must be one of generic, ice40, ecp5, xc7, not 'ecp6'"),
    ("--bits 4 --plot a.svg", "Area must be asked for, by --area, for --plot"),
    ("--bits 4 --area ecp5 --plot /nowhere/a.svg", "Plot must be in a folder that exists, not "
                                                   "/nowhere/a.svg"),
    ("--bits 2..4 --export a", "Bits must be one width for --export, not 3 widths"),
    ("--bits 4 --csv=", "Csv must name a file, not ''"),
    ("--bits 4 --parameters own.json", "unrecognized arguments: --parameters"),
])
def test_bad_input(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        network.main([*arguments.split(), "--simulator", "amaranth"])
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert captured.err == f"exactmac network: error: {message}\n"


@needs_verilator
@pytest.mark.parametrize("arguments", [
    "--bits 2 --rows 1 --cols 1",
    pytest.param("--weights s4n --activations mx_s4 --output mx_s4 --rows 1 --cols 32 --outputs 16",
                 marks=pytest.mark.slow)])
def test_bench(capsys, monkeypatch, arguments):
    # With the runtime that other tests have compiled.
    monkeypatch.setattr(timing, "VerilatorSimulation", lambda *rest, cache, design:
                        VerilatorSimulation(*rest, fast=False, design=design))
    assert timing.main([*arguments.split(), "--images", "2"]) == 0
    assert "results and cycles are equal" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    ("--images 0", "Images must be in range [1, 540], not 0"),
    ("--parameters own.json", "unrecognized arguments: --parameters own.json"),
])
def test_bad_input_of_bench(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        timing.main(["--bits", "2", *arguments.split()])
    captured = capsys.readouterr()
    assert (end.value.code, captured.out) == (2, "")
    assert captured.err == f"exactmac bench time: error: {message}\n"
