"""Float networks as ONNX files, and ONNX Runtime's quantizer.

``python -m tests.golden.readers.onnx_networks [FOLDER]`` quantizes each in each way and compares
every tensor with ONNX Runtime.
"""

import argparse
import logging
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from exactmac.compare import compare
from exactmac.oracles import RUNTIMES
from golden import digits
from tests.golden.readers.onnx_files import model

__all__ = ["ELEMENTS", "NETWORKS", "WAYS", "dynamic", "quantized"]


def _write(path: Path, nodes, constants, shape, classes):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    value, real = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    made = model(
        onnx, [onnx.helper.make_node(operator, inputs, [output], **attributes)
               for operator, inputs, output, attributes in nodes],
        [value("x", real, ["batch", *shape])], [value("y", real, ["batch", classes])],
        [onnx.numpy_helper.from_array(np.asarray(array, getattr(array, "dtype", np.int64)), name)
         for name, array in constants.items()], opset=13)
    made.ir_version = 8
    onnx.save(made, path)


def _digits(path: Path):
    """The packaged network, 64-64-10 with ReLU; return what it is calibrated with."""
    data = digits.load()
    constants = {f"{letter}{k}": np.asarray(array, np.float32)
                 for k, layer in enumerate(data.layers)
                 for letter, array in (("w", layer.weights), ("b", layer.bias))}
    _write(path, [("Gemm", ["x", "w0", "b0"], "h", {"transB": 1}), ("Relu", ["h"], "r", {}),
                  ("Gemm", ["r", "w1", "b1"], "y", {"transB": 1})], constants, (64,), 10)
    return np.asarray(data.calibration[:32], np.float32)


def _convolutions(path: Path):
    """A small network with a branch that is added, depthwise layers, pools and a join."""
    rng = np.random.default_rng(17)

    def weights(*shape):
        return (rng.normal(size=shape) * 0.3).astype(np.float32)

    constants = {"w0": weights(8, 3, 3, 3), "b0": weights(8), "w1": weights(8, 1, 3, 3),
                 "b1": weights(8), "w2": weights(8, 8, 1, 1), "w3": weights(16, 10),
                 "b3": weights(10), "lo": np.array(0, np.float32), "hi": np.array(6, np.float32),
                 "shape": np.array([0, -1])}
    _write(path, [
        ("Conv", ["x", "w0", "b0"], "c0", {"pads": [1] * 4, "strides": [2, 2]}),
        ("Relu", ["c0"], "r0", {}),
        ("Conv", ["r0", "w1", "b1"], "c1", {"pads": [1] * 4, "group": 8}),
        ("Clip", ["c1", "lo", "hi"], "r1", {}),
        ("Conv", ["r1", "w2"], "c2", {}), ("Add", ["c2", "r0"], "a", {}),
        ("MaxPool", ["a"], "m", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("AveragePool", ["m"], "p", {"kernel_shape": [3, 3], "pads": [1] * 4}),
        ("Concat", ["p", "m"], "cat", {"axis": 1}), ("GlobalAveragePool", ["cat"], "g", {}),
        ("Reshape", ["g", "shape"], "f", {}), ("Gemm", ["f", "w3", "b3"], "y", {})],
        constants, (3, 16, 16), 10)
    return rng.normal(size=(8, 3, 16, 16)).astype(np.float32)


def _residual(path: Path):
    """Convolutions with a branch that is added, and a classifier."""
    rng = np.random.default_rng(18)
    shapes = {"w0": (6, 3, 3, 3), "b0": (6,), "w1": (6, 1, 3, 3), "b1": (6,), "w2": (6, 6, 1, 1),
              "w3": (6 * 16, 10), "b3": (10,)}
    _write(path, [
        ("Conv", ["x", "w0", "b0"], "c0", {"pads": [1] * 4, "strides": [2, 2]}),
        ("Relu", ["c0"], "r0", {}),
        ("Conv", ["r0", "w1", "b1"], "c1", {"pads": [1, 0, 1, 2], "group": 6}),
        ("Conv", ["c1", "w2"], "c2", {}), ("Add", ["c2", "r0"], "a", {}), ("Relu", ["a"], "r", {}),
        ("Flatten", ["r"], "f", {}), ("Gemm", ["f", "w3", "b3"], "y", {})],
        {name: (rng.normal(size=shape) * 0.3).astype(np.float32)
         for name, shape in shapes.items()}, (3, 8, 8), 10)
    return rng.normal(size=(8, 3, 8, 8)).astype(np.float32)


NETWORKS = {"digits": _digits, "convolutions": _convolutions}
"""Functions that write a float network and return samples."""

ELEMENTS = {"digits": 64 + 10, "convolutions": 3 * 8 * 64 + 8 * 64 + 4 * 8 * 16 + 42}
"""Elements of all tensors of a network."""

WAYS = ("QOperator", "QDQ"), ("QUInt8", "QInt8"), (False, True)
"""Ways to quantize: form, type of the activations, whether weights have scales per channel."""


def dynamic(name: str, path: Path, *, weights: str, per_channel: bool):
    """Write the digits network, or one of convolutions, quantized at run time, to ``path``."""
    quantization = pytest.importorskip("onnxruntime.quantization",
                                       reason="onnxruntime is not installed")
    {"digits": _digits, "residual": _residual}[name](path.with_suffix(".float.onnx"))
    logging.disable(logging.WARNING)
    try:
        quantization.quantize_dynamic(
            path.with_suffix(".float.onnx"), path, per_channel=per_channel,
            weight_type=quantization.QuantType[weights])
    finally:
        logging.disable(logging.NOTSET)


def quantized(name: str, path: Path, *, form: str, activations: str, per_channel: bool,
              weights: str = "QInt8", **extra):
    """Write a network to ``path``, quantized by ONNX Runtime with some extra options."""
    quantization = pytest.importorskip("onnxruntime.quantization",
                                       reason="onnxruntime is not installed")
    samples = NETWORKS[name](path.with_suffix(".float.onnx"))
    reader = type("Reader", (quantization.CalibrationDataReader,), {
        "rows": iter(samples), "get_next": lambda self: next(
            ({"x": row[None]} for row in self.rows), None)})()
    logging.disable(logging.WARNING)
    try:
        quantization.quantize_static(
            path.with_suffix(".float.onnx"), path, reader, per_channel=per_channel,
            quant_format=quantization.QuantFormat[form],
            activation_type=quantization.QuantType[activations],
            weight_type=quantization.QuantType[weights], extra_options=extra)
    finally:
        logging.disable(logging.NOTSET)


def main() -> int:
    """Quantize each network in each way, compare every tensor with ONNX Runtime, and print counts.

    The files stay in a folder if one is given.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.golden.readers.onnx_networks")
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args().folder
    with TemporaryDirectory() as own:
        folder = folder or Path(own)
        results = []
        for name, form, activations, per_channel in product(NETWORKS, *WAYS):
            path = folder / f"{name}_{form}_{activations}{'_channels' * per_channel}.onnx"
            quantized(name, path, form=form, activations=activations, per_channel=per_channel)
            found = compare(path, RUNTIMES["onnxruntime"], samples=16)
            print(f"{path.stem:40} {found.tensors:3} {found.elements:8,} {found.mismatches:3}")
            results.append(found)
    tensors, elements, mismatches, excluded = (sum(each) for each in zip(*(
        (each.tensors, each.elements, each.mismatches, len(each.excluded)) for each in results),
        strict=True))
    print(f"{len(results)} models, {tensors} tensors, {elements:,} elements, "
          f"{mismatches} mismatches, {excluded} excluded")
    return int(mismatches > 0)


if __name__ == "__main__":
    sys.exit(main())
