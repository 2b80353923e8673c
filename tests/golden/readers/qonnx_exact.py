"""A QONNX graph in rational numbers, node by node: an oracle that knows no levels."""

from fractions import Fraction
from math import floor, inf, isqrt, prod

import numpy as np

__all__ = ["Exact", "fractions"]

DIGITS = 400


def fractions(array) -> np.ndarray:
    """The exact values of floats, as an array of the same shape: rational numbers, or infinite."""
    array = np.asarray(array)
    exact = np.empty(array.size, object)
    exact[:] = [Fraction(value) if abs(value) < inf else value for value in array.ravel().tolist()]
    return exact.reshape(array.shape)


def whole(x: Fraction, mode: str) -> int:
    """An integer next to a rational number, by QONNX's name of a rounding."""
    below = floor(x)
    rest = x - below
    if rest == 0:
        return below
    positive = x > 0
    half = Fraction(1, 2)
    up = {"CEIL": True, "FLOOR": False, "UP": positive, "DOWN": not positive}.get(mode)
    if up is None:
        tie = {"ROUND": below % 2 == 1, "HALF_EVEN": below % 2 == 1, "HALF_UP": positive,
               "HALF_DOWN": not positive}[mode]
        up = tie if rest == half else rest > half
    return below + up


def elementwise(function, *arrays) -> np.ndarray:
    return np.frompyfunc(function, len(arrays), 1)(*arrays)


def ends(bits, signed, narrow) -> tuple[int, int]:
    if signed:
        return -(1 << bits - 1) + narrow, (1 << bits - 1) - 1
    return 0, (1 << bits) - 1 - narrow


class Exact:
    """Evaluates the nodes of a model.

    Parameters
    ----------
    onnx : module
    model : ModelProto
    """

    def __init__(self, onnx, model):
        self.onnx, self.model = onnx, model
        self.versions = {each.domain: each.version for each in model.opset_import}

    def run(self, given) -> dict[str, np.ndarray]:
        """Every tensor, with the batch, where some tensors are given."""
        helper, graph = self.onnx.numpy_helper, self.model.graph
        raw = {each.name: helper.to_array(each) for each in graph.initializer}
        values = {**{name: fractions(each) for name, each in raw.items()
                     if each.dtype.kind == "f"}, **given}
        for node in graph.node:
            if node.output[0] in values:
                continue
            if any(name not in values and name not in raw for name in node.input if name):
                continue
            attributes = {each.name: self.onnx.helper.get_attribute_value(each)
                          for each in node.attribute}
            if node.domain and node.input[0] in raw:
                values[node.output[0]] = self.constant(node, attributes, raw)
                continue
            values[node.output[0]] = getattr(self, f"_{node.op_type.lower()}")(
                node, attributes, *[values.get(name, raw.get(name)) for name in node.input])
        return values

    def constant(self, node, attributes, raw) -> np.ndarray:
        """A quantized constant: integers by QONNX's own float32, then exact."""
        from qonnx.custom_op.general.quant import quant

        x, scale, *rest = [raw[name] for name in node.input]
        if node.op_type == "BipolarQuant":
            return fractions(np.where(x >= 0, 1, -1)) * fractions(scale)
        mode = attributes.get("rounding_mode", b"ROUND").decode()
        one = np.float32(1)
        bits = rest[1]
        integers = quant(x / scale + rest[0], one, np.float32(0), bits, attributes["signed"],
                         attributes["narrow"], mode)
        return (fractions(integers) - fractions(rest[0])) * fractions(scale)

    def _quant(self, node, attributes, x, scale, zero, bits):
        bits, mode = int(bits.item()), attributes.get("rounding_mode", b"ROUND").decode()
        if bits == 1 and attributes["signed"]:
            return elementwise(lambda v, s, z: ((1 if v / s + z >= 0 else -1) - z) * s, x, scale,
                               zero)
        lo, hi = ends(bits, attributes["signed"], attributes["narrow"])
        return elementwise(
            lambda v, s, z: s * (whole(min(max(v / s + z, lo), hi), mode.upper()) - z), x, scale,
            zero)

    _intquant = _quant

    def _bipolarquant(self, node, attributes, x, scale):
        return elementwise(lambda v, s: s if v >= 0 else -s, x, scale)

    def _trunc(self, node, attributes, x, scale, zero, bits, *rest):
        mode = attributes["rounding_mode"].decode()
        scale, zero, bits = scale.item(), zero.item(), int(bits.item())
        if self.versions.get(node.domain, 1) < 2:
            places = bits - int(rest[0].item())
            return elementwise(lambda v: scale * (whole(
                whole(v / scale + zero, "ROUND") / Fraction(2)**places, mode) - zero), x)
        out = rest[0].item()
        places = round(np.log2(float(out) / float(scale)))
        lo, hi = ends(int(rest[1].item()), attributes.get("signed", 1),
                      attributes.get("narrow", 0))
        unit = Fraction(2)**places
        return elementwise(lambda v: out * (whole(min(max(
            whole(v / scale + zero, "ROUND") / unit, lo), hi), mode) - zero / unit), x)

    def _multithreshold(self, node, attributes, x, thresholds):
        layout = attributes.get("data_layout", b"").decode() or {
            2: "NC", 3: "NWC", 4: "NCHW"}[x.ndim]
        axis, out = layout.index("C"), np.empty(x.shape, object)
        scale, bias = (Fraction(attributes.get(name, default)) for name, default in (
            ("out_scale", 1.0), ("out_bias", 0.0)))
        for index in np.ndindex(x.shape):
            row = thresholds[index[axis] if len(thresholds) > 1 else 0]
            out[index] = scale * sum(x[index] >= each for each in row) + bias
        return out

    def _conv(self, node, attributes, x, w, b=None):
        top, left, bottom, right = attributes.get("pads", [0] * 4)
        stride, dilation = (attributes.get(name, [1, 1]) for name in ("strides", "dilations"))
        group = attributes.get("group", 1)
        padded = np.full((len(x), x.shape[1], x.shape[2] + top + bottom,
                          x.shape[3] + left + right), Fraction(0), object)
        padded[:, :, top:top + x.shape[2], left:left + x.shape[3]] = x
        reach = [(size - 1) * step for size, step in zip(w.shape[2:], dilation, strict=True)]
        rows, columns = ((size - far - 1) // step + 1 for size, far, step in zip(
            padded.shape[2:], reach, stride, strict=True))
        out = np.empty((len(x), len(w), rows, columns), object)
        depth, each = x.shape[1] // group, len(w) // group
        for r, c in np.ndindex(rows, columns):
            window = padded[:, :, r * stride[0]:r * stride[0] + reach[0] + 1:dilation[0],
                            c * stride[1]:c * stride[1] + reach[1] + 1:dilation[1]]
            for k in range(group):
                part = window[:, k * depth:(k + 1) * depth].reshape(len(x), -1)
                out[:, k * each:(k + 1) * each, r, c] = part @ w[
                    k * each:(k + 1) * each].reshape(each, -1).T
        return out if b is None else out + b.reshape(-1, 1, 1)

    def _matmul(self, node, attributes, a, b):
        return np.tensordot(a, b, 1)

    def _gemm(self, node, attributes, a, b, c=None):
        product = a @ (b.T if attributes.get("transB", 0) else b)
        product = product * Fraction(attributes.get("alpha", 1.0))
        return product if c is None else product + c * Fraction(attributes.get("beta", 1.0))

    def _batchnormalization(self, node, attributes, x, scale, bias, mean, variance):
        epsilon = Fraction(attributes.get("epsilon", float(np.float32(1e-5))))
        places = 10**DIGITS

        def root(v):
            inside = (v + epsilon) * places**2
            return Fraction(isqrt(inside.numerator * inside.denominator),
                            inside.denominator * places)

        shape = (-1, *[1] * (x.ndim - 2))
        scale, bias, mean, root_of = (each.reshape(shape) for each in (
            scale, bias, mean, elementwise(root, variance)))
        return (x - mean) / root_of * scale + bias

    def _add(self, node, attributes, a, b):
        return a + b

    def _sub(self, node, attributes, a, b):
        return a - b

    def _mul(self, node, attributes, a, b):
        return a * b

    def _div(self, node, attributes, a, b):
        return a / b

    def _neg(self, node, attributes, x):
        return -x

    def _relu(self, node, attributes, x):
        return elementwise(lambda v: max(v, Fraction(0)), x)

    def _clip(self, node, attributes, x, lo=None, hi=None):
        lo, hi = (fractions(attributes.get(name, none)) if end is None else end
                  for name, end, none in (("min", lo, -inf), ("max", hi, inf)))
        return elementwise(lambda v: min(max(v, lo.item()), hi.item()), x)

    def _windows(self, attributes, x, outside):
        top, left, bottom, right = attributes.get("pads", [0] * 4)
        kernel, stride = attributes["kernel_shape"], attributes.get("strides", [1, 1])
        padded = np.full((*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right),
                         outside, object)
        padded[:, :, top:top + x.shape[2], left:left + x.shape[3]] = x
        rows, columns = ((size - taps) // step + 1 for size, taps, step in zip(
            padded.shape[2:], kernel, stride, strict=True))
        return np.stack([padded[:, :, i:i + (rows - 1) * stride[0] + 1:stride[0],
                                j:j + (columns - 1) * stride[1] + 1:stride[1]]
                         for i, j in np.ndindex(*kernel)])

    def _maxpool(self, node, attributes, x):
        return self._windows(attributes, x, Fraction(-10**30)).max(axis=0)

    def _averagepool(self, node, attributes, x):
        return self._windows(attributes, x, Fraction(0)).sum(axis=0) / prod(
            attributes["kernel_shape"])

    def _globalaveragepool(self, node, attributes, x):
        return x.sum(axis=(2, 3), keepdims=True) / prod(x.shape[2:])

    def _reshape(self, node, attributes, x, shape):
        return x.reshape(len(x), *[size for size in shape.tolist()[1:]])

    def _flatten(self, node, attributes, x):
        return x.reshape(len(x), -1)

    def _transpose(self, node, attributes, x):
        return x.transpose(attributes["perm"])

    def _concat(self, node, attributes, *parts):
        return np.concatenate(parts, axis=attributes["axis"])

    def _pad(self, node, attributes, x, pads, value=None):
        pads = pads.tolist()
        widths = list(zip(pads[:x.ndim], pads[x.ndim:], strict=True))
        return np.pad(x, widths, constant_values=np.array(Fraction(0), object))

    def _identity(self, node, attributes, x):
        return x
