"""README's commands work, and its outputs are what they print."""

import csv
import io
import json
import re
import runpy
import shlex
import sys
import tomllib
from dataclasses import fields, replace
from itertools import accumulate
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from exactmac import build, network, options, prove, timing
from exactmac.density import command as density
from exactmac.networks.digits import Result, table
from exactmac.request import request_of
from exactmac.study import command as study
from exactmac.sweep import command as sweep
from golden import lut
from golden.formats import parse
from golden.networks import Quantization
from golden.quantize import quantize
from golden.train import command as training
from golden.writers import qonnx
from hw import drive
from hw.flow.tools import run_tool
from sim import jobs
from sim.checks import check_fixed
from sim.simulation import simulation

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands():
    """Every command that README or a page of docs names, without the placeholders."""
    text = "".join([README, *PAGES])
    found = re.findall(r"(exactmac (?:build|bench|network|prove|sweep|study)\b[^`\n|&#]*|"
                       r"(?<=python -m )(?:golden|hw)\.\w+[^`\n|&#]*)", text)
    return sorted({command.strip() for command in found})


def test_the_example_runs(capsys):
    [example] = blocks("python")
    exec(compile(example, "README.md", "exec"), {})


def test_the_loops_of_driving_are_those_of_the_code(capsys):
    text = (ROOT / "docs" / "driving.md").read_text().split("## A convolution")[1]
    exec(compile(blocks("python", text)[0], "driving.md", "exec"), {})
    assert capsys.readouterr().out == blocks("text", text)[0]


def test_the_example_of_driving_makes_the_words_of_a_driver(capsys):
    text = (ROOT / "docs" / "driving.md").read_text()
    [example] = blocks("python", text.split("## Records")[1])
    made = {}
    exec(compile(example, "driving.md", "exec"), made)
    tile, channels = made["tile"], made["channels"]
    phases = list(drive.matmul_phases(
        tile, np.zeros((4, 4), dtype=int), np.zeros((4, 4), dtype=int),
        {name: np.array(values) for name, values in channels.items()}))
    words = drive.streams(tile, phases)["s_axis_parameters"]
    assert words.data.view("<u4").ravel().tolist() == made["words"]
    assert len(capsys.readouterr().out.split()) == 12
    # The table in front of it.
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\w+) \|$", text, re.MULTILINE)
    lowest = accumulate((fmt.bits for fmt in tile.record.values()), initial=0)
    assert rows == [(name, str(place), str(fmt.bits), str(fmt)) for (name, fmt), place in zip(
        tile.record.items(), lowest, strict=False)]
    assert f"{tile.record_bits} bits, so {tile.words} words" in text


def test_the_job_by_hand_is_what_a_tile_takes_and_gives():
    """The words of the table, the result, and the cycles."""
    text = (ROOT / "docs" / "driving.md").read_text()
    text = text.split("## One job by hand")[1].split("\n## ")[0]
    [command] = blocks("sh", text)
    tile = options.config_of(options.parser().parse_args(shlex.split(command)[2:]))
    words, port = {}, ""
    for name, word in re.findall(r"^\| (?:`(\w+)`)? ?\| `([0-9a-f]+)` \|", text, re.MULTILINE):
        port = name or port
        words.setdefault(port, []).append(word)
    [phase] = drive.matmul_phases(tile, np.array([[1, 2, 3, 4]]), np.array([[5, 6, 7, -8]]), {
        name: np.array([value]) for name, value in dict(
            bias=10, multiplier=1 << 30, shift=32, zero_point=3, clamp_min=-128,
            clamp_max=127).items()})
    beats = drive.streams(tile, [phase])
    assert jobs.expected(tile, [phase]).tolist() == [[[7]]]
    beats["m_axis_o"] = drive.output_beats(tile, jobs.expected(tile, [phase]), [phase])
    assert words == {name: [row[::-1].tobytes().hex() for row in each.data]
                     for name, each in beats.items()}
    _, trace = jobs.run(tile, simulation(tile, "amaranth"), [phase])
    cycles = {name: (trace.first[name], trace.final[name]) for name in beats}
    assert cycles == {"s_axis_parameters": (0, 2), "s_axis_job": (3, 3), "m_axis_o": (20, 20),
                      "s_axis_activations": (5, 6), "s_axis_weights": (5, 6)}
    assert ("in cycles 0 to 2, the job in cycle 3, beats in cycles 5 and 6, and the result is "
            "there in cycle 20") in " ".join(text.split())


@pytest.mark.parametrize("page", [README, *PAGES])
def test_tables_are_whole(page):
    """Each begins with a heading, and no line is apart from it."""
    text = re.sub("^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    lines = ["", *text.splitlines(), ""]
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.startswith("|") and not before.startswith("|"):
            assert before == "" and re.fullmatch(r"\|(---\|)+", after), line
        if line.startswith("|") and before.startswith("|"):
            assert bars(line) == bars(before), line


def bars(line):
    return re.sub(r"`[^`]*`", "", line).count("|")


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(command, capsys, tmp_path, monkeypatch):
    module, *arguments = shlex.split(command)
    if module == "exactmac":
        module = arguments.pop(0)
    if module == "bench":
        module = arguments.pop(0)
    parsers = {"build": options.parser, "hw.build": options.parser, "time": timing.parser,
               "density": density.parser, "network": network.parser, "prove": prove.parser,
               "golden.writers.qonnx": qonnx.parser, "golden.train": training.parser,
               "sweep": sweep.parser, "study": study.parser}
    if module == "golden.speed":
        assert not arguments
        return
    if arguments in (["--help"], ["--help-all"]):
        return
    if module == "golden.lut":  # writes a table that a build takes
        assert lut.main(arguments[:arguments.index(">")]) in (0, None)
        assert len(json.loads(capsys.readouterr().out)) == 256
        return
    args = parsers[module]().parse_args(arguments)
    if arguments and arguments[0] == "--bits" and module == "build":
        [parameters] = blocks("json", (ROOT / "docs" / "contracts.md").read_text())
        (tmp_path / "FILE.json").write_text(parameters)
        monkeypatch.chdir(tmp_path)
        check_fixed(request_of(args, arguments).config)


def test_install_commands_name_what_there_is():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"]
    named = re.findall(r"pip install -e '?\.(?:\[(\w+)\])?", README)
    assert "" in named and "test" in named
    assert {name for name in named if name} <= set(extras)
    test_command = re.search(r"^pip install .* && (python -m pytest.*)$", README, re.MULTILINE)
    assert test_command and "-m slow" not in test_command[1]


@pytest.mark.parametrize("page", ["README.md", *DOCS])
def test_files_and_links_exist(page):
    links = re.findall(r"\]\(([\w./]+)(?:#[\w-]+)?\)", (ROOT / page).read_text())
    for link in links:
        assert ((ROOT / page).parent / link).exists(), link
    assert links or page == "docs/driving.md"


def test_readme_is_short():
    lines = README.splitlines()
    assert len(lines) <= 200 and max(map(len, lines)) <= 110


def test_the_picture_is_what_its_script_draws():
    drawn = runpy.run_path(str(ROOT / "docs" / "tile.py"))["drawing"]()
    assert drawn == (ROOT / "docs" / "tile.svg").read_text()
    ElementTree.fromstring(drawn)


def test_a_network_of_your_own_gives_real_numbers():
    text = (ROOT / "docs" / "ml.md").read_text().split("## A network of your own\n")[1]
    names = {}
    exec(compile(blocks("python", text)[0], "ml.md", "exec"), names)
    output = names["network"].quantization("dense1")
    assert names["levels"].shape == (200, 10) and len(np.unique(names["levels"])) > 100
    np.testing.assert_array_equal(names["real"],
                                  output.step * (names["levels"] - output.zero_point))


def test_the_inference_by_hand_is_what_golden_computes(capsys):
    text = (ROOT / "docs" / "ml.md").read_text().split("by hand\n")[1].split("\n## ")[0]
    x = quantize([0.5, -0.2], Quantization(parse("s8"), 0.004, -10))
    w = quantize([0.3, 0.7], Quantization(parse("s8n"), 0.006))
    bias = round(0.1 / 0.000024)
    total = int(x @ w) + bias + 10 * int(w.sum())
    [example] = blocks("python", text)
    exec(compile(example, "ml.md", "exec"), {})
    multiplier, shift = map(int, re.findall(r"\d+", capsys.readouterr().out))
    level = (2 * total * multiplier + (1 << shift)) // (2 << shift) + 5
    text = " ".join(text.split())
    assert f"inputs {x[0]} and {x[1]}, weights {w[0]} and {w[1]}." in text
    assert f"`round(0.1 / 0.000024) = {bias}`" in text and f"= {bias + 10 * int(w.sum())}`" in text
    assert f"`{x[0]}*{w[0]} - {-x[1]}*{w[1]} + {bias + 10 * int(w.sum())} = {total}`" in text
    assert f"`{multiplier} / 2^{shift}`, rounds `{total * multiplier / (1 << shift):.3f}`" in text
    assert f"level {level}." in text and round(0.002 * (level - 5), 9) == 0.11


def test_the_timing_diagram_is_what_a_simulation_gives():
    script = runpy.run_path(str(ROOT / "docs" / "job.py"))
    text = script["source"]()
    assert text + "\n" == (ROOT / "docs" / "job.json").read_text()
    assert script["drawing"](text) == (ROOT / "docs" / "job.svg").read_text()


def printed(module, *arguments):
    done = run_tool(module, [sys.executable, "-m", module, *arguments],
                    environment={"COLUMNS": "80", "PYTHONPATH": str(ROOT)})
    assert not done.returncode, done.stderr
    return [line.rstrip() for line in done.stdout.strip().splitlines()]


def shown(first, text=README):
    """Lines of the text block, of README or of another page, that begins so."""
    [block] = [block for block in blocks("text", text) if block.startswith(first)]
    return [line.rstrip() for line in block.strip().splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
def test_the_main_job_prints_what_readme_shows(tmp_path):
    said = printed("exactmac", "build", "--bits", "4", "--out", str(tmp_path / "build"))
    assert said[-1] == shown("mac_s4n_s4_s4_4x4x4\n")[-1]
    # All but the time taken, and where the files are, which may take more than a line.
    report, area = "\n".join(said).split("\nfiles")
    want_report, want_area = "\n".join(shown("mac_s4n_s4_s4_4x4x4\n")).split("\nfiles")
    assert report == want_report
    assert (area[area.index("Area,"):area.index("done in")]
            == want_area[want_area.index("Area,"):want_area.index("done in")])


@pytest.mark.slow
@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
def test_the_placed_tile_is_what_readme_shows(tmp_path):
    [command] = [line for line in README.splitlines() if "--pnr" in line]
    said = printed(*shlex.split(command), "--out", str(tmp_path / "build"))
    placed = shown("ecp5 placed  ")
    assert said[said.index(placed[0]):][:len(placed)] == placed


@pytest.mark.slow
@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
def test_the_digits_tables_are_what_readme_and_page_show(tmp_path):
    """In one run: README's table is that without areas."""
    page, place = (ROOT / "docs" / "ml.md").read_text(), tmp_path / "T.csv"
    assert printed("exactmac", "network", "--bits", "1..8", "--area", "ecp5", "--csv",
                   str(place)) == shown("weights x activations", page)
    with place.open() as opened:
        rows = list(csv.DictReader(opened))
    kinds: dict[str, Any] = {
        field.name: field.type if field.type in (int, float) else str for field in fields(Result)}
    kinds |= dict.fromkeys(("area", "ff", "dsp", "ram"), int)
    results = [replace(Result(**{name: kinds[name](value) for name, value in row.items()}),
                       target="") for row in rows]
    file = io.StringIO()
    Console(file=file, width=80).print(table(results))
    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        line.rstrip() for line in shown("weights x activations")]


@pytest.mark.slow
@pytest.mark.skipif(build.available() is not None, reason=str(build.available()))
@pytest.mark.parametrize("weights, tensors, more, said", [
    ("e4m3fn", "e4m3fn", (), "`e4m3fn` {}"), ("e2m1", "e2m1", (), "`e2m1` {}"),
    ("odd4", "odd4", (), "`odd4` {}"),
    ("mx_e2m1", "mx_e4m3fn", ("--cols", "32"), "of their own, {}"),
    ("codebook4:loaded=s8", "codebook4:loaded=s8", (), "loaded for each layer, {}")])
def test_the_digits_in_other_formats_are_what_readme_says(weights, tensors, more, said):
    row = "\n".join(printed("exactmac", "network", "--weights", weights, "--activations", tensors,
                            "--output", tensors, *more))
    _, golden, hardware = re.findall(r"[\d.]+%", row)[:3]
    assert golden == hardware
    assert said.format(golden.replace("%", " %")) in " ".join(
        (ROOT / "docs" / "ml.md").read_text().split())
