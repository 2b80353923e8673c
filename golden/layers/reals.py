"""Layers of float32 numbers: dynamic quantization, and single operations between exact sums."""

from collections.abc import Sequence

import numpy as np

from golden.block_scaled import Levels
from golden.contracts import S32
from golden.formats import Format, IntFormat
from golden.layers.kind import Kind
from golden.layers.moves import broadcastable
from golden.networks import (
    FLOAT32,
    Centre,
    DynamicQuantize,
    FloatOperation,
    Layer,
    Network,
    ToFloat,
)
from golden.ranges import levels_range
from golden.runtimes.onnx_ops import dynamic_quantize_linear

__all__ = ["CENTRE", "DYNAMIC_QUANTIZE", "FLOAT_OPERATION", "TO_FLOAT"]

_U8 = IntFormat(8, signed=False)
_OPERANDS = {"add": 2, "mul": 2, "relu": 1}
_PARTS = {"levels": _U8, "scale": FLOAT32, "zero_point": _U8}


def _check(layer: Layer, network: Network, input: Format | type[IntFormat] = FLOAT32,
           output: Format | type[IntFormat] = FLOAT32):
    # Formats; a type instead of a format stands for all of its formats.
    for title, fmt, wanted in (
            *((f"Tensor {name!r}", network.quantization(name).format, input)
              for name in layer.inputs),
            (f"Output of layer {layer.name!r}", layer.output.format, output)):
        if fmt != wanted and not (isinstance(wanted, type) and isinstance(fmt, wanted)):
            name = "an integer format" if isinstance(wanted, type) else f"format {wanted}"
            raise ValueError(f"{title} must have {name}, not {fmt}")


def _prove_dynamic(layer: DynamicQuantize, network: Network, x: Sequence[Levels] | None):
    if layer.part not in _PARTS:
        raise ValueError(f"Part of layer {layer.name!r} must be one of {', '.join(_PARTS)}, "
                         f"not {layer.part!r}")
    _check(layer, network, output=_PARTS[layer.part])


def _run_dynamic(layer: DynamicQuantize, network: Network, x: Sequence[Levels], sums: None
                 ) -> np.ndarray:
    own = [dynamic_quantize_linear(member)[tuple(_PARTS).index(layer.part)]
           for member in np.asarray(x[0])]
    return np.array(own, np.float32 if layer.part == "scale" else np.int64).reshape(
        len(own), *network.tensors[layer.name].shape)


def _prove_centre(layer: Centre, network: Network, x: Sequence[Levels] | None):
    _check(layer, network, IntFormat, IntFormat)
    levels, zero_points = (levels_range(network.quantization(name).format)
                           for name in layer.inputs)
    if levels - zero_points not in levels_range(layer.output.format):
        raise ValueError(f"Output of layer {layer.name!r} must hold {levels - zero_points}, "
                         f"not {layer.output.format}")


def _run_centre(layer: Centre, network: Network, x: Sequence[Levels], sums: None) -> np.ndarray:
    return np.subtract(*broadcastable(x))


def _prove_to_float(layer: ToFloat, network: Network, x: Sequence[Levels] | None):
    _check(layer, network, IntFormat)
    source = network.quantization(layer.inputs[0]).format
    if levels_range(source) not in levels_range(S32):
        raise ValueError(f"Tensor {layer.inputs[0]!r} must have a format within int32, "
                         f"not {source}")


def _run_to_float(layer: ToFloat, network: Network, x: Sequence[Levels], sums: None
                  ) -> np.ndarray:
    return np.asarray(x[0]).astype(np.float32)


def _prove_operation(layer: FloatOperation, network: Network, x: Sequence[Levels] | None):
    if layer.kind not in _OPERANDS:
        raise ValueError(f"Kind of layer {layer.name!r} must be one of {', '.join(_OPERANDS)}, "
                         f"not {layer.kind!r}")
    if len(layer.inputs) != _OPERANDS[layer.kind]:
        raise ValueError(f"Layer {layer.name!r} must have {_OPERANDS[layer.kind]} inputs, "
                         f"not {len(layer.inputs)}")
    _check(layer, network)


def _run_operation(layer: FloatOperation, network: Network, x: Sequence[Levels], sums: None
                   ) -> np.ndarray:
    operands = broadcastable(x)
    with np.errstate(over="ignore", under="ignore"):
        match layer.kind:
            case "relu":
                y = np.where(operands[0] > 0, operands[0], np.float32(0))
            case "add":
                y = np.add(*operands)
            case _:
                y = np.multiply(*operands)
    if not np.isfinite(y).all():
        raise ValueError(f"Numbers of layer {layer.name!r} must be finite, "
                         f"not {y[~np.isfinite(y)].flat[0]}")
    return y


def _pass(layer: Layer, network: Network):
    # Float32 numbers have no scale.
    pass


DYNAMIC_QUANTIZE = Kind(_prove_dynamic, _run_dynamic, _pass, floats=True)
"""Proof and run of dynamic quantization."""

CENTRE = Kind(_prove_centre, _run_centre, _pass)
"""Proof and run of the subtraction of zero points."""

TO_FLOAT = Kind(_prove_to_float, _run_to_float, _pass, floats=True)
"""Proof and run of integers as float32."""

FLOAT_OPERATION = Kind(_prove_operation, _run_operation, _pass, floats=True)
"""Proof and run of single operations on float32."""
