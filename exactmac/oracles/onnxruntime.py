"""ONNX Runtime on one core: every tensor of levels, and the real numbers that it rounds to them.

Graph optimizations are off. As ``onnxruntime``, the first argument, they are on where operators on
real numbers stand between DequantizeLinear and QuantizeLinear: up to the extended ones, which fuse
these operators, int8 ones too. Products of matrices with weights of 4 bits are done in float32.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from exactmac.oracles import dtype_of, samples
from golden.readers.onnx.file import parse
from golden.readers.onnx.network import read_onnx

__all__ = ["session", "start"]


def session(model: Path, runtime: str = "onnxruntime"):
    """Return a session of a model with the network's inputs, and the places of its tensors.

    Each tensor of levels becomes an output of the graph, and so do the real numbers that are
    computed in float32 in front of levels. Where an input of the network is what a QuantizeLinear
    makes, that operator is cut off.

    Parameters
    ----------
    model : Path
    runtime : str
        ``onnxruntime`` or ``onnxruntime-unfused``.

    Returns
    -------
    session : onnxruntime.InferenceSession
    inputs : list of str
        Name of the tensor of each input of the network.
    outputs : dict of int to str
        Name by place (:attr:`golden.readers.onnx.file.Graph.places`).
    axes : dict of int to int
        Number of axes of each tensor in the network by place, without the batch.
    """
    import onnx
    import onnxruntime

    read = read_onnx(model, runtime)
    proto = onnx.load(str(model))
    graph = proto.graph
    sources, names = {each.name for each in graph.input}, list(parse(model).places)
    inputs = [names[int(read.tensors[each.name])] for each in read.network.inputs]
    outputs = {int(read.tensors[layer.name]): names[int(read.tensors[layer.name])]
               for layer in read.network.layers if layer.name in read.tensors}
    outputs |= {int(place): names[int(place)] for place in read.reals.values()}
    types = {names[int(place)]: dtype_of(read.network.quantization(name).format)
             for name, place in read.tensors.items()}

    def value(name: str, shape):
        return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(
            np.dtype(types.get(name, np.float32))), shape)

    for each, name in zip(read.network.inputs, inputs, strict=True):
        if name not in sources:
            [maker] = [node for node in graph.node if name in node.output]
            graph.node.remove(maker)
            graph.input.append(value(name, (1, *each.shape)))
    taken = {name for node in graph.node for name in node.input}
    for each in list(graph.input):
        if each.name not in taken and each.name not in inputs:
            graph.input.remove(each)
    shown = {each.name for each in graph.output} | {each.name for each in graph.input}
    graph.output.extend(value(name, None) for name in outputs.values() if name not in shown)
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_EXTENDED if runtime == "onnxruntime" and _real(graph)
        else levels.ORT_DISABLE_ALL)
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    axes = {int(place): len(read.network.tensors[name].shape)
            for name, place in (*read.tensors.items(), *read.reals.items())}
    return (onnxruntime.InferenceSession(proto.SerializeToString(), options,
                                         providers=["CPUExecutionProvider"]),
            inputs, outputs, axes)


def _real(graph) -> bool:
    # Whether an operator other than QuantizeLinear reads what a DequantizeLinear makes.
    made = {name for node in graph.node if node.op_type == "DequantizeLinear"
            for name in node.output}
    return any(made.intersection(node.input) for node in graph.node
               if node.op_type != "QuantizeLinear")


def start(model: Path, runtime: str = "onnxruntime"
          ) -> Callable[[list[np.ndarray]], Mapping[int, np.ndarray]]:
    """Return a function that runs one sample."""
    running, inputs, outputs, axes = session(model, runtime)
    fed = {each.name for each in running.get_inputs()}

    def invoke(arrays: list[np.ndarray]) -> Mapping[int, np.ndarray]:
        feeds = {name: each for name, each in zip(inputs, arrays, strict=True) if name in fed}
        # Of no names, ONNX Runtime returns all outputs.
        made = running.run(list(outputs.values()), feeds) if outputs else []
        # A tensor may have no axis for the batch.
        return {place: array if array.ndim > axes[place] else array[np.newaxis]
                for place, array in zip(outputs, map(np.asarray, made), strict=True)}

    return invoke


if __name__ == "__main__":
    samples.run(partial(start, runtime=sys.argv[1]))
