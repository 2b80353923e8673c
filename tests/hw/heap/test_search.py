"""Search, cache and shipped programs."""

import gzip
import json

import pytest

from golden.formats import parse
from hw.heap import product_heaps, program_of, searched, shipped
from hw.heap.longer import DEPTH, SHAPES
from hw.heap.search import size_of

S3 = parse("s3")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr("hw.heap.search.cache_folder", lambda tool: tmp_path / tool)
    program_of.cache_clear()
    yield tmp_path / "exactmac" / "heaps"
    program_of.cache_clear()


def test_a_program_is_kept(cache, monkeypatch):
    program = program_of(S3, S3, 3, total=12)
    program_of.cache_clear()
    monkeypatch.setattr("hw.heap.search.searched", None)
    assert program_of(S3, S3, 3, total=12) == program
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:-9], lambda data: data[:20] + b"x" * 30 + data[50:],
    lambda data: gzip.compress(b"{}"),
    lambda data: gzip.compress(json.dumps({"version": 3}).encode()),
    lambda data: gzip.compress(gzip.decompress(data).replace(b'"latency":', b'"latency":1'))])
def test_a_damaged_file_is_replaced_and_it_is_said(cache, capsys, damage):
    program = program_of(S3, S3, 3, total=12)
    [file] = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    program_of.cache_clear()
    assert program_of(S3, S3, 3, total=12) == program and file.read_bytes() == whole
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {file} ") and said.count("\n") == 1
    assert said.endswith(": its program is searched again\n")


def test_a_cache_that_cannot_be_written_does_no_harm(cache):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("no folder")
    assert program_of(S3, S3, 3, total=12).outputs


def test_all_shapes_are_shipped():
    assert {(str(weights), str(activations), lanes) for weights, activations, lanes, _ in shipped()
            } == {(str(parse(weights)), str(parse(activations)), lanes)
                  for weights, activations, lanes in SHAPES}
    assert DEPTH == 1024  # of the default tile


@pytest.mark.parametrize("shape", [
    pytest.param(shape, marks=() if shape[0].bits == 1 else pytest.mark.slow,
                 id=" ".join(map(str, shape))) for shape in shipped()])
@pytest.mark.usefixtures("long_search")
def test_a_shipped_program_is_smaller_and_a_search_comes_close(shape):
    weights, activations, lanes, total = shape
    program = program_of(weights, activations, lanes, total=total)
    short = searched(product_heaps(weights, activations, lanes, total=total)).program
    assert size_of(program) <= size_of(short)
    assert short.luts <= 1.05 * program.luts
