"""Drivers of the units: tensors in, tensors out, on any backend.

A unit has the ports of :class:`sim.components.AxiComponent`. A parameter set is sent only after the
last result of the set before, since a unit's parameters must hold until then.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from golden.formats import Format, integers
from hw.drive import Beats
from hw.requantize.lut import Lut
from hw.tile.ports import port_of
from hw.units import AveragePool, Concat, MaxPool
from hw.units.unit import Elementwise, Unit
from sim.backend import Backend, Trace
from sim.checks import check_design
from sim.components import beats_of

__all__ = ["run_elementwise", "run_concat", "run_lookup", "run_pool"]

PARAMETERS, OUTPUT = "s_axis_parameters", "m_axis_o"


def run_elementwise(unit: Elementwise, backend: Backend, operands: Sequence[np.ndarray],
                    parameters: Sequence[Mapping], *, stall: float = 0.0, seed: int = 0
                    ) -> tuple[np.ndarray, Trace]:
    """Run the same operands through a unit with each of several parameter sets.

    Parameters
    ----------
    unit : Elementwise
    backend : Backend
        Simulation of that unit.
    operands : sequence of array of integers
        Levels, of one shape.
    parameters : sequence of mapping of str to int
        Sets of the operation's fields.
    stall, seed
        Parameters of :meth:`sim.backend.Backend.run`.

    Returns
    -------
    array of int64 ``(sets, *shape)``, Trace

    Raises
    ------
    ValueError
        If the backend simulates another unit.
    """
    check_design(unit, backend)
    operation, sets = unit.operation, len(parameters)
    shape, count = operands[0].shape, operands[0].size
    beats = -(-count // unit.lanes)
    inputs = {PARAMETERS: beats_of(
        unit.payloads["parameters"], _record(operation.fields, parameters),
        after={OUTPUT: np.arange(sets) * beats})}
    for (name, fmt), levels in zip(operation.operands.items(), operands, strict=True):
        codes = np.zeros(beats * unit.lanes, dtype=np.int64)
        codes[:count] = fmt.encode(levels.ravel())
        payload = unit.payloads[name]
        inputs[port_of(name, payload).name] = beats_of(
            payload, {"values": np.tile(codes.reshape(beats, unit.lanes), (sets, 1))},
            after={PARAMETERS: np.repeat(np.arange(sets) + 1, beats)})
    trace = backend.run(inputs, sets * beats, stall=stall, seed=seed)
    levels = _levels(unit, trace, operation.output).reshape(sets, -1)[:, :count]
    return levels.reshape(sets, *shape), trace


def run_concat(unit: Concat, backend: Backend, tensors: Sequence[np.ndarray],
               parameters: Sequence[Mapping], *, stall: float = 0.0, seed: int = 0
               ) -> tuple[np.ndarray, Trace]:
    """Join tensors, each with its parameters.

    Parameters
    ----------
    unit : Concat
    backend : Backend
        Simulation of that unit.
    tensors : sequence of array of integers ``(runs, vectors, lanes)``
        Tensor of each input; shapes differ in ``vectors`` only.
    parameters : sequence of mapping of str to int
        Parameters of each input.

    Returns
    -------
    array of int64 ``(runs, sum of vectors, lanes)``, Trace

    Raises
    ------
    ValueError
        If the backend simulates another unit.
    """
    check_design(unit, backend)
    operation = unit.operation
    record = {}
    for place, p in enumerate(parameters):
        record |= _record(operation.fields, [p], f"_{place}")
    runs, vectors = len(tensors[0]), sum(tensor.shape[1] for tensor in tensors)
    inputs = {PARAMETERS: beats_of(unit.payloads["parameters"], record)}
    for place, tensor in enumerate(tensors):
        ends = np.zeros(tensor.shape[:2], bool)
        ends[:, -1] = True
        inputs[f"s_axis_{place}"] = beats_of(
            unit.payloads[f"i_{place}"],
            {"values": operation.input.encode(tensor.reshape(-1, unit.lanes))},
            last=ends.ravel(), after={PARAMETERS: np.ones(ends.size, int)})
    trace = backend.run(inputs, runs * vectors, stall=stall, seed=seed)
    return (_levels(unit, trace, operation.output).reshape(runs, vectors, unit.lanes),
            trace)


def run_pool(unit: AveragePool | MaxPool, backend: Backend, windows: Sequence[np.ndarray],
             clamp: tuple[int, int], *, stall: float = 0.0, seed: int = 0
             ) -> tuple[np.ndarray, Trace]:
    """Pool windows of any sizes.

    Parameters
    ----------
    unit : AveragePool or MaxPool
    backend : Backend
        Simulation of that unit.
    windows : sequence of array of integers ``(taps, lanes)``
    clamp : pair of int

    Returns
    -------
    array of int64 ``(windows, lanes)``, Trace

    Raises
    ------
    ValueError
        If the backend simulates another unit.
    """
    check_design(unit, backend)
    fmt = unit.values
    fields = {"clamp_min": fmt, "clamp_max": fmt}
    record = _record(fields, [dict(zip(fields, clamp, strict=True))])
    sizes = np.array([len(window) for window in windows])
    ends = np.zeros(sizes.sum(), bool)
    ends[np.cumsum(sizes) - 1] = True
    inputs = {
        PARAMETERS: beats_of(unit.payloads["parameters"], record),
        "s_axis_i": beats_of(unit.payloads["i"], {"values": fmt.encode(np.concatenate(windows))},
                             last=ends, after={PARAMETERS: np.ones(len(ends), int)}),
    }
    trace = backend.run(inputs, len(windows), stall=stall, seed=seed)
    return _levels(unit, trace, fmt), trace


def run_lookup(unit: Lut, backend: Backend, codes: np.ndarray, table: np.ndarray, *,
               stall: float = 0.0, seed: int = 0) -> tuple[np.ndarray, Trace]:
    """Look codes up in a table, which is loaded first.

    Parameters
    ----------
    unit : Lut
        Unit with a loaded table.
    backend : Backend
        Simulation of that unit.
    codes : array of integers
        Codes of 8 bits.
    table : array of integers ``(256,)``
        Result for each code.

    Returns
    -------
    array of int64, of the shape of ``codes``; Trace

    Raises
    ------
    ValueError
        If the backend simulates another unit.
    """
    check_design(unit, backend)
    transfers = -(-codes.size // unit.outputs)
    padded = np.zeros(transfers * unit.outputs, dtype=np.uint8)
    padded[:codes.size] = codes.ravel()
    # Codes and entries are bytes, from the low bits up. The unit holds codes back itself until its
    # table is complete.
    inputs = {"s_axis_table": Beats(table.astype(np.uint8).reshape(-1, 4), np.zeros(64, bool)),
              "s_axis_i": Beats(padded.reshape(transfers, -1), np.zeros(transfers, bool))}
    trace = backend.run(inputs, transfers, stall=stall, seed=seed)
    return trace.data.reshape(-1)[:codes.size].reshape(codes.shape).astype(np.int64), trace


def _record(fields: Mapping[str, Format], values: Sequence[Mapping], suffix: str = ""
            ) -> dict[str, np.ndarray]:
    # Codes of parameter sets, by the field names of the unit's payload.
    return {f"{name}{suffix}": fmt.encode(integers([each[name] for each in values], name))
            for name, fmt in fields.items()}


def _levels(unit: Unit, trace: Trace, fmt: Format) -> np.ndarray:
    return fmt.decode(unit.payloads["o"].unpack(trace.data, "values"))
