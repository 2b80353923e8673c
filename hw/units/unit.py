"""Base of the units: streams, a pipeline that never stalls, and a queue after it."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat
from golden.units import Operation
from hw.delay import FIFO_LATENCY, delay
from hw.payload import Field, Payload
from hw.pipeline import Pipeline, dry_run
from hw.requantize.scale import SCALERS
from hw.shared import Shared
from hw.targets.fabric import GENERIC, Fabric

__all__ = ["Unit", "Elementwise", "vector", "check_contract", "rescaled", "widened",
           "CREDIT_LATENCY"]

CREDIT_LATENCY = 1
"""Cycles from an output's transfer to the beat that may take its place in the queue."""


def vector(fmt: IntFormat, lanes: int, last: str = "any mark of the driver") -> Payload:
    """Payload of a vector stream: ``values`` is ``[lanes]``."""
    if lanes < 1:
        raise ValueError(f"Lanes must be a positive integer, not {lanes!r}")
    return Payload((Field("values", fmt, (lanes,)),), last)


class Unit(Shared):
    """Base class of the units: beats are taken, and their results queued for the output.

    The operands' beats are taken together, one of each stream. Nothing stalls inside: a beat is
    taken only while the output queue has room for its result and for all results under way. So
    ``o.ready`` reaches no input's ready in the same cycle; the ready of an operand depends on the
    valid of the other.

    ``parameters`` must hold while beats are under way: from the transfer of a beat to the transfer
    of its result. A design with fixed parameters drives constants, which synthesis folds into the
    logic.

    Latency is :attr:`latency`, :attr:`stages` plus the 2 cycles of the queue; throughput is one
    beat per cycle.

    Parameters
    ----------
    inputs : mapping of str to Payload
        Payload of each input stream.
    output, parameters : Payload
        Payloads of the output stream and of the parameters. :attr:`payloads` has all by name.
    lanes : int
        Elements of a vector.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    <input> : In(stream.Signature(StructLayout))
        Stream of each input.
    o : Out(stream.Signature(StructLayout))
    parameters : In(StructLayout)
    """

    o: stream.Interface
    parameters: data.View

    def __init__(self, *, inputs: Mapping[str, Payload], output: Payload, parameters: Payload,
                 lanes: int, fabric: Fabric):
        self.inputs = tuple(inputs)
        self.lanes = lanes
        self.fabric = fabric
        self.payloads = {**inputs, "o": output, "parameters": parameters}
        super().__init__({
            **{name: In(stream.Signature(payload.layout)) for name, payload in inputs.items()},
            "o": Out(stream.Signature(output.layout)),
            "parameters": In(parameters.layout),
        })

    @property
    def stages(self) -> int:
        """Cycles from the beat that completes a result to that result."""
        _, stages = dry_run(lambda m: self.compute(m, Const(1)))
        return stages

    @property
    def latency(self) -> int:
        """Cycles from the transfer of the beat that completes a result to ``o.valid``."""
        return self.stages + FIFO_LATENCY

    @abstractmethod
    def compute(self, m: Module, transferred: Value) -> tuple[Value, int]:
        """Return the output's payload, and its delay in cycles after ``transferred``."""

    def each_lane(self, m: Module, lane: Callable[[Pipeline, int], Value],
                  last: Value | None = None,
                  parameter: Callable[[str, int], Value] | None = None) -> tuple[Value, int]:
        """Return the payload of the results of all lanes, and its stages.

        Parameters
        ----------
        m : Module
        lane : callable
            Function from pipeline and lane number to the lane's result.
        last : Value, optional
            Field ``last`` of the results.
        parameter : callable, optional
            Function from name and stage to a parameter; by default :attr:`parameters` has it.
        """
        result: Any = Signal(self.o.payload.shape())
        pipes = [Pipeline(m, {}, parameter or self.parameter, fabric=self.fabric)
                 for _ in range(self.lanes)]
        m.d.comb += [result["values"][k].eq(lane(pipe, k)) for k, pipe in enumerate(pipes)]
        if last is not None:
            m.d.comb += result["last"].eq(delay(m, last, pipes[0].stage, "last"))
        return result.as_value(), pipes[0].stage

    def parameter(self, name: str, stage: int) -> Value:
        """Value of a parameter for the beat that is ``stage`` registers behind the input."""
        return self.parameters[name]

    def take(self, m: Module, room: Value) -> Value:
        """Drive the inputs' ready from ``room``; return the flag of a beat that is taken."""
        streams = [getattr(self, name) for name in self.inputs]
        for one in streams:
            others = [other.valid for other in streams if other is not one]
            m.d.comb += one.ready.eq(reduce(and_, others, room))
        return reduce(and_, (one.valid for one in streams), room)

    def completes(self) -> Value:
        """Flag of a taken beat that completes a result."""
        return Const(1)

    def body(self, platform):
        m = Module()
        transferred, completed, left = Signal(), Signal(), Signal()
        result, stages = self.compute(m, transferred)
        depth = stages + FIFO_LATENCY + CREDIT_LATENCY
        m.submodules.queue = queue = SyncFIFOBuffered(width=len(result), depth=depth)

        # Places in the queue that are neither filled nor promised to a result under way.
        free = Signal(range(depth + 1), init=depth)
        m.d.comb += [
            transferred.eq(self.take(m, free != 0)),
            completed.eq(transferred & self.completes()),
            left.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += free.eq(free - completed + left)
        m.d.comb += [
            queue.w_data.eq(result),
            queue.w_en.eq(delay(m, completed, stages, "valid", reset_less=False)),
            self.o.payload.as_value().eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m


def rescaled(pipe: Pipeline, contract, total: Value, output: IntFormat) -> Value:
    """Return ``clamp(scaled(total) + zero_point)``, by the last stages of a requantizer."""
    pipe.prepare()
    scale = SCALERS[type(contract)]
    return pipe.offset_and_clamp(*scale(pipe, contract, widened(total), output.bits + 1))


def widened(total: Value) -> Value:
    """Return ``total`` with at least the 32 bits that the scalers of float32 contracts need."""
    wide = total | Const(0, 32).as_signed()
    assert wide.shape().signed
    return wide


class Elementwise(Unit):
    """Base class of the units that compute each lane on its own; ``last`` goes with the beat.

    Parameters
    ----------
    operation : Operation
        Operation of each lane.
    lanes : int
        Elements of a vector.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    <operand> : In(stream.Signature(vector(operand, lanes)))
        Stream of each operand. Of two operands, the first one's ``last`` counts.
    o : Out(stream.Signature(vector(output, lanes)))
    parameters : In(StructLayout)
        The operation's fields.
    """

    def __init__(self, *, operation: Operation, lanes: int, fabric: Fabric = GENERIC):
        self.operation = operation
        super().__init__(
            lanes=lanes, fabric=fabric,
            inputs={name: vector(fmt, lanes) for name, fmt in operation.operands.items()},
            output=vector(operation.output, lanes),
            parameters=Payload.of(operation.fields))

    @abstractmethod
    def lane(self, pipe: Pipeline, *operands: Value) -> Value:
        """Return a lane's result, computed in ``pipe`` from its operands."""

    def compute(self, m: Module, transferred: Value) -> tuple[Value, int]:
        payloads = [getattr(self, name).p for name in self.inputs]
        return self.each_lane(
            m, lambda pipe, k: self.lane(pipe, *(each["values"][k] for each in payloads)),
            last=payloads[0]["last"])


def check_contract(contract):
    """Refuse a contract without hardware."""
    if type(contract) not in SCALERS:
        raise TypeError(f"Contract must be one with hardware, not {contract!r}")
