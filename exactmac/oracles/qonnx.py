"""qonnx's executor, node by node in float32: every tensor that a quantizer makes, as levels.

The executor shows real numbers, ``scale * (level - zero point)`` in float32, which give the levels
back, as sums that no quantizer follows are got back from their real numbers. Behind a rectifier
they are not.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from exactmac.oracles import samples
from golden.readers.model import Model
from golden.readers.onnx.file import parse
from golden.readers.qonnx.network import read_qonnx
from golden.readers.qonnx.outputs import sums_of

__all__ = ["start"]

NEAR = 2.0**-6
"""Largest distance of a level, as real numbers in float32 give it, from an integer."""


def start(model: Path) -> Callable[[list[np.ndarray]], Mapping[int, np.ndarray]]:
    """Return a function that runs one sample, from the real numbers that the quantizers take.

    Operators in front of the first quantizer are cut off.
    """
    import onnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    read, names = read_qonnx(model), list(parse(model).places)
    proto = onnx.load(str(model))
    graph = proto.graph
    makers = {name: node for node in graph.node for name in node.output}
    inputs, front = [], []
    for each in read.network.inputs:
        real = makers[names[int(read.tensors[each.name])]].input[0]
        inputs.append(real)
        front.append(onnx.helper.make_tensor_value_info(real, onnx.TensorProto.FLOAT,
                                                        (1, *each.shape)))
    _cut(graph, makers, set(inputs))
    constants = {each.name for each in graph.initializer}
    for each in [each for each in graph.input if each.name not in constants]:
        graph.input.remove(each)
    graph.input.extend(front)
    for each in graph.output:
        each.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    wrapper: Any = ModelWrapper(proto).transform(InferShapes())

    def invoke(arrays: list[np.ndarray]) -> Mapping[int, np.ndarray]:
        made = execute_onnx(wrapper, dict(zip(inputs, arrays, strict=True)), True)
        shown = {}
        for name, place in read.tensors.items():
            levels = _levels(read, name, made[names[int(place)]])
            if levels is not None:
                shown[int(place)] = levels
        return shown

    return invoke


def _cut(graph, makers: Mapping, ends: set[str]):
    # Remove the operators in front of some tensors, and those that only these had need of.
    todo, gone = list(ends), []
    while todo:
        node = makers.get(todo.pop())
        if node is not None and node not in gone:
            gone.append(node)
            todo += node.input
    kept = [node for node in graph.node if node not in gone or node.op_type == "Constant"]
    del graph.node[:]
    graph.node.extend(kept)


def _levels(read: Model, name: str, reals: np.ndarray) -> np.ndarray | None:
    # Levels of real numbers; None if they cannot be got back.
    sums, quantization = sums_of(read, name), read.network.quantization(name)
    if sums is None:
        numbers = reals.astype(np.float64) / quantization.scale + quantization.zero_point
        levels = np.rint(numbers)
        far = float(np.abs(numbers - levels).max(initial=0))
        if not far <= NEAR:
            raise ValueError(f"Tensor {name!r} of the executor must be levels, not {far} off")
        return levels.astype(np.int64)
    exact, channels = sums
    if any(each.slope == 0 or each.lo is not None or each.hi is not None for each in exact.reals):
        return None
    if name in read.channels_last:
        channels = np.moveaxis(channels, -1, 0)
    slope, offset = (np.array([float(getattr(each, field)) for each in exact.reals])[
        channels % len(exact.reals)] for field in ("slope", "offset"))
    return np.rint((reals.astype(np.float64) - offset) / slope).astype(np.int64)


if __name__ == "__main__":
    samples.run(start)
