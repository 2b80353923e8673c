"""Verification of a tile with each of its faults."""

import copy
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from hw.folder import scratch
from hw.tile.config import TileConfig
from hw.tile.ports import StreamPort
from sim.backend import Backend, Counts, SimulationError, Trace
from sim.jobs import expected
from sim.mutants.faults import SELECTOR, Fault, Mutated
from sim.vectors import verification_phases
from sim.verify import Mismatch, Mistimed, verify
from sim.verilator import VerilatorSimulation

__all__ = ["KINDS", "Bench"]

KINDS = ("outputs", "streams", "cycles")
"""Symptoms of a fault: a wrong output or ``tlast``; outputs that do not come, are too many, or do
not hold; and transfers in wrong cycles."""

PATIENCE = 2
"""Factor of the cycles of a good run, after which a run is given up."""

FLAGS = ("-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT", "-Wno-MULTIDRIVEN")


class _Watched:
    """Backend that notes the cycles of its runs, or limits them by those of a good run."""

    def __init__(self, backend: Backend, due: Sequence[int] | None = None):
        self.backend, self.due = backend, due
        self.ports, self.design = backend.ports, backend.design
        self.cycles: list[int] = []

    def run(self, inputs, outputs: Counts, *, max_cycles: int | None = None, **more) -> Trace:
        if self.due is not None:
            max_cycles = PATIENCE * self.due[len(self.cycles)] + 100
        trace = self.backend.run(inputs, outputs, max_cycles=max_cycles, **more)
        self.cycles.append(trace.cycles)
        return trace


class Bench:
    """Verification, as in :mod:`exactmac.build`, of a mutated tile.

    Parameters
    ----------
    config : TileConfig
    ports : tuple of StreamPort
    mutated : Mutated
        Mutated tile.

    Raises
    ------
    Mismatch
        If the tile fails without a fault.
    ToolMissing, ToolFailed
        If there is no Verilator or C++ compiler, or one of them fails.
    """

    def __init__(self, config: TileConfig, ports: tuple[StreamPort, ...], mutated: Mutated):
        self.config, self.mutated = config, mutated
        self.schedule, _ = verification_phases(config)
        self.expected = expected(config, self.schedule)
        with scratch() as folder:
            source = folder / f"{mutated.top}.v"
            source.write_text(mutated.verilog)
            self.backend = VerilatorSimulation([source], mutated.top, ports, flags=FLAGS,
                                               selector=SELECTOR, design=config)
        good = _Watched(self.backend)
        self._verify(good)
        self.due = good.cycles

    def _verify(self, backend: Backend):
        verify(self.config, backend, self.schedule, self.expected, subject="Verilog",
               simulator="Verilator")

    def killed(self, fault: Fault) -> str | None:
        """Return the symptom of a fault, one of :data:`KINDS`; None if the fault lives."""
        backend = copy.copy(self.backend)
        backend.selected = fault.number
        try:
            self._verify(_Watched(backend, self.due))
        except Mistimed:
            return "cycles"
        except Mismatch as error:
            return "streams" if isinstance(error.__cause__, SimulationError) else "outputs"
        return None

    def trials(self) -> Iterator[tuple[Fault, str | None]]:
        """Try every fault, on every core; yield each result at once, in any order."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            tried = {pool.submit(self.killed, fault): fault for fault in self.mutated.faults}
            try:
                for future in as_completed(tried):
                    yield tried[future], future.result()
            finally:
                pool.shutdown(cancel_futures=True)
