"""Sweeps within a test's process."""

from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from exactmac.sweep import command, evaluate
from tests.commands import outcome


class Inline:
    """Computes a point at once, and notes it."""

    def __init__(self):
        self.room, self.tasks = 1, []

    def submit(self, task):
        self.tasks.append(task)
        future = Future()
        future.set_result(evaluate.evaluate(task))
        return future

    def end(self):
        pass


@pytest.fixture
def sweep(monkeypatch, tmp_path, capsys):
    """A function that runs the command; it has the points that were computed as ``tasks``."""
    inline = Inline()

    @contextmanager
    def processes():
        yield inline

    monkeypatch.setattr(command, "processes", processes)

    def run(*arguments, out=tmp_path / "out"):
        run.tasks = inline.tasks = []
        return outcome(command.main, capsys, *arguments, "--out", out)

    run.inline, run.out = inline, tmp_path / "out"
    return run
