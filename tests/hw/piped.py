"""Components that never stall, in the simulators of whole tiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sim.components import beats_of, component_simulation

__all__ = ["results_of"]


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


def results_of(component: Any, payloads: Sequence[int], simulator: str = "verilator"
               ) -> list[int]:
    """Return the bits of each result, one for each payload, which come one a cycle."""
    piped = Piped(component)
    backend = component_simulation(piped, "piped", simulator, fast=False)
    port, = (port for port in backend.ports if port.stream == "i")
    beats = beats_of(port.payload, {"i": np.array(payloads, object)})
    trace = backend.run({port.name: beats}, len(payloads))
    bits = len(piped.o.payload)
    return [int.from_bytes(row.tobytes(), "little") % (1 << bits) for row in trace.data]
