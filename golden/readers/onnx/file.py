"""The content of an ONNX file as plain records, checked, with every constant as an array."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from golden.readers.contents import MOST_ELEMENTS, MOST_ENTRIES, contents, printable, whole
from golden.readers.model import DamagedModel
from golden.readers.onnx.external import OUTSIDE, External, files_beside

__all__ = ["Graph", "Input", "Node", "domains", "files", "parse"]

# Types by their numbers in the schema, the field of each that has its elements, and numpy's type.
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
          8: "string", 9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
          16: "bfloat16", 21: "uint4", 22: "int4"}
# Types of 4 bits, two elements a byte, the lower bits first.
_HALVES = "uint4", "int4"
_FIELDS = {"float32": "float_data", "int64": "int64_data", "uint8": "int32_data",
           "int8": "int32_data", "int32": "int32_data", "int16": "int32_data",
           "uint16": "int32_data"}


@dataclass(frozen=True)
class Input:
    """An input of the graph.

    Parameters
    ----------
    name : str
    type : str
        Type of the elements, such as ``int8``.
    shape : tuple of int or None
        Shape with the batch; None for a size that the file leaves open.
    """

    name: str
    type: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Node:
    """A node of the graph.

    Parameters
    ----------
    index : int
    domain, operator : str
        The standard's domain is empty.
    inputs, outputs : tuple of str
        Names of tensors; empty for one that is left out.
    attributes : mapping of str to object
        Numbers, strings, lists of them, and arrays; None for a kind that is not read.
    """

    index: int
    domain: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Graph:
    """A file.

    Parameters
    ----------
    nodes : tuple of Node
        Each after the nodes that make its inputs; nodes that only hold constants are left out.
    inputs : tuple of Input
    outputs : tuple of str
    constants : mapping of str to array
        One of int4 or uint4 is a structured array of one field, which has that name.
    places : mapping of str to int
        Place of each computed tensor: the inputs, then the outputs of the nodes, from 0 on.
    opsets : mapping of str to int
        Version of each domain's operators.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, np.ndarray]
    places: Mapping[str, int]
    opsets: Mapping[str, int]


def parse(path: Path, wanted: str = "an ONNX file") -> Graph:
    """Read a file.

    Parameters
    ----------
    path : Path
    wanted : str
        What the file must be, in the message on one that is no ONNX model.

    Raises
    ------
    OSError
        If the file cannot be read.
    ModuleNotFoundError
        If package ``onnx`` is not installed.
    DamagedModel
        If the file is no ONNX model, or is cut or inconsistent.
    """
    model = _proto(path)
    if model is None:
        raise DamagedModel(f"Model {path} must be {wanted}, which is a ModelProto with a graph "
                           f"and an opset")
    with whole(path):
        return _graph(model, External(path.parent))


def domains(path: Path) -> set[str]:
    """Return the domains of a file's operators; none of a file that is no ONNX model.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    model = _proto(path) if find_spec("onnx") else None
    return set() if model is None else {
        node.domain for node in model.graph.node if isinstance(node.domain, str)}


def files(path: Path) -> tuple[Path, ...]:
    """Return a file, and the files beside it that have data of its constants, if it is a model.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    model = _proto(path) if find_spec("onnx") else None
    return (path,) if model is None else tuple(
        dict.fromkeys((path, *files_beside(model, path.parent))))


def _proto(path: Path) -> Any:
    # The file as protobuf has it; None if it is no model.
    try:
        import onnx
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "onnx is not installed; run: pip install 'exactmac[models]'") from None

    model = onnx.ModelProto()
    try:
        model.ParseFromString(contents(path))
        fits = model.HasField("graph") and len(model.opset_import) > 0
    except OSError:
        raise
    except Exception:  # whatever the installed protobuf raises
        fits = False
    return model if fits else None


def _graph(model, external: External) -> Graph:
    graph = model.graph
    for title, count in (("nodes", len(graph.node)), ("constants", len(graph.initializer)),
                         ("inputs", len(graph.input)), ("outputs", len(graph.output))):
        if count > MOST_ENTRIES:
            raise DamagedModel(f"it must have at most {MOST_ENTRIES} {title}, not {count}")
    for title, count in (("sparse constants", len(graph.sparse_initializer)),
                         ("functions", len(model.functions))):
        if count:
            raise DamagedModel(f"it must have no {title}, not {count}")
    constants: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        _new(name := _text(tensor.name), constants)
        constants[name] = _array(tensor, external)
    inputs = tuple(_input(each) for each in graph.input if each.name not in constants)
    places: dict[str, int] = {}
    for each in inputs:
        _new(each.name, places)
        places[each.name] = len(places)
    nodes = []
    for index, node in enumerate(graph.node):
        domain = "" if node.domain == "ai.onnx" else _text(node.domain)
        taken, made = (tuple(map(_text, names)) for names in (node.input, node.output))
        attributes = dict(_attributes(node, external))
        if (domain, node.op_type) == ("", "Constant") and len(node.output) == 1:
            array = _constant(attributes)
            if array is not None:
                _new(node.output[0], constants)
                _new(node.output[0], places)
                constants[node.output[0]] = array
                continue
        for name in taken:
            if name and name not in places and name not in constants:
                raise DamagedModel(f"node {index} must come after the one that makes its input "
                                   f"{printable(name)!r}")
        for name in made:
            if name:
                _new(name, constants)
                _new(name, places)
                places[name] = len(places)
        nodes.append(Node(index, printable(domain), printable(_text(node.op_type)), taken,
                          made, attributes))
    outputs = tuple(_text(each.name) for each in graph.output)
    for name in outputs:
        if name not in places and name not in constants:
            raise DamagedModel(f"it must make its output {printable(name)!r}")
    opsets = {_text(each.domain): each.version for each in model.opset_import}
    return Graph(tuple(nodes), inputs, outputs, constants, places, opsets)


def _text(value) -> str:
    # Protobuf hands out bytes where text is no UTF-8.
    if not isinstance(value, str):
        raise DamagedModel("its names must be UTF-8")
    return value


def _new(name: str, taken: Mapping):
    if not name or name in taken:
        raise DamagedModel(f"a tensor must have a name of its own, not {printable(name)!r}")


def _input(value) -> Input:
    tensor = value.type.tensor_type
    shape = tuple(each.dim_value if each.HasField("dim_value") else None
                  for each in tensor.shape.dim)
    name = printable(_text(value.name))
    if any(size is not None and size < 1 for size in shape) or prod(
            size or 1 for size in shape) > MOST_ELEMENTS:
        raise DamagedModel(f"input {name!r} must have positive sizes and at most {MOST_ELEMENTS} "
                           f"elements, not shape {shape}")
    return Input(value.name, _type(tensor.elem_type), shape)


def _type(number: int) -> str:
    return _TYPES.get(number, f"type {number}")


def _array(tensor, external: External) -> np.ndarray:
    name, kind, shape = printable(_text(tensor.name)), _type(tensor.data_type), tuple(tensor.dims)
    if any(size < 0 for size in shape) or prod(shape) > MOST_ELEMENTS:
        raise DamagedModel(f"constant {name!r} must have sizes that are not negative and at most "
                           f"{MOST_ELEMENTS} elements, not shape {shape}")
    if kind in _HALVES:
        return _halves(tensor, kind, shape, external)
    if kind not in _FIELDS and kind not in ("bool", "float64"):
        # Its type is named where an operator takes it.
        return np.zeros(0, np.dtype("V1"))
    dtype = np.dtype(kind).newbyteorder("<")
    raw = _bytes(tensor, prod(shape) * dtype.itemsize, f"{kind} and shape {shape}", external)
    if raw is None:
        values = getattr(tensor, _FIELDS.get(kind, "int32_data"))
        if len(values) != prod(shape):
            raise DamagedModel(f"constant {name!r} of shape {shape} must have {prod(shape)} "
                               f"elements, not {len(values)}")
        wide = np.array(values, dtype if kind in ("float32", "int64") else np.int32)
        array = wide.astype(np.dtype(kind))
        if kind != "float32" and (array != wide).any():
            raise DamagedModel(f"constant {name!r} must have elements of {kind}")
        return array.reshape(shape)
    return np.frombuffer(raw, dtype).reshape(shape)


def _halves(tensor, kind: str, shape: tuple[int, ...], external: External) -> np.ndarray:
    packed = _bytes(tensor, -(-prod(shape) // 2), f"{kind} and shape {shape}", external)
    if packed is None:
        values = np.array(tensor.int32_data, np.int64)
        if len(values) != -(-prod(shape) // 2) or (values != values & 0xFF).any():
            raise DamagedModel(f"constant {printable(tensor.name)!r} of {kind} and shape {shape} "
                               f"must have {-(-prod(shape) // 2)} bytes, not {len(values)} numbers")
        packed = values.astype(np.uint8).tobytes()
    pairs = np.frombuffer(packed, np.uint8)
    levels = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[:prod(shape)].astype(np.int8)
    if kind == "int4":
        levels -= (levels & 8) << 1
    return levels.reshape(shape).view(np.dtype([(kind, np.int8)]))


def _bytes(tensor, size: int, title: str, external: External) -> bytes | None:
    # Bytes of a constant, of which there must be so many; None where it has its elements in a list.
    name = printable(tensor.name)
    if tensor.data_location == OUTSIDE:
        entries = {_text(each.key): _text(each.value) for each in tensor.external_data}
        return external.read(entries, size, name)
    if not tensor.HasField("raw_data"):
        return None
    if len(tensor.raw_data) != size:
        raise DamagedModel(f"constant {name!r} of {title} must have {size} bytes, "
                           f"not {len(tensor.raw_data)}")
    return tensor.raw_data


def _attributes(node, external: External) -> Iterator[tuple[str, Any]]:
    for each in node.attribute:
        match each.type:
            case 1:
                value = each.f
            case 2:
                value = each.i
            case 3:
                value = each.s.decode("utf-8", "replace")
            case 4:
                value = _array(each.t, external)
            case 6:
                value = list(each.floats)
            case 7:
                value = list(each.ints)
            case 8:
                value = [text.decode("utf-8", "replace") for text in each.strings]
            case _:
                value = None
        yield _text(each.name), value


def _constant(attributes: Mapping[str, Any]) -> np.ndarray | None:
    # What a Constant node holds.
    match attributes:
        case {"value": np.ndarray() as array}:
            return array
        case {"value_float": float() as value}:
            return np.array(value, np.float32)
        case {"value_int": int() as value}:
            return np.array(value, np.int64)
        case {"value_floats": list() as values}:
            return np.array(values, np.float32)
        case {"value_ints": list() as values}:
            return np.array(values, np.int64)
    return None
