"""What a build says while it works."""

import threading

import pytest

from exactmac import build, progress
from tests.exactmac.test_build import TINY, run


def test_lines_of_progress(capsys):
    """One where the work is other than that of the last line, or that line is long ago."""
    doing, waits, steps = ["emit"], [], ["verify", "area", *["area"] * 7, "report"]

    def wait(seconds):
        waits.append(seconds)
        doing[0] = steps[len(waits) - 1]
        return len(waits) == len(steps)

    progress.tell(doing, wait, lambda: 100 + sum(waits))
    assert waits == [progress.EVERY] * len(steps)
    assert capsys.readouterr() == ("", "".join(f"exactmac build: {line}\n" for line in (
        "5 s, working on verify", "10 s, working on area", "40 s, working on area")))


@pytest.mark.parametrize("more, said", [
    ((), ["emit", "waves"]), pytest.param(("--json",), [], marks=pytest.mark.slow)])
def test_a_piped_build_says_what_it_is_doing(tmp_path, capsys, monkeypatch, more, said):
    """Unless it prints JSON; each step lasts until its line is there."""
    lines, emit_all, waves = [], build.Build.emit, build.Build.waves
    told = threading.Semaphore(0)

    def tell(doing, wait, command):
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
