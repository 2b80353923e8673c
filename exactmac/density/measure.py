"""Verification and placement of entries, each piece of work kept as soon as it is done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from exactmac.cache import Cache
from exactmac.density.entries import Entry
from exactmac.density.simulation import Emitted
from exactmac.steps import Step
from hw.flow.nextpnr import FREQUENCY, REVISION, SPEEDS, Placed, Placement, place
from hw.flow.tools import ToolFailed, versions
from hw.flow.yosys import synthesize
from sim.backend import Mismatch

__all__ = ["DEVICE", "Bench", "Measured"]

DEVICE = "85k"
CHECK = 1  # of what is compared: other beats, another number


@dataclass(frozen=True)
class Measured:
    """Result of an entry.

    Parameters
    ----------
    entry : Entry
    verified : int
        Results that were compared with golden, all equal.
    placed : Placed
    """

    entry: Entry
    verified: int
    placed: Placed

    @property
    def lut(self) -> float:
        """LUTs per unit, those of the harness included."""
        return self.placed.median.lut / self.entry.count

    @property
    def ff(self) -> float:
        """Flip-flops per unit, input registers apart."""
        return self.placed.median.ff / self.entry.count

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        placed = self.placed.to_json()
        path = placed.pop("path")
        del placed["seconds"]
        return {"subject": self.entry.subject, "way": self.entry.way, "unit": self.entry.unit,
                "count": self.entry.count, "bits": self.entry.bits, "verified": self.verified,
                "lut_per_unit": self.lut, "ff_per_unit": self.ff, **placed,
                "path": path and {"from": path["places"][0], "to": path["places"][-1],
                                  "delay": path["delay"], "routing": path["routing"]}}


class Bench:
    """Measurement of some entries.

    Parameters
    ----------
    entries : sequence of Entry
    seeds : tuple of int
    cache : Cache
        Results that need not be measured again.
    folder : Path
        Folder for netlists.
    """

    def __init__(self, entries: Sequence[Entry], seeds: tuple[int, ...], cache: Cache,
                 folder: Path):
        self.entries = entries
        self.seeds = seeds
        self.cache = cache
        self.folder = folder
        self.tools = versions()
        self.verified: dict[str, int] = {}
        self.placements: dict[tuple[str, int], Placement] = {}

    def steps(self) -> list[Step]:
        """Return the steps that measure everything."""
        return [(entry.name, partial(self._begin, entry)) for entry in self.entries]

    @property
    def results(self) -> list[Measured]:
        """Results, once all steps have ended."""
        return [Measured(entry, self.verified[entry.name], Placed(tuple(
            self.placements[entry.name, seed] for seed in self.seeds))) for entry in self.entries]

    def _begin(self, entry: Entry) -> list[Step]:
        with _named(entry):
            emitted = entry.emit()
            design = {"subject": entry.subject, **{
                name: sha256(text.encode()).hexdigest()
                for name, text in (("verilog", emitted.verilog), ("cells", emitted.cells))}}
            # Nothing is measured before it is verified.
            check = {**design, "latency": emitted.latency, "check": CHECK,
                     **self._tools("verilator", "numpy")}
            verified = self.cache.get(check)
            if verified is None:
                verified = entry.verify(emitted)
                self._keep(check, verified)
            self.verified[entry.name] = verified
            missing: list[tuple[int, dict[str, Any]]] = []
            for seed in self.seeds:
                key = {**design, "passes": entry.target.passes, "device": DEVICE,
                       "speed": SPEEDS[0], "frequency": FREQUENCY, "seed": seed,
                       "revision": REVISION, **self._tools("pyosys", "nextpnr-ecp5")}
                saved = self.cache.get(key)
                if saved is None:
                    missing.append((seed, key))
                else:
                    self.placements[entry.name, seed] = Placement.from_json(saved)
            netlist = self._synthesize(entry, emitted) if missing else self.folder
        return [(f"{entry.name}, seed {seed}", partial(self._place, entry, seed, key, netlist,
                                                       emitted.clock))
                for seed, key in missing]

    def _synthesize(self, entry: Entry, emitted: Emitted) -> Path:
        stem = self.folder / str(self.entries.index(entry))
        source = stem.with_suffix(".v")
        source.write_text(emitted.verilog)
        netlist = stem.with_name(f"{stem.name}_netlist")
        synthesize([source], emitted.top, entry.target, netlist=netlist)
        return netlist.with_suffix(".json")

    def _place(self, entry: Entry, seed: int, key: dict[str, Any], netlist: Path, clock: str):
        with _named(entry):
            placement = place(netlist, device=DEVICE, seed=seed, clock=clock)
        self.placements[entry.name, seed] = placement
        self._keep(key, placement.to_json())

    def _keep(self, key: dict[str, Any], result: Any):
        # A folder that cannot be written is no error: the result is measured again next time.
        try:
            self.cache.put(key, result)
        except OSError as error:
            self.cache.warn(f"{error.filename} cannot be written ({error.strerror}); nothing is "
                            "kept")

    def _tools(self, *names: str) -> dict[str, str | None]:
        return {name: self.tools.get(name) for name in names}


@contextmanager
def _named(entry: Entry) -> Iterator[None]:
    # Errors have the name of the entry.
    try:
        yield
    except Mismatch as error:
        raise Mismatch(f"{entry.name}: {error}") from error
    except ToolFailed as error:
        raise ToolFailed(error.tool, f"{entry.name}: {error.reason}") from error
