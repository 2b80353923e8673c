"""A builder of QONNX graphs in the form that Brevitas exports."""

import numpy as np

from tests.golden.readers.onnx_files import Builder

__all__ = ["DOMAIN", "MODES", "OLD", "QonnxBuilder", "float32"]

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
