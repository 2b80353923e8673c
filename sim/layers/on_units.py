# amaranth: UnusedElaboratable=no
"""Layers on the units: tables, elementwise operations, concatenations and pools."""

from collections.abc import Callable, Mapping, Sequence
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from golden import elementwise
from golden.formats import Format, IntFormat
from golden.layers import kind_of
from golden.layers.elementwise import operations
from golden.layers.moves import broadcastable
from golden.networks import (
    Add,
    Concat,
    Layer,
    LeakyRelu,
    Lookup,
    Mul,
    Network,
    Pool,
    Rescale,
    Sub,
)
from golden.units import Addition, FusedScheme, Multiplication, Operation, Rescaling
from hw import units
from hw.requantize.lut import Lut
from hw.shared import Shared
from hw.tile.config import CODE_BITS
from hw.units.unit import Elementwise
from sim.backend import Backend, Trace
from sim.units import run_concat, run_elementwise, run_lookup, run_pool

__all__ = ["LANES", "UNITS", "UnitKind"]

LANES = 4
"""Elements of a vector of each unit."""


class UnitKind(NamedTuple):
    """How a kind of layer runs on a unit.

    Parameters
    ----------
    unit : callable
        ``unit(network, layer)`` returns the unit of a layer; ``TypeError`` or ``ValueError`` if
        none computes it.
    run : callable
        ``run(unit, backend, network, layer, inputs)`` returns the layer's output, computed by a
        simulation of that unit, and the trace.
    """

    unit: Callable[[Network, Any], Shared]
    run: Callable[[Any, Backend, Network, Any, Sequence[Any]], tuple[np.ndarray, Trace]]


def _table_unit(network: Network, layer: Lookup | LeakyRelu) -> Lut:
    for title, fmt in (("Input", network.quantization(layer.inputs[0]).format),
                       ("Output", layer.output.format)):
        if fmt.bits > CODE_BITS:
            raise ValueError(f"{title} of layer {layer.name!r} must have a format of at most "
                             f"{CODE_BITS} bits to be looked up in hardware, not {fmt}")
    return Lut(outputs=LANES, codes=None)


def _on_table(unit: Lut, backend: Backend, network: Network, layer: Lookup | LeakyRelu,
              inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Trace]:
    [x], fmt = inputs, network.quantization(layer.inputs[0]).format
    codes, trace = run_lookup(unit, backend, fmt.encode(x), _codes(network, layer))
    return layer.output.format.decode(codes), trace


def _codes(network: Network, layer: Lookup | LeakyRelu) -> np.ndarray:
    # Code of the output for each of the 256 codes of the input. Codes that the input's format does
    # not have become 0. Golden computes the function: a host fills a table, hardware only looks it
    # up.
    input, output = network.quantization(layer.inputs[0]).format, layer.output.format
    table = np.zeros(1 << CODE_BITS, dtype=np.int64)
    if isinstance(layer, Lookup):
        table[:len(layer.table)] = output.encode(layer.table)
    else:
        levels = input.levels()
        table[input.encode(levels)] = output.encode(
            kind_of(layer).run(layer, network, [levels], None))
    return table


def _elementwise_unit(network: Network, layer: Rescale | Add | Mul) -> Elementwise:
    [operation] = operations(layer, network)
    return _unit_of(operation)


def _unit_of(operation: Operation) -> Elementwise:
    match operation:
        case Rescaling():
            return units.Rescale(operation=operation, lanes=LANES)
        case Multiplication():
            return units.Multiply(operation=operation, lanes=LANES)
        case Addition(scheme=FusedScheme()):
            return units.FusedAdd(operation=operation, lanes=LANES)
        case Addition():
            return units.Add(operation=operation, lanes=LANES)
    raise TypeError(f"Operation must be one with a unit, not {operation!r}")


def _on_elementwise(unit: Elementwise, backend: Backend, network: Network,
                    layer: Rescale | Add | Mul, inputs: Sequence[np.ndarray]
                    ) -> tuple[np.ndarray, Trace]:
    # The inputs are broadcast together.
    y, trace = run_elementwise(unit, backend, np.broadcast_arrays(*broadcastable(inputs)),
                               [elementwise.check(unit.operation, layer.parameters)])
    return y[0], trace


def _concat_unit(network: Network, layer: Concat) -> units.Concat:
    operation, *others = operations(layer, network)
    assert isinstance(operation, Rescaling)
    if any(other != operation for other in others):
        formats = [str(network.quantization(name).format) for name in layer.inputs]
        raise ValueError(f"Inputs of layer {layer.name!r} must have one format to be joined in "
                         f"hardware, not {', '.join(formats)}")
    # A run of elements for each place in front of the axis.
    shapes = [network.tensors[name].shape for name in layer.inputs]
    sizes = [prod(shape[_axis(layer, shape) - 1:]) for shape in shapes]
    return units.Concat(operation=operation, tensors=len(layer.inputs), lanes=gcd(LANES, *sizes))


def _axis(layer: Concat, shape: Sequence[int]) -> int:
    # Axis of the joined tensors, with the batch in front.
    return layer.axis % (len(shape) + 1)


def _on_concat(unit: units.Concat, backend: Backend, network: Network, layer: Concat,
               inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Trace]:
    runs = prod(inputs[0].shape[:_axis(layer, inputs[0].shape[1:])])
    y, trace = run_concat(unit, backend, [x.reshape(runs, -1, unit.lanes) for x in inputs],
                          [elementwise.check(unit.operation, each) for each in layer.parameters])
    return y.reshape(len(inputs[0]), *network.tensors[layer.name].shape), trace


def _pool_unit(network: Network, layer: Pool) -> units.MaxPool | units.AveragePool:
    fmt = _integer(layer, layer.output.format)
    return (units.MaxPool(values=fmt, lanes=LANES) if layer.kind == "max" else
            units.AveragePool(values=fmt, lanes=LANES, window=prod(layer.size)))


def _on_pool(unit: units.MaxPool | units.AveragePool, backend: Backend, network: Network,
             layer: Pool, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Trace]:
    # A window for each place and each vector of channels.
    (rows, columns, channels), [x] = network.tensors[layer.name].shape, inputs
    x = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, -channels % LANES)), mode="edge")
    x = x.reshape(*x.shape[:3], -1, LANES)

    def taps(axis: int, index: int) -> slice:
        # Those of a window that are not padding.
        first = index * layer.stride[axis] - layer.padding[axis][0]
        return slice(max(first, 0), first + layer.size[axis])

    windows = [x[image, taps(0, row), taps(1, column), vector].reshape(-1, LANES)
               for image, row, column, vector in np.ndindex(len(x), rows, columns, x.shape[3])]
    fmt = unit.values
    y, trace = run_pool(unit, backend, windows, layer.clamp or (fmt.min, fmt.max))
    return y.reshape(len(x), rows, columns, -1)[..., :channels], trace


def _integer(layer: Pool, fmt: Format) -> IntFormat:
    if not isinstance(fmt, IntFormat):
        raise ValueError(f"Format of layer {layer.name!r} must be an integer one to be pooled in "
                         f"hardware, not {fmt}")
    return fmt


_TABLE = UnitKind(_table_unit, _on_table)
_ELEMENTWISE = UnitKind(_elementwise_unit, _on_elementwise)

UNITS: Mapping[type[Layer], UnitKind] = {
    Lookup: _TABLE, LeakyRelu: _TABLE, Rescale: _ELEMENTWISE, Add: _ELEMENTWISE, Sub: _ELEMENTWISE,
    Mul: _ELEMENTWISE, Concat: UnitKind(_concat_unit, _on_concat),
    Pool: UnitKind(_pool_unit, _on_pool)}
"""How each kind of layer runs on a unit."""
