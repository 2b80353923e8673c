"""Inputs and results of a simulation, the same for every simulator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from hw.drive.beats import Beats
from hw.emit import stalls
from hw.tile.ports import StreamPort

__all__ = ["Counts", "Cut", "Trace", "Backend", "Plan", "SimulationError", "Mismatch",
           "Mistimed"]


Counts: TypeAlias = int | Mapping[str, int]
"""Numbers of transfers: one number for every port, or a number for each by name."""


class SimulationError(Exception):
    """A stream broke its rules, or the simulation did not finish in its cycles."""


class Mismatch(Exception):
    """A simulated tile and golden differ."""


class Mistimed(Mismatch):
    """A simulated tile makes a transfer in the wrong cycle."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A run that a reset ends.

    Parameters
    ----------
    inputs : mapping of str to Beats
        Transfers of each input, as for a run.
    cycles : int
        Cycles before the reset.
    reset : int
        Cycles of the reset.
    """

    inputs: Mapping[str, Beats]
    cycles: int
    reset: int = 1


@dataclass(frozen=True, eq=False)
class Trace:
    """Result of a run.

    Parameters
    ----------
    outputs : mapping of str to Beats
        Transfers of each output port, by name.
    cycles : int
        Clock edges from the end of reset to the last output transfer, that one included.
    first, final, total : mapping of str to int
        Cycles (from 0) of each port's first and final transfer, by port name, and the sum of the
        cycles of all its transfers, which reveals an early or late one between the two. Ports
        without a transfer are missing.
    error : int or None
        Cycle from which the design's output ``error`` was set; None if it never was, or if there
        is no such output.
    before : tuple of Trace
        Results of the runs that a reset ended.
    """

    outputs: Mapping[str, Beats]
    cycles: int
    first: Mapping[str, int]
    final: Mapping[str, int]
    total: Mapping[str, int]
    error: int | None = None
    before: tuple["Trace", ...] = ()

    @property
    def data(self) -> np.ndarray:
        """Value of ``tdata`` in each transfer of the only output port."""
        return self._output.data

    @property
    def last(self) -> np.ndarray:
        """Value of ``tlast`` in each transfer of the only output port."""
        return self._output.last

    @property
    def _output(self) -> Beats:
        if len(self.outputs) != 1:
            raise ValueError(f"Outputs must be one for data and last, not {len(self.outputs)}")
        return next(iter(self.outputs.values()))


class Backend(Protocol):
    """A simulated design with AXI4-Stream ports, one clock ``aclk`` and ``aresetn``.

    The design may have an output ``error``, which stays set once it is. ``design`` is the
    configuration of a tile, or else the component; None if not known.
    """

    ports: tuple[StreamPort, ...]
    design: object

    def run(self, inputs: Mapping[str, Beats], outputs: Counts, *, stall: float = 0.0,
            seed: int = 0, max_cycles: int | None = None, before: Sequence[Cut] = ()) -> Trace:
        """Reset the design, feed every input and collect ``outputs`` transfers.

        Parameters
        ----------
        inputs : mapping of str to Beats
            Transfers of each input, by port name; a missing port makes no transfer.
        outputs : int or mapping of str to int
            Transfers to wait for: one number for every output port, or a number for each by name.
        stall : float
            Share of the cycles, for each port on its own, in which the driver does not begin to
            offer a beat, or does not accept an output. A beat once offered stays offered.
        seed : int
            Seed of the stalls, and of the contents of memories before they are written.
        max_cycles : int or None
            Cycles after which the run fails, rather than hangs; None chooses from the number of
            beats.
        before : sequence of Cut
            Earlier runs, each ended by a reset; all their outputs are taken.

        Raises
        ------
        SimulationError
            If the outputs do not come in time, a port offers a surplus output until `Plan.WATCH`
            cycles after the last, an offered output changes or is withdrawn before its transfer,
            or ``error`` does not stay set.
        """
        ...


class Plan:
    """Checked plan of a run: backends that follow it give the same trace, stalls included.

    A run begins with cycles in reset: `RESET`, or as many as the run before asks for. Then each
    cycle has these steps:

    1. The next row of ``stalls`` decides which ports stall; after the last row comes the first.
    2. An input that offers nothing offers its next beat, unless it stalls or a port of ``after``
       has not yet made its transfers in earlier cycles. An output is ready unless it stalls.
    3. The combinational logic settles, transfers are noted, and the clock rises.

    While an input offers nothing, its ``tdata`` and ``tlast`` are all ones, to reveal a design
    that ignores ``tvalid``. After the last output due, the simulation goes on for `WATCH` cycles.
    An output port that has made its transfers must offer nothing.

    In the first cycle of a reset after another run, the ports stay as that run left them, as if
    one clock edge reset both driver and design.

    Members
    -------
    beats : tuple of Beats or None
        Transfers of each port, in contiguous arrays.
    due : tuple of int
        Number of transfers of each port.
    outputs : tuple of int
        Indices of the output ports.
    limit, reset : int
        Most cycles until the outputs have come; cycles in reset.
    cut : bool
        True if the run ends after `limit` cycles in any case.
    stalls : array of bool, ``(hw.emit.stalls.PERIOD, ports)``
        Stalls of each port in each cycle.
    """

    RESET = 4
    WATCH = 16

    def __init__(self, ports: tuple[StreamPort, ...], inputs: Mapping[str, Beats], outputs: Counts,
                 stall: float, seed: int | tuple[int, int], max_cycles: int | None = None, *,
                 cut: bool = False, reset: int = RESET):
        names = [port.name for port in ports]
        self.outputs = tuple(index for index, port in enumerate(ports) if not port.is_input)
        drains = [names[index] for index in self.outputs]
        if not drains:
            raise ValueError(f"Ports must have an output, not only {', '.join(names)}")
        counts = outputs if isinstance(outputs, Mapping) else dict.fromkeys(drains, outputs)
        if set(counts) != set(drains):
            raise ValueError(f"Outputs must be counts of {', '.join(drains)}, "
                             f"not of {', '.join(counts)}")
        if not 0 <= stall < 1:
            raise ValueError(f"Stall must be a probability below 1, not {stall!r}")
        for name in inputs:
            if name not in names or name in drains:
                raise ValueError(f"Inputs must be for input ports, not {name!r}")
        self.ports, self.cut, self.reset = ports, cut, reset
        self.beats = tuple(_checked(port, inputs[port.name], names) if port.name in inputs
                           else None for port in ports)
        self.stalls = np.ascontiguousarray(stalls.draws(len(ports), seed) < stall * stalls.SHARES)
        self.due = tuple(len(beats.last) if beats else counts.get(name, 0)
                         for name, beats in zip(names, self.beats, strict=True))
        self.limit = (int(1000 + 64 * sum(self.due) / (1 - stall)) if max_cycles is None
                      else max_cycles)

    @classmethod
    def each(cls, ports: tuple[StreamPort, ...], inputs: Mapping[str, Beats], outputs: Counts,
             stall: float, seed: int, max_cycles: int | None, before: Sequence[Cut]
             ) -> list["Plan"]:
        """Plans of the earlier runs and of the run itself."""
        # A cut run has room for an output in every cycle.
        lengths = [cls.RESET, *(cut.reset for cut in before)]
        plans = [cls(ports, cut.inputs, cut.cycles, stall, (seed, index), cut.cycles, cut=True,
                     reset=lengths[index]) for index, cut in enumerate(before)]
        return [*plans, cls(ports, inputs, outputs, stall, seed, max_cycles, reset=lengths[-1])]

    def trace(self, outputs: Mapping[str, Beats], moved: list[int], times: Sequence[list[int]],
              error: int | None, before: tuple[Trace, ...] = ()) -> Trace:
        """Return the run's trace; ``times`` are each port's first, final and total cycle."""
        first, final, total = (
            {port.name: cycle for port, count, cycle in zip(self.ports, moved, cycles, strict=True)
             if count} for cycles in times)
        return Trace(outputs, max(final.get(name, -1) for name in outputs) + 1, first, final, total,
                     error, before)

    def late(self, moved: list[int]) -> SimulationError:
        """Error: the outputs did not come in time; ``moved`` counts each port's transfers."""
        transfers = ", ".join(f"{port.name} {count}/{total}" for port, count, total
                              in zip(self.ports, moved, self.due, strict=True))
        return SimulationError(f"Outputs did not come in {self.limit} cycles ({transfers})")

    def surplus(self, port: int, cycle: int) -> SimulationError:
        """Error: an output port offered more than was due."""
        return SimulationError(f"{self.ports[port].name} offers more than {self.due[port]} outputs "
                               f"(cycle {cycle})")

    def fallen(self, cycle: int) -> SimulationError:
        """Error: ``error`` was set, and is not any more."""
        return SimulationError(f"error does not stay set (cycle {cycle})")

    def unheld(self, port: int, index: int, cycle: int) -> SimulationError:
        """Error: an output port did not hold an offered output."""
        return SimulationError(f"{self.ports[port].name} does not hold output {index} until its "
                               f"transfer (cycle {cycle})")


def _checked(port: StreamPort, beats: Beats, names: list[str]) -> Beats:
    count = len(beats.data)
    if beats.data.dtype != np.uint8 or beats.data.shape != (count, port.bytes):
        raise ValueError(f"Data of {port.name} must be uint8 of shape (beats, {port.bytes}), "
                         f"not {beats.data.dtype} of shape {beats.data.shape}")
    for what, array in {"Last": beats.last, **beats.after}.items():
        if array.shape != (count,):
            raise ValueError(f"{what} of {port.name} must have shape ({count},), "
                             f"not {array.shape}")
    if unknown := set(beats.after) - set(names):
        raise ValueError(f"After of {port.name} must name ports, not {unknown.pop()!r}")
    return Beats(np.ascontiguousarray(beats.data), np.ascontiguousarray(beats.last, bool),
                 {name: np.ascontiguousarray(after, np.int64)
                  for name, after in beats.after.items()})
