"""An ONNX graph that grows, and the layouts of its images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["DOMAIN", "Graph"]

DOMAIN = "qonnx.custom_op.general"
_OPSET = 13
_IR_VERSION = 8

# Axes of an image with channels last, in the order of one with channels first, and the way back.
_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class Graph:
    """Nodes and constants of an ONNX graph of float32 tensors.

    A tensor of the network may be an image with channels last, as in the network, or first, as
    ONNX's convolutions take it. A Transpose stands between the two where both are needed.

    Parameters
    ----------
    reserved : sequence of str
        Names of the network's tensors, which nothing else may have.
    """

    def __init__(self, reserved: Sequence[str]):
        try:
            import onnx
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "onnx is not installed; run: pip install 'exactmac[models]'") from None
        self.onnx: Any = onnx
        self._used = set(reserved)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._layouts: dict[str, dict[bool, str]] = {}

    def fresh(self, name: str) -> str:
        """Return a name that nothing has, like this one."""
        own = name
        number = 1
        while own in self._used:
            number += 1
            own = f"{name}.{number}"
        self._used.add(own)
        return own

    def constant(self, name: str, array) -> str:
        """Add a constant; return its name."""
        own = self.fresh(name)
        array = np.asarray(array)
        kind = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        self._constants.append(self.onnx.numpy_helper.from_array(kind, own))
        return own

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "",
             **attributes) -> str:
        """Add a node of one output; return the output's name."""
        self._nodes.append(self.onnx.helper.make_node(
            operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Add an input of the graph; return its name."""
        own = self.fresh(name)
        self._inputs.append(self._value(own, [1, *shape]))
        return own

    def output(self, tensor: str, shape: Sequence[int]):
        """Make a tensor of the network an output of the graph."""
        self._outputs.append(self._value(self.tensor(tensor, first=False), [1, *shape]))

    def _value(self, name: str, shape: Sequence[int]) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self.onnx.TensorProto.FLOAT, shape)

    def made(self, tensor: str, *, first: bool):
        """Note that the node of a tensor's name makes it, with channels first or last."""
        self._layouts[tensor] = {first: tensor}

    def has_first(self, tensor: str) -> bool:
        """Whether a tensor is there with channels first."""
        return True in self._layouts[tensor]

    def tensor(self, name: str, *, first: bool) -> str:
        """Return the name in the file of a tensor of the network, in a layout."""
        layouts = self._layouts[name]
        if first not in layouts:
            suffix, axes = ("first", _FIRST) if first else ("last", _LAST)
            layouts[first] = self.node("Transpose", [layouts[not first]],
                                       self.fresh(f"{name}.{suffix}"), perm=axes)
        return layouts[first]

    def model(self, name: str) -> Any:
        """Return the model, with the shape of every tensor, which qonnx's executor asks for."""
        plain = [self.onnx.helper.make_node("Identity", node.input[:1], node.output)
                 if node.domain == DOMAIN else node for node in self._nodes]
        inferred = self.onnx.shape_inference.infer_shapes(
            self._model(name, plain), strict_mode=True).graph.value_info
        return self._model(name, self._nodes, inferred)

    def _model(self, name: str, nodes: Sequence[Any], shapes: Sequence[Any] = ()) -> Any:
        helper = self.onnx.helper
        graph = helper.make_graph(nodes, name, self._inputs, self._outputs, self._constants,
                                  value_info=shapes)
        model = helper.make_model(graph, producer_name="exactmac", opset_imports=[
            helper.make_opsetid("", _OPSET), helper.make_opsetid(DOMAIN, 1)])
        model.ir_version = _IR_VERSION
        return model
