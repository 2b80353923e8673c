"""QONNX files as Brevitas exports them, of one group of operators each, made at random."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.golden.readers.onnx_files import Builder

__all__ = ["CASES", "DOMAIN", "MODES", "NETWORKS", "OLD", "QonnxBuilder"]

DOMAIN, OLD = "qonnx.custom_op.general", "onnx.brevitas"

MODES = ("ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN")

float32 = np.float32


class QonnxBuilder(Builder):
    """A graph that grows; every tensor is float32.

    Parameters
    ----------
    rng : Generator
    domain : str
    version : int
        Version of the domain's operators.
    powers : bool
        Whether all scales are powers of two, with which the executor's float32 is exact.
    """

    def __init__(self, rng, domain=DOMAIN, version=1, powers=False):
        super().__init__(rng, "float32")
        self.domain, self.version, self.powers = domain, version, powers

    def scale(self, least=-6.0, most=-1.0) -> np.float32:
        if self.powers or self.rng.integers(4) == 0:
            return float32(2.0**self.rng.integers(int(least), int(most) + 1))
        if self.rng.integers(4) == 0:
            return float32(1 / 3) * float32(2.0**self.rng.integers(int(least), int(most) + 1))
        return float32(2.0**self.rng.uniform(least, most))

    def reals(self, shape, least, most) -> np.ndarray:
        """Float32 numbers; with powers, of few digits."""
        values = self.rng.uniform(least, most, shape)
        return (np.round(values * 16) / 16 if self.powers else values).astype(float32)

    def quant(self, x, scale, zero=0.0, bits=8, signed=1, narrow=0, mode="ROUND", **more) -> str:
        """A Quant of a tensor or of an array."""
        x = x if isinstance(x, str) else self.constant(float32(x))
        return self.node("Quant", [x, self.constant(float32(scale)), self.constant(float32(zero)),
                                   self.constant(float32(bits))], self.domain,
                         **{"signed": signed, "narrow": narrow, "rounding_mode": mode, **more})

    def any_quant(self, x, bits=None, least=-6.0, most=-1.0) -> str:
        """A Quant with any width, sign, rounding and zero point."""
        bits = bits or int(self.rng.integers(2, 9))
        signed, narrow = map(int, self.rng.integers(0, 2, 2))
        ends = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        # Half-integer zero points other than the middle take a bit more.
        zero = [0.0, 0.0, float(self.rng.integers(*ends)),
                0.0 if narrow and bits > 7 else (ends[0] + ends[1] - 1) / 2,
                float(self.rng.integers(*ends)) + 0.5][int(self.rng.integers(4 + (bits < 7)))]
        return self.quant(x, self.scale(least, most), zero, bits, signed, narrow,
                          str(self.rng.choice(MODES)))

    def source(self, shape, **options) -> str:
        """A quantized input."""
        x = self.input(shape)
        return self.quant(x, self.scale(), **options) if options else self.any_quant(x)

    def weights(self, shape, axis) -> str:
        """Quantized weights, with one scale or one for each channel."""
        array = self.rng.normal(0, 1, shape).astype(float32)
        sizes = [1] * len(shape)
        if self.rng.integers(2):
            sizes[axis] = shape[axis]
        scale = np.array([self.scale(-3, 0) for _ in range(np.prod(sizes))]).reshape(sizes)
        scale = scale if scale.size > 1 else scale.reshape(())
        match int(self.rng.integers(6)):
            case 0:
                return self.node("BipolarQuant", [self.constant(array), self.constant(scale)],
                                 self.domain)
            case 1:
                return self.quant(array, scale, bits=1, signed=1)
            case 2:
                return self.quant(array, scale, bits=2, narrow=1)
            case 3:  # odd levels
                return self.quant(array, scale, zero=-0.5, bits=int(self.rng.integers(2, 5)))
            case 4:
                return self.quant(array, scale, zero=float(self.rng.integers(-3, 4)), bits=4,
                                  mode=str(self.rng.choice(MODES)))
            case _:
                return self.quant(array, scale, bits=int(self.rng.integers(2, 9)), narrow=1)

    def chain(self, x, channels, axis, image) -> str:
        """Operators on real numbers, some with constants of each channel."""
        shape = [channels] + [1] * (2 if image else 0)
        names = {0: ["Relu"], 1: ["BatchNormalization"], 2: ["BatchNormalization", "Relu"],
                 3: ["Mul", "Add"], 4: ["Clip"], 5: ["Div", "Sub", "Neg"], 6: []}[
                     int(self.rng.integers(7))]
        for name in names:
            each = shape if self.rng.integers(2) else []
            match name:
                case "BatchNormalization":
                    if axis != 1:
                        continue
                    signs = self.rng.choice([-1, 1, 1], channels)
                    gamma = self.reals(channels, 0.25, 2) * signs.astype(float32)
                    if self.rng.integers(4) == 0:
                        gamma[0] = 0
                    variance = self.reals(channels, 0.25, 2) if not self.powers else float32(
                        4.0**self.rng.integers(-2, 2, channels))
                    x = self.node(name, [x, *map(self.constant, (
                        gamma, self.reals(channels, -1, 1), self.reals(channels, -1, 1),
                        variance))], epsilon=0.0 if self.powers else 1e-5)
                case "Relu" | "Neg":
                    x = self.node(name, [x])
                case "Clip":
                    x = self.node(name, [x, self.constant(float32(-1.25)),
                                         self.constant(float32(2.5))])
                case "Mul" | "Div":
                    factors = (2.0**self.rng.integers(-1, 2, each)
                               if self.powers else self.rng.uniform(0.25, 2, each))
                    signs = self.rng.choice([-1, 1], each)
                    x = self.node(name, [x, self.constant(float32(factors * signs))])
                case _:  # the constant first or last
                    names = [x, self.constant(self.reals(each, -1, 1))]
                    x = self.node(name, names[::int(self.rng.choice([-1, 1]))])
        return x

    def last(self, x, rows=None, layout="") -> str:
        """Any quantizer of real numbers; thresholds of so many channels."""
        match int(self.rng.integers(5)):
            case 0:
                return self.node("BipolarQuant", [x, self.constant(self.scale())], self.domain)
            case 1 if rows:
                count = rows if self.rng.integers(2) else 1
                return self.thresholds(x, count, layout)
            case 2:
                return self.trunc(x)
            case _:
                return self.any_quant(x, least=-5, most=-1)

    def thresholds(self, x, rows, layout="", **attributes) -> str:
        count = int(self.rng.choice([1, 3, 7, 15]))
        array = np.sort(self.reals((rows, count), -3, 3), axis=1)
        bipolar = count == 1 and self.rng.integers(2)
        ends = dict(out_scale=2.0, out_bias=-1.0) if bipolar else [
            dict(), dict(out_scale=0.5, out_bias=-1.0), dict(out_scale=0.25, out_bias=0.125)][
                int(self.rng.integers(3))]
        return self.node("MultiThreshold", [x, self.constant(array)], self.domain,
                         out_dtype="INT8", **{**ends, **attributes},
                         **({"data_layout": layout} if layout else {}))

    def trunc(self, x, scale=None, zero=None, bits=8, out=None, **more) -> str:
        scale = self.scale(-8, -4) if scale is None else float32(scale)
        zero = float(self.rng.choice([0, 0, 16])) if zero is None else zero
        out = int(self.rng.integers(3, 7)) if out is None else out
        names = [x, *(self.constant(float32(each)) for each in (scale, zero, bits))]
        more = {"rounding_mode": str(self.rng.choice(MODES)), **more}
        if self.version < 2:
            return self.node("Trunc", [*names, self.constant(float32(out))], self.domain, **more)
        names.append(self.constant(float32(scale * float32(2.0**(bits - out)))))
        return self.node("Trunc", [*names, self.constant(float32(out))], self.domain,
                         signed=int(self.rng.integers(2)), narrow=int(self.rng.integers(2)), **more)

    def finished(self, x, rank):
        """The file whose output a tensor is."""
        self.output(x, rank=rank)
        return self.file()

    def file(self):
        """The model."""
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "graph", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[
            helper.make_opsetid("", 11), helper.make_opsetid(self.domain, self.version)])
        model.ir_version = 8
        return model


def _image(b: QonnxBuilder, channels=None) -> tuple[str, int]:
    channels = channels or int(b.rng.integers(1, 5))
    return b.source((1, channels, *map(int, b.rng.integers(4, 7, 2)))), channels


def _conv(b: QonnxBuilder):
    groups = int(b.rng.choice([1, 1, 2, 3]))
    depth, each = (int(size) for size in b.rng.integers(1, 4, 2))
    x, _ = _image(b, groups * depth)
    kernel = [int(size) for size in b.rng.integers(1, 4, 2)]
    pads = [int(size) for size in b.rng.integers(0, 2, 4)]
    channels = groups * each
    bias = []
    match int(b.rng.integers(3)):
        case 0:
            bias = [b.constant(b.reals(channels, -1, 1))]
        case 1:
            bias = [b.quant(b.reals(channels, -1, 1), b.scale(-8, -5), bits=16)]
    x = b.node("Conv", [x, b.weights((channels, depth, *kernel), 0), *bias], kernel_shape=kernel,
               pads=pads, group=groups, strides=[int(size) for size in b.rng.integers(1, 3, 2)],
               dilations=[1, int(b.rng.integers(1, 3))])
    return b.finished(b.last(b.chain(x, channels, 1, True), channels), 4)


def _matmul(b: QonnxBuilder):
    depth, columns = (int(size) for size in b.rng.integers(1, 9, 2))
    shape = (1, depth) if b.rng.integers(2) else (1, 3, depth)
    x = b.source(shape)
    if b.rng.integers(2):
        w = b.weights((depth, columns), 1)
    else:
        w = b.node("Transpose", [b.weights((columns, depth), 0)], perm=[1, 0])
    x = b.chain(b.node("MatMul", [x, w]), columns, len(shape) - 1, False)
    return b.finished(b.last(x, columns, "NC" if len(shape) == 2 else "NWC"), len(shape))


def _gemm(b: QonnxBuilder):
    depth, columns = (int(size) for size in b.rng.integers(1, 9, 2))
    across = int(b.rng.integers(2))
    x = b.source((1, depth))
    w = b.weights((columns, depth) if across else (depth, columns), 1 - across)
    x = b.node("Gemm", [x, w, b.constant(b.reals(columns, -1, 1))], transB=across,
               **({} if b.rng.integers(2) else {"alpha": 0.5, "beta": 2.0}))
    return b.finished(b.last(b.chain(x, columns, 1, False), columns), 2)


def _rescale(b: QonnxBuilder):
    x, channels = _image(b)
    x = b.chain(x, channels, 1, True)
    return b.finished(b.last(b.any_quant(x), None), 4)


def _vector(b: QonnxBuilder):
    channels = int(b.rng.integers(1, 9))
    x = b.chain(b.source((1, channels)), channels, 1, False)
    return b.finished(b.last(x, channels), 2)


def _add(b: QonnxBuilder):
    shape = (1, 3, 4, 5) if b.rng.integers(2) else (1, 7)
    scale, bits = b.scale(), int(b.rng.integers(2, 9))
    names = [b.quant(b.input(shape), scale * float32(factor), float(b.rng.integers(0, 2)), bits,
                     int(b.rng.integers(2))) for factor in (1, b.rng.choice([0.5, 1, 3]))]
    x = b.node(str(b.rng.choice(["Add", "Sub"])), names)
    x = b.chain(x, 3, 1, True) if len(shape) == 4 else b.node("Relu", [x])
    return b.finished(b.any_quant(x, least=-4, most=1), len(shape))


def _concat(b: QonnxBuilder):
    x = b.input((1, 2, 4, 4))
    y = b.input((1, 3, 4, 4))
    if b.rng.integers(2):
        names = [b.any_quant(x), b.any_quant(y)]
    else:
        scale, zero = b.scale(), float(b.rng.choice([0, 3, -0.5]))
        names = [b.quant(each, scale, zero, 4) for each in (x, y)]
    x = b.node("Concat", names, axis=1)
    if b.rng.integers(2):
        x = b.node("Relu", [x])
    return b.finished(b.quant(x, b.scale(), float(b.rng.choice([3, -0.5])),
                              int(b.rng.integers(3, 9))), 4)


def _average_pool(b: QonnxBuilder):
    x, _ = _image(b)
    if b.rng.integers(3) == 0:
        x = b.node("GlobalAveragePool", [x])
        return b.finished(b.last(b.node("Flatten", [x])), 2)
    size = int(b.rng.integers(2, 4))
    x = b.node("AveragePool", [x], kernel_shape=[size, size], strides=[size, size])
    if b.rng.integers(2):
        x = b.node("Mul", [x, b.constant(float32(size * size))])
    return b.finished(b.trunc(x), 4)


def _pools_and_moves(b: QonnxBuilder):
    x, channels = _image(b, 3)
    w = b.weights((4, channels, 2, 2), 0)
    x = b.chain(b.node("Conv", [x, w], kernel_shape=[2, 2]), 4, 1, True)
    x = b.node("MaxPool", [x], kernel_shape=[2, 2], strides=[1, 2], pads=[0, 1, 1, 0])
    match int(b.rng.integers(4)):
        case 0:
            x, rank = b.node("Transpose", [x], perm=[0, 2, 3, 1]), 4
        case 1:
            x, rank = b.node("Flatten", [x]), 2
        case 2:
            x, rank = b.node("Reshape", [x, b.constant(np.array([1, 4, -1]))]), 3
        case _:
            rank = 4
    return b.finished(b.any_quant(b.node("Relu", [x])), rank)


def _levels(b: QonnxBuilder):
    """Moves and rectifiers of levels, in front of a sum."""
    scale = b.scale()
    x = b.quant(b.input((1, 2, 4, 5)), scale, float(b.rng.integers(0, 4)), 4, 0)
    x = b.node("Mul", [x, b.constant(float32(2.0))])
    # As many whole steps more: another zero point.
    x = b.node("Relu", [b.node("Sub", [x, b.constant(scale * float32(2.0))])])
    x = b.node("MaxPool", [x], kernel_shape=[2, 2])
    x = b.node("Pad", [x, b.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1]))])
    x = b.node("Identity", [b.node("Flatten", [x])])
    x = b.node("MatMul", [x, b.weights((40, 3), 1)])
    return b.finished(b.any_quant(x), 2)


def _real_output(b: QonnxBuilder):
    """Sums at the end, without a quantizer; real numbers in front of the first one."""
    x = b.node("Mul", [b.node("Reshape", [b.input((1, 2, 5)), b.constant(np.array([1, 10]))]),
                       b.constant(float32(2.0))])
    x = b.quant(b.node("Sub", [x, b.constant(float32(1.0))]), b.scale(), bits=8)
    x = b.node("MatMul", [x, b.weights((10, 4), 1)])
    return b.finished(b.node("Add", [x, b.constant(b.reals(4, -1, 1))]), 2)


CASES: Mapping[str, Callable] = {
    "Conv": _conv, "MatMul": _matmul, "Gemm": _gemm, "rescale": _rescale, "vector": _vector,
    "Add": _add, "Concat": _concat, "AveragePool": _average_pool, "moves": _pools_and_moves,
    "levels": _levels, "real output": _real_output}
"""Functions that make a file of one group of operators."""


def _norm(b: QonnxBuilder, x, channels):
    gamma = (b.rng.uniform(0.5, 2, channels) * b.rng.choice([-1, 1], channels)).astype(float32)
    return b.node("BatchNormalization", [x, *map(b.constant, (
        gamma, b.reals(channels, -0.5, 0.5), b.reals(channels, -1, 1),
        b.reals(channels, 0.5, 4)))])


def _mlp(b: QonnxBuilder):
    """Three layers of 4 bits, 8 of them behind a batch normalization, and real results."""
    x = b.node("Reshape", [b.input((1, 1, 4, 4)), b.constant(np.array([1, 16]))])
    x = b.quant(x, 1 / 3, bits=8)
    for features, bits in ((16, 4), (12, 8)):
        w = b.node("Transpose", [b.quant(b.rng.normal(0, 1, (12, features)), 0.3, bits=4,
                                         narrow=1)], perm=[1, 0])
        x = b.node("Relu", [_norm(b, b.node("MatMul", [x, w]), 12)])
        x = b.quant(x, 0.11 * 16 / 2.0**bits, bits=bits, signed=0)
    scale = b.rng.uniform(0.1, 0.2, (5, 1))
    w = b.quant(b.rng.normal(0, 1, (5, 12)), scale, bits=4, narrow=1)
    return b.finished(b.node("Gemm", [x, w, b.quant(b.reals(5, -1, 1), 0.01, bits=16)],
                             transB=1), 2)


def _convolutions(b: QonnxBuilder):
    """A residual block, depthwise and pointwise, pools, a truncated mean, and sums."""
    x = b.quant(b.input((1, 3, 8, 8)), 0.02)
    x = b.node("Conv", [x, b.quant(b.rng.normal(0, 0.5, (4, 3, 3, 3)), 0.09, bits=4, narrow=1)],
               pads=[1] * 4, kernel_shape=[3, 3])
    x = b.node("MaxPool", [b.node("Relu", [_norm(b, x, 4)])], kernel_shape=[2, 2], strides=[2, 2])
    x = first = b.quant(x, 0.05, bits=8, signed=0)
    w = b.node("BipolarQuant", [b.constant(b.reals((4, 1, 3, 3), -1, 1)),
                                b.constant(float32(0.21))], b.domain)
    x = _norm(b, b.node("Conv", [x, w], pads=[1] * 4, kernel_shape=[3, 3], group=4), 4)
    x = b.quant(x, 0.05, bits=8)
    x = b.quant(b.node("Add", [first, x]), 0.07, bits=8)
    w = b.quant(b.rng.normal(0, 0.5, (6, 4, 1, 1)), b.rng.uniform(0.2, 0.4, (6, 1, 1, 1)), bits=2,
                narrow=1)
    x = b.node("Conv", [x, w], kernel_shape=[1, 1])
    x = b.quant(b.node("Relu", [x]), 0.1, bits=4, signed=0)
    x = b.node("Mul", [b.node("AveragePool", [x], kernel_shape=[4, 4]), b.constant(float32(16))])
    x = b.node("Flatten", [b.trunc(x, 0.1, 0.0, 8, 4, rounding_mode="FLOOR")])
    return b.finished(b.node("MatMul", [x, b.quant(b.rng.normal(0, 1, (6, 3)), 0.5, bits=4)]), 2)


NETWORKS: Mapping[str, Callable] = {"mlp": _mlp, "convolutions": _convolutions}
"""Functions that make a file of a network."""


def main() -> int:
    """Write a network to a file: ``python -m tests.golden.readers.qonnx_files NAME FILE``."""
    name, path = sys.argv[1:]
    Path(path).write_bytes(
        NETWORKS[name](QonnxBuilder(np.random.default_rng(3))).SerializeToString())
    return 0


if __name__ == "__main__":
    sys.exit(main())
