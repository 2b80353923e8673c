"""Components that never stall, in the simulators of whole tiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sim.backend import Backend
from sim.components import beats_of, component_simulation

__all__ = ["piped", "results", "results_of"]


class Piped(wiring.Component):
    """Streams of bits around a component whose streams are always ready."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, component: Any):
        self.component = component
        self.fabric = component.fabric
        super().__init__({
            name: flow(stream.Signature(len(Value.cast(getattr(component, name).payload))))
            for name, flow in (("i", In), ("o", Out))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = each = self.component
        m.d.comb += [
            self.i.ready.eq(1),
            each.i.valid.eq(self.i.valid),
            Value.cast(each.i.payload).eq(self.i.payload),
            self.o.valid.eq(each.o.valid),
            self.o.payload.eq(Value.cast(each.o.payload)),
        ]
        return m


def piped(component: Any, simulator: str = "verilator") -> Backend:
    """Return a simulated component whose streams are always ready."""
    return component_simulation(Piped(component), "piped", simulator, fast=False)


def results_of(component: Any, payloads: Sequence[int], simulator: str = "verilator"
               ) -> list[int]:
    """Return the bits of each result, one for each payload, which come one a cycle."""
    return results(piped(component, simulator), payloads, component.latency)


def results(backend: Backend, payloads: Sequence[int], latency: int) -> list[int]:
    """Return the bits of each result, which come one a cycle, so many cycles after its payload."""
    i, o = backend.ports
    beats = beats_of(i.payload, {"i": np.array(payloads, object)})
    trace = backend.run({i.name: beats}, len(payloads))
    begun, ended = trace.first[i.name] + latency, trace.final[i.name] + latency
    assert (trace.first[o.name], trace.final[o.name]) == (begun, ended)
    assert ended - begun == len(payloads) - 1
    return [int.from_bytes(row.tobytes(), "little") % (1 << o.payload.bits) for row in trace.data]
