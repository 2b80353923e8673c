"""What each way of unification costs: error, bits and multipliers, on examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import gcd

import numpy as np

from golden import contracts, elementwise, units
from golden.affine import dequantize, quantize
from golden.floats import FloatAdd, FloatConcat
from golden.formats import IntFormat
from golden.networks import Add, Concat, Quantization
from golden.quantize.calibration import calibrate
from golden.quantize.extremes import examples
from golden.quantize.joins import without_weights
from golden.quantize.unify import WAYS, Unify, common_values, exact_output, powers_apart
from golden.ranges import Range, levels_range
from golden.units import Addition, Rescaling

__all__ = ["UnifyCost", "unify_costs"]


@dataclass(frozen=True, kw_only=True)
class UnifyCost:
    """Cost of one way to unify the operands of a sum or a join.

    Errors are roots of the mean squared difference over all numbers of the result. The differences
    and their mean are exact.

    Parameters
    ----------
    way : str
        One of :data:`golden.quantize.unify.WAYS`.
    error : float
        Of the result, from the result of the real operands.
    operands : float
        Of the real result of the quantized operands: what their quantization costs.
    joining : float
        Of the result, from the real result of the quantized operands: what rounding and saturation
        cost.
    bits : int
        Width of the sum of the operands, each times its integer factor, before it is rounded or
        saturated; of a join, of one operand times its factor. A power of two that all factors of a
        sum have, or the factor of a joined operand, is a shift and does not count.
    output_bits : int
        Width of the result.
    multipliers : float
        Products by factors that are no power of two, for each element of the result.
    """

    way: Unify
    error: float
    operands: float
    joining: float
    bits: int
    output_bits: int
    multipliers: float


def unify_costs(operands: Sequence, fmt: IntFormat, *, join: bool = False, method: str = "mse",
                zero_point: bool = True) -> list[UnifyCost]:
    """Cost of each way for examples of two operands of a sum, or of the operands of a join.

    Sums have the scheme ``exact``, joins the contract ``half_up``. The operands are quantized to
    ``fmt`` and the result too, but for ``more_bits``, as
    :func:`golden.quantize.quantize_network` does.

    Parameters
    ----------
    operands : sequence of array_like of float, ``(examples, ...)``
    fmt : IntFormat
    join : bool
        Whether the operands are joined along the last axis; else two are added.
    method, zero_point
        Parameters of :func:`golden.quantize.calibration.calibrate`.
    """
    if not isinstance(fmt, IntFormat):
        raise TypeError(f"Format must be an integer one to be added or joined, not {fmt}")
    values = [examples(each) for each in operands]
    names = tuple("abcdefgh"[:len(values)]) if len(values) <= 8 else ()
    if not names or not join and len(names) != 2:
        raise ValueError(f"Operands must be {'1 to 8' if join else '2'}, not {len(values)}")
    layer = (FloatConcat if join else FloatAdd)(name="join" if join else "sum", inputs=names)
    layer.shape([each.shape[1:] for each in values])
    real = layer.unclipped(*values)
    exact = layer.unclipped(*map(_fractions, values))

    def chosen(numbers: np.ndarray) -> Quantization:
        return calibrate(numbers, fmt, method=method, zero_point=zero_point)

    def cost(way: Unify) -> UnifyCost:
        if way == "forced_range":
            output = chosen(common_values([*values, real]))
            inputs = [output] * len(values)
        else:
            inputs = [chosen(each) for each in values]
            if way == "more_bits":
                inputs = [inputs[0], *(powers_apart(each, inputs[0]) for each in inputs[1:])]
            output = None
        levels = [np.asarray(quantize(x, own)) for x, own in zip(values, inputs, strict=True)]
        if output is None:
            output = exact_output(layer, inputs) if way == "more_bits" else chosen(layer.unclipped(
                *(dequantize(x, own) for x, own in zip(levels, inputs, strict=True))))
        result, factors = _computed(layer, inputs, output, levels)
        quantized = layer.unclipped(*map(_numbers, levels, inputs))
        found = _numbers(result, output)
        ranges = [(levels_range(own.format) - Range(int(own.zero_point), int(own.zero_point)))
                  * Range(factor, factor) for factor, own in zip(factors, inputs, strict=True)]
        sizes = [x[0].size if join else real[0].size for x in values]
        return UnifyCost(
            way=way, error=_error(found, exact), operands=_error(quantized, exact),
            joining=_error(found, quantized),
            bits=(max(each.format.width for each in ranges) if join
                  else reduce(Range.__add__, ranges).format.width),
            output_bits=output.format.bits,
            multipliers=sum(size for size, factor in zip(sizes, factors, strict=True)
                            if factor & (factor - 1)) / real[0].size)

    return [cost(way) for way in WAYS]


def _computed(layer: FloatAdd | FloatConcat, inputs: Sequence[Quantization], output: Quantization,
              levels: Sequence[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    # Levels of the result, and the factor of each operand.
    contract, scheme = contracts.parse("half_up"), units.parse("exact")
    own = without_weights(layer, inputs, output, contract, scheme)
    a, *others = formats = [_integer(each) for each in inputs]
    if isinstance(own, Add):
        operation = Addition(scheme, a, others[0], _integer(output))
        factors = [own.parameters[f"{name}_multiplier"] for name in operation.names]
        twos = gcd(*factors)
        twos &= -twos
        return (elementwise.compute(operation, levels, own.parameters),
                [factor // twos for factor in factors])
    assert isinstance(own, Concat)
    factors = [each["multiplier"] for each in own.parameters]
    return (elementwise.concat([Rescaling(contract, fmt, _integer(output)) for fmt in formats],
                               levels, own.parameters, axis=own.axis),
            [factor // (factor & -factor) for factor in factors])


def _integer(quantization: Quantization) -> IntFormat:
    assert isinstance(quantization.format, IntFormat)
    return quantization.format


def _fractions(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.frompyfunc(Fraction, 1, 1)(values.astype(np.float64).astype(object)))


def _numbers(levels: np.ndarray, quantization: Quantization) -> np.ndarray:
    # As dequantize, in fractions.
    zero_point = int(quantization.zero_point)
    return np.asarray((levels - zero_point).astype(object) * Fraction(float(quantization.step)))


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.square(found - expected).mean()) ** 0.5
