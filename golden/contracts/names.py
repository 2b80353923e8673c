"""Names of the contracts."""

from dataclasses import replace

from golden.contracts.base import S32, Contract, ExactSum, Rounding, ScaleRule
from golden.contracts.kinds import (
    DoubleRounding,
    MultiplyShift,
    Onnx,
    Stochastic,
    Thresholds,
)
from golden.formats import IntFormat
from golden.ranges import Range
from golden.suggest import suggestion

__all__ = ["CONTRACTS", "MAX_MULTIPLIER_BITS", "SECOND_NAMES", "check_contract", "parse"]

MAX_MULTIPLIER_BITS = 32
"""Widest multiplier of a contract whose source does not fix the width."""

_TFLITE, _SINGLE = ScaleRule.FLOAT64_OF_FLOAT32, ScaleRule.FLOAT32
_U15, _U24, _S16 = IntFormat(15, signed=False), IntFormat(24, signed=False), IntFormat(16)

_CONTRACTS: dict[str, Contract] = {each.name: each for each in (
    *(MultiplyShift(rounding.value, rounding=rounding) for rounding in (
        Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.HALF_AWAY, Rounding.FLOOR, Rounding.ZERO)),
    DoubleRounding("tflite", S32, scale_rule=_TFLITE),
    MultiplyShift("tflite_single", S32, scale_rule=_TFLITE, shifts=Range(-31, 30), origin=31,
                  result=S32),
    MultiplyShift("tflite_int16x8", IntFormat(48), scale_rule=_TFLITE, multiplier=_U15,
                  shifts=Range(-31, 7), origin=15, result=S32),
    Onnx("onnx"),
    Onnx("onnx_zp_inside", inside=True),
    DoubleRounding("q31", S32, scale_rule=_SINGLE, left=False),
    MultiplyShift("precise", S32, scale_rule=_SINGLE, multiplier=_U24,
                  rounding=Rounding.HALF_AWAY, shifts=Range(24, 55)),
    MultiplyShift("rndnu", S32, scale_rule=_SINGLE, multiplier=_U24, shifts=Range(16, 55)),
    MultiplyShift("pulp", rounding=Rounding.FLOOR, adds=True),
    MultiplyShift("pulp_round", adds=True),
    MultiplyShift("nvdla", IntFormat(33), multiplier=_S16, rounding=Rounding.HALF_AWAY,
                  shifts=Range(0, 63)),
    Thresholds("thresholds"),
    Stochastic("stochastic"),
    ExactSum(),
)}

CONTRACTS = tuple(_CONTRACTS)
"""Names of every contract, the default first."""


SECOND_NAMES = {"litert": "onnx"}
"""Contracts that another runtime computes too, by the name of that runtime."""

_ALIASES = {
    "tosa|tosa_single_round|single_round|ap_rnd": "half_up",
    "ap_rnd_conv|rne": "half_even",
    "ap_rnd_inf": "half_away",
    "ap_trn": "floor",
    "ap_trn_zero": "zero",
    "litert|xnnpack|onnxruntime|onnx_runtime|ort|fp32|fbgemm|pytorch": "onnx",
    "tflm|tflite_micro|cmsis_nn|gemmlowp|tosa_double_round|double_round": "tflite",
    "tvm|fixed_point_multiply": "tflite_single",
    "qnnpack": "q31",
    "dory|nemo": "pulp",
    "deeploy": "pulp_round",
    "finn|multithreshold": "thresholds",
    "exact|sum": "none",
}
"""Patterns of other projects' names, and the contract here, for suggestions."""


def check_contract(contract: Contract):
    """Raise ``TypeError`` if the argument is no contract."""
    if not isinstance(contract, Contract):
        raise TypeError(f"Contract must be a contract (see exactmac.contract), not {contract!r}")


def parse(name: str, *, multiplier_bits: int | None = None) -> Contract:
    """Return the contract called ``name``.

    Parameters
    ----------
    name : str
        One of :data:`CONTRACTS` or of :data:`SECOND_NAMES`.
    multiplier_bits : int, optional
        Width of the multiplier, up to `MAX_MULTIPLIER_BITS`, if the contract's source does not fix
        it.

    Raises
    ------
    ValueError
        If no contract has that name, or it has no multiplier of that width.
    """
    if not isinstance(name, str):
        raise TypeError(f"Contract must be a name, not {name!r}")
    if not isinstance(multiplier_bits, int | None) or isinstance(multiplier_bits, bool):
        raise TypeError(f"Multiplier bits must be an integer, not {multiplier_bits!r}")
    name = SECOND_NAMES.get(name, name)
    if name not in _CONTRACTS:
        raise ValueError(f"Contract must be one of {', '.join(CONTRACTS)}, not {name!r}"
                         f"{suggestion(name, CONTRACTS, _ALIASES)}")
    entry = _CONTRACTS[name]
    if multiplier_bits is None:
        return entry
    if isinstance(entry, MultiplyShift) and entry.takes is None:
        if not 1 <= multiplier_bits <= MAX_MULTIPLIER_BITS:
            raise ValueError(f"Multiplier bits must be in range [1, {MAX_MULTIPLIER_BITS}], "
                             f"not {multiplier_bits!r}")
        return replace(entry, multiplier=IntFormat(multiplier_bits, signed=False))
    if entry.multiplier_bits != multiplier_bits:
        raise ValueError(f"Multiplier bits must be {entry.multiplier_bits or 'left out'} for "
                         f"contract {name}, not {multiplier_bits!r}")
    return entry
