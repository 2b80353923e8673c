# amaranth: UnusedElaboratable=no
"""The comparison of designs as they were and as they are."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from hw import emit
from sim.verilator import available
from tests import equivalence
from tests.equivalence import Apart, compare, designs

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

NAME = "small_1x1x1"
PLANTED = {
    "a cycle": ("assign inner_r_rdy = | inner_level;",
                "reg late = 1'h0; always @(posedge clk) late <= | inner_level; "
                "assign inner_r_rdy = late & (| inner_level);"),
    "a bit of few sums": ("    totals_last_1 <= waiting;",
                          "    totals_last_1 <= waiting ^ { waiting == 11'h015, 10'h000 };"),
    "a flag": ("  assign error = ", "  assign error = 1'h0; wire lost = "),
}


def text(name, module):
    return emit.modules(designs()[name], module)


@pytest.mark.slow
@pytest.mark.parametrize("name", [NAME, "unit_0"])
def test_a_design_is_equal_to_itself(name):
    assert compare(designs()[name], text(name, "then"), text(name, "now"), 2000) >= 2000


@pytest.mark.slow
@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(what):
    old, new = PLANTED[what]
    now = text(NAME, "now")
    assert old in now
    with pytest.raises(Apart, match=r"^an output differs in cycle \d+ of a run$"):
        compare(designs()[NAME], text(NAME, "then"), now.replace(old, new, 1), 5000)


@pytest.mark.slow
def test_the_command(tmp_path, monkeypatch, capsys):
    few = {name: designs()[name] for name in (NAME, "small_one_beat")}
    monkeypatch.setattr(equivalence, "designs", lambda: few)
    monkeypatch.setattr(equivalence, "ProcessPoolExecutor", ThreadPoolExecutor)
    monkeypatch.setattr(equivalence, "CYCLES", 1000)

    def run(what):
        monkeypatch.setattr(sys, "argv", ["equivalence", what, str(tmp_path)])
        return equivalence.main(), capsys.readouterr().out.splitlines()[-1]

    assert run("keep") == (0, "2 designs, 0 differ")
    assert run("compare") == (0, "2 designs, 0 differ")
    kept = tmp_path / f"{NAME}.v"
    kept.write_text(kept.read_text().replace(*PLANTED["a cycle"], 1))
    (tmp_path / "other.v").write_text("")
    assert run("compare") == (1, f"2 designs, 1 differ: {NAME}")
