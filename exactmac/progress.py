"""Progress of a command: a bar on a terminal, else lines of what is under way."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from golden.command import undoing

__all__ = ["EVERY", "REPEATED", "Estimate", "Report", "estimating", "lines", "reporting", "tell"]

EVERY, REPEATED = 5.0, 30.0
"""Least number of seconds between lines: of different work, and of the same work."""

Report = Callable[[str, int | None], None]
"""Function of the current work, and of the total number of steps, if known."""

Estimate = Callable[[str, float], None]
"""Function of the work that begins, and of its share of the time of all work."""


@contextmanager
def reporting(console: Console | None, command: str = "exactmac build") -> Iterator[Report]:
    """Yield the function to report each step that begins; the work does not wait for it.

    Parameters
    ----------
    console : Console or None
        Console for the bar; if it is no terminal, standard error gets lines instead. None reports
        nothing.
    command : str
        Name in front of the lines.
    """
    if console is not None and not console.is_terminal:
        with lines(command) as doing:
            yield lambda text, steps: doing.__setitem__(0, text)
        return
    bar = partial(Progress, SpinnerColumn(), TextColumn("{task.description}", markup=False),
                  BarColumn(), TimeElapsedColumn(), console=console, transient=True,
                  disable=console is None)
    with undoing(bar, Progress.stop) as progress, progress:
        task = progress.add_task("", total=None, completed=-1)
        yield lambda doing, steps: progress.update(task, description=doing, total=steps, advance=1)


@contextmanager
def estimating(console: Console | None, command: str) -> Iterator[Estimate]:
    """Yield the function to report work that begins, with an estimate of the time that is left.

    Parameters
    ----------
    console : Console or None
        Console for the bar; if it is no terminal, standard error gets lines instead. None reports
        nothing.
    command : str
        Name in front of the lines.
    """
    start, done, under_way = time.monotonic(), 0.0, 0.0
    if console is not None and not console.is_terminal:
        with lines(command) as doing:
            def say(text: str, share: float):
                nonlocal done, under_way
                done, under_way = done + under_way, share
                left = (time.monotonic() - start) * (1 - done) / done if done else None
                doing[0] = text if left is None else f"{text}, about {left:.0f} s left"
            yield say
        return
    bar = partial(Progress, SpinnerColumn(), TextColumn("{task.description}", markup=False),
                  BarColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
                  console=console, transient=True, disable=console is None)
    with undoing(bar, Progress.stop) as progress, progress:
        task = progress.add_task("", total=1.0)

        def show(text: str, share: float):
            nonlocal under_way
            progress.update(task, description=text, advance=under_way)
            under_way = share
        yield show


@contextmanager
def lines(command: str) -> Iterator[list[str]]:
    """Yield a list whose only text, what is under way, is written to standard error as it changes.

    Parameters
    ----------
    command : str
        Name in front of the lines.
    """
    ended, doing = Event(), [""]
    thread = Thread(target=tell, args=(doing, ended.wait), kwargs={"command": command},
                    daemon=True)
    thread.start()
    try:
        yield doing
    finally:
        ended.set()
        thread.join()


def tell(doing: list[str], wait: Callable[[float], bool],
         clock: Callable[[], float] = time.monotonic, *, command: str = "exactmac build"):
    """Write the text in ``doing``, and the time, to standard error until ``wait`` returns true.

    A text that is the same as the last one is written only after `REPEATED` seconds.
    """
    start, last, said = clock(), "", 0.0
    while not wait(EVERY):
        now = clock() - start
        if doing[0] != last or now - said >= REPEATED:
            last, said = doing[0], now
            sys.stderr.write(f"{command}: {now:.0f} s, working on {last}\n")
            sys.stderr.flush()
