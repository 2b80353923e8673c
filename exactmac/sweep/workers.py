"""Where points are computed: processes of this machine, or a Dask cluster."""

import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from multiprocessing import active_children, get_context, resource_tracker
from threading import Lock
from typing import Any

from exactmac.sweep.evaluate import Done, Task, evaluate
from golden.command import undoing
from hw.flow.tools import require

__all__ = ["PATIENCE", "Cluster", "Processes", "cluster", "compute", "processes"]

DISTRIBUTED = ("distributed", "distributed", "pip install 'exactmac[cluster]'")
"""Tool for clusters: arguments of :func:`hw.flow.tools.require`."""

PATIENCE = 4
"""Seconds to wait for a scheduler's answer, and then for its first worker."""

_ENDING = 5.0


class Processes:
    """Processes of this machine, one for each core that this one may use.

    Members
    -------
    room : int
        Points that are submitted at once.
    """

    def __init__(self):
        self._count = len(os.sched_getaffinity(0))
        self.room = 2 * self._count
        self._others = set(active_children())
        self._pool: ProcessPoolExecutor | None = None
        self._lock, self._stopped = Lock(), False

    def submit(self, task: Task) -> Future[Done]:
        """Begin with a point; ``BrokenExecutor`` if a process has ended by itself."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("no process begins after an interruption")
            if self._pool is None:
                _track()
                # A fork of a process with threads may have their locks for ever.
                self._pool = ProcessPoolExecutor(self._count, mp_context=get_context("spawn"),
                                                 initializer=_heed)
            with _held():
                return self._pool.submit(_evaluated, task)

    def stop(self):
        """End the processes for good: what waits for points may still be running."""
        with self._lock:
            self._stopped = True
        self.end()

    def end(self):
        """End the processes, whatever they do; a point after that gets new ones."""
        own = [each for each in active_children() if each not in self._others]
        for each in own:
            each.terminate()
        for each in own:
            each.join(_ENDING)
            if each.is_alive():
                each.kill()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


@contextmanager
def processes() -> Iterator[Processes]:
    """Yield processes of this machine, which end with the block, or with an interruption."""
    with undoing(Processes, Processes.stop) as workers:
        try:
            yield workers
        finally:
            workers.end()


def _track():
    # Python's tracker removes the semaphores that an interruption leaves. It need not say so.
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = quiet if not before else f"{before},{quiet}"
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


@contextmanager
def _held() -> Iterator[None]:
    # A process that begins here inherits that an interruption waits.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heed():
    # An interruption goes to all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: object):
    # Tools and temporary folders end as the exception passes them.
    raise SystemExit(1)


def _evaluated(task: Task) -> Done:
    try:
        return evaluate(task)
    except SystemExit:
        os._exit(1)  # or the executor would go on with the next point


class Cluster:
    """Workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
    """

    room = 1 << 30
    """Points that are submitted at once: all, for the scheduler has a queue of its own."""

    def __init__(self, client: Any):
        self._executor = client.get_executor(pure=False)

    def submit(self, task: Task) -> Future[Done]:
        """Begin with a point; if its worker is lost, the scheduler gives it to another."""
        return self._executor.submit(evaluate, task)

    def end(self):
        """Let the scheduler forget all points."""
        self._executor.shutdown(wait=False)


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """Yield the workers of a Dask scheduler.

    Raises
    ------
    ToolMissing
        If Dask's scheduler is not installed.
    ValueError
        If the scheduler does not answer in :data:`PATIENCE` seconds, or has no worker in as many.
    """
    require(*DISTRIBUTED)
    from distributed import Client

    with _silent():
        try:
            asyncio.run(asyncio.wait_for(_answer(address), PATIENCE))
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except Exception as error:  # whatever else answers there, and an address that is none
            reason = "it said nothing" if isinstance(error, TimeoutError) else error
            raise ValueError(f"Scheduler must be one that answers within {PATIENCE} s, not "
                             f"{address!r} ({reason})") from None
        with client:
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise ValueError(f"Scheduler must have a worker within {PATIENCE} s, not "
                                 f"{address}, which has none") from None
            workers = Cluster(client)
            try:
                yield workers
            finally:
                workers.end()


async def _answer(address: str):
    # A client without a scheduler takes 10 s to end and then prints a traceback; one whose
    # scheduler takes the connection and says nothing waits for ever. So it is asked before.
    from distributed import rpc
    async with rpc(address) as scheduler:
        await scheduler.identity()


@contextmanager
def _silent() -> Iterator[None]:
    # A lost connection is told in one line.
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def compute(tasks: Sequence[Task], workers: Processes | Cluster,
            keep: Callable[[Task, Done], None]):
    """Compute points wherever there is room; each is kept as soon as it is done.

    If a process of this machine ends by itself, the points that were under way are computed again,
    one by one. One that ends its process again fails.

    Parameters
    ----------
    tasks : sequence of Task
    workers : Processes or Cluster
    keep : function
        Called with a task and what became of it; what it raises ends the rest.
    """
    waiting, suspects = deque(tasks), deque[Task]()
    while waiting or suspects:
        if not suspects:
            suspects.extend(_computed(waiting, workers, keep))
            continue
        task = suspects.popleft()
        if _computed(deque([task]), workers, keep):
            keep(task, Done(failed="its process ended by itself, twice"))


def _computed(waiting: deque[Task], workers: Processes | Cluster,
              keep: Callable[[Task, Done], None]) -> list[Task]:
    # Until none waits, or a process is lost: then the points that were under way.
    running: dict[Future[Done], Task] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers.room:
                future = workers.submit(waiting[0])
                running[future] = waiting.popleft()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                done = _result(future)
                keep(running.pop(future), done)
    except BrokenExecutor:
        workers.end()
    return list(running.values())


def _result(future: Future[Done]) -> Done:
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except CancelledError:
        return Done(ended="Scheduler must answer until all points are computed")
    except Exception as error:  # a worker's, such as a missing package
        return Done(failed=f"{type(error).__name__}: {error}")
