"""Measures the networks of a study with the evaluation and the store of a sweep."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from exactmac.progress import Report
from exactmac.study.members import Samples
from exactmac.sweep.evaluate import AREA, GOLDEN, VERIFIED, Task
from exactmac.sweep.gathering import Gathering
from exactmac.sweep.identity import Identity
from exactmac.sweep.points import Point
from exactmac.sweep.store import Store
from exactmac.sweep.subject import Subject
from exactmac.sweep.workers import processes
from golden.command import replace_file
from golden.networks import Network
from golden.saved import save
from sim.layers import placement

__all__ = ["FILES", "QUICK_VECTORS", "SHAPE", "Job", "Saved", "areas_of", "gathering", "jobs_for",
           "measured", "named", "write_array"]

SHAPE = {"rows": 2, "cols": 2, "lanes": 8, "outputs": 1}
"""Shape of every tile: 32 products a cycle, and one requantizer."""

QUICK_VECTORS = 64
"""Test examples that a quick study simulates."""

FILES = "networks"
"""Folder of the networks and of the examples, in the folder of a study."""


@dataclass(frozen=True)
class Saved:
    """Files of a data set's examples.

    Parameters
    ----------
    x, labels : Path
        All test examples, and their labels.
    first : Path
        The examples that are simulated.
    vectors : int
        Number of these.
    """

    x: Path
    labels: Path
    first: Path
    vectors: int

    @classmethod
    def of(cls, folder: Path, data: str, samples: Samples, quick: bool) -> "Saved":
        """Write the files of a data set; ``OSError`` if that fails."""
        made = cls(*(folder / name for name in cls.names(data)),
                   vectors=QUICK_VECTORS if quick else len(samples.x))
        for path, array in ((made.x, samples.x), (made.labels, samples.labels),
                            (made.first, samples.x[:made.vectors])):
            write_array(path, array)
        return made

    @staticmethod
    def names(data: str) -> list[str]:
        """Return the names of the files of a data set, in order."""
        return [f"{data}-{part}.npy" for part in ("inputs", "labels", "simulated")]


def write_array(path: Path, array: np.ndarray):
    """Write a ``.npy`` file, all of it or nothing; ``OSError`` names it."""
    file = io.BytesIO()
    np.save(file, array)
    replace_file(path, file.getvalue())


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be found of one network, and what was.

    Parameters
    ----------
    name : str
        Name of the network's file, without its ending.
    tiles : tuple of str
        Its tiles, as JSON.
    tasks : tuple of Task
    results : dict
        Parts that were found, by name.
    """

    name: str
    tiles: tuple[str, ...]
    tasks: tuple[Task, ...]
    results: dict[str, Any] = field(default_factory=dict)


def named(folder: Path, name: str) -> Path:
    """Return the path of a saved network."""
    return folder / FILES / f"{name}.npz"


def jobs_for(folder: Path, networks: Mapping[str, Network], saved: Mapping[str, Saved],
             targets: Sequence[str], identity: Identity) -> list[Job]:
    """Save networks, and return what is to be found of each: golden's results, and the comparison.

    The first network that has certain tiles gets the area of these, for all others.

    Parameters
    ----------
    folder : Path
        Folder of the study.
    networks : mapping of str to Network
    saved : mapping of str to Saved
        Examples of each network's data set, by the network's name. Of a network without any, only
        the area is found.
    targets : sequence of str
        Targets of the area.
    identity : Identity
    """
    jobs, known = [], set[tuple[str, ...]]()
    for name, network in networks.items():
        path = named(folder, name)
        save(network, path)
        tiles = tuple(json.dumps(tile.to_json(), sort_keys=True)
                      for tile in placement(network, **SHAPE).tiles)
        areas = tuple(f"{AREA} {target}" for target in targets if tiles not in known)
        known.add(tiles)
        if (files := saved.get(name)) is None:
            wanted = [(Subject(str(path)), areas)]
        else:
            wanted = [(Subject(str(path), inputs=str(files.x), labels=str(files.labels)),
                       (GOLDEN, *areas)),
                      (Subject(str(path), inputs=str(files.first)), (VERIFIED,))]
        point = Point(SHAPE, shape=SHAPE, no_dsp=True)
        jobs.append(Job(name, tiles, tuple(
            Task(subject.dated(), point, parts, identity)
            for subject, parts in wanted if parts)))
    return jobs


def gathering(jobs: Sequence[Job], store: Store) -> Gathering:
    """Return what is kept of all jobs, and what is left to do."""
    # Synthesis takes longest: begun last, it would leave a core idle.
    return Gathering([task for job in jobs for task in job.tasks], store, "results",
                     lambda task: -sum(part.startswith(AREA) for part in task.parts))


def measured(jobs: Sequence[Job], gathered: Gathering, report: Report) -> dict[str, str]:
    """Find all that is missing, and keep each result as soon as it is there.

    Parameters
    ----------
    jobs : sequence of Job
        Jobs, whose results are filled.
    gathered : Gathering
        Their tasks (:func:`gathering`).
    report : callable
        Function of the current work, and of the total number of steps.

    Returns
    -------
    dict of str to str
        Why results are missing, by the job's name: hardware and golden differ, or a tool failed.

    Raises
    ------
    OSError
        If a result cannot be written, or the study cannot go on.
    """
    gathered.run(processes, report)
    failed: dict[str, str] = {}
    owners = [job for job in jobs for _ in job.tasks]
    for place, (job, results) in enumerate(zip(owners, gathered.found, strict=True)):
        job.results.update(results)
        reason = gathered.failed.get(place) or results.get(GOLDEN, {}).get("refused")
        if reason is not None:
            failed[job.name] = reason
    return failed


def areas_of(jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """Return the area of each job's tiles by target, which the first job that has them found."""
    by_tiles: dict[tuple[str, ...], dict[str, Any]] = {}
    for job in jobs:
        by_tiles.setdefault(job.tiles, {}).update(
            (part.partition(" ")[2], area) for part, area in job.results.items()
            if part.startswith(AREA))
    return {job.name: by_tiles[job.tiles] for job in jobs}
