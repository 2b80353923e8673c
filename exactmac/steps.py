"""Steps of a command, run on every core, with their progress."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from exactmac.progress import Report

__all__ = ["Step", "run_steps"]

Step = tuple[str, Callable[[], Sequence["Step"] | None]]
"""Name of a piece of work, and its function, which returns steps that can begin after it."""


def run_steps(steps: Sequence[Step], report: Report):
    """Run ``steps``, and those that follow, on every core.

    The first failure is raised once the running steps have ended. What follows a step begins
    before steps that wait.

    Parameters
    ----------
    steps : sequence of Step
    report : Report
        Called with the names of the steps that run, whenever one has ended.
    """
    waiting, running = list(steps), dict[Future, str]()
    total, workers = 1 + len(waiting), os.cpu_count() or 1
    # Threads suffice: compilers, Yosys and nextpnr are processes of their own.
    with ThreadPoolExecutor(max_workers=workers) as pool:
        while waiting or running:
            for name, work in waiting[:workers - len(running)]:
                running[pool.submit(work)] = name
                del waiting[0]
            report(", ".join(running.values()), total)
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                del running[future]
                follow = list(future.result() or ())
                waiting[:0], total = follow, total + len(follow)
        report("report", total)
