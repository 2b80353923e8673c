"""Results of many tasks: those that are kept, and the others, which are kept as they come."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from exactmac.progress import Report
from exactmac.sweep.evaluate import GOLDEN, Done, Task
from exactmac.sweep.store import Store
from exactmac.sweep.workers import Cluster, Processes, compute

__all__ = ["Gathering"]


class Gathering:
    """Tasks, and what is found of each.

    Parameters
    ----------
    tasks : sequence of Task
    store : Store
    noun : str
        What the tasks are in messages, such as ``points``.
    order : function
        Sorting key of the tasks that are computed.

    Members
    -------
    found : list of dict
        Parts of each task's results.
    failed : dict of int to str
        Why parts are missing, by the task's place: hardware and golden differ, or a tool failed.
    todo : list of Task
        Tasks with the parts that were not kept.
    """

    def __init__(self, tasks: Sequence[Task], store: Store, noun: str,
                 order: Callable[[Task], Any]):
        self.found = [{} if task.point.refused else store.get(task) for task in tasks]
        self.failed: dict[int, str] = {}
        self.todo: list[Task] = []
        self._places: dict[int, int] = {}  # of a task that is computed, by its identity
        for place, (task, results) in enumerate(zip(tasks, self.found, strict=True)):
            left = tuple(part for part in task.parts if part not in results)
            if left and task.point.refused is None and "refused" not in results.get(GOLDEN, {}):
                self.todo.append(task.of_parts(left))
                self._places[id(self.todo[-1])] = place
        self.todo.sort(key=order)
        self._store, self._noun = store, noun
        self._kept, self._total = len(tasks) - len(self.todo), len(tasks)

    def said(self) -> str:
        """What is kept, for a message."""
        return f"{self._counts()} are kept in {self._store.folder}"

    def _counts(self) -> str:
        return f"{self._kept} of {self._total} {self._noun}"

    def run(self, workers: Callable[[], AbstractContextManager[Processes | Cluster]],
            report: Report):
        """Compute the tasks that are left.

        Parameters
        ----------
        workers : callable
            Returns a context with the workers, which is entered if a task is left.
        report : callable
            Function of the current work, and of the total number of steps.

        Raises
        ------
        OSError
            If a result cannot be written, or the rest cannot be computed.
        """
        if not self.todo:
            self._store.open()
            return

        def keep(task: Task, done: Done):
            place = self._places[id(task)]
            self._store.put(task, done.results)
            self.found[place] |= done.results
            if done.ended is not None:
                raise OSError(done.ended)
            if done.failed is None:
                self._kept += 1
            else:
                self.failed[place] = done.failed
            report(self._counts(), len(self.todo))

        with workers() as running:
            report(self._counts(), len(self.todo))
            self._store.open()
            compute(self.todo, running, keep)
