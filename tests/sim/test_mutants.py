# amaranth: UnusedElaboratable=no
"""Faults in a tile are found, proven to change nothing, or listed with their line."""

import json
import re

import pytest

from exactmac import prove
from exactmac.options import config_of
from hw import emit
from hw.bus.axi_tile import AxiTile
from sim.mutants import report, trial
from sim.mutants.equal import Prover
from sim.mutants.faults import Fault, mutate
from sim.mutants.trial import Bench
from sim.vectors import verification_phases
from sim.verify import Mismatch

TINY = "--bits 2 --multiplier-bits 4 --rows 1 --cols 1 --lanes 1 --depth 4 --channels 1"
FAULTS = 24


def config(options=TINY):
    return config_of(prove.parser().parse_args(options.split()))


@pytest.fixture(scope="module")
def tile():
    return AxiTile(config())


@pytest.fixture(scope="module")
def verilog(tile):
    return emit.verilog(tile, "tiny")


@pytest.fixture(scope="module")
def mutated(verilog):
    return mutate(verilog, "tiny", FAULTS)


@pytest.fixture(scope="module")
def tried(tile, mutated):
    """What gives each fault away, None of those that live."""
    return dict(Bench(tile.config, tile.ports, mutated).trials())


def test_faults_are_where_the_file_has_them(verilog, mutated):
    lines = verilog.splitlines()
    assert [fault.number for fault in mutated.faults] == [*range(1, FAULTS + 2)]
    for fault in mutated.faults:
        assert lines[fault.line - 1].strip() == fault.source
        assert not re.match(r"(input|output|reg|wire)\b", fault.source)  # but what drives it
        before = [line for line in lines[:fault.line] if line.startswith("module ")]
        assert before[-1].startswith(f"module {fault.module}(")
    assert len({fault.module for fault in mutated.faults}) > 5
    assert {str(fault).split(" ", 1)[1].split(" where")[0] for fault in mutated.faults} == {
        "stuck at 0", "stuck at 1", "inverted"}


def test_the_last_fault_is_the_reset_tied_off(mutated):
    last = mutated.faults[-1]
    assert (str(last), last.source) == ("aresetn[0] stuck at 1", "assign rst = ~ aresetn;")


def test_no_fault_is_in_a_clock(verilog):
    many = mutate(verilog, "tiny", 5 * FAULTS).faults
    assert not any(re.search("clk", fault.place, re.IGNORECASE) for fault in many)


def test_a_draw_is_repeated(verilog, mutated):
    assert mutate(verilog, "tiny", FAULTS) == mutated


@pytest.mark.slow
def test_most_faults_are_found_in_every_way(tried):
    found = [kind for kind in tried.values() if kind]
    assert len(tried) == FAULTS + 1 and len(found) > 0.6 * FAULTS
    assert {"outputs", "streams"} <= set(found) <= set(trial.KINDS)


def test_what_is_not_this_tile_fails_without_a_fault(mutated):
    other = AxiTile(config(f"{TINY} --requant floor"))
    with pytest.raises(Mismatch, match="^Verilog differs from golden in "):
        Bench(other.config, other.ports, mutated)


@pytest.mark.slow
def test_no_fault_that_shows_is_proven_equal(tile, mutated, tried):
    prover = Prover(tile.ports, mutated)
    shown = [fault for fault, kind in tried.items() if kind]
    assert not any(prover.equal(fault, 1) for fault in sorted(
        shown, key=lambda fault: fault.number)[::12])


@pytest.mark.slow
def test_a_fault_that_the_vectors_miss_is_listed(monkeypatch, tile, tried):
    """With the shortest of vectors faults live that all of them find; none is proven equal."""
    def few(config):
        phases, _ = verification_phases(config)
        return phases[:1], "corners"

    monkeypatch.setattr(trial, "verification_phases", few)
    seen = report.survey(tile.config, "tiny", FAULTS, lambda each, **_: each)
    assert sum(seen.killed.values()) + len(seen.equal) + len(seen.living) == FAULTS + 1
    missed = {fault for fault, kind in tried.items() if kind} & {*seen.equal, *seen.living}
    assert missed and missed <= {*seen.living}
    assert seen.equal and not any(tried[fault] for fault in seen.equal)
    assert seen.lines() == [f"tiny.v:{fault.line}: {fault}: {fault.source}"
                            for fault in seen.living]
    assert seen.coverage == pytest.approx(1 - len(seen.living) / (FAULTS + 1 - len(seen.equal)))


@pytest.fixture
def surveyed(monkeypatch):
    """Reports without any work: a fault lives in tiles of binary weights."""
    asked = []
    fault = Fault(1, 7, "tiny_store", "if (rst) begin", "store.full[0]", "inverted")

    def survey(config, name, count, track):
        asked.append((config, count))
        living = (fault,) if str(config.weights) == "binary" else ()
        return report.Report(name, dict.fromkeys(trial.KINDS, count), (), living)

    monkeypatch.setattr(prove.mutants, "survey", survey)
    return asked


def test_without_a_tile_the_named_ones_are_tried(surveyed, capsys):
    assert prove.main(["--mutants", "3"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [count for _, count in surveyed] == [3] * len(report.TILES)
    assert said[0].endswith(".v:7: store.full[0] inverted: if (rst) begin")
    assert said[1].split() == "tile by outputs by streams by cycles equal live coverage".split()
    assert [line.split()[0] for line in said[2:]] == [title.split()[0] for title in report.TILES]
    assert said[2].split() == ["int4", "3", "3", "3", "0", "0", "100.0%"]
    for tile, _ in surveyed:
        assert (tile.rows, tile.cols, tile.lanes, tile.channels) == (2, 2, 2, 6)
        assert tile.depth == (32 if tile.block_scaled else 64)


def test_a_tile_of_build_options(surveyed, capsys):
    assert prove.main(["--mutants", "5", *TINY.split(), "--json"]) == 0
    assert surveyed == [(config(), 5)]
    [told] = json.loads(capsys.readouterr().out)
    assert told["tile"] == told["name"] == config().name
    assert told["coverage"] == 1 and told["killed"]["cycles"] == 5 and told["living"] == []


@pytest.mark.parametrize("options, message", [
    ("--mutants 0", "Mutants must be in range [1, 10000], not 0"),
    ("--mutants 10001", "Mutants must be in range [1, 10000], not 10001"),
    ("--mutants 3 --only circuits", "Only must be left out for --mutants, not 'circuits'"),
    ("--mutants 3 --rows 2", "Weights must be given, by --weights or by --bits"),
    ("--bits 4", "Mutants must be given, by --mutants, for other options than --only"),
    ("--json", "Mutants must be given, by --mutants, for other options than --only"),
])
def test_bad_input(options, message, capsys):
    with pytest.raises(SystemExit) as end:
        prove.main(options.split())
    assert end.value.code == 2
    said = capsys.readouterr()
    if "--json" in options:
        assert (json.loads(said.out), said.err) == ({"error": message}, "")
    else:
        assert (said.out, said.err) == ("", f"exactmac prove: error: {message}\n")


def test_a_tile_that_is_wrong_without_a_fault_fails(monkeypatch, capsys):
    def survey(*_):
        raise Mismatch("Verilog differs from golden")

    monkeypatch.setattr(prove.mutants, "survey", survey)
    with pytest.raises(SystemExit) as end:
        prove.main(["--mutants", "1", *TINY.split()])
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "exactmac prove: failed: Verilog differs from golden\n")
