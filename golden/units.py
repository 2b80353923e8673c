"""What the units compute that bring tensors of unequal scales together. No arithmetic here.

:mod:`golden.elementwise` and :mod:`hw.units` each implement these descriptions, and share nothing
but them. A description names its formats and its way of rounding; its *fields* are the parameters
of one run, each with its format: what scales, zero points, and the two ends of the clamp.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from golden.contracts import Clamped, Contract, Stochastic, contract
from golden.formats import Format, IntFormat
from golden.ranges import Range, levels_range

__all__ = [
    "Scheme", "FusedScheme", "FUSED_EXPONENTS", "SCHEMES", "scheme", "Operation", "Rescaling",
    "Multiplication", "Addition",
]


def _check_contract(way: Contract):
    if not isinstance(way, Contract):
        raise TypeError(f"Contract must be a contract, not {way!r}")
    if not isinstance(way, Clamped) or isinstance(way, Stochastic):
        raise ValueError(f"Contract must be one that scales, by its parameters alone, "
                         f"not {way.name}")


@dataclass(frozen=True)
class Scheme:
    """A way to add two tensors: each rescaled to one intermediate format, added, rescaled.

    ``a' = scaled((a - a_zero_point) * 2**left)`` by the contract with the scale of ``a``, ``b'``
    likewise; then ``clamp(scaled(a' +- b') + zero_point)``. Nothing saturates on the way:
    parameters with which an operand could leave the intermediate format are refused.

    Parameters
    ----------
    name : str
        What the user types.
    contract : Contract
        By which both operands and then their sum are scaled.
    intermediate : IntFormat
        Of the scaled operands.
    left : int
        Binary places by which each operand is first shifted to the left.
    source : str
        Whose arithmetic it is.
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
    even. Zero points are in the offset. Scales and offset are given as the bits of float32s, the
    scales positive, in the ranges of :data:`FUSED_EXPONENTS`.
    """

    name: str = "onnx"
    source: str = "ONNX Runtime: QLinearAdd, kernel for AVX2"


FUSED_EXPONENTS = {"a_scale": Range(-40, 19), "b_scale": Range(-40, 19), "offset": Range(-64, 29)}
"""Binary exponents of a fused sum's float32s; the offset may be 0 as well.

Nothing becomes subnormal, and the sum is below 2**31, beyond which the runtime's conversion to an
integer does not saturate.
"""

SCHEMES: dict[str, Scheme | FusedScheme] = {each.name: each for each in (
    Scheme("tflite", contract("tflite"), IntFormat(31), 20, "TFLite reference kernels: int8"),
    Scheme("tflite_int16", contract("tflite"), IntFormat(31), 15,
           "TFLite reference kernels: int16"),
    Scheme("int16", contract("half_up"), IntFormat(16)),
    FusedScheme(),
)}
"""By name. ``int16`` may have any contract that scales, ``half_up`` by default."""


def scheme(name: str, *, by: Contract | None = None) -> Scheme | FusedScheme:
    """Return the scheme called ``name``.

    Parameters
    ----------
    name : str
    by : Contract, optional
        What ``int16`` scales by.

    Raises
    ------
    ValueError
        Where there is none of that name, or its contract is its own.
    """
    if not isinstance(name, str):
        raise TypeError(f"Scheme must be a name, not {name!r}")
    if name not in SCHEMES:
        raise ValueError(f"Scheme must be one of {', '.join(SCHEMES)}, not {name!r}")
    found = SCHEMES[name]
    if by is None:
        return found
    if not isinstance(found, Scheme) or name != "int16":
        raise ValueError(f"Contract must be left out for scheme {name}, not {by.name}")
    return replace(found, contract=by)


class Operation(ABC):
    """A unit's arithmetic, on levels of integer formats.

    Members
    -------
    names : tuple of str
        Of the operands, in the fields.
    contract : Contract
        By which their product or sum is scaled.
    sums : Range
        What that may be, as far as the contract takes it.
    output : IntFormat
    """

    names: ClassVar[tuple[str, ...]] = "a", "b"
    contract: Contract
    sums: Range
    output: IntFormat

    @property
    def operands(self) -> dict[str, IntFormat]:
        """Format of each operand, by the name of the stream on which it comes."""
        return {f"i_{name}": getattr(self, name) for name in self.names}

    @property
    @abstractmethod
    def fields(self) -> dict[str, IntFormat]:
        """Format of each parameter of a run, in the order in which hardware packs them."""


@dataclass(frozen=True)
class Rescaling(Operation):
    """``clamp(scaled(x - input_zero_point) + zero_point)``: TFLite's QUANTIZE of integers.

    Parameters
    ----------
    contract : Contract
        One that scales.
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
        """One."""
        return {"i": self.input}

    @property
    def sums(self) -> Range:
        """What is scaled may be, whatever the zero point, as far as the contract takes it."""
        levels = levels_range(self.input)
        return self.contract.taken(levels - levels)

    @property
    def fields(self) -> dict[str, IntFormat]:
        """Zero points, what scales, clamp."""
        return {"input_zero_point": self.input,
                **_scaling(self.contract, self.sums, self.output)}


@dataclass(frozen=True)
class Multiplication(Operation):
    """``clamp(scaled((a - a_zero_point) * (b - b_zero_point)) + zero_point)``.

    TFLite's MUL with contract ``tflite``, ONNX Runtime's QLinearMul with ``onnx_zp_inside``.

    Parameters
    ----------
    contract : Contract
        One that scales.
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
        """What is scaled may be, whatever the zero points, as far as the contract takes it."""
        a, b = levels_range(self.a), levels_range(self.b)
        return self.contract.taken((a - a) * (b - b))

    @property
    def fields(self) -> dict[str, IntFormat]:
        """Zero points, what scales, clamp."""
        return {"a_zero_point": self.a, "b_zero_point": self.b,
                **_scaling(self.contract, self.sums, self.output)}


@dataclass(frozen=True)
class Addition(Operation):
    """Sum, or difference, of two tensors, by a scheme.

    Parameters
    ----------
    scheme : Scheme or FusedScheme
    a, b, output : IntFormat
    subtract : bool
        ``a - b``. ONNX Runtime has no such operator.
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
        """The scheme's."""
        assert isinstance(self.scheme, Scheme)
        return self.scheme.contract

    def scaled(self, operand: IntFormat) -> Range:
        """What is scaled of an operand may be, as far as the contract takes it."""
        assert isinstance(self.scheme, Scheme)
        levels = levels_range(operand)
        places = Range(1 << self.scheme.left, 1 << self.scheme.left)
        return self.contract.taken((levels - levels) * places)

    @property
    def sums(self) -> Range:
        """Sum or difference of what the intermediate format holds."""
        assert isinstance(self.scheme, Scheme)
        one = levels_range(self.scheme.intermediate)
        return self.contract.taken(one - one if self.subtract else one + one)

    @property
    def fields(self) -> dict[str, IntFormat]:
        """Of each operand the zero point and what scales; of the output these and the clamp."""
        if isinstance(self.scheme, FusedScheme):
            return {"a_scale": IntFormat(31, signed=False), "b_scale": IntFormat(31, signed=False),
                    "offset": IntFormat(32, signed=False), "clamp_min": self.output,
                    "clamp_max": self.output}
        way = self.scheme.contract
        assert isinstance(way, Clamped)
        found: dict[str, IntFormat] = {}
        for name, operand in (("a", self.a), ("b", self.b)):
            found[f"{name}_zero_point"] = operand
            found |= {f"{name}_{field}": fmt for field, fmt in
                      way.scaling(way.sum_format(self.scaled(operand))).items()}
        return found | _scaling(way, self.sums, self.output)


def _scaling(way: Contract, sums: Range, output: IntFormat) -> dict[str, IntFormat]:
    # Those of the contract, without its bias.
    assert isinstance(way, Clamped)
    return {**way.scaling(way.sum_format(sums)), "zero_point": output, "clamp_min": output,
            "clamp_max": output}


def _check_formats(**formats: Format):
    for name, fmt in formats.items():
        if not isinstance(fmt, IntFormat):
            raise TypeError(f"{name.capitalize()} must be an integer format, not {fmt}")
