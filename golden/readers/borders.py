"""Real numbers at the ends of a model: levels of its inputs, numbers of its outputs.

Each runtime rounds in its own way. TFLite's kernels QUANTIZE and ONNX's QuantizeLinear divide in
float32, XNNPACK multiplies by the float32 reciprocal of the scale, QONNX's Quant has eight
roundings.
"""

from collections.abc import Callable, Mapping

import numpy as np

from golden.formats import IntFormat
from golden.networks import Quantization
from golden.readers.model import Model
from golden.readers.qonnx.outputs import sums_of
from golden.runtimes.onnx_ops import quantize_linear

__all__ = ["levels_of", "reals_of"]

_MOST = np.float32(2**30)
"""Bound of a quotient, which the kernels turn into an int32 before they clamp it."""


def levels_of(model: Model, name: str, x) -> np.ndarray:
    """Levels that the model's runtime makes of real numbers, at an input of the network.

    - tflite-micro and LiteRT's reference kernels: ``clamp(half_away(x / scale) + zero_point)``;
    - LiteRT: ``clamp(rne(x * (1 / scale)) + zero_point)``;
    - ONNX Runtime: ``clamp(rne(x / scale) + zero_point)``;
    - qonnx: ``round(clamp(x / scale + zero_point))``, as the file's Quant rounds.

    Quotient, reciprocal and product are float32, each rounded to nearest even.

    Parameters
    ----------
    model : Model
    name : str
        Input of the network that an operator of the file quantizes (``model.quantize``).
    x : array_like of float, ``(batch, *shape)``
        Real numbers; float64 is rounded to float32 first.

    Returns
    -------
    array of int64, ``(batch, *shape)``

    Raises
    ------
    TypeError
        If a number is no float.
    ValueError
        If no operator quantizes the input; or if a number is not finite, or 2**30 scales or more.
    """
    if name not in {each.levels for each in model.quantize}:
        raise ValueError(f"Input {name!r} must be one that an operator of the model quantizes, "
                         f"not one of levels")
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"Input {name!r} must be of real numbers, not of {x.dtype}")
    quantization = model.network.quantization(name)
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
        sized = np.abs(x) / np.float32(quantization.scale)
    bad = np.argwhere(~(sized < _MOST))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(f"Input {name!r} must be finite and smaller than 2**30 times its scale "
                         f"{quantization.scale}, not {x[place]} at {place}")
    own = model.borders.get(name)
    return _QUANTIZE[model.runtime](x, quantization) if own is None else own(x)


def reals_of(model: Model, name: str, levels) -> np.ndarray:
    """Real numbers of a tensor: ``float32(scale * (level - zero_point))``, as every runtime.

    Of exact sums at an output of a QONNX model, they are the function behind the sums, computed
    exactly, and rounded to float64 and then to float32.

    Parameters
    ----------
    model : Model
    name : str
        Tensor of the network.
    levels : array_like of integers, ``(batch, *shape)``
        Its levels.
    """
    quantization = model.network.quantization(name)
    if (sums := sums_of(model, name)) is not None:
        own = quantization.format.check(levels, f"Levels of {name!r}")
        functions, channels = sums[0].reals, np.broadcast_to(sums[1], own.shape)
        reals = [float(functions[channel % len(functions)](n)) for n, channel in zip(
            own.ravel().tolist(), channels.ravel().tolist(), strict=True)]
        return np.array(reals).astype(np.float32).reshape(own.shape)
    centred = quantization.format.check(levels, f"Levels of {name!r}") - quantization.zero_point
    return centred.astype(np.float32) * np.float32(quantization.step)


def _tflite(x: np.ndarray, own: Quantization) -> np.ndarray:
    quotient = (x / np.float32(own.scale)).astype(np.float64)
    # Exact: float64 holds a float32 and a half.
    return _offset(np.copysign(np.floor(np.abs(quotient) + 0.5), quotient), own)


def _xnnpack(x: np.ndarray, own: Quantization) -> np.ndarray:
    return _offset(np.rint(x * (np.float32(1) / np.float32(own.scale))), own)


def _onnx(x: np.ndarray, own: Quantization) -> np.ndarray:
    return quantize_linear(x, np.float32(own.scale), own.zero_point, output=own.format)


def _offset(rounded: np.ndarray, own: Quantization) -> np.ndarray:
    assert isinstance(own.format, IntFormat)
    return np.clip(rounded.astype(np.int64) + own.zero_point, own.format.min, own.format.max)


_QUANTIZE: Mapping[str, Callable[[np.ndarray, Quantization], np.ndarray]] = {
    "tflite-micro": _tflite, "litert-reference": _tflite, "litert": _xnnpack,
    "onnxruntime": _onnx, "onnxruntime-unfused": _onnx}
"""Function of each runtime."""
