"""Names of the contracts."""

from dataclasses import replace
from typing import Any

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

__all__ = ["ADDING", "CONTRACTS", "MAX_ADDEND_BITS", "MAX_MULTIPLIER_BITS", "OPTIONS",
           "SECOND_NAMES", "check_contract", "options_of", "parse"]

MAX_MULTIPLIER_BITS = 32
"""Widest multiplier of a contract whose source does not fix the width."""

MAX_ADDEND_BITS = 48
"""Widest addend of a contract whose source does not fix the width."""

OPTIONS = ("multiplier_bits", "addend_bits", "signed_multiplier")
"""Arguments of :func:`parse` besides the name."""

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
    MultiplyShift("pulp", rounding=Rounding.FLOOR, addend=S32),
    MultiplyShift("pulp_round", addend=S32),
    MultiplyShift("nvdla", IntFormat(33), multiplier=_S16, rounding=Rounding.HALF_AWAY,
                  shifts=Range(0, 63)),
    Thresholds("thresholds"),
    Stochastic("stochastic"),
    ExactSum(),
)}

CONTRACTS = tuple(_CONTRACTS)
"""Names of every contract, the default first."""

ADDING = tuple(each.value for each in Rounding)
"""Contracts that may have an addend, which no source prescribes: the plain roundings."""

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


def options_of(contract: Contract) -> dict[str, Any]:
    """Return the arguments with which :func:`parse` makes ``contract`` of its name.

    The multiplier's width is always there; the others only where they are not left out.
    """
    usual = parse(contract.name)
    options: dict[str, Any] = {"multiplier_bits": contract.multiplier_bits}
    if isinstance(contract, MultiplyShift) and isinstance(usual, MultiplyShift):
        if contract.addend != usual.addend:
            options["addend_bits"] = contract.addend and contract.addend.width
        if contract.multiplier.signed != usual.multiplier.signed:
            options["signed_multiplier"] = contract.multiplier.signed
    return options


def parse(name: str, *, multiplier_bits: int | None = None, addend_bits: int | None = None,
          signed_multiplier: bool = False) -> Contract:
    """Return the contract called ``name``.

    Parameters
    ----------
    name : str
        One of :data:`CONTRACTS` or of :data:`SECOND_NAMES`.
    multiplier_bits : int, optional
        Width of the multiplier, up to `MAX_MULTIPLIER_BITS`, if the contract's source does not fix
        it; by default 31, or 32 with a sign.
    addend_bits : int, optional
        Width of a signed addend, up to `MAX_ADDEND_BITS`, of a rounding without one (`ADDING`);
        by default there is no addend.
    signed_multiplier : bool
        Whether the multiplier is signed, so that a channel's factor may be negative, if the
        contract's source does not fix the multiplier.

    Raises
    ------
    ValueError
        If no contract has that name, or it has no such multiplier or addend.
    """
    if not isinstance(name, str):
        raise TypeError(f"Contract must be a name, not {name!r}")
    for title, bits in (("Multiplier", multiplier_bits), ("Addend", addend_bits)):
        if not isinstance(bits, int | None) or isinstance(bits, bool):
            raise TypeError(f"{title} bits must be an integer, not {bits!r}")
    if not isinstance(signed_multiplier, bool):
        raise TypeError(f"Signed multiplier must be True or False, not {signed_multiplier!r}")
    name = SECOND_NAMES.get(name, name)
    if name not in _CONTRACTS:
        raise ValueError(f"Contract must be one of {', '.join(CONTRACTS)}, not {name!r}"
                         f"{suggestion(name, CONTRACTS, _ALIASES)}")
    chosen = _CONTRACTS[name]
    if isinstance(chosen, MultiplyShift) and chosen.takes is None:
        width = chosen.multiplier.width + signed_multiplier
        if multiplier_bits is not None:
            width = _checked("Multiplier", multiplier_bits, MAX_MULTIPLIER_BITS)
        chosen = replace(chosen, multiplier=IntFormat(width, signed=signed_multiplier))
    elif multiplier_bits not in (None, chosen.multiplier_bits):
        raise ValueError(f"Multiplier bits must be {chosen.multiplier_bits or 'left out'} for "
                         f"contract {name}, not {multiplier_bits!r}")
    elif signed_multiplier:
        raise ValueError(f"Signed multiplier must be left out for contract {name}, not True")
    if addend_bits is None:
        return chosen
    if name in ADDING:
        assert isinstance(chosen, MultiplyShift)
        return replace(chosen, addend=IntFormat(_checked("Addend", addend_bits, MAX_ADDEND_BITS)))
    fixed = chosen.addend and chosen.addend.width if isinstance(chosen, MultiplyShift) else None
    if addend_bits != fixed:
        raise ValueError(f"Addend bits must be {fixed or 'left out'} for contract {name}, "
                         f"not {addend_bits!r}")
    return chosen


def _checked(title: str, bits: int, most: int) -> int:
    if not 1 <= bits <= most:
        raise ValueError(f"{title} bits must be in range [1, {most}], not {bits!r}")
    return bits
