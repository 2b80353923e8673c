"""TFLite models once more, as ONNX files of operators on levels.

``python -m tests.golden.readers.onnx_rebuilt MODEL.tflite MODEL.onnx`` writes one, which ``exactmac
compare`` then compares with ONNX Runtime. A softmax at the end is left off.
"""

import sys
from pathlib import Path

import numpy as np

from golden.formats import IntFormat
from golden.networks import Add, Conv2d, Dense, Layer, Network, Pool, Quantization, Reshape, Softmax
from golden.readers import read
from tests.golden.readers.onnx_files import MICROSOFT, Builder

__all__ = ["rebuilt"]


class _Graph:
    # Images have channels first, as ONNX has them.
    def __init__(self, network: Network):
        self.network, self.builder = network, Builder(None, "int8")
        self.names: dict[str, str] = {}

    def tensor(self, name: str) -> list[str]:
        """Name, scale and zero point of a tensor."""
        return [self.names[name], *self.quantization(self.network.quantization(name))]

    def quantization(self, own: Quantization) -> list[str]:
        return [self.builder.constant(np.asarray(own.scale, np.float32)),
                self.builder.constant(np.asarray(own.zero_point, np.int8))]

    def sums(self, layer: Conv2d | Dense, axes: tuple[int, ...]) -> tuple[list[str], str]:
        """Names of weights with their quantization, and of the bias."""
        zeros = np.broadcast_to(layer.weight.zero_point, np.shape(layer.weight.scale))
        names = [self.builder.constant(layer.weights.transpose(axes).astype(np.int8)),
                 *self.quantization(Quantization(layer.weight.format, layer.weight.scale, zeros))]
        bias = np.broadcast_to(layer.parameters["bias"], len(layer.weights))
        return names, self.builder.constant(bias.astype(np.int32))

    def clamped(self, name: str, layer: Layer, clamp) -> str:
        fmt = layer.output.format
        ends = [int(np.max(clamp[0])), int(np.min(clamp[1]))]
        if ends == [fmt.min, fmt.max]:
            return name
        return self.builder.node("Clip", [name, *(self.builder.constant(np.int8(end))
                                                  for end in ends)])

    def layer(self, layer: Layer) -> str:
        build, inputs = self.builder, [self.tensor(name) for name in layer.inputs]
        output = self.quantization(layer.output)
        match layer:
            case Conv2d():
                weights, bias = self.sums(layer, (0, 3, 1, 2))
                pads = [side for end in zip(*layer.padding, strict=True) for side in end]
                name = build.node("QLinearConv", [*inputs[0], *weights, *output, bias], pads=pads,
                                  strides=layer.stride, dilations=layer.dilation,
                                  group=layer.groups)
            case Dense():
                weights, bias = self.sums(layer, (0, 1))
                name = build.node("QGemm", [*inputs[0], *weights, bias, *output], MICROSOFT,
                                  transB=1)
            case Add():
                name = build.node("QLinearAdd", [*inputs[0], *inputs[1], *output], MICROSOFT)
            case Pool(kind="average"):
                pads = [side for end in zip(*layer.padding, strict=True) for side in end]
                name = build.node("QLinearAveragePool", [*inputs[0], *output], MICROSOFT,
                                  kernel_shape=layer.size, strides=layer.stride, pads=pads)
            case Reshape():
                name = inputs[0][0]
                if len(self.network.tensors[layer.inputs[0]].shape) == 3:
                    name = build.node("Transpose", [name], perm=[0, 2, 3, 1])
                shape = self.network.tensors[layer.name].shape
                return build.node("Reshape", [name, build.constant(np.array([1, *shape]))])
            case _:
                raise TypeError(f"Layer must have an operator here, not {layer!r}")
        return self.clamped(name, layer, (layer.parameters["clamp_min"],
                                          layer.parameters["clamp_max"])
                            if not isinstance(layer, Pool) else
                            layer.clamp or (layer.output.format.min, layer.output.format.max))


def rebuilt(path: Path) -> bytes:
    """Return the ONNX file of a TFLite model whose tensors are int8."""
    network = read(path)
    graph = _Graph(network)
    for tensor in network.inputs:
        assert tensor.quantization.format == IntFormat(8)
        *sides, channels = tensor.shape
        graph.names[tensor.name] = graph.builder.input((1, channels, *sides))
    layers = [layer for layer in network.layers if not isinstance(layer, Softmax)]
    for layer in layers:
        graph.names[layer.name] = graph.layer(layer)
    graph.builder.output(graph.names[layers[-1].name])
    return graph.builder.bytes()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(rebuilt(Path(sys.argv[1])))
