"""Sums and differences of two tensors, over an intermediate format."""

from amaranth.hdl import Const, Module, Value
from amaranth.lib import stream

from golden.units import Addition, Scheme
from hw.formats import shape_of
from hw.pipeline import Pipeline
from hw.requantize.scale import SCALERS
from hw.targets.fabric import GENERIC, Fabric
from hw.units.unit import (
    Elementwise,
    check_contract,
    rescaled,
    widened,
)

__all__ = ["Add"]


class Add(Elementwise):
    """``clamp(scaled(a' +- b') + zero_point)``, ``a' = scaled((a - a_zero_point) * 2**left)``.

    ``b'`` is computed likewise. The scheme defines ``left``, the intermediate format and the
    contract. Parameters with which an operand leaves that format give results without meaning;
    golden refuses them.

    ==============================  =======================================
    cycle                           registers
    ==============================  =======================================
    1                               both operands less their zero points
    ... (:mod:`hw.requantize.scale`)           each scaled by the contract
    next                            each rounded
    next                            their sum or difference
    ... (:mod:`hw.requantize.scale`)           scaled by the contract
    next to last                    rounded, and the zero point added
    last                            clamped
    ==============================  =======================================

    Latency, throughput and stalls are those of :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    operation : Addition
        Operation by a scheme other than ``onnx``, which :class:`~hw.units.FusedAdd` computes.
    lanes : int
    fabric : Fabric

    Members
    -------
    i_a, i_b, o, parameters
        Members of :class:`~hw.units.unit.Elementwise`.
    """

    i_a: stream.Interface
    i_b: stream.Interface
    operation: Addition

    def __init__(self, *, operation: Addition, lanes: int, fabric: Fabric = GENERIC):
        if not isinstance(operation.scheme, Scheme):
            raise TypeError("Scheme must be one with an intermediate format, "
                            f"not {operation.scheme!r}")
        check_contract(operation.scheme.contract)
        self.scheme = operation.scheme
        super().__init__(operation=operation, lanes=lanes, fabric=fabric)

    def lane(self, pipe: Pipeline, *operands: Value) -> Value:
        operation, contract = self.operation, self.scheme.contract
        (a, stages), (b, _) = (
            self._operand(pipe.m, name, x) for name, x in zip("ab", operands, strict=True))
        pipe.advance(stages)
        total = pipe.add(a, b, "total", shape_of(operation.sums.format),
                         subtract=operation.subtract)
        return rescaled(pipe, contract, total, operation.output)

    def _operand(self, m: Module, name: str, x: Value) -> tuple[Value, int]:
        # Returns the scaled operand, and its registers. Scalers see the zero point of the
        # intermediate format, which is 0.
        def parameter(field: str, stage: int) -> Value:
            return Const(0) if field == "zero_point" else self.parameter(f"{name}_{field}", stage)

        scheme = self.scheme
        pipe = Pipeline(m, {}, parameter, fabric=self.fabric)
        centred = pipe.add(x, self.parameter(f"{name}_zero_point", 0),
                           f"{name}_centred", subtract=True)
        number, up = SCALERS[type(scheme.contract)](
            pipe, scheme.contract, widened(centred << scheme.left), scheme.intermediate.width)
        scaled = pipe.add(number.near, up, f"{name}_scaled", shape_of(scheme.intermediate))
        return scaled, pipe.stage
