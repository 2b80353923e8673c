"""A whole study: networks, measurements, curves, and what they say."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from exactmac.cache import Cache
from exactmac.progress import Report
from exactmac.study import curves, dynamic, measure, report
from exactmac.study.measure import (
    FILES,
    SHAPE,
    Job,
    Saved,
    areas_of,
    gathering,
    jobs_for,
    measured,
    write_array,
)
from exactmac.study.members import Member, Samples, calibrated, packaged
from exactmac.study.trained import kinds, samples_of, trained
from exactmac.study.workflows import DYNAMIC, WIDTHS, WORKFLOWS, workflow_table
from exactmac.sweep.evaluate import GOLDEN
from exactmac.sweep.gathering import Gathering
from exactmac.sweep.identity import identity
from exactmac.sweep.store import Store
from hw.flow.tools import ToolFailed, versions
from sim.backend import Mismatch, SimulationError

__all__ = ["VERSION", "WHAT", "Study"]

VERSION = 1
"""Version of ``study.json``."""

Kept = Callable[[Mapping[str, Any], Callable[[], Any]], Any]
"""Function of a key and of the work that finds its result."""

SEEDS, QUICK_SEEDS = range(10), range(3)
SIZE_SEEDS, QUICK_SIZE_SEEDS = range(5), range(2)
SIZE_WIDTHS, QUICK_SIZE_WIDTHS = ("8", "4", "3", "2"), ("4", "2")

WHAT = (f"{len(QUICK_SEEDS)} seeds, area on ECP5 alone, and {measure.QUICK_VECTORS} vectors "
        "of each point simulated")
"""What a quick study is."""


class Study:
    """A study that is run, or goes on.

    Parameters
    ----------
    folder : Path
        Folder of its files, which need not exist.
    quick : bool
        Whether :data:`WHAT` holds; else all seeds, all test images simulated.
    targets : tuple of str
        Targets of the area.
    widths : tuple of str
    seeds : iterable of int, optional
        Seeds of the calibrated networks.
    """

    def __init__(self, folder: Path, *, quick: bool, targets: tuple[str, ...],
                 widths: tuple[str, ...] = WIDTHS, seeds: Iterable[int] | None = None):
        self.folder = folder
        self.quick = quick
        self.targets = targets
        self.widths = widths
        self.seeds = list(seeds if seeds is not None else QUICK_SEEDS if quick else SEEDS)
        self._before = 0
        self._gathered: Gathering | None = None

    def said(self) -> str:
        """What is kept, for a message."""
        if self._gathered is None:
            return f"{self._before} results are kept in {self.folder}"
        return self._gathered.said()

    def members(self) -> list[Member]:
        """Networks of all workflows whose layers are known before any input is."""
        made = [each for seed in self.seeds for each in calibrated(seed, self.widths)]
        return made + [each for each in trained(self.quick) if each.width in self.widths]

    def run(self, store: Store, cache: Cache, tell: Report
            ) -> tuple[dict[str, Any], dict[str, str]]:
        """Find all that is missing.

        Returns
        -------
        found : dict
            The study, in JSON's types.
        failed : dict of str to str
            Why results are missing, by the network's name.
        """
        self._before = len(store)
        (self.folder / FILES).mkdir(parents=True, exist_ok=True)
        tell("networks", None)
        members = self.members()
        samples = {"digits": packaged()[1]} | {
            data: samples_of(data) for data in {each.data for each in members} - {"digits"}}
        saved = {data: Saved.of(self.folder / FILES, data, each, self.quick)
                 for data, each in samples.items()}
        passes = {} if "8" not in self.widths else {
            f"digits-{DYNAMIC}-8-{each.name}": each
            for each in dynamic.passes_of(samples["digits"].x[:dynamic.BATCH])}
        for name, each in passes.items():
            write_array(self.folder / FILES / dynamic.inputs_of(name), each.levels)
        jobs = {job.name: job for job in jobs_for(
            self.folder, {each.name: each.network for each in members}
            | {name: each.network for name, each in passes.items()},
            {each.name: saved[each.data] for each in members}, self.targets, identity())}
        self._gathered = gathering(list(jobs.values()), store)
        failed = measured(list(jobs.values()), self._gathered, tell)
        kept = partial(_kept, cache)
        points = self._points(members, jobs, failed, saved)
        if passes and not set(passes) & set(failed):
            tell("dynamic quantization", None)
            try:
                points.append(self._dynamic(
                    samples["digits"], {name: jobs[name] for name in passes},
                    saved["digits"].vectors, kept))
            except (Mismatch, SimulationError, ToolFailed) as error:
                failed[f"digits-{DYNAMIC}-8"] = str(error)
        order = [each.name for each in WORKFLOWS]
        points.sort(key=lambda each: (each["data"], order.index(each["workflow"]),
                                      WIDTHS.index(each["width"])))
        report.mark_fronts(points, self.targets)
        tell("sizes of the calibration set", None)
        return self._whole(points, members, kept), failed

    def _points(self, members: list[Member], jobs: Mapping[str, Job], failed: Mapping[str, str],
                saved: Mapping[str, Saved]) -> list[dict[str, Any]]:
        areas = areas_of(list(jobs.values()))
        groups: dict[str, list[Member]] = {}
        for each in members:
            if "accuracy" in jobs[each.name].results.get(GOLDEN, {}):
                groups.setdefault(each.point, []).append(each)
        return [report.point_of(group, jobs, areas, failed, folder=self.folder,
                                vectors=saved[group[0].data].vectors, simulator=_simulator())
                for group in groups.values()]

    def _dynamic(self, samples: Samples, jobs: Mapping[str, Job], vectors: int, kept: Kept
                 ) -> dict[str, Any]:
        own = kept({"what": DYNAMIC}, lambda: dynamic.golden_results(samples))
        equal = kept({"what": f"{DYNAMIC} compared", "vectors": vectors},
                     lambda: dynamic.compared(samples, vectors))
        return dynamic.point(samples, own, equal, jobs, targets=self.targets, folder=self.folder,
                             simulator=_simulator())

    def _whole(self, points: list[dict[str, Any]], members: list[Member], kept: Kept
               ) -> dict[str, Any]:
        widths = [each for each in (QUICK_SIZE_WIDTHS if self.quick else SIZE_WIDTHS)
                  if each in self.widths]
        seeds = list(QUICK_SIZE_SEEDS if self.quick else SIZE_SEEDS)
        sizes = [{"data": "digits", "width": width, "results": kept(
            {"what": "sizes", "width": width, "seeds": seeds},
            partial(curves.sizes, width, seeds))} for width in widths]
        return {
            "version": VERSION, "quick": self.quick, "shape": SHAPE, "targets": list(self.targets),
            "widths": list(WIDTHS), "points": points, "fits": report.fits(points),
            "sizes": sizes, "codes": list(curves.codes(members)),
            "workflows": workflow_table(
                points, left_out=dict.fromkeys(kinds(), "left out of a quick study")),
            **identity().to_json()}


def _kept(cache: Cache, key: Mapping[str, Any], work: Callable[[], Any]) -> Any:
    # A result that is kept, or is found and kept.
    key = {**key, **identity().to_json()}
    if (found := cache.get(key)) is None:
        cache.put(key, found := work())
    return found


def _simulator() -> str:
    return f"Verilator {versions()['verilator']}"
