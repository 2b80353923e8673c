"""What a build says while it works."""

import threading

import pytest

from exactmac import build, progress
from tests.exactmac.test_build import TINY, run


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


@pytest.mark.parametrize("more, said", [
    ((), ["emit", "waves"]), pytest.param(("--json",), [], marks=pytest.mark.slow)])
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
