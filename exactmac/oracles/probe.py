"""Whether ONNX Runtime orders its float32 operations on this processor as golden does.

QLinearAdd, QLinearMul and QLinearAveragePool are float32 inside, in an order that is the
processor's. A model of the three, on random levels, tells.
"""

from collections.abc import Container
from functools import cache
from pathlib import Path

import numpy as np

from exactmac.oracles import Runtime, tensors
from golden.networks import Add, FloatAveragePool, Layer, Mul, Network
from golden.readers import read_model
from golden.run import run
from hw.folder import scratch

__all__ = ["other_orders", "processor", "uncertain"]

SAMPLES, SIZE, PAIRS = 4, (8, 32, 32), 6
"""Number of random images, their shape, and the number of pairs of scales."""

FLAGS = ("sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "asimddp",
         "i8mm", "sve")
"""Features of processors that kernels are chosen by."""


def uncertain(network: Network, runtime: Runtime, reals: Container[str] = ()) -> list[str]:
    """Return the names of the tensors that a runtime may compute otherwise on this processor.

    Tensors in ``reals`` are exact in golden, in whatever order the runtime computes them.
    """
    kinds = {Add, Mul, FloatAveragePool}
    if runtime.kind != "onnx" or not kinds & {type(layer) for layer in network.layers
                                              if layer.name not in reals}:
        return []
    other, names = other_orders(runtime), {}
    for layer in network.layers:
        if (type(layer) in other and layer.name not in reals
                or not names.keys().isdisjoint(layer.inputs)):
            names[layer.name] = None
    return list(names)


@cache
def other_orders(runtime: Runtime) -> frozenset[type[Layer]]:
    """Return the classes of layers of float32 that a runtime orders otherwise than golden does."""
    with scratch() as folder:
        path = folder / "probe.onnx"
        path.write_bytes(_model())
        read, rng = read_model(path), np.random.default_rng(1)
        network = read.network
        x = {each.name: rng.integers(0, 256, (SAMPLES, *SIZE)) for each in network.inputs}
        shown = tensors(runtime, path, [each.astype(np.uint8) for each in x.values()])
        own = run(network, x)
    found = set()
    for layer in network.layers:
        if (place := read.tensors.get(layer.name)) is not None:
            mine = own[layer.name]
            if layer.name in read.channels_last:
                mine = np.moveaxis(mine, -1, 1)
            if not np.array_equal(shown[int(place)], mine):
                found.add(type(layer))
    return frozenset(found)


def processor() -> str:
    """Return the features of this processor that kernels are chosen by."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "unknown"
    words = set(text.split())
    return " ".join(flag for flag in FLAGS if flag in words) or "unknown"


def _model() -> bytes:
    import onnx

    helper, rng = onnx.helper, np.random.default_rng(0)
    constants, nodes, outputs = [], [], []

    def quantization() -> list[str]:
        names = [f"scale{len(constants)}", f"zero{len(constants)}"]
        values = np.float32(2.0**rng.uniform(-6, -1)), np.uint8(rng.integers(256))
        constants.extend(onnx.numpy_helper.from_array(np.asarray(value), name)
                         for value, name in zip(values, names, strict=True))
        return names

    for k in range(PAIRS):
        for operator in ("QLinearAdd", "QLinearMul", "QLinearAveragePool"):
            inputs = ["a", *quantization()]
            pool = {"kernel_shape": [3, 3], "pads": [1] * 4} if "Pool" in operator else {}
            inputs += [] if pool else ["b", *quantization()]
            outputs.append(f"{operator}{k}")
            nodes.append(helper.make_node(operator, [*inputs, *quantization()], outputs[-1:],
                                          domain="com.microsoft", **pool))
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, shape)
              for name, shape in (("a", (1, *SIZE)), ("b", (1, *SIZE)),
                                  *((name, None) for name in outputs))]
    graph = helper.make_graph(nodes, "probe", values[:2], values[2:], constants)
    model = helper.make_model(graph, ir_version=10, opset_imports=[
        helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])
    return model.SerializeToString()
