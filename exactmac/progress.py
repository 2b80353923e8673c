"""Progress of a build: a bar on a terminal, else lines of what is under way."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from golden.command import undoing

__all__ = ["EVERY", "REPEATED", "Report", "reporting", "tell"]

EVERY, REPEATED = 5.0, 30.0
"""Least number of seconds between lines: of different work, and of the same work."""

Report = Callable[[str, int | None], None]
"""Function of the current work, and of the total number of steps, if known."""


@contextmanager
def reporting(console: Console | None) -> Iterator[Report]:
    """Yield the function to report each step that begins; the work does not wait for it.

    Parameters
    ----------
    console : Console or None
        Console for the bar; if it is no terminal, standard error gets lines instead. None reports
        nothing.
    """
    if console is not None and not console.is_terminal:
        with _lines() as report:
            yield report
        return
    bar = partial(Progress, SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
                  TimeElapsedColumn(), console=console, transient=True, disable=console is None)
    with undoing(bar, Progress.stop) as progress, progress:
        task = progress.add_task("", total=None, completed=-1)
        yield lambda doing, steps: progress.update(task, description=doing, total=steps, advance=1)


@contextmanager
def _lines() -> Iterator[Report]:
    ended, doing = Event(), [""]
    thread = Thread(target=tell, args=(doing, ended.wait), daemon=True)
    thread.start()
    try:
        yield lambda text, steps: doing.__setitem__(0, text)
    finally:
        ended.set()
        thread.join()


def tell(doing: list[str], wait: Callable[[float], bool],
         clock: Callable[[], float] = time.monotonic):
    """Write the text in ``doing``, and the time, to standard error until ``wait`` returns true.

    A text that is the same as the last one is written only after `REPEATED` seconds.
    """
    start, last, said = clock(), "", 0.0
    while not wait(EVERY):
        now = clock() - start
        if doing[0] != last or now - said >= REPEATED:
            last, said = doing[0], now
            sys.stderr.write(f"exactmac build: {now:.0f} s, working on {last}\n")
            sys.stderr.flush()
