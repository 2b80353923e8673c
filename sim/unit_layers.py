# amaranth: UnusedElaboratable=no
"""Layers on the units: tables, elementwise operations, concatenations and pools."""

from collections.abc import Sequence
from math import gcd, prod

import numpy as np

from golden import elementwise
from golden.formats import Format, IntFormat
from golden.layers import kind_of
from golden.layers.elementwise import operations
from golden.layers.moves import broadcastable
from golden.networks import Add, Concat, LeakyRelu, Lookup, Mul, Network, Pool, Rescale
from golden.units import Addition, FusedScheme, Multiplication, Operation, Rescaling
from hw import units
from hw.requantize.lut import Lut
from hw.tile.config import CODE_BITS
from hw.units.unit import Elementwise
from sim.backend import Trace
from sim.hardware import Hardware
from sim.units import run_concat, run_elementwise, run_lookup, run_pool

__all__ = ["on_concat", "on_elementwise", "on_pool", "on_table", "table_codes"]

LANES = 4
"""Elements of a vector of each unit."""


def on_table(hardware: Hardware, network: Network, layer: Lookup | LeakyRelu,
             inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Trace]:
    """Run a function of single elements of at most 8 bits on a table of 256 codes."""
    unit = Lut(outputs=LANES, codes=None)
    [x], fmt = inputs, network.quantization(layer.inputs[0]).format
    codes, trace = run_lookup(unit, hardware.units(unit), fmt.encode(x),
                              table_codes(network, layer))
    return layer.output.format.decode(codes), trace


def table_codes(network: Network, layer: Lookup | LeakyRelu) -> np.ndarray:
    """Code of the output for each of the 256 codes of the input, ``(256,)``.

    Codes that the input's format does not have become 0. Golden computes the function: a host
    fills a table, hardware only looks it up.

    Raises
    ------
    ValueError
        If the codes of input or output have more than 8 bits.
    """
    input, output = network.quantization(layer.inputs[0]).format, layer.output.format
    for title, fmt in (("Input", input), ("Output", output)):
        if fmt.bits > CODE_BITS:
            raise ValueError(f"{title} of layer {layer.name!r} must have a format of at most "
                             f"{CODE_BITS} bits to be looked up in hardware, not {fmt}")
    table = np.zeros(1 << CODE_BITS, dtype=np.int64)
    if isinstance(layer, Lookup):
        table[:len(layer.table)] = output.encode(layer.table)
    else:
        levels = input.levels()
        table[input.encode(levels)] = output.encode(
            kind_of(layer).run(layer, network, [levels], None))
    return table


def on_elementwise(hardware: Hardware, network: Network, layer: Rescale | Add | Mul,
                   inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, Trace]:
    """Run a Rescale, an Add, a Sub or a Mul on its unit, the inputs broadcast together."""
    [operation] = operations(layer, network)
    unit = _elementwise(operation)
    y, trace = run_elementwise(unit, hardware.units(unit),
                               np.broadcast_arrays(*broadcastable(inputs)),
                               [elementwise.check(operation, layer.parameters)])
    return y[0], trace


def _elementwise(operation: Operation) -> Elementwise:
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


def on_concat(hardware: Hardware, network: Network, layer: Concat, inputs: Sequence[np.ndarray]
              ) -> tuple[np.ndarray, Trace]:
    """Run a concatenation on its unit: a run for each place in front of the axis."""
    operation, *others = operations(layer, network)
    assert isinstance(operation, Rescaling)
    if any(other != operation for other in others):
        formats = [str(network.quantization(name).format) for name in layer.inputs]
        raise ValueError(f"Inputs of layer {layer.name!r} must have one format to be joined in "
                         f"hardware, not {', '.join(formats)}")
    axis = layer.axis % inputs[0].ndim
    runs = prod(inputs[0].shape[:axis])
    rows = [x.reshape(runs, -1) for x in inputs]
    lanes = gcd(LANES, *(row.shape[1] for row in rows))
    unit = units.Concat(operation=operation, tensors=len(inputs), lanes=lanes)
    y, trace = run_concat(unit, hardware.units(unit),
                          [row.reshape(runs, -1, lanes) for row in rows],
                          [elementwise.check(operation, each) for each in layer.parameters])
    return y.reshape(len(inputs[0]), *network.tensors[layer.name].shape), trace


def on_pool(hardware: Hardware, network: Network, layer: Pool, inputs: Sequence[np.ndarray]
            ) -> tuple[np.ndarray, Trace]:
    """Run a pool on its unit: a window for each place and each vector of channels."""
    fmt = _integer(layer, layer.output.format)
    unit = (units.MaxPool(values=fmt, lanes=LANES) if layer.kind == "max" else
            units.AveragePool(values=fmt, lanes=LANES, window=prod(layer.size)))
    (rows, columns, channels), [x] = network.tensors[layer.name].shape, inputs
    x = np.pad(x, ((0, 0), (0, 0), (0, 0), (0, -channels % LANES)), mode="edge")
    x = x.reshape(*x.shape[:3], -1, LANES)

    def taps(axis: int, index: int) -> slice:
        # Those of a window that are not padding.
        first = index * layer.stride[axis] - layer.padding[axis][0]
        return slice(max(first, 0), first + layer.size[axis])

    windows = [x[image, taps(0, row), taps(1, column), vector].reshape(-1, LANES)
               for image, row, column, vector in np.ndindex(len(x), rows, columns, x.shape[3])]
    y, trace = run_pool(unit, hardware.units(unit), windows, layer.clamp or (fmt.min, fmt.max))
    return y.reshape(len(x), rows, columns, -1)[..., :channels], trace


def _integer(layer: Pool, fmt: Format) -> IntFormat:
    if not isinstance(fmt, IntFormat):
        raise ValueError(f"Format of layer {layer.name!r} must be an integer one to be pooled in "
                         f"hardware, not {fmt}")
    return fmt
