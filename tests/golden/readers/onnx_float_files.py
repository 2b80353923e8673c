"""Float ONNX files, made at random; in files of small integers float32 is exact."""

import numpy as np

from tests.golden.onnx_session import run_model
from tests.golden.readers.onnx_files import Builder, model

__all__ = ["FloatBuilder", "classifier", "images", "runtime", "saved"]


class FloatBuilder(Builder):
    """A graph of real numbers that grows.

    Parameters
    ----------
    rng : Generator
    exact : bool
        Whether all numbers are small integers, and all quotients powers of two.
    """

    def __init__(self, rng, exact=True):
        super().__init__(rng)
        self.exact = exact

    def numbers(self, *shape):
        """Numbers for weights and inputs."""
        if self.exact:
            return self.rng.integers(-2, 3, shape).astype(np.float32)
        return self.rng.normal(size=shape).astype(np.float32)

    def weights(self, *shape) -> str:
        return self.constant(self.numbers(*shape))

    def normalization(self, channels) -> list[str]:
        variance = (4.0 ** self.rng.integers(-1, 2, channels) if self.exact
                    else self.rng.uniform(0.5, 2, channels))
        return [self.weights(channels) for _ in range(3)] + [
            self.constant(variance.astype(np.float32))]

    def batch_normalization(self, x, channels) -> str:
        return self.node("BatchNormalization", [x, *self.normalization(channels)],
                         epsilon=0.0 if self.exact else 1e-3)

    def clip(self, x, least=-8, most=8) -> str:
        return self.node("Clip", [x, *(self.constant(np.float32(end)) if end is not None else ""
                                       for end in (least, most))])

    def finished(self, output, opset=17):
        self.output(output, kind="float32")
        return model(self.onnx, self.nodes, self.inputs, self.outputs, self.constants, opset)


def saved(made, path):
    """The model's file."""
    path.write_bytes(made.SerializeToString())
    return path


def runtime(made, x):
    """The output that ONNX Runtime computes."""
    return run_model(made, {made.graph.input[0].name: x.astype(np.float32)})[0]


def images(rng, exact=True, axes=2):
    """A model of all operators, of images or of sequences, and the shape of its input.

    Every other operator on images has a second reader of its input.
    """
    b = FloatBuilder(rng, exact)
    channels, sizes = 4, (8, 4)[:axes]
    shape = (2, *sizes)
    x = b.input((None, *shape), "float32")

    def conv(x, inputs, outputs, groups=1, **attributes):
        names = [x, b.weights(outputs, inputs // groups, *(3, 2)[:axes])]
        if rng.integers(2):
            names.append(b.weights(outputs))
        return b.node("Conv", names, group=groups, **attributes)

    same = {"auto_pad": str(rng.choice(["SAME_UPPER", "SAME_LOWER"]))}
    x = b.clip(conv(x, 2, channels, **same), *[(-4, 6), (0, None), (None, 5)][rng.integers(3)])
    others = [x]
    for _ in range(6):
        y = others[rng.integers(len(others))] if rng.integers(3) == 0 else x
        match int(rng.integers(9)):
            case 0:
                y = conv(y, channels, channels, int(rng.choice([1, 2, 4])), **same)
            case 1:
                y = conv(y, channels, channels, pads=[2, 1][:axes] * 2, dilations=[2, 2][:axes])
            case 2:
                y = b.node("Relu", [y])
            case 3:
                y = b.batch_normalization(y, channels)
            case 4:
                y = b.node("Add", [y, b.weights(*[(channels, *[1] * axes), (1,)][
                    rng.integers(2)])][::int(rng.choice([1, -1]))])
            case 5:
                y = b.node("Add", [y, others[rng.integers(len(others))]])
            case 6:
                y = b.node("Concat", [y, others[rng.integers(len(others))]], axis=1)
                y = b.node("Conv", [y, b.weights(channels, 2 * channels, *[1] * axes)])
            case 7:
                y = b.node("Concat", [y] * 2, axis=int(rng.integers(2, 2 + axes)))
                y = b.node("MaxPool", [y], kernel_shape=[1] * axes, strides=[
                    2 if size != own else 1 for size, own in zip(
                        _sizes(b, y, shape), sizes, strict=True)])
            case 8:
                y = b.node("Dropout", [b.node("Identity", [y])])
        x = b.clip(y)
        others.append(x)
    pools = [b.node("MaxPool", [x], kernel_shape=[2] * axes, strides=[2] * axes),
             b.node("AveragePool", [others[0]], kernel_shape=[2] * axes, strides=[2] * axes),
             b.node("MaxPool", [others[-2]], kernel_shape=[3] * axes, strides=[2] * axes,
                    pads=[1] * axes + [0] * axes)]
    x = b.node("Concat", pools, axis=1)
    mean = b.node("Flatten", [b.node("GlobalAveragePool", [x])])
    count = 3 * channels * int(np.prod(sizes)) // 2**axes
    x = b.node("Reshape", [x, b.constant(np.array([[-1, count], [0, -1], [0, count]][
        rng.integers(3)]))])
    x = b.node("Add", [b.node("MatMul", [x, b.weights(count, 5)]), b.weights(5)])
    y = b.node("Gemm", [b.node("Relu", [mean]), b.weights(5, 3 * channels), b.weights(1, 5)],
               transB=1, alpha=2.0, beta=0.5)
    x = b.node("Add", [b.node("Relu", [x]), y])
    return b.finished(b.node("Gemm", [x, b.weights(5, 3)])), shape


def _sizes(b, y, shape):
    # By the inference of package onnx.
    made = model(b.onnx, b.nodes, b.inputs, [b.value(y, "float32", None)], b.constants, 17)
    shapes = b.onnx.shape_inference.infer_shapes(made).graph.output[0].type.tensor_type.shape
    return [each.dim_value for each in shapes.dim[2:]]


def classifier(rng, path, *, conv=False):
    """A small model of real numbers in a file, and examples of its input."""
    b = FloatBuilder(rng, exact=False)
    if conv:
        x = b.input((None, 1, 6, 6), "float32", "pixels")
        x = b.node("Conv", [x, b.weights(4, 1, 3, 3), b.weights(4)], pads=[1, 1, 1, 1])
        x = b.node("Relu", [b.batch_normalization(x, 4)])
        x = b.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
        x = b.node("Gemm", [b.node("Flatten", [x]), b.weights(36, 3)])
        shape = 1, 6, 6
    else:
        x = b.input((None, 8), "float32", "features")
        x = b.node("Relu", [b.node("Gemm", [x, b.weights(8, 12), b.weights(12)])])
        x = b.node("Gemm", [x, b.weights(12, 3), b.weights(3)])
        shape = 8,
    return saved(b.finished(x), path), rng.normal(size=(60, *shape)).astype(np.float32)
