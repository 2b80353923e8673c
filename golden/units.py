"""Descriptions of the elementwise units, whose tensors have unequal scales. No arithmetic here.

:mod:`golden.elementwise` and :mod:`hw.units` each implement these descriptions, and share nothing
else. A description names its formats and its rounding. Its *fields* are the parameters of one run,
each with its format: scaling parameters, zero points and the two ends of the clamp.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from golden import contracts
from golden.contracts import Clamped, Contract, Stochastic, check_contract
from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = [
    "Scheme", "FusedScheme", "FUSED_EXPONENTS", "SCHEMES", "parse", "Operation", "Rescaling",
    "Multiplication", "Addition",
]


def _check_contract(contract: Contract):
    check_contract(contract)
    if not isinstance(contract, Clamped) or isinstance(contract, Stochastic):
        raise ValueError(f"Contract must be one that scales, by its parameters alone, "
                         f"not {contract.name}")


@dataclass(frozen=True)
class Scheme:
    """Arithmetic of a sum of two tensors: both rescaled to one format, added, rescaled.

    ``a' = scaled((a - a_zero_point) * 2**left)`` by the contract with the scale of ``a``, ``b'``
    likewise; then ``clamp(scaled(a' +- b') + zero_point)``. Operands never saturate: parameters
    with which an operand could leave the intermediate format are refused.

    Parameters
    ----------
    name : str
        Name that the user types.
    contract : Contract
        Contract that scales both operands, and then their sum.
    intermediate : IntFormat
        Format of the scaled operands.
    left : int
        Shift of each operand to the left, in bits, before it is scaled.
    source : str
        Project whose arithmetic this is.
    """

    name: str
    contract: Contract
    intermediate: IntFormat
    left: int = 0
    source: str = "exactmac"

    def __post_init__(self):
        _check_contract(self.contract)


@dataclass(frozen=True)
class FusedScheme:
    """ONNX Runtime's QLinearAdd with AVX2: two fused multiply-adds in float32.

    ``clamp(rne(fma(a, a_scale, fma(b, b_scale, offset))))``, each ``fma`` rounded once, to nearest
    even. The offset includes the zero points. The parameters hold the bits of the float32 scales
    and offset; the scales are positive, all in the ranges of :data:`FUSED_EXPONENTS`.
    """

    name: str = "onnx"
    source: str = "ONNX Runtime: QLinearAdd, kernel for AVX2"


FUSED_EXPONENTS = {"a_scale": Range(-40, 19), "b_scale": Range(-40, 19), "offset": Range(-64, 29)}
"""Ranges of the binary exponents of a fused sum's float32s; the offset may also be 0.

Nothing becomes subnormal, and the sum is below 2**31. Beyond, the runtime's conversion to an
integer does not saturate.
"""

SCHEMES: dict[str, Scheme | FusedScheme] = {each.name: each for each in (
    Scheme("tflite", contracts.parse("tflite"), IntFormat(31), 20,
           "TFLite reference kernels: int8"),
    Scheme("tflite_int16", contracts.parse("tflite"), IntFormat(31), 15,
           "TFLite reference kernels: int16"),
    Scheme("xnnpack", contracts.parse("half_up"), IntFormat(31), 0, "XNNPACK: int8"),
    Scheme("int16", contracts.parse("half_up"), IntFormat(16)),
    Scheme("exact", contracts.parse("half_even"), IntFormat(48)),
    FusedScheme(),
)}
"""Schemes by name. ``int16`` may have any contract that scales, ``half_up`` by default."""


def parse(name: str, *, contract: Contract | None = None) -> Scheme | FusedScheme:
    """Return the scheme called ``name``.

    Parameters
    ----------
    name : str
    contract : Contract, optional
        Contract of scheme ``int16``; that of the others is fixed.

    Raises
    ------
    ValueError
        If no scheme has that name, or its contract is fixed and another is given.
    """
    if not isinstance(name, str):
        raise TypeError(f"Scheme must be a name, not {name!r}")
    if name not in SCHEMES:
        raise ValueError(f"Scheme must be one of {', '.join(SCHEMES)}, not {name!r}")
    entry = SCHEMES[name]
    if contract is None:
        return entry
    if not isinstance(entry, Scheme) or name != "int16":
        raise ValueError(f"Contract must be left out for scheme {name}, not {contract.name}")
    return replace(entry, contract=contract)


class Operation(ABC):
    """Arithmetic of a unit, on levels of integer formats.

    Members
    -------
    names : tuple of str
        Names of the operands in the fields.
    contract : Contract
        Contract that scales the product or sum of the operands.
    sums : Range
        Range of that product or sum, within what the contract takes.
    output : IntFormat
        Format of the output.
    """

    names: ClassVar[tuple[str, ...]] = "a", "b"
    contract: Contract
    sums: Range
    output: IntFormat

    @property
    def operands(self) -> dict[str, IntFormat]:
        """Format of each operand, by the name of its stream."""
        return {f"i_{name}": getattr(self, name) for name in self.names}

    @property
    @abstractmethod
    def fields(self) -> dict[str, IntFormat]:
        """Format of each parameter of a run, in the order in which the hardware packs them."""


@dataclass(frozen=True)
class Rescaling(Operation):
    """``clamp(scaled(x - input_zero_point) + zero_point)``: TFLite's QUANTIZE of integers.

    Parameters
    ----------
    contract : Contract
        Contract that scales.
    input, output : IntFormat
    """

    names: ClassVar[tuple[str, ...]] = "input",

    contract: Contract
    input: IntFormat
    output: IntFormat

    def __post_init__(self):
        _check_contract(self.contract)
        _check_formats(input=self.input, output=self.output)

    @property
    def operands(self) -> dict[str, IntFormat]:
        """Format of the operand on stream ``i``."""
        return {"i": self.input}

    @property
    def sums(self) -> Range:
        """Range of the difference to be scaled, for any zero point, within the contract's."""
        levels = levels_range(self.input)
        return self.contract.accepted(levels - levels)

    @property
    def fields(self) -> dict[str, IntFormat]:
        """Formats of zero points, scaling parameters and clamp."""
        return {"input_zero_point": self.input,
                **_scaling(self.contract, self.sums, self.output)}


@dataclass(frozen=True)
class Multiplication(Operation):
    """``clamp(scaled((a - a_zero_point) * (b - b_zero_point)) + zero_point)``.

    TFLite's MUL with contract ``tflite``, ONNX Runtime's QLinearMul with ``onnx_zp_inside``.

    Parameters
    ----------
    contract : Contract
        Contract that scales.
    a, b, output : IntFormat
    """

    contract: Contract
    a: IntFormat
    b: IntFormat
    output: IntFormat

    def __post_init__(self):
        _check_contract(self.contract)
        _check_formats(a=self.a, b=self.b, output=self.output)

    @property
    def sums(self) -> Range:
        """Range of the product to be scaled, for any zero points, within the contract's."""
        a, b = levels_range(self.a), levels_range(self.b)
        return self.contract.accepted((a - a) * (b - b))

    @property
    def fields(self) -> dict[str, IntFormat]:
        """Formats of zero points, scaling parameters and clamp."""
        return {"a_zero_point": self.a, "b_zero_point": self.b,
                **_scaling(self.contract, self.sums, self.output)}


@dataclass(frozen=True)
class Addition(Operation):
    """Sum or difference of two tensors, by a scheme.

    Parameters
    ----------
    scheme : Scheme or FusedScheme
    a, b, output : IntFormat
    subtract : bool
        Whether the result is ``a - b``. ONNX Runtime has no such operator.
    """

    scheme: Scheme | FusedScheme
    a: IntFormat
    b: IntFormat
    output: IntFormat
    subtract: bool = False

    def __post_init__(self):
        if not isinstance(self.scheme, Scheme | FusedScheme):
            raise TypeError(f"Scheme must be one of {', '.join(SCHEMES)}, not {self.scheme!r}")
        _check_formats(a=self.a, b=self.b, output=self.output)
        if isinstance(self.scheme, FusedScheme):
            if self.subtract:
                raise ValueError("Subtract must be False for scheme onnx, not True")
            for name, fmt in (("A", self.a), ("B", self.b), ("Output", self.output)):
                if fmt.width > 8:
                    raise ValueError(f"{name} must be a format of at most 8 bits for scheme onnx, "
                                     f"not {fmt}")

    @property
    def contract(self) -> Contract:
        """Contract of the scheme."""
        assert isinstance(self.scheme, Scheme)
        return self.scheme.contract

    def scaled(self, operand: IntFormat) -> Range:
        """Range of an operand to be scaled, within the contract's."""
        assert isinstance(self.scheme, Scheme)
        levels = levels_range(operand)
        places = Range(1 << self.scheme.left, 1 << self.scheme.left)
        return self.contract.accepted((levels - levels) * places)

    @property
    def sums(self) -> Range:
        """Range of the sum or difference of two levels of the intermediate format."""
        assert isinstance(self.scheme, Scheme)
        one = levels_range(self.scheme.intermediate)
        return self.contract.accepted(one - one if self.subtract else one + one)

    @property
    def fields(self) -> dict[str, IntFormat]:
        """Formats of zero point and scaling parameters, per operand and output; then clamp.

        A fused sum has two scales, an offset and a clamp.
        """
        if isinstance(self.scheme, FusedScheme):
            return {"a_scale": IntFormat(31, signed=False), "b_scale": IntFormat(31, signed=False),
                    "offset": IntFormat(32, signed=False), "clamp_min": self.output,
                    "clamp_max": self.output}
        contract = self.scheme.contract
        assert isinstance(contract, Clamped)
        fields: dict[str, IntFormat] = {}
        for name, operand in (("a", self.a), ("b", self.b)):
            fields[f"{name}_zero_point"] = operand
            fields |= {f"{name}_{field}": fmt for field, fmt in
                       contract.scaling(contract.sum_format(self.scaled(operand))).items()}
        return fields | _scaling(contract, self.sums, self.output)


def _scaling(contract: Contract, sums: Range, output: IntFormat) -> dict[str, IntFormat]:
    # Fields of the contract, without its bias.
    assert isinstance(contract, Clamped)
    return {**contract.scaling(contract.sum_format(sums)), "zero_point": output,
            "clamp_min": output, "clamp_max": output}


def _check_formats(**formats: Format):
    for name, fmt in formats.items():
        if not isinstance(fmt, IntFormat):
            raise TypeError(f"{name.capitalize()} must be an integer format, not {fmt}")
