"""From the real scales of tensors to the parameters of the units that bring them together.

As the runtimes do it, each in its own floats: :func:`golden.multipliers.combined_scale`. Their
scales are float32s, which those given are rounded to first.
"""

import numpy as np

from golden.contracts import Clamped, Contract
from golden.elementwise import fused_multiply_add
from golden.formats import IntFormat
from golden.multipliers import combined_scale, scale_parameters
from golden.networks import Quantization
from golden.ranges import Range
from golden.units import Addition, FusedScheme, Multiplication, Operation, Rescaling

__all__ = ["parameters_of", "rescaling_parameters", "multiplication_parameters",
           "addition_parameters"]

Clamp = tuple[int, int] | None


def parameters_of(operation: Operation, *tensors: Quantization, clamp: Clamp = None
                  ) -> dict[str, int]:
    """Parameters of any operation, of the tensors that it takes and then the one that it makes.

    By the function below that is for it; see there.
    """
    make = {Rescaling: rescaling_parameters, Multiplication: multiplication_parameters,
            Addition: addition_parameters}[type(operation)]
    return make(operation, *tensors, clamp=clamp)


def rescaling_parameters(operation: Rescaling, x: Quantization, output: Quantization, *,
                         clamp: Clamp = None) -> dict[str, int]:
    """Parameters with which a :class:`~golden.units.Rescaling` keeps the real numbers.

    The scale is ``x.scale / output.scale``; equal scales give exactly 1.

    Parameters
    ----------
    operation : Rescaling
    x, output : Quantization
        Per tensor.
    clamp : pair of int, optional
        By default the ends of the output's format.

    Returns
    -------
    dict of str to int
        One for each of the operation's fields.

    Raises
    ------
    ValueError
        Where the contract cannot represent the ratio of the scales.
    """
    ratio = combined_scale(operation.contract, _scale(x), output=_scale(output))
    return {"input_zero_point": _zero_point(x),
            **_scaled(operation.contract, ratio, operation.sums),
            **_ends(operation.output, output, clamp)}


def multiplication_parameters(operation: Multiplication, a: Quantization, b: Quantization,
                              output: Quantization, *, clamp: Clamp = None) -> dict[str, int]:
    """Parameters of a :class:`~golden.units.Multiplication`: ``a.scale * b.scale / output.scale``.

    As :func:`rescaling_parameters`.
    """
    ratio = combined_scale(operation.contract, _scale(a), _scale(b), output=_scale(output))
    return {"a_zero_point": _zero_point(a), "b_zero_point": _zero_point(b),
            **_scaled(operation.contract, ratio, operation.sums),
            **_ends(operation.output, output, clamp)}


def addition_parameters(operation: Addition, a: Quantization, b: Quantization,
                        output: Quantization, *, clamp: Clamp = None) -> dict[str, int]:
    """Parameters of an :class:`~golden.units.Addition`.

    ``tflite``: with ``twice = 2 * max(a.scale, b.scale)`` the operands are scaled by
    ``a.scale / twice`` and ``b.scale / twice``, their sum by ``twice / (2**left * output.scale)``,
    all in float64 of float32 scales; that last one is below 1, or TFLite stops.

    ``int16``: with the unit ``max(a.scale, b.scale) / 2**places`` by ``a.scale / unit`` and
    ``b.scale / unit``, their sum by ``unit / output.scale``; ``places``, which may be negative, is
    the largest with which no operand exceeds 2**14 in magnitude, so that int16 holds the sum too.

    ``onnx``, in float32: ``ra = a.scale / output.scale``, ``rb`` likewise, and the offset
    ``zero_point - fma(a_zero_point, ra, rb * b_zero_point)``.

    As :func:`rescaling_parameters` otherwise.
    """
    sa, sb, sy = _scale(a), _scale(b), _scale(output)
    scheme = operation.scheme
    if isinstance(scheme, FusedScheme):
        ra, rb = np.float32(sa) / np.float32(sy), np.float32(sb) / np.float32(sy)
        inner = fused_multiply_add(_zero_point(a), ra, rb * np.float32(_zero_point(b)))
        offset = np.float32(_zero_point(output)) - inner
        ends = _ends(operation.output, output, clamp)
        return {"a_scale": _bits(ra), "b_scale": _bits(rb), "offset": _bits(offset),
                "clamp_min": ends["clamp_min"], "clamp_max": ends["clamp_max"]}

    largest = max(sa, sb)
    if scheme.name == "int16":
        reach = max(operation.scaled(fmt).magnitude for fmt in (operation.a, operation.b))
        unit = largest / 2.0**(14 - (reach - 1).bit_length())
    else:
        unit = 2 * largest
    last = combined_scale(scheme.contract, unit, output=2**scheme.left * sy)
    if scheme.name != "int16" and last >= 1:
        raise ValueError(f"Output scale must be more than {unit / 2**scheme.left!r} for scheme "
                         f"{scheme.name}, not {sy!r}")
    parameters: dict[str, int] = {}
    for name, quantization, scale in (("a", a, sa), ("b", b, sb)):
        parameters[f"{name}_zero_point"] = _zero_point(quantization)
        own = _scaled(scheme.contract, combined_scale(scheme.contract, scale, output=unit),
                      operation.scaled(getattr(operation, name)))
        parameters |= {f"{name}_{field}": value for field, value in own.items()}
    return {**parameters, **_scaled(scheme.contract, last, operation.sums),
            **_ends(operation.output, output, clamp)}


def _bits(value) -> int:
    return int(np.float32(value).view(np.uint32))


def _scale(quantization: Quantization) -> float:
    scale = np.asarray(quantization.scale)
    if scale.ndim:
        raise ValueError(f"Scale must be a scalar, not shape {scale.shape}")
    return float(scale)


def _zero_point(quantization: Quantization) -> int:
    zero_point = quantization.format.check_zero_point(quantization.zero_point)
    if zero_point.ndim:
        raise ValueError(f"Zero point must be a scalar, not shape {zero_point.shape}")
    return int(zero_point)


def _scaled(contract: Contract, ratio: np.ndarray, sums: Range) -> dict[str, int]:
    assert isinstance(contract, Clamped)
    return {name: int(value) for name, value in
            scale_parameters(contract, ratio, contract.sum_format(sums)).items()}


def _ends(fmt: IntFormat, output: Quantization, clamp: Clamp) -> dict[str, int]:
    lo, hi = (fmt.min, fmt.max) if clamp is None else clamp
    return {"zero_point": _zero_point(output), "clamp_min": lo, "clamp_max": hi}
