"""What the units have in common: streams, a pipeline that never stalls, a queue behind it."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat
from golden.units import Operation
from hw.delay import delay
from hw.payload import Field, Payload
from hw.pipeline import Pipeline
from hw.scale import SCALERS, offset_and_clamp
from hw.shared import Shared

__all__ = ["Unit", "Elementwise", "vector", "check_contract", "rescaled", "rescaled_stages",
           "scale_stages", "widened", "QUEUE_LATENCY", "CREDIT_LATENCY"]

QUEUE_LATENCY = 2
"""Cycles through an empty SyncFIFOBuffered."""

CREDIT_LATENCY = 1
"""Cycles from an output's transfer to the beat that may take its place."""


def vector(fmt: IntFormat, lanes: int, last: str = "what the driver likes") -> Payload:
    """Payload of a vector stream: ``values`` is ``[lanes]``."""
    if lanes < 1:
        raise ValueError(f"Lanes must be a positive integer, not {lanes!r}")
    return Payload((Field("values", fmt, (lanes,)),), last)


class Unit(Shared):
    """Shared by the units: beats are taken, and their results queued for the output.

    The operands' beats are taken together, one of each stream. Nothing stalls inside: a beat is
    taken only while the output queue has room for its result beside those of all that is under
    way. So ``o.ready`` reaches no input's ready in the same cycle; the ready of an operand depends
    on the valid of the other.

    ``parameters`` must hold while beats are under way, that is from the transfer of a beat to
    that of its result. A design that has them fixed drives them with constants, and synthesis
    folds these into the logic.

    Latency is :attr:`latency`, :attr:`stages` plus the 2 cycles of the queue; throughput is one
    beat per cycle.

    Parameters
    ----------
    inputs : mapping of str to Payload
        Of each input stream.
    output, parameters : Payload
        All of them are found under their names in :attr:`payloads`.

    Members
    -------
    <input> : In(stream.Signature(StructLayout))
        One for each input.
    o : Out(stream.Signature(StructLayout))
    parameters : In(StructLayout)
    """

    o: stream.Interface
    parameters: data.View

    def __init__(self, *, inputs: Mapping[str, Payload], output: Payload, parameters: Payload):
        self.inputs = tuple(inputs)
        self.payloads = {**inputs, "o": output, "parameters": parameters}
        super().__init__({
            **{name: In(stream.Signature(payload.layout)) for name, payload in inputs.items()},
            "o": Out(stream.Signature(output.layout)),
            "parameters": In(parameters.layout),
        })

    @property
    @abstractmethod
    def stages(self) -> int:
        """Cycles from the beat that completes a result to that result."""

    @property
    def latency(self) -> int:
        """Cycles from the transfer of the beat that completes a result to ``o.valid``."""
        return self.stages + QUEUE_LATENCY

    @abstractmethod
    def compute(self, m: Module, taken: Value) -> Value:
        """Return the output's payload, :attr:`stages` cycles after its beat was ``taken``."""

    def take(self, m: Module, room: Value) -> Value:
        """Drive the inputs' ready, given whether there is room; return whether a beat is taken."""
        streams = [getattr(self, name) for name in self.inputs]
        for one in streams:
            others = [other.valid for other in streams if other is not one]
            m.d.comb += one.ready.eq(reduce(and_, others, room))
        return reduce(and_, (one.valid for one in streams), room)

    def completes(self) -> Value:
        """Whether the beat that is taken completes a result."""
        return Const(1)

    def body(self, platform):
        m = Module()
        depth = self.latency + CREDIT_LATENCY
        m.submodules.queue = queue = SyncFIFOBuffered(
            width=len(self.o.payload.as_value()), depth=depth)

        # Places in the queue that are neither taken nor promised to what is under way.
        free = Signal(range(depth + 1), init=depth)
        taken, completed, left = Signal(), Signal(), Signal()
        m.d.comb += [
            taken.eq(self.take(m, free != 0)),
            completed.eq(taken & self.completes()),
            left.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += free.eq(free - completed + left)

        result = self.compute(m, taken)
        m.d.comb += [
            queue.w_data.eq(result),
            queue.w_en.eq(delay(m, completed, self.stages, "valid", reset_less=False)),
            self.o.payload.as_value().eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m


def rescaled(m: Module, pipe: Pipeline, contract, total: Value, output: IntFormat) -> Value:
    """``clamp(scaled(total) + zero_point)``, the stages of a requantizer after its total."""
    scale, _ = SCALERS[type(contract)]
    return offset_and_clamp(pipe, *scale(m, pipe, contract, widened(total), output.bits + 1))


def rescaled_stages(contract) -> int:
    """Registers of :func:`rescaled`."""
    return scale_stages(contract) + 2


def widened(total: Value) -> Value:
    """``total`` in at least the 32 bits that the scalers of float32 contracts count on."""
    wide = total | Const(0, 32).as_signed()
    assert wide.shape().signed
    return wide


class Elementwise(Unit):
    """Shared by the units that compute each lane on its own; ``last`` goes with the beat.

    Parameters
    ----------
    operation : Operation
        What each lane computes.
    lanes : int
        Elements of a vector.

    Members
    -------
    <operand> : In(stream.Signature(vector(operand, lanes)))
        One for each operand of the operation. Where there are two, the first one's ``last`` counts.
    o : Out(stream.Signature(vector(output, lanes)))
    parameters : In(StructLayout)
        The operation's fields.
    """

    def __init__(self, *, operation: Operation, lanes: int):
        self.operation = operation
        self.lanes = lanes
        super().__init__(
            inputs={name: vector(fmt, lanes) for name, fmt in operation.operands.items()},
            output=vector(operation.output, lanes),
            parameters=Payload.of(operation.fields))

    def parameter(self, name: str, stage: int) -> Value:
        """Value of a parameter for the beat that is ``stage`` registers behind the input."""
        return self.parameters[name]

    @abstractmethod
    def lane(self, m: Module, *operands: Value) -> Value:
        """Return a lane's result, :attr:`stages` registers after its operands."""

    def compute(self, m: Module, taken: Value) -> Value:
        payloads = [getattr(self, name).p for name in self.inputs]
        result: Any = Signal(self.o.payload.shape())
        for k in range(self.lanes):
            m.d.comb += result["values"][k].eq(
                self.lane(m, *(payload["values"][k] for payload in payloads)))
        m.d.comb += result["last"].eq(delay(m, payloads[0]["last"], self.stages, "last"))
        return result.as_value()


def check_contract(contract):
    """Refuse a contract without hardware."""
    if type(contract) not in SCALERS:
        raise TypeError(f"Contract must be one with hardware, not {contract!r}")


def scale_stages(contract) -> int:
    """Registers of a contract's scaling, without the zero point and the clamp."""
    _, latency = SCALERS[type(contract)]
    return latency(contract)
