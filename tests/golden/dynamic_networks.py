"""Networks with dynamic quantization, and the same of ONNX's operators."""

import numpy as np
import pytest

from golden.floats import FloatDense

__all__ = ["batches", "mlp", "onnx_gates", "onnx_mlp"]


def mlp(rng, inputs=9, hidden=14, outputs=5):
    """Return two layers of random weights, the first with a ReLU."""
    return [FloatDense(rng.normal(size=(hidden, inputs)) / 3, rng.normal(size=hidden) / 4,
                       relu=True),
            FloatDense(rng.normal(size=(outputs, hidden)) / 4, rng.normal(size=outputs) / 4)]


def batches(rng, count, rows, inputs=9):
    """Yield batches of float32, each of another size of numbers."""
    for _ in range(count):
        size = 2.0**rng.integers(-4, 7)
        yield (rng.normal(rng.normal(), size=(rows, inputs)) * size).astype(np.float32)


def onnx_mlp(layers):
    """Return the operators of a chain of layers; every tensor is an output."""
    return _Graph("x").chain(layers)


def onnx_gates(lstm, scales):
    """Return the operators of an LSTM's gates, from ``x`` and ``h``, with 8-bit results."""
    graph = _Graph("x", "h")
    graph.node("Concat", ["x", "h"], ["v"], axis=1)
    graph.sums(lstm.layer, "v", 0)
    graph.constant("gate_scales", scales.astype(np.float32))
    graph.constant("gate_zeros", np.zeros(len(scales), np.int8))
    graph.node("QuantizeLinear", ["reals0", "gate_scales", "gate_zeros"], ["gates"], axis=1)
    graph.output("gates", "INT8")
    return graph.model()


class _Graph:
    # ONNX's own operators alone: what they compute is ONNX Runtime's.

    def __init__(self, *inputs):
        onnx = pytest.importorskip("onnx", reason="onnx is not installed")
        self.helper, self.types, self.numpy = onnx.helper, onnx.TensorProto, onnx.numpy_helper
        self.inputs, self.outputs, self.nodes, self.constants = inputs, [], [], []

    def node(self, kind, inputs, outputs, **attributes):
        self.nodes.append(self.helper.make_node(kind, inputs, outputs, **attributes))

    def constant(self, name, array):
        self.constants.append(self.numpy.from_array(array, name))

    def output(self, name, kind):
        self.outputs.append(self._value(name, kind))

    def sums(self, layer, x, index):
        """Add dynamic codes of ``x``, the product, and the bias in int32."""
        own = {name: f"{name}{index}" for name in (
            "levels", "scale", "zero_point", "weights", "weight_scale", "bias", "product", "step",
            "quotient", "rounded", "integer", "sums", "reals", "numbers", "scaled")}
        self.constant(own["weights"], layer.weights.T.astype(np.int8))
        self.constant(own["weight_scale"], np.float32(layer.weight.scale))
        self.constant(own["bias"], layer.bias)
        self.node("DynamicQuantizeLinear", [x],
                  [own[name] for name in ("levels", "scale", "zero_point")])
        self.node("MatMulInteger", [own["levels"], own["weights"], own["zero_point"]],
                  [own["product"]])
        self.node("Mul", [own["scale"], own["weight_scale"]], [own["step"]])
        self.node("Div", [own["bias"], own["step"]], [own["quotient"]])
        self.node("Round", [own["quotient"]], [own["rounded"]])
        self.node("Cast", [own["rounded"]], [own["integer"]], to=self.types.INT32)
        self.node("Add", [own["product"], own["integer"]], [own["sums"]])
        self.node("Cast", [own["sums"]], [own["numbers"]], to=self.types.FLOAT)
        self.node("Mul", [own["numbers"], own["step"]],
                  [own["scaled"] if layer.relu else own["reals"]])
        if layer.relu:
            self.node("Relu", [own["scaled"]], [own["reals"]])
        for name, kind in (("levels", "UINT8"), ("scale", "FLOAT"), ("zero_point", "UINT8"),
                           ("sums", "INT32"), ("reals", "FLOAT")):
            self.output(own[name], kind)
        return own["reals"]

    def chain(self, layers):
        x = self.inputs[0]
        for index, layer in enumerate(layers):
            x = self.sums(layer, x, index)
        return self.model()

    def model(self):
        graph = self.helper.make_graph(
            self.nodes, "graph", [self._value(name, "FLOAT") for name in self.inputs],
            self.outputs, self.constants)
        return self.helper.make_model(graph, opset_imports=[self.helper.make_opsetid("", 13)],
                                      ir_version=8)

    def _value(self, name, kind):
        return self.helper.make_tensor_value_info(name, getattr(self.types, kind), None)
