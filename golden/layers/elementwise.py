"""Elementwise layers: Rescale, Add, Sub, Mul and Concat."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from golden import elementwise
from golden.block_scaled import Levels
from golden.formats import Format, IntFormat
from golden.layers.kind import Kind
from golden.networks import Add, Concat, Layer, Mul, Network, Rescale, Sub
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication, Operation, Rescaling

__all__ = ["ELEMENTWISE", "operations"]


def operations(layer: Layer, network: Network) -> Sequence[Operation]:
    """Operations of an elementwise layer: one, or for a Concat one per input.

    Raises
    ------
    TypeError
        If the layer is of another kind, or a format is no integer format.
    """
    inputs = [_integer(name, network.quantization(name).format) for name in layer.inputs]
    output = _integer(layer.name, layer.output.format)
    match layer:
        case Rescale() | Concat():
            return [Rescaling(layer.contract, fmt, output) for fmt in inputs]
        case Mul():
            return [Multiplication(layer.contract, inputs[0], inputs[1], output)]
        case Add():
            subtract = isinstance(layer, Sub)
            return [Addition(layer.scheme, inputs[0], inputs[1], output, subtract)]
    raise TypeError(f"Layer must be a Rescale, an Add, a Sub, a Mul or a Concat, not {layer!r}")


def _units(layer: Rescale | Add | Mul | Concat, network: Network
           ) -> Iterable[tuple[Operation, Any, list[str]]]:
    # Each operation, its parameters and the names of its tensors.
    sets, names = [layer.parameters], [list(layer.inputs)]
    if isinstance(layer, Concat):
        sets, names = list(layer.parameters), [[name] for name in layer.inputs]
    if len(sets) != len(names):
        raise ValueError(f"Parameters must be {len(names)} sets, one for each input, "
                         f"not {len(sets)}")
    return zip(operations(layer, network), sets, names, strict=True)


def _prove(layer: Rescale | Add | Mul | Concat, network: Network, x: Sequence[Levels] | None):
    try:
        for operation, parameters, names in _units(layer, network):
            elementwise.check(operation, parameters)
            owners = {f"{field}_zero_point": network.quantization(name)
                      for field, name in zip(operation.names, names, strict=True)}
            for field, owner in (owners | {"zero_point": layer.output}).items():
                # A fused sum has its zero points in the offset.
                if field in parameters and parameters[field] != owner.zero_point:
                    raise ValueError(f"Parameter {field} must be {owner.zero_point}, as the "
                                     f"tensor's, not {parameters[field]}")
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error


def _run(layer: Rescale | Add | Mul | Concat, network: Network, x: Sequence[Levels], sums: None
         ) -> np.ndarray:
    own = operations(layer, network)
    if isinstance(layer, Concat):
        return elementwise.concat(own, x, layer.parameters, axis=layer.axis)
    # Behind the batch, shapes are broadcast from their last axis on.
    rank = max(map(np.ndim, x))
    operands = [each.reshape(len(each), *[1] * (rank - each.ndim), *each.shape[1:])
                for each in map(np.asarray, x)]
    return elementwise.compute(own[0], operands, layer.parameters)


def _integer(name: str, fmt: Format) -> IntFormat:
    if not isinstance(fmt, IntFormat):
        raise TypeError(f"Format of tensor {name!r} must be an integer one, not {fmt}")
    return fmt


def _check_scales(layer: Rescale | Add | Mul | Concat, network: Network):
    try:
        for operation, parameters, names in _units(layer, network):
            own = elementwise.check(operation, parameters)
            expected = parameters_of(operation, *map(network.quantization, names), layer.output,
                                     clamp=(own["clamp_min"], own["clamp_max"]))
            for name, value in expected.items():
                if own[name] != value:
                    raise ValueError(f"Parameter {name} must be {value}, by the tensors' scales, "
                                     f"not {own[name]}")
    except ValueError as error:
        raise ValueError(f"Layer {layer.name!r}: {error}") from error


ELEMENTWISE = Kind(_prove, _run, _check_scales)
