"""TFLite models: the file as plain records, and the network that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from golden.readers.contents import MOST_ELEMENTS, MOST_ENTRIES, contents, printable, whole
from golden.readers.model import DamagedModel

__all__ = ["Graph", "Operator", "Tensor", "parse"]

# Names of the schema's types, and what numpy calls those that have data here.
_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
          9: "int8", 10: "float64", 16: "uint16", 17: "int4"}
_NUMPY = {"float32", "int32", "uint8", "int64", "int16", "int8"}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file.

    Parameters
    ----------
    index : int
    name : str
        Unique in the graph: a name that the file uses twice has the index behind it.
    shape : tuple of int
        Shape with the batch.
    type : str
        Type of the elements, such as ``int8``.
    scale : array of float32, ``(channels,)`` or ``(1,)`` or ``(0,)``
        Empty if the tensor is not quantized.
    zero_point : array of int64, of the shape of ``scale``
    axis : int
        Axis of the channels.
    data : array, optional
        Elements of a constant: a view of the file.
    buffer : int
        Index of the buffer that holds the data.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int
    data: np.ndarray | None
    buffer: int


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator of the file.

    Parameters
    ----------
    index : int
    name : str
        Name in the schema, such as ``CONV_2D``.
    inputs, outputs : tuple of Tensor or None
        None for an input that is left out.
    options : mapping of str to object, or None
        Options by their names in the schema, such as ``StrideH``.
    """

    index: int
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any] | None


@dataclass(frozen=True, eq=False)
class Graph:
    """A file with one graph.

    Parameters
    ----------
    tensors : tuple of Tensor
    operators : tuple of Operator
    inputs, outputs : tuple of Tensor
    size : int
        Bytes of the file.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    size: int


def parse(path: Path) -> Graph:
    """Read a file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ModuleNotFoundError
        If the schema is not installed.
    DamagedModel
        If the file is no TFLite model, is cut or inconsistent, or has more than one graph.
    """
    try:
        import tflite
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "tflite is not installed; run: pip install 'exactmac[models]'") from None

    data = contents(path)
    if data[4:8] != b"TFL3":
        raise DamagedModel(f"Model {path} must be a TFLite file, which has TFL3 at byte 4")
    with whole(path):
        return _graph(tflite, data)


def _graph(tflite, data: bytes) -> Graph:
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() != 1:
        raise DamagedModel(f"it must have one graph, not {model.SubgraphsLength()}")
    graph = model.Subgraphs(0)
    for title, count in (("tensors", graph.TensorsLength()), ("operators", graph.OperatorsLength()),
                         ("buffers", model.BuffersLength()),
                         ("operator codes", model.OperatorCodesLength())):
        if count > min(MOST_ENTRIES, len(data)):
            raise DamagedModel(f"it must have at most {MOST_ENTRIES} {title}, not {count}")
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items()
             if isinstance(value, int)}
    codes = []
    for k in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(k)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        codes.append(printable(custom.decode("utf-8", "replace")) if number == 32 and custom
                     else names.get(number, f"operator {number}"))
    used: dict[str, int] = {}
    tensors = [_tensor(model, graph.Tensors(k), k, used, data) for k in range(
        graph.TensorsLength())]
    # Each constant is turned into wider integers once, however many tensors share its buffer.
    constants = {(each.buffer, each.type, each.shape): each.data.nbytes
                 for each in tensors if each.data is not None}
    if (total := sum(constants.values())) > len(data):
        raise DamagedModel(f"its constants must fit its {len(data)} bytes, not be {total} bytes")

    def named(indices, optional: bool = False) -> tuple:
        for index in indices:
            if not -optional <= index < len(tensors):
                raise DamagedModel(f"a tensor must be one of {len(tensors)}, not {index}")
        return tuple(None if index < 0 else tensors[index] for index in indices)

    operators = []
    for k in range(graph.OperatorsLength()):
        node = graph.Operators(k)
        if node.OpcodeIndex() >= len(codes):
            raise DamagedModel(f"operator {k} must have one of {len(codes)} codes, "
                               f"not {node.OpcodeIndex()}")
        operators.append(Operator(
            k, codes[node.OpcodeIndex()],
            named(_list(node.InputsAsNumpy()), optional=True),
            named(_list(node.OutputsAsNumpy())), _options(tflite, node)))
    return Graph(tuple(tensors), tuple(operators), named(_list(graph.InputsAsNumpy())),
                 named(_list(graph.OutputsAsNumpy())), len(data))


def _list(values) -> list[int]:
    # The schema's code returns 0 for a vector that is left out.
    return [] if isinstance(values, int) else values.tolist()


def _options(tflite, node) -> Mapping[str, Any] | None:
    table, kind = node.BuiltinOptions(), node.BuiltinOptionsType()
    if table is None or not kind:
        return None
    for name, value in vars(tflite.BuiltinOptions).items():
        if value == kind and isinstance(value, int):
            options = getattr(tflite, name)()
            options.Init(table.Bytes, table.Pos)
            # All of them now, so that a damaged file fails here.
            return {field: getattr(options, field)() for field, function in vars(
                type(options)).items() if field[0].isupper() and field != "Init"
                and isinstance(function, FunctionType) and function.__code__.co_argcount == 1}
    return None


def _tensor(model, tensor, index: int, used: dict[str, int], data: bytes) -> Tensor:
    name = printable((tensor.Name() or b"").decode("utf-8", "replace")) or f"tensor{index}"
    if name in used:
        name = f"{name}#{index}"
    used[name] = index
    shape = _list(tensor.ShapeAsNumpy())
    if any(size < 1 for size in shape) or prod(shape) > MOST_ELEMENTS:
        raise DamagedModel(f"tensor {name!r} must have positive sizes and at most {MOST_ELEMENTS} "
                           f"elements, not shape {tuple(shape)}")
    kind = _TYPES.get(tensor.Type(), f"type {tensor.Type()}")
    scale, zero_point, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    if (quantization := tensor.Quantization()) is not None and quantization.ScaleLength():
        scale = np.array(quantization.ScaleAsNumpy(), np.float32)
        zero_point = np.array(_list(quantization.ZeroPointAsNumpy()) or [0] * len(scale), np.int64)
        axis = quantization.QuantizedDimension()
        if len(zero_point) != len(scale) or (len(scale) > 1 and (
                not 0 <= axis < len(shape) or shape[axis] != len(scale))):
            raise DamagedModel(f"tensor {name!r} must have one scale and zero point, or one for "
                               f"each of axis {axis} of shape {tuple(shape)}, not {len(scale)} "
                               f"and {len(zero_point)}")
        if not (np.isfinite(scale) & (scale >= 0)).all():
            raise DamagedModel(f"tensor {name!r} must have scales that are finite and not negative")
    values, buffer = None, tensor.Buffer()
    if buffer >= model.BuffersLength():
        raise DamagedModel(f"tensor {name!r} must have one of {model.BuffersLength()} buffers, "
                           f"not {buffer}")
    if model.Buffers(buffer).DataLength():
        raw = model.Buffers(buffer).DataAsNumpy()
        if kind in _NUMPY:
            if len(raw) != prod(shape) * np.dtype(kind).itemsize:
                raise DamagedModel(f"tensor {name!r} of {kind} and shape {tuple(shape)} must have "
                                   f"{prod(shape) * np.dtype(kind).itemsize} bytes, "
                                   f"not {len(raw)}")
            # Little-endian in the file, at any place.
            values = np.frombuffer(raw.tobytes() if not raw.flags.c_contiguous else raw,
                                   np.dtype(kind).newbyteorder("<")).reshape(shape)
        else:
            values = raw
    return Tensor(index, name, tuple(shape), kind, scale, zero_point, axis, values, buffer)
