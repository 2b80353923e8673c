"""Concatenation of tensors, each rescaled to the output's scale."""

from typing import Any

from amaranth.hdl import Array, Module, Signal, Value

from golden.units import Rescaling
from hw.delay import delay
from hw.formats import shape_of
from hw.payload import Payload
from hw.targets.fabric import GENERIC, Fabric
from hw.units.rescale import rescaling
from hw.units.unit import Unit, check_contract, vector

__all__ = ["Concat"]


class Concat(Unit):
    """Take runs of vectors from each input in turn, each with the parameters of its input.

    A run ends with the vector marked ``last``. After the last input's run comes the first input
    again. One rescaling serves all inputs: the number of a beat's input goes with the beat, and
    selects the parameters. With a multiplier that stands for 1 a beat passes unchanged.

    Stages are those of :class:`~hw.units.Rescale`; throughput and stalls are those of
    :class:`~hw.units.unit.Unit`, except that beats are taken from one input at a time.

    Parameters
    ----------
    operation : Rescaling
        Operation on each input.
    tensors : int
        Number of inputs, at least 2.
    lanes : int
        Elements of a vector.
    fabric : Fabric
        Fabric of the arithmetic.

    Members
    -------
    i_0, i_1 ... : In(stream.Signature(vector(input, lanes)))
    o : Out(stream.Signature(vector(output, lanes)))
        ``last`` marks the last vector of the last input's run.
    parameters : In(StructLayout)
        The operation's fields, for each input.
    """

    def __init__(self, *, operation: Rescaling, tensors: int, lanes: int,
                 fabric: Fabric = GENERIC):
        check_contract(operation.contract)
        if tensors < 2:
            raise ValueError(f"Tensors must be at least 2, not {tensors!r}")
        self.operation = operation
        self.tensors = tensors
        super().__init__(
            lanes=lanes, fabric=fabric,
            inputs={f"i_{k}": vector(operation.input, lanes) for k in range(tensors)},
            output=vector(operation.output, lanes),
            parameters=Payload.of({f"{name}_{k}": fmt for k in range(tensors)
                                   for name, fmt in operation.fields.items()}))
        self._source = Signal(range(tensors))

    def take(self, m: Module, room: Value) -> Value:
        transferred = Signal(name="transferred_from_source")
        for k, name in enumerate(self.inputs):
            one = getattr(self, name)
            with m.If(self._source == k):
                m.d.comb += [one.ready.eq(room), transferred.eq(room & one.valid)]
                with m.If(transferred & one.p["last"]):
                    m.d.sync += self._source.eq((k + 1) % self.tensors)
        return transferred

    def compute(self, m: Module, transferred: Value) -> tuple[Value, int]:
        operation, source = self.operation, self._source
        beat = Array(getattr(self, name).payload.as_value() for name in self.inputs)[source]
        payload: Any = Signal(self.payloads["i_0"].layout, name="beat")
        m.d.comb += payload.as_value().eq(beat)
        sources = [source]
        picked: dict[tuple[str, int], Signal] = {}

        def parameter(name: str, stage: int) -> Value:
            while len(sources) <= stage:
                sources.append(delay(m, sources[-1], 1, f"source_{len(sources)}"))
            if (name, stage) not in picked:
                signal = Signal(shape_of(operation.fields[name]), name=f"{name}_{stage}")
                m.d.comb += signal.eq(Array(
                    self.parameters[f"{name}_{k}"] for k in range(self.tensors))[sources[stage]])
                picked[name, stage] = signal
            return picked[name, stage]

        return self.each_lane(
            m, lambda pipe, k: rescaling(pipe, operation, payload["values"][k]),
            last=payload["last"] & (source == self.tensors - 1), parameter=parameter)
