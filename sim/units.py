"""Drivers of the units that bring tensors together: tensors in, tensors out, on any backend.

A unit stands behind the ports of :class:`sim.components.AxiComponent`. Parameter sets follow one
another: a set is sent when the last result of the one before it has come, as the unit asks.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from golden.formats import Format, IntFormat
from hw.units import AveragePool, Concat, MaxPool
from hw.units.unit import Elementwise
from sim.backend import Backend, Beats, Trace
from sim.checks import check_design
from sim.components import record_beats, vector_beats
from sim.packing import unpack

__all__ = ["run_elementwise", "run_concat", "run_pool", "packed_record"]

PARAMETERS, OUTPUT = "s_axis_parameters", "m_axis_o"


def run_elementwise(unit: Elementwise, backend: Backend, operands: Sequence[np.ndarray],
                    parameters: Sequence[Mapping], *, stall: float = 0.0, seed: int = 0
                    ) -> tuple[np.ndarray, Trace]:
    """Put the same operands through a unit with each of several parameter sets.

    Parameters
    ----------
    unit : Elementwise
    backend : Backend
        Of that unit.
    operands : sequence of array of integers
        Levels, of one shape.
    parameters : sequence of mapping of str to int
        Sets of the operation's fields.
    stall, seed
        As :meth:`sim.backend.Backend.run` has them.

    Returns
    -------
    array of int64 ``(sets, *shape)``, Trace

    Raises
    ------
    ValueError
        Where the backend simulates another unit.
    """
    check_design(unit, backend)
    operation, sets = unit.operation, len(parameters)
    shape, count = operands[0].shape, operands[0].size
    beats = -(-count // unit.lanes)
    inputs = {PARAMETERS: _sets([packed_record(operation.fields, p) for p in parameters],
                                operation.fields, beats)}
    for (name, fmt), levels in zip(operation.operands.items(), operands, strict=True):
        codes = np.zeros(beats * unit.lanes, dtype=np.int64)
        codes[:count] = fmt.encode(levels.ravel())
        inputs[_port(name)] = vector_beats(
            np.tile(codes.reshape(beats, unit.lanes), (sets, 1)), fmt.bits,
            after={PARAMETERS: np.repeat(np.arange(sets) + 1, beats)})
    trace = backend.run(inputs, sets * beats, stall=stall, seed=seed)
    levels = _levels(trace, operation.output, unit.lanes).reshape(sets, -1)[:, :count]
    return levels.reshape(sets, *shape), trace


def run_concat(unit: Concat, backend: Backend, tensors: Sequence[np.ndarray],
               parameters: Sequence[Mapping], *, stall: float = 0.0, seed: int = 0
               ) -> tuple[np.ndarray, Trace]:
    """Join tensors, each with its parameters.

    Parameters
    ----------
    unit : Concat
    backend : Backend
        Of that unit.
    tensors : sequence of array of integers ``(runs, vectors, lanes)``
        Of each input; they differ in ``vectors`` only.
    parameters : sequence of mapping of str to int
        Of each input.

    Returns
    -------
    array of int64 ``(runs, sum of vectors, lanes)``, Trace

    Raises
    ------
    ValueError
        As :func:`run_elementwise`.
    """
    check_design(unit, backend)
    operation = unit.operation
    record, width = 0, _width(operation.fields)
    for place, p in enumerate(parameters):
        record |= packed_record(operation.fields, p) << place * width
    runs, vectors = len(tensors[0]), sum(tensor.shape[1] for tensor in tensors)
    inputs = {PARAMETERS: record_beats([record], width * len(parameters))}
    for place, tensor in enumerate(tensors):
        ends = np.zeros(tensor.shape[:2], bool)
        ends[:, -1] = True
        inputs[_port(f"i_{place}")] = vector_beats(
            operation.input.encode(tensor.reshape(-1, unit.lanes)), operation.input.bits,
            last=ends.ravel(), after={PARAMETERS: np.ones(ends.size, int)})
    trace = backend.run(inputs, runs * vectors, stall=stall, seed=seed)
    return (_levels(trace, operation.output, unit.lanes).reshape(runs, vectors, unit.lanes),
            trace)


def run_pool(unit: AveragePool | MaxPool, backend: Backend, windows: Sequence[np.ndarray],
             clamp: tuple[int, int], *, stall: float = 0.0, seed: int = 0
             ) -> tuple[np.ndarray, Trace]:
    """Pool windows of any sizes.

    Parameters
    ----------
    unit : AveragePool or MaxPool
    backend : Backend
        Of that unit.
    windows : sequence of array of integers ``(taps, lanes)``
    clamp : pair of int

    Returns
    -------
    array of int64 ``(windows, lanes)``, Trace

    Raises
    ------
    ValueError
        As :func:`run_elementwise`.
    """
    check_design(unit, backend)
    fmt = unit.values
    fields = {"clamp_min": fmt, "clamp_max": fmt}
    record = packed_record(fields, dict(zip(fields, clamp, strict=True)))
    sizes = np.array([len(window) for window in windows])
    ends = np.zeros(sizes.sum(), bool)
    ends[np.cumsum(sizes) - 1] = True
    inputs = {
        PARAMETERS: record_beats([record], _width(fields)),
        "s_axis_i": vector_beats(fmt.encode(np.concatenate(windows)), fmt.bits, last=ends,
                                 after={PARAMETERS: np.ones(len(ends), int)}),
    }
    trace = backend.run(inputs, len(windows), stall=stall, seed=seed)
    return _levels(trace, fmt, unit.lanes), trace


def packed_record(fields: Mapping[str, IntFormat], values: Mapping) -> int:
    """Pack parameters as hardware holds them, the first field lowest."""
    record, lsb = 0, 0
    for name, fmt in fields.items():
        record |= int(fmt.encode(values[name])) << lsb
        lsb += fmt.bits
    return record


def _sets(records: Sequence[int], fields: Mapping[str, Format], beats: int) -> Beats:
    return record_beats(records, _width(fields),
                        after={OUTPUT: np.arange(len(records)) * beats})


def _width(fields: Mapping[str, Format]) -> int:
    return sum(fmt.bits for fmt in fields.values())


def _port(name: str) -> str:
    return f"s_axis_{name.removeprefix('i_')}"


def _levels(trace: Trace, fmt: Format, lanes: int) -> np.ndarray:
    return fmt.decode(unpack(trace.data, fmt.bits, lanes))
