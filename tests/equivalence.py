# amaranth: UnusedElaboratable=no
"""Emitted designs as they were and as they are: equal in every port and cycle, or not.

A change that is to leave hardware as it is runs so::

    python -m tests.equivalence keep FOLDER      # before it
    python -m tests.equivalence compare FOLDER   # after it

Both designs stand in one compiled simulation, on the same traffic: legal and malformed, stalls,
changes of set, resets in mid-job. What an output does not offer is not compared.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.drive import Beats, output_beats, streams
from hw.folder import scratch
from hw.tile.ports import StreamPort
from hw.units.range_tracker import RangeTracker
from sim import vectors
from sim.backend import Backend, Cut, SimulationError
from sim.components import AxiComponent
from sim.jobs import expected
from sim.verilator import VerilatorSimulation
from tests import gallery

CYCLES = 100_000
"""Of each design, at least."""

STALLS = 0.0, 0.3, 0.6


class Apart(Exception):
    """Two designs differ."""


def designs() -> dict[str, Any]:
    """Return what makes each design of the gallery, behind AXI4-Stream ports."""
    tiles = {**gallery.BITS, **gallery.PAIRS, **gallery.LEVELS, **gallery.SHAPES,
             **gallery.EVERY_CONTRACT, **{f"table_{k}": c for k, c in gallery.TABLES.items()},
             **{f"small_{k}": c for k, c in gallery.SMALL.items()}}
    made: dict[str, Any] = {
        name.translate(str.maketrans("/ -", "___")): AxiTile(config)
        for name, config in tiles.items()}
    # A tracker of ranges has outputs that are no streams.
    units = (unit for unit in gallery.units() if not isinstance(unit, RangeTracker))
    return made | {f"unit_{index}": AxiComponent(unit) for index, unit in enumerate(units)}


def both(ports: tuple[StreamPort, ...], error: bool) -> str:
    """Verilog of a module with these ports, whose ``error`` is set from the first difference."""
    inputs, outputs = [("aclk", 1), ("aresetn", 1)], []
    apart = []
    for port in ports:
        forward, backward = (inputs, outputs) if port.is_input else (outputs, inputs)
        data = [(f"{port.name}_tdata", 8 * port.bytes)]
        data += [(f"{port.name}_tlast", 1)] if port.last else []
        valid, ready = f"{port.name}_tvalid", f"{port.name}_tready"
        forward += [*data, (valid, 1)]
        backward.append((ready, 1))
        if port.is_input:
            apart.append(f"then_{ready} != now_{ready}")
        else:
            apart += [f"then_{valid} != now_{valid}",
                      *(f"(then_{valid} && then_{name} != now_{name})" for name, _ in data)]
    if error:
        apart.append("then_error != now_error")
    found = [*outputs, *([("error", 1)] if error else [])]
    declared = [_declared("input", *each) for each in inputs]
    declared += [_declared("output", *each) for each in outputs]
    lines = [f"module both ({', '.join(declared)}, output error);"]
    for which in ("then", "now"):
        lines += [f"{_declared('wire', f'{which}_{name}', bits)};" for name, bits in found]
        pins = [f".{name}({name})" for name, _ in inputs]
        pins += [f".{name}({which}_{name})" for name, _ in found]
        lines.append(f"{which} i_{which} ({', '.join(pins)});")
    lines += [f"assign {name} = then_{name};" for name, _ in outputs]
    return "\n".join([
        *lines, f"wire apart = {' || '.join(apart)};",
        "reg was_apart = 1'b0;", "always @(posedge aclk) was_apart <= was_apart || apart;",
        "assign error = was_apart || apart;", "endmodule\n"])


def _declared(kind: str, name: str, bits: int) -> str:
    return f"{kind} [{bits - 1}:0] {name}" if bits > 1 else f"{kind} {name}"


def runs(top: Any, rng: np.random.Generator) -> Iterator[tuple[dict[str, Beats], int, list[Cut]]]:
    """Inputs, outputs and runs before of one run after another, without end."""
    if isinstance(top, AxiTile):
        phases, _ = vectors.verification_phases(top.config)
        inputs = streams(top.config, phases)
        outputs = len(output_beats(top.config, expected(top.config, phases), phases).last)
        wrong = [Cut(each.inputs, each.cycles) for each in vectors.malformed(top.config, rng)]
    else:
        inputs = {port.name: Beats(rng.integers(256, size=(CYCLES, port.bytes), dtype=np.uint8),
                                   rng.random(CYCLES) < 0.1, {})
                  for port in top.ports if port.is_input}
        outputs, wrong = 0, [Cut(inputs, CYCLES // 4)]
    while True:
        cuts = [Cut(inputs, int(rng.integers(1, most)), int(rng.integers(1, 4)))
                for most in (30, 100, 300, 1000, 3000, 10_000)]
        yield (inputs if outputs else {}), outputs, wrong + cuts


def compare(top: Any, then: str, now: str, cycles: int) -> int:
    """Compare modules ``then`` and ``now``, which are or were ``top``; return the cycles.

    Raises
    ------
    Apart
        Where an output is not the same in some cycle.
    """
    error = isinstance(top, AxiTile)
    with scratch() as folder:
        texts = {"then": then, "now": now, "both": both(top.ports, error)}
        for name, text in texts.items():
            (folder / f"{name}.v").write_text(text)
        backend: Backend = VerilatorSimulation(
            [folder / f"{name}.v" for name in texts], "both", top.ports, fast=False,
            flags=["-Wno-DECLFILENAME", "-Wno-SYNCASYNCNET"])
    done = 0
    for seed, (inputs, outputs, cuts) in enumerate(runs(top, np.random.default_rng(1))):
        try:
            trace = backend.run(inputs, outputs, stall=STALLS[seed % len(STALLS)], seed=seed,
                                before=cuts)
        except SimulationError as reason:
            raise Apart(str(reason)) from reason
        for each in (*trace.before, trace):
            if each.error is not None:
                raise Apart(f"an output differs in cycle {each.error} of a run")
        done += trace.cycles + sum(cut.cycles for cut in cuts)
        if done >= cycles:
            return done
    raise AssertionError


def _emit(name: str) -> str:
    return emit.modules(designs()[name], "now")


def _compare(arguments: tuple[str, Path]) -> str:
    name, folder = arguments
    kept = folder / f"{name}.v"
    if not kept.exists():
        return "is new"
    try:
        return f"{compare(designs()[name], kept.read_text(), _emit(name), CYCLES):,} cycles alike"
    except Apart as reason:
        return f"DIFFERS: {reason}"


def _keep(arguments: tuple[str, Path]) -> str:
    name, folder = arguments
    (folder / f"{name}.v").write_text(emit.modules(designs()[name], "then"))
    return "kept"


def main() -> int:
    """Keep designs, or compare with what was kept; return 1 where some differ or are gone."""
    parser = argparse.ArgumentParser(prog="python -m tests.equivalence", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("keep", "compare"))
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    names = list(designs())
    gone = sorted({path.stem for path in args.folder.glob("*.v")} - set(names))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        work = {"keep": _keep, "compare": _compare}[args.what]
        found = {}
        for name, said in zip(names, pool.map(work, [(name, args.folder) for name in names]),
                              strict=True):
            found[name] = said
            print(f"{len(found)}/{len(names)} {name}: {said}", flush=True)
    for name in gone:
        print(f"{name}: is gone")
    wrong = [name for name, said in found.items() if said.startswith("DIFFERS")]
    print(f"{len(found)} designs, {len(wrong)} differ" + (f": {', '.join(wrong)}" if wrong else ""))
    return int(bool(wrong or gone))


if __name__ == "__main__":
    sys.exit(main())
