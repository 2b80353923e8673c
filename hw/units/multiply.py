"""Products of two tensors."""

from amaranth.hdl import Value
from amaranth.lib import stream

from golden.units import Multiplication
from hw.formats import shape_of
from hw.pipeline import Pipeline
from hw.targets.fabric import GENERIC, Fabric
from hw.units.unit import Elementwise, check_contract, rescaled

__all__ = ["Multiply"]


class Multiply(Elementwise):
    """``clamp(scaled((a - a_zero_point) * (b - b_zero_point)) + zero_point)`` of each pair.

    ==============================  =======================================
    cycle                           registers
    ==============================  =======================================
    1                               both operands less their zero points
    2                               their product
    ... (:mod:`hw.requantize.scale`)           scaled by the contract
    next to last                    rounded, and the zero point added
    last                            clamped
    ==============================  =======================================

    Latency, throughput and stalls are those of :class:`~hw.units.unit.Unit`.

    Parameters
    ----------
    operation : Multiplication
    lanes : int
    fabric : Fabric

    Members
    -------
    i_a, i_b, o, parameters
        Members of :class:`~hw.units.unit.Elementwise`.
    """

    i_a: stream.Interface
    i_b: stream.Interface
    operation: Multiplication

    def __init__(self, *, operation: Multiplication, lanes: int, fabric: Fabric = GENERIC):
        check_contract(operation.contract)
        super().__init__(operation=operation, lanes=lanes, fabric=fabric)

    def lane(self, pipe: Pipeline, *operands: Value) -> Value:
        (a, b), operation = operands, self.operation
        pipe.hold("b", b - pipe.take("b_zero_point"))
        a = pipe.add(a, pipe.take("a_zero_point"), "a_centred", subtract=True)
        # If the contract takes fewer bits, golden has proven that these suffice.
        product = pipe.multiply(a, pipe.take("b"), "centred_product",
                                shape_of(operation.sums.format))
        return rescaled(pipe, operation.contract, product, operation.output)
