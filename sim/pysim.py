"""Simulation of a tile in Amaranth's own simulator."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
from amaranth.hdl import Const
from amaranth.lib import wiring
from amaranth.sim import Simulator

from hw.drive import Beats
from hw.tile.ports import StreamPort
from sim.backend import Counts, Cut, Plan, SimulationError, Trace

__all__ = ["AmaranthSimulation"]

PERIOD = 1e-8


class AmaranthSimulation:
    """Backend on an Amaranth component with AXI4-Stream members.

    The component has the members ``aclk`` and ``aresetn`` (``In(1)``) and, for each port,
    ``<port>_tdata``, ``_tvalid``, ``_tready`` and, if the port has it, ``_tlast``. It makes its
    own domain. The domain's clock must *be* ``aclk``, since the simulator refuses to drive a clock
    that logic drives. The component is elaborated once, for all runs::

        m.domains.sync = sync = ClockDomain()
        sync.clk = self.aclk
        m.d.comb += sync.rst.eq(~self.aresetn)

    One process drives and samples all ports, like a register, so that a cycle settles once for any
    number of ports.

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
        self._failure: SimulationError | None = None

    @cached_property
    def _simulator(self) -> Simulator:
        # One for all runs, since the elaboration of a tile takes as long as a short run.
        simulator = Simulator(self.component)
        simulator.add_clock(PERIOD)

        async def process(ctx):
            with ctx.critical():
                # A failure is stored, not raised, so that the simulator ends in good order.
                try:
                    for run in self._runs:
                        await run.follow(ctx, run is self._runs[0])
                except SimulationError as failure:
                    self._failure = failure

        simulator.add_process(process)
        return simulator

    def run(self, inputs: Mapping[str, Beats], outputs: Counts, *, stall: float = 0.0,
            seed: int = 0, max_cycles: int | None = None, before: Sequence[Cut] = (),
            vcd: Path | str | None = None) -> Trace:
        """Run as `Backend.run` does, and write waves to ``vcd`` unless that is None.

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
    # State and process of one run; lists are in the order of the ports.

    def __init__(self, wires: "_Wires", plan: Plan):
        component = wires.component
        self.plan, self.aresetn = plan, wires["aresetn"]
        self.sources = [_Source(wires, index, plan) for index, port in enumerate(plan.ports)
                        if port.is_input]
        self.sinks = [_Sink(wires, index, plan) for index in plan.outputs]
        # A constant takes the place of a missing tlast or error.
        self.sampled = [getattr(component, "error", Const(0)),
                        *(getattr(component, f"{plan.ports[source.index].name}_tready")
                          for source in self.sources),
                        *(signal for sink in self.sinks for signal in sink.offer)]
        self.stalls = plan.stalls.tolist()
        self.moved, self.first, self.final, self.total = ([0] * len(plan.ports) for _ in range(4))
        self.error: int | None = None

    def trace(self, before: tuple[Trace, ...] = ()) -> Trace:
        outputs = {self.plan.ports[sink.index].name: sink.beats() for sink in self.sinks}
        return self.plan.trace(outputs, self.moved, (self.first, self.final, self.total),
                               self.error, before)

    def calm(self, ctx):
        for source in self.sources:
            source.fill(ctx)
        for sink in self.sinks:
            sink.ready.put(ctx, 0)

    async def follow(self, ctx, first: bool):
        plan = self.plan
        if first:
            self.calm(ctx)
        self.aresetn.put(ctx, 0)
        for _ in range(plan.reset):
            await ctx.tick()
            self.calm(ctx)
        self.aresetn.put(ctx, 1)

        cycle, end = 0, plan.WATCH if self.done else plan.limit
        if not end:
            return
        self.drive(ctx, cycle)
        async for _, _, error, *values in ctx.tick().sample(*self.sampled):
            if error and self.error is None:
                self.error = cycle
            if not error and self.error is not None:
                raise plan.fallen(cycle)
            takes, offers = values[:len(self.sources)], values[len(self.sources):]
            for source, transferred in zip(self.sources, takes, strict=True):
                if transferred and source.offering:
                    source.offering = False
                    self.note(source.index, cycle)
            for sink, *offer in zip(self.sinks, offers[::3], offers[1::3], offers[2::3],
                                    strict=True):
                if sink.take(self.moved[sink.index], cycle, *offer):
                    self.note(sink.index, cycle)
                    if self.done:
                        end = cycle + 1 + plan.WATCH
            cycle += 1
            if cycle == end:
                if not (plan.cut or self.done):
                    raise plan.late(self.moved)
                return
            self.drive(ctx, cycle)

    @property
    def done(self) -> bool:
        # True once all outputs that the run waits for are there.
        plan = self.plan
        return not plan.cut and all(self.moved[port] == plan.due[port] for port in plan.outputs)

    def drive(self, ctx, cycle: int):
        # Set up the inputs of a cycle.
        stalls = self.stalls[cycle % len(self.stalls)]
        for source in self.sources:
            if not source.offering:
                source.drive(ctx, stalls[source.index], self.moved)
        for sink in self.sinks:
            sink.ready.put(ctx, int(not stalls[sink.index]))

    def note(self, index: int, cycle: int):
        if not self.moved[index]:
            self.first[index] = cycle
        self.moved[index] += 1
        self.final[index] = cycle
        self.total[index] += cycle


class _Source:
    # An input port and its transfers, as integers.

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


class _Sink:
    # An output port and its transfers, as integers.

    def __init__(self, wires: "_Wires", index: int, plan: Plan):
        port, component = plan.ports[index], wires.component
        self.index, self.plan = index, plan
        self.ready = wires[f"{port.name}_tready"]
        self.offer = (getattr(component, f"{port.name}_tvalid"),
                      getattr(component, f"{port.name}_tdata"),
                      getattr(component, f"{port.name}_tlast") if port.last else Const(0))
        self.held: tuple[int, int] | None = None
        self.received: list[tuple[int, int]] = []

    def take(self, count: int, cycle: int, valid: int, data: int, last: int) -> bool:
        # Check the offered output after `count` transfers; return True for a transfer.
        if self.held is not None and (not valid or (data, last) != self.held):
            raise self.plan.unheld(self.index, count, cycle)
        if valid and count == self.plan.due[self.index]:
            raise self.plan.surplus(self.index, cycle)
        transferred = bool(valid and self.ready.value)
        self.held = (data, last) if valid and not transferred else None
        if transferred:
            self.received.append((data, last))
        return transferred

    def beats(self) -> Beats:
        width = self.plan.ports[self.index].bytes
        data = b"".join(value.to_bytes(width, "little") for value, _ in self.received)
        return Beats(np.frombuffer(data, np.uint8).reshape(-1, width),
                     np.array([bool(last) for _, last in self.received], bool))


class _Wire:
    # A signal and its last value; setting the same value again would cost a tenth of the time.

    def __init__(self, component: wiring.Component, name: str):
        self.signal = getattr(component, name)
        self.value = self.signal.init

    def put(self, ctx, value: int):
        if value != self.value:
            self.value = value
            ctx.set(self.signal, value)


class _Wires(dict[str, _Wire]):
    # Wires of a component by name, shared by all runs.

    def __init__(self, component: wiring.Component):
        super().__init__()
        self.component = component

    def __missing__(self, name: str) -> _Wire:
        self[name] = wire = _Wire(self.component, name)
        return wire
