"""The page of models says what the command prints and what the files give."""

import json
import os
import re
from math import prod
from pathlib import Path

import pytest

from exactmac import compare, comparison
from exactmac.oracles import RUNTIMES
from golden.readers import read
from golden.run import run
from tests.golden.readers import operators
from tests.golden.readers.onnx_networks import ELEMENTS, WAYS
from tests.golden.readers.onnx_rebuilt import rebuilt
from tests.golden.readers.tflite_files import CASES

ROOT = Path(__file__).parents[2]
PAGE, ONNX = ((ROOT / "docs" / name).read_text() for name in ("models.md", "onnx.md"))
FOLDER = os.environ.get("EXACTMAC_MODELS")
FILES = {"hello world": "hello_world_int8", "keyword spotting": "kws_ref_model",
         "image classification": "pretrainedResnet_quant", "anomaly detection": "ad01_int8"}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_examples_run(capsys, monkeypatch):
    """Golden's outputs, and the same from simulated hardware."""
    monkeypatch.chdir(ROOT)
    names, said = {}, []
    for example in blocks("python"):
        exec(example, names)
        said.append(capsys.readouterr().out)
    golden, hardware = said
    assert re.fullmatch(r"{'\S+': \[-?\d+, -?\d+, -?\d+\]}\n", golden)
    assert hardware.strip() == golden.split(": ")[1].strip("}\n")


@pytest.mark.slow
@pytest.mark.skipif(any(each.installed is None for each in RUNTIMES.values()),
                    reason="a runtime is not installed")
def test_the_command_prints_what_the_page_shows(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert compare.main(["tests/data/hello_world_int8.tflite"]) == 0
    assert capsys.readouterr().out.split() == blocks("text")[0].split()


def test_the_report_is_what_the_page_shows(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert compare.main(["tests/data/hello_world_int8.tflite", "--report"]) == 0
    assert capsys.readouterr().out in blocks("text")
    assert compare.main(["tests/data/hello_world_int8.tflite", "--report", "--json", "--runtimes",
                         "litert,litert-reference"]) == 0
    text = capsys.readouterr().out
    assert [each["runtime"] for each in json.loads(text)] == ["litert", "litert-reference"]


@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
def test_the_end_of_a_report(capsys):
    path = Path(str(FOLDER)) / "pretrainedResnet_quant.tflite"
    assert compare.main([str(path), "--report"]) == 0
    text = capsys.readouterr().out
    assert text[text.index("groups of"):] in blocks("text")


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
@pytest.mark.parametrize("title", FILES)
def test_the_table_of_models(title):
    path = Path(str(FOLDER)) / f"{FILES[title]}.tflite"
    [row] = re.findall(rf"^\| {title}[^|]*\(.*$", PAGE, re.MULTILINE)
    tensors, elements, *mismatches = (int(each.replace(",", "")) for each in row.split("|")[2:-1])
    assert mismatches == [0, 0, 0]
    for name in ("tflite-micro", "litert", "litert-reference"):
        result = comparison.compare(path, RUNTIMES[name], samples=16)
        assert (result.tensors, result.elements, result.mismatches) == (tensors, elements, 0)


def as_onnx(title, path):
    """Compare a model, rebuilt as an ONNX file, with ONNX Runtime, as the page says."""
    [row] = re.findall(rf"^\| {title}[^|]* as ONNX.*$", ONNX, re.MULTILINE)
    file = path / "rebuilt.onnx"
    file.write_bytes(rebuilt(Path(str(FOLDER or ROOT / "tests" / "data"))
                             / f"{FILES[title]}.tflite"))
    result = comparison.compare(file, RUNTIMES["onnxruntime"], samples=16)
    if result.excluded:
        pytest.skip(f"ONNX Runtime orders the floats of {result.excluded[0]} otherwise here")
    assert [result.tensors, result.elements, result.mismatches] == [
        int(each.replace(",", "")) for each in row.split("|")[2:-1]]


@pytest.mark.skipif(RUNTIMES["onnxruntime"].installed is None,
                    reason="onnxruntime is not installed")
def test_hello_world_as_onnx(tmp_path):
    as_onnx("hello world", tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
@pytest.mark.parametrize("title", [title for title in FILES if title != "hello world"])
def test_the_models_as_onnx(title, tmp_path):
    as_onnx(title, tmp_path)

def test_readme_counts_what_the_pages_have():
    readme = " ".join((ROOT / "README.md").read_text().split())

    def counted(what):
        [found] = re.findall(rf"([\d,]+)(?: tensors)? and ([\d,]+)(?: elements)? of {what}", readme)
        return tuple(numbers(" ".join(found)))

    rows = re.findall(rf"^\| (?:{'|'.join(FILES)})[^|]*\(.*$", PAGE, re.MULTILINE)
    models = [numbers(row.split(")")[1])[:2] for row in rows]
    assert counted("4 models of MLPerf Tiny") == tuple(map(sum, zip(*models, strict=True)))
    page = (ROOT / "docs" / "operators.md").read_text()
    # Each file of a split has three tensors.
    cells = [(*numbers(cell), 3 if "SPLIT" in row else 1) for row in page.splitlines()
             for cell in re.findall(r"[\d,]+ in [\d,]+\d", row)]
    files = sum(count for _, count, _ in cells)
    assert counted(f"{files:,} random files") == (
        sum(count * each for _, count, each in cells), sum(count for count, _, _ in cells))
    [line] = [numbers(line) for line in re.findall(r"^`(16 models, .*)`", ONNX, re.MULTILINE)]
    ways = prod(map(len, WAYS))
    assert line == [2 * ways, *line[1:3], 0, 0] and line[2] == 16 * ways * sum(ELEMENTS.values())
    assert counted("16 ONNX models") == (line[1], line[2])
    [(tests, elements, mismatches)] = [numbers(line) for line in re.findall(
        r"`(\d+ tests, .*)`", PAGE)]
    assert counted(f"{tests} unit tests") == (tests, elements) and mismatches == 0
    rows = re.findall(r"^\| \w[\w ]*\| [\d,]+ \| ([\d,]+) \|", (
        ROOT / "docs" / "qonnx.md").read_text(), re.MULTILINE)
    exact = sum(count for row in rows for count in numbers(row))
    assert f"{exact:,} elements of QONNX files by rational numbers" in readme


def numbers(text):
    return [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\d|\d", text)]


@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
def test_two_runtimes_differ_on_the_anomaly_detector():
    path = Path(str(FOLDER)) / "ad01_int8.tflite"
    outputs = []
    for name in ("tflite-micro", "litert"):
        network = read(path, name)
        tensors = run(network, comparison.inputs_for(network, 32, 0))
        outputs.append(tensors[network.outputs[0]])
    differ = int((outputs[0] != outputs[1]).sum())
    assert f"{differ:,} of {outputs[0].size:,} outputs of `litert` differ" in " ".join(PAGE.split())


def test_the_table_of_operators():
    """A row for each operator that is read; a cell has enough elements, or says why it has none."""
    from golden.readers.tflite.operators import OPERATORS

    page = (ROOT / "docs" / "operators.md").read_text()
    table, reasons = page.split("\n## Why files are left out\n")
    rows = {name: cells.split(" | ") for name, cells in re.findall(
        r"^\| ([A-Z0-9_]+) \| (.*) \|$", table, re.MULTILINE)}
    assert list(rows) == list(CASES) and set(rows) == set(OPERATORS)
    heads = [f"{kind}, {name}" for kind in operators.KINDS.values() for name in operators.NAMES]
    assert f"| operator | {' | '.join(heads)} |" in table
    for name, cells in rows.items():
        for head, cell in zip(heads, cells, strict=True):
            counted = re.match(r"([\d,]+) in ([\d,]+)", cell)
            if counted:
                elements, files = (int(each.replace(",", "")) for each in counted.groups())
                assert elements >= operators.ELEMENTS and files >= operators.FILES
            else:
                assert cell in ("refused", "excluded")
            for word in re.findall("refused|excluded", cell):
                assert re.search(rf"{name} {head.replace(',', '')}\b[^:]* {word}: ", reasons)
            assert not re.sub(r"([\d,]+ in )?[\d,]+|refused|excluded|[ ,]", "", cell)
    for runtime in (RUNTIMES[name] for name in operators.NAMES):
        assert f"{runtime.distribution} {runtime.version}" in table


def test_every_operator_is_named():
    from golden.readers.tflite.operators import OPERATORS

    named = set(re.findall(r"\b[A-Z][A-Z0-9_]+[A-Z0-9]\b", PAGE.split("are read, int8")[1]))
    assert set(OPERATORS) <= named
