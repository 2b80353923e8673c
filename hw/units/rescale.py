"""Rescaling of a tensor: the same real numbers on another scale."""

from amaranth.hdl import Value
from amaranth.lib import stream

from golden.units import Rescaling
from hw.formats import shape_of
from hw.pipeline import Pipeline
from hw.targets.fabric import GENERIC, Fabric
from hw.units.unit import Elementwise, check_contract, rescaled

__all__ = ["Rescale", "rescaling"]


class Rescale(Elementwise):
    """``clamp(scaled(x - input_zero_point) + zero_point)`` of each element.

    ==============================  =======================================
    cycle                           registers
    ==============================  =======================================
    1                               ``x - input_zero_point``
    ... (:mod:`hw.requantize.scale`)           scaled by the contract
    next to last                    rounded, and the zero point added
    last                            clamped
    ==============================  =======================================

    Latency, throughput and stalls are those of :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    operation : Rescaling
    lanes : int
    fabric : Fabric

    Members
    -------
    i, o, parameters
        Members of :class:`~hw.units.unit.Elementwise`.
    """

    i: stream.Interface
    operation: Rescaling

    def __init__(self, *, operation: Rescaling, lanes: int, fabric: Fabric = GENERIC):
        check_contract(operation.contract)
        super().__init__(operation=operation, lanes=lanes, fabric=fabric)

    def lane(self, pipe: Pipeline, *operands: Value) -> Value:
        x, = operands
        return rescaling(pipe, self.operation, x)


def rescaling(pipe: Pipeline, operation: Rescaling, x: Value) -> Value:
    """Rescale an element, by the parameters that ``pipe`` has."""
    centred = pipe.add(x, pipe.take("input_zero_point"), "centred",
                       shape_of(operation.sums.format), subtract=True)
    return rescaled(pipe, operation.contract, centred, operation.output)
