"""Parameters of the elementwise units, from the real scales of their tensors.

They are those of the runtimes, each in its own floats (:func:`golden.multipliers.combined_scale`).
A runtime holds float32 scales; real scales are rounded to them first.
"""

import numpy as np

from golden.contracts import Clamped, Contract
from golden.elementwise import fused_multiply_add
from golden.multipliers import combined_scale, scale_parameters
from golden.networks import Quantization
from golden.ranges import Range
from golden.units import Addition, FusedScheme, Operation, Scheme

__all__ = ["parameters_of"]

# Schemes whose multipliers have one shift: bits, the floats of the ratios, and their range.
_SHARED = {"xnnpack": (21, np.float32, -10, 8), "exact": (30, np.float64, -30, 30)}


def parameters_of(operation: Operation, *tensors: Quantization,
                  clamp: tuple[int, int] | None = None) -> dict[str, int]:
    """Parameters with which an operation keeps the real numbers.

    A :class:`~golden.units.Rescaling` scales by ``x.scale / output.scale``, so that equal scales
    give exactly 1. A :class:`~golden.units.Multiplication` scales by ``a.scale * b.scale /
    output.scale``. An :class:`~golden.units.Addition` scales as its scheme says:

    ``tflite``
        Operands by ``a.scale / twice`` and ``b.scale / twice``, with ``twice = 2 * max(a.scale,
        b.scale)``; their sum by ``twice / (2**left * output.scale)``, which must be below 1, as in
        TFLite. All in float64 of float32 scales.
    ``int16``
        Operands by ``a.scale / unit`` and ``b.scale / unit``, with ``unit = max(a.scale, b.scale)
        / 2**places``; their sum by ``unit / output.scale``. ``places``, perhaps negative, is the
        largest with which no operand exceeds 2**14 in magnitude, so that int16 holds the sum too.
    ``xnnpack``
        In float32 operands by ``a.scale / output.scale`` and ``b.scale / output.scale``, both in
        range [2**-10, 2**8), as integers of at most 21 bits with one shift.
    ``exact``
        Operands by ``a.scale / output.scale`` and ``b.scale / output.scale``, both in range
        [2**-30, 2**30), as integers of at most 2**30 with one shift: only their sum is rounded.
    ``onnx``
        In float32 ``ra = a.scale / output.scale``, ``rb`` likewise, and the offset
        ``zero_point - fma(a_zero_point, ra, rb * b_zero_point)``.

    Parameters
    ----------
    operation : Operation
    *tensors : Quantization
        Quantization of each operand, then of the output; one scale per tensor.
    clamp : pair of int, optional
        Ends of the clamp; by default those of the output's format.

    Returns
    -------
    dict of str to int
        Value of each field of the operation.

    Raises
    ------
    ValueError
        If the contract cannot represent the ratio of the scales.
    """
    scales, zero_points = [*map(_scale, tensors)], [*map(Quantization.scalar_zero_point, tensors)]
    if not isinstance(operation, Addition):
        ratio = combined_scale(operation.contract, *scales[:-1], output=scales[-1])
        own = _scaled(operation.contract, ratio, operation.sums)
    elif isinstance(operation.scheme, FusedScheme):
        own = _fused(scales, zero_points)
    else:
        own = _added(operation, operation.scheme, scales)
    names = (*(f"{name}_zero_point" for name in operation.names), "zero_point")
    lo, hi = (operation.output.min, operation.output.max) if clamp is None else clamp
    own |= dict(zip(names, zero_points, strict=True)) | {"clamp_min": lo, "clamp_max": hi}
    return {field: own[field] for field in operation.fields}


def _fused(scales: list[float], zero_points: list[int]) -> dict[str, int]:
    (a, b, y), (za, zb, zy) = map(np.float32, scales), zero_points
    offset = np.float32(zy) - fused_multiply_add(za, a / y, b / y * np.float32(zb))
    return {"a_scale": _bits(a / y), "b_scale": _bits(b / y), "offset": _bits(offset)}


def _added(operation: Addition, scheme: Scheme, scales: list[float]) -> dict[str, int]:
    *operands, output = scales
    if scheme.name in _SHARED:
        return _shared_shift(operation, operands, output)
    largest = max(operands)
    if scheme.name == "int16":
        reach = max(operation.scaled(fmt).magnitude for fmt in (operation.a, operation.b))
        unit = largest / 2.0**(14 - (reach - 1).bit_length())
    else:
        unit = 2 * largest
    last = combined_scale(scheme.contract, unit, output=2**scheme.left * output)
    if scheme.name != "int16" and last >= 1:
        raise ValueError(f"Output scale must be more than {unit / 2**scheme.left!r} for scheme "
                         f"{scheme.name}, not {output!r}")
    parameters = _scaled(scheme.contract, last, operation.sums)
    for name, scale in zip(operation.names, operands, strict=True):
        own = _scaled(scheme.contract, combined_scale(scheme.contract, scale, output=unit),
                      operation.scaled(getattr(operation, name)))
        parameters |= {f"{name}_{field}": value for field, value in own.items()}
    return parameters


def _shared_shift(operation: Addition, operands: list[float], output: float) -> dict[str, int]:
    # Multipliers with one shift, which only the sum is rounded by.
    scheme = operation.scheme
    bits, kind, least, most = _SHARED[scheme.name]
    ratios = [kind(scale) / kind(output) for scale in operands]
    if not (max(ratios) < 2.0**most and min(ratios) >= 2.0**least):
        raise ValueError(f"Scales of the operands, divided by the output's, must be in range "
                         f"[2**{least}, 2**{most}) for scheme {scheme.name}, "
                         f"not {list(map(float, ratios))}")
    shift = bits - int(np.frexp(max(ratios))[1])
    parameters = {"multiplier": 1, "shift": shift}
    for name, ratio in zip(operation.names, ratios, strict=True):
        parameters |= {f"{name}_multiplier": int(np.rint(np.ldexp(ratio, shift))),
                       f"{name}_shift": 0}
    return parameters


def _bits(value) -> int:
    return int(np.float32(value).view(np.uint32))


def _scale(quantization: Quantization) -> float:
    scale = np.asarray(quantization.scale)
    if scale.ndim:
        raise ValueError(f"Scale must be a scalar, not shape {scale.shape}")
    return float(scale)


def _scaled(contract: Contract, ratio: np.ndarray, sums: Range) -> dict[str, int]:
    assert isinstance(contract, Clamped)
    return {name: int(value) for name, value in
            scale_parameters(contract, ratio, contract.sum_format(sums)).items()}
