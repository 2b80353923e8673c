"""Parameters of sums and means, where a kernel of TFLite or ONNX Runtime has a rule of its own.

:mod:`golden.multipliers` has the rules of the contracts, :mod:`golden.unit_scales` those of the
elementwise units.
"""

import numpy as np

from golden.contracts import Clamped, Scaled, ScaleRule
from golden.formats import IntFormat
from golden.multipliers import linear_parameters
from golden.networks import Dense, Linear, Quantization

__all__ = ["linear_rule", "reduce_parameters"]


def linear_rule(kind: type[Linear], contract: Clamped, weight: Quantization) -> ScaleRule:
    """Return the rule by which a kernel combines the scales of a linear layer.

    It is the contract's, but TFLite's FULLY_CONNECTED multiplies the input's scale in float32 by
    that of the weights if these have one scale.

    Parameters
    ----------
    kind : type
        Class of the layer.
    contract : Clamped
    weight : Quantization
        Quantization of the weights.
    """
    if (issubclass(kind, Dense) and contract.scale_rule is ScaleRule.FLOAT64_OF_FLOAT32
            and not np.ndim(weight.scale)):
        return ScaleRule.FLOAT32_PRODUCT
    return contract.scale_rule


def reduce_parameters(contract: Clamped, input: Quantization, output: Quantization, count: int,
                      sum_format: IntFormat) -> dict[str, int]:
    """Return the parameters that scale sums over axes, or their means.

    The factor is ``input.scale / (output.scale * count)``, the product in the float type of the
    scales. TFLite's contracts of 31-bit multipliers divide the multiplier of the scales by the
    count instead, rounded toward zero.

    Parameters
    ----------
    contract : Clamped
    input, output : Quantization
    count : int
        Number of elements of a mean, or 1 for a sum.
    sum_format : IntFormat
        Format of the sums.

    Returns
    -------
    dict of str to int
        One entry for each field of ``contract.scaling``.

    Raises
    ------
    ValueError
        If the contract cannot represent the factor.
    """
    divided = isinstance(contract, Scaled) and contract.shifts_left and (
        contract.multiplier.width == 31)
    held = np.dtype(contract.scale_rule.held).type
    divisor = held(output.step) if divided else held(output.step) * held(count)
    own = {name: int(value) for name, value in linear_parameters(
        contract, input.step, 1, divisor, sum_format).items()}
    if divided:
        places = min(count.bit_length() - 1, 32, 31 + own["shift"])
        own["multiplier"] = (own["multiplier"] << places) // count
        own["shift"] -= places
    return own
