"""Requantization contracts: how an exact sum becomes an output code, by name.

A contract states the range of its sums, its parameters, and how it rounds ties and negatives.
There is no arithmetic here. :mod:`golden.requantize` and :mod:`hw.requantize.requantizer` each
implement these descriptions, and share nothing else.

Every contract with an output format computes ``clamp(scaled(sum + bias) + zero_point)``, where
``scaled`` is exact except for its one named rounding (``tflite`` is defined with two). Contracts
that multiply and shift round to the levels of any format; only integers have a zero point.
"""

from golden.contracts.base import (
    S32,
    WORD_BITS,
    Clamped,
    Contract,
    ExactSum,
    Rounding,
    ScaleRule,
    title_of,
)
from golden.contracts.kinds import (
    LFSR_BITS,
    LFSR_TAPS,
    THRESHOLD_BITS,
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Scaled,
    Stochastic,
    Thresholds,
)
from golden.contracts.names import (
    ADDING,
    CONTRACTS,
    MAX_ADDEND_BITS,
    MAX_MULTIPLIER_BITS,
    OPTIONS,
    SECOND_NAMES,
    check_contract,
    options_of,
    parse,
)
from golden.contracts.users import Comparison, User

__all__ = [
    "Rounding", "ScaleRule", "Contract", "Clamped", "ExactSum", "Scaled", "MultiplyShift",
    "DoubleRounding", "Onnx", "Stochastic", "Thresholds", "CONTRACTS", "SECOND_NAMES",
    "ADDING", "OPTIONS", "check_contract", "options_of", "parse",
    "S32", "MAX_ADDEND_BITS", "MAX_MULTIPLIER_BITS", "WORD_BITS", "LFSR_BITS", "LFSR_TAPS",
    "THRESHOLD_BITS", "title_of", "User", "Comparison",
]
