"""Run a tile in Amaranth's own simulator."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
from amaranth.hdl import Const
from amaranth.lib import wiring
from amaranth.sim import Simulator

from hw.drive import Beats
from hw.ports import StreamPort
from sim.backend import Cut, Plan, Trace

__all__ = ["AmaranthSimulation"]

PERIOD = 1e-8


class AmaranthSimulation:
    """Backend on an Amaranth component with AXI4-Stream members.

    The component has the members ``aclk`` and ``aresetn`` (``In(1)``) and, for each port,
    ``<port>_tdata``, ``_tvalid``, ``_tready`` and, where the port has one, ``_tlast``. It makes
    its own domain, whose clock must *be* ``aclk``, since the simulator refuses to drive a clock
    that logic drives; it is elaborated once, for all runs::

        m.domains.sync = sync = ClockDomain()
        sync.clk = self.aclk
        m.d.comb += sync.rst.eq(~self.aresetn)

    One process drives and samples all ports: it takes part in the simulation as registers
    would, so that a cycle settles once, however many ports there are.

    Parameters
    ----------
    component : wiring.Component
    ports : tuple of StreamPort
    """

    def __init__(self, component: wiring.Component, ports: tuple[StreamPort, ...]):
        for port in ports:
            width = len(getattr(component, f"{port.name}_tdata"))
            if width != 8 * port.bytes:
                raise ValueError(f"{port.name}_tdata must be {8 * port.bytes} bits wide, "
                                 f"not {width}")
        self.component = component
        self.ports = ports
        self.design: object = getattr(component, "design", None)
        self._runs: list[_Run] = []
        self._failure: Exception | None = None

    @cached_property
    def _simulator(self) -> Simulator:
        # For all runs: elaborating a tile takes as long as a short one.
        simulator = Simulator(self.component)
        simulator.add_clock(PERIOD)

        async def process(ctx):
            with ctx.critical():
                for run in self._runs:
                    # A failure is handed over, not raised, for the simulator to end in good order.
                    if (failure := await run.follow(ctx, run is self._runs[0])) is not None:
                        self._failure = failure
                        return

        simulator.add_process(process)
        return simulator

    def run(self, inputs: Mapping[str, Beats], outputs: int, *, stall: float = 0.0, seed: int = 0,
            max_cycles: int | None = None, before: Sequence[Cut] = (),
            vcd: Path | str | None = None) -> Trace:
        """Run as `Backend.run` says, and write waves to ``vcd`` unless that is None.

        Memories hold zeros before they are written.
        """
        wires = _Wires(self.component)
        begun = bool(self._runs)
        self._runs, self._failure = [_Run(wires, plan) for plan in Plan.each(
            self.ports, inputs, outputs, stall, seed, max_cycles, before)], None
        simulator = self._simulator
        if begun:
            simulator.reset()
        with nullcontext() if vcd is None else simulator.write_vcd(str(vcd)):
            simulator.run()
        if self._failure is not None:
            raise self._failure
        return self._runs[-1].trace(tuple(run.trace() for run in self._runs[:-1]))


class _Run:
    # State and process of one run; what is per port is a list in the order of the ports.

    def __init__(self, wires: "_Wires", plan: Plan):
        component = wires.component
        self.plan, self.aresetn = plan, wires["aresetn"]
        self.sources = [_Source(wires, index, plan) for index, port in enumerate(plan.ports)
                        if port.is_input]
        output = plan.ports[plan.output]
        self.ready = wires[f"{output.name}_tready"]
        # Where there is no tlast, or no error, a constant fills the place.
        self.sampled = [*(getattr(component, f"{plan.ports[source.index].name}_tready")
                          for source in self.sources),
                        getattr(component, f"{output.name}_tvalid"),
                        getattr(component, f"{output.name}_tdata"),
                        getattr(component, f"{output.name}_tlast") if output.last else Const(0),
                        getattr(component, "error", Const(0))]
        self.stalls = plan.stalls.tolist()
        self.moved, self.first, self.final, self.total = ([0] * len(plan.ports) for _ in range(4))
        self.received: list[tuple[int, int]] = []
        self.error: int | None = None

    def trace(self, before: tuple[Trace, ...] = ()) -> Trace:
        width = self.plan.ports[self.plan.output].bytes
        data = b"".join(value.to_bytes(width, "little") for value, _ in self.received)
        last = np.array([bool(last) for _, last in self.received], bool)
        return self.plan.trace(np.frombuffer(data, np.uint8).reshape(-1, width), last, self.moved,
                               (self.first, self.final, self.total), self.error, before)

    def calm(self, ctx):
        for source in self.sources:
            source.fill(ctx)
        self.ready.put(ctx, 0)

    async def follow(self, ctx, first: bool) -> Exception | None:
        plan, output = self.plan, self.plan.output
        if first:
            self.calm(ctx)
        self.aresetn.put(ctx, 0)
        for _ in range(plan.reset):
            await ctx.tick()
            self.calm(ctx)
        self.aresetn.put(ctx, 1)

        held = None
        cycle, end = 0, plan.limit if plan.outputs or plan.cut else plan.WATCH
        if not end:
            return None
        ready = self.drive(ctx, cycle)
        async for _, _, *takes, valid, data, last, error in ctx.tick().sample(*self.sampled):
            for source, taken in zip(self.sources, takes, strict=True):
                if taken and source.offering:
                    source.offering = False
                    self.note(source.index, cycle)
            if error and self.error is None:
                self.error = cycle
            if not error and self.error is not None:
                return plan.fallen(cycle)
            count = self.moved[output]
            if held is not None and (not valid or (data, last) != held):
                return plan.unheld(count, cycle)
            if valid and count == plan.outputs:
                return plan.surplus(cycle)
            held = (data, last) if valid and not ready else None
            if valid and ready:
                self.note(output, cycle)
                self.received.append((data, last))
                if count + 1 == plan.outputs and not plan.cut:
                    end = cycle + 1 + plan.WATCH
            cycle += 1
            if cycle == end:
                late = self.moved[output] < plan.outputs and not plan.cut
                return plan.late(self.moved) if late else None
            ready = self.drive(ctx, cycle)

    def drive(self, ctx, cycle: int) -> bool:
        # Set up the inputs of a cycle, and say whether it takes an output.
        stalls = self.stalls[cycle % len(self.stalls)]
        for source in self.sources:
            if not source.offering:
                source.drive(ctx, stalls[source.index], self.moved)
        ready = not stalls[self.plan.output]
        self.ready.put(ctx, int(ready))
        return ready

    def note(self, index: int, cycle: int):
        if not self.moved[index]:
            self.first[index] = cycle
        self.moved[index] += 1
        self.final[index] = cycle
        self.total[index] += cycle


class _Source:
    # An input port and what is sent to it, as integers.

    def __init__(self, wires: "_Wires", index: int, plan: Plan):
        port, beats = plan.ports[index], plan.beats[index]
        self.index, self.offering = index, False
        self.idle = (1 << 8 * port.bytes) - 1, 1
        self.data = wires[f"{port.name}_tdata"]
        self.last = wires[f"{port.name}_tlast"] if port.last else None
        self.valid = wires[f"{port.name}_tvalid"]
        self.beats, self.after = [], []
        if beats is not None:
            names = [port.name for port in plan.ports]
            self.beats = [(int.from_bytes(row.tobytes(), "little"), int(last))
                          for row, last in zip(beats.data, beats.last, strict=True)]
            self.after = [(names.index(name), after.tolist())
                          for name, after in beats.after.items()]

    def drive(self, ctx, stalled: bool, moved: list[int]):
        position = moved[self.index]
        self.offering = not stalled and position < len(self.beats) and all(
            moved[port] >= counts[position] for port, counts in self.after)
        if self.offering:
            self.put(ctx, *self.beats[position])
            self.valid.put(ctx, 1)
        else:
            self.fill(ctx)

    def fill(self, ctx):
        self.put(ctx, *self.idle)
        self.valid.put(ctx, 0)

    def put(self, ctx, data: int, last: int):
        self.data.put(ctx, data)
        if self.last is not None:
            self.last.put(ctx, last)


class _Wire:
    # A signal and what it was set to: setting it again would take a tenth of a small simulation.

    def __init__(self, component: wiring.Component, name: str):
        self.signal = getattr(component, name)
        self.value = self.signal.init

    def put(self, ctx, value: int):
        if value != self.value:
            self.value = value
            ctx.set(self.signal, value)


class _Wires(dict[str, _Wire]):
    # Those of a component by name, which all runs share.

    def __init__(self, component: wiring.Component):
        super().__init__()
        self.component = component

    def __missing__(self, name: str) -> _Wire:
        self[name] = wire = _Wire(self.component, name)
        return wire
