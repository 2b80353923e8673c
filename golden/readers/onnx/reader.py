"""What readers of ONNX files share: one node after another, what is refused is kept and named."""

from collections.abc import Callable
from pathlib import Path

from golden.networks import Network, Quantization, Tensor
from golden.readers.contents import printable
from golden.readers.model import (
    Boundary,
    DamagedModel,
    Model,
    Problem,
    Unsupported,
    UnsupportedModel,
)
from golden.readers.onnx.context import Context
from golden.readers.onnx.file import Graph, Input, Node
from golden.readers.onnx.tensors import Levels, Shape

__all__ = ["Reader", "Unknown", "titles"]


class Unknown(Exception):
    """An input is what another node, already named, should have made."""


class Reader:
    """Reader of the nodes of a file, one after the other.

    Parameters
    ----------
    graph : Graph
    context : Context
        What the operators of the file share.
    """

    def __init__(self, graph: Graph, context: Context):
        self.graph = graph
        self.context = context
        self.problems: list[Problem] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[str] = []
        self.quantize: list[Boundary] = []
        self.dequantize: list[Boundary] = []

    def input(self, value: Input):
        """Read an input of the graph."""
        raise NotImplementedError

    def node(self, node: Node):
        """Read a node."""
        raise NotImplementedError

    def left(self):
        """Name what no other node has taken."""

    def output(self, name: str):
        """Read an output of the graph."""
        raise NotImplementedError

    def note(self) -> str:
        """Return what a message says of the file as a whole."""
        return ""

    def read(self, path: Path, runtime: str) -> Model:
        """Return the model; :class:`UnsupportedModel` names all that cannot be read."""
        self.visit(path)
        try:
            return self.model(path, runtime)
        except (ValueError, TypeError) as error:
            raise DamagedModel(f"Model {path} must be consistent: {error}") from error

    def visit(self, path: Path):
        """Read inputs, nodes and outputs; :class:`UnsupportedModel` names all that cannot be."""
        graph = self.graph
        for each in graph.inputs:
            self.attempt(each.name, "input", (each.name,), lambda each=each: self.input(each))
        for node in graph.nodes:
            self.attempt(*titles(node), node.outputs, lambda node=node: self.node(node))
        self.left()
        for name in graph.outputs:
            self.attempt(name, "output", (), lambda name=name: self.output(name))
        if not self.problems and not self.outputs:
            self.problems.append(Problem("0", "output", "Outputs must be one or more, not none"))
        if self.problems:
            raise UnsupportedModel(f"{path}{self.note()}", self.problems)

    def attempt(self, place: str, operator: str, outputs: tuple[str, ...],
                action: Callable[[], None]):
        """Run an action; keep what it refuses, and that its outputs are not known."""
        try:
            action()
        except Unknown:
            self.context.unknown |= set(outputs)
        except (ValueError, TypeError) as error:
            self.context.unknown |= set(outputs)
            self.problems.append(Problem(printable(place), operator, str(error)))
        except OverflowError:
            self.context.unknown |= set(outputs)
            self.problems.append(Problem(printable(place), operator, "Numbers must be smaller "
                                         "than 2**1024, which float64 cannot hold"))

    def check(self, node: Node):
        """Raise :class:`Unknown` if an input of a node is not known."""
        if set(node.inputs) & self.context.unknown:
            raise Unknown

    def shape(self, value: Input) -> Shape:
        """Return the shape of an input without its batch, which is 1 or of any size."""
        if not value.shape or value.shape[0] not in (None, 1):
            raise Unsupported(f"Shape must have a batch of 1 or of any size first, "
                              f"not {value.shape}")
        if None in value.shape[1:]:
            raise Unsupported(f"Sizes behind the batch must be given, not {value.shape[1:]}")
        return tuple(size for size in value.shape[1:] if size is not None)

    def source(self, name: str, quantization: Quantization, shape: Shape):
        """Add an input of the network, which is a tensor of the file."""
        own = self.context.name(name)
        self.inputs.append(Tensor(own, quantization, shape))
        self.context.shapes[own] = shape
        self.context.levels[name] = Levels(name, quantization, shape, {False: own})

    def model(self, path: Path, runtime: str) -> Model:
        """Return what the file has become."""
        context = self.context
        used = {name for layer in context.layers for name in layer.inputs}
        network = Network(
            name=path.stem, inputs=tuple(self.inputs), layers=tuple(context.layers),
            constants=tuple(each for each in context.constants.values() if each.name in used),
            outputs=tuple(self.outputs))
        tensors: dict[str, int | str] = {}
        last = set()
        for name, levels in context.levels.items():
            # The first layout is what the operator makes; the other is a transpose of it.
            is_last, own = next(iter(levels.layouts.items()))
            tensors.setdefault(own, self.graph.places[name])
            if is_last:
                last.add(own)
        return Model(network, runtime, tensors, tuple(each.name for each in network.inputs),
                     tuple(self.quantize), tuple(self.dequantize),
                     frozenset(last))


def titles(node: Node) -> tuple[str, str]:
    """Return place and operator of a node, as a message names them."""
    place = f"{node.index} ({printable(next(filter(None, node.outputs), ''))})"
    return place, f"{node.domain}.{node.operator}" if node.domain else node.operator
