"""What a report says of a model: operators on levels, boundaries, groups that share a scale."""

import numpy as np

from golden.formats import IntFormat
from golden.networks import Extreme, Lookup, Network, Quantization, Reshape, Tensor
from golden.readers import Model, read_model
from golden.readers.report import report
from tests.golden.readers.onnx_files import Builder
from tests.golden.readers.qonnx_builder import QonnxBuilder
from tests.golden.readers.tflite_model import Constant, Node, Value, model


def tflite(tmp_path):
    """Real numbers in and out; a layer, then a maximum pool, a reshape and a table."""
    real, x, y = Value((1, 2, 2, 1), "float32"), Value((1, 2, 2, 1), "int8", 0.5, 3), Value(
        (1, 2, 2, 1), "int8", 0.25, 3)
    z, flat, end = (Value((1, 1, 1, 1), "int8", 0.25, 3), Value((1, 1), "int8", 0.25, 3),
                    Value((1, 1), "int8", 1 / 256, -128))
    w = Constant(np.ones((1, 1, 1, 1), np.int8), np.float32(0.5), 0)
    out = Value((1, 1), "float32")
    nodes = [Node("QUANTIZE", [real], [x]),
             Node("CONV_2D", [x, w, Constant(np.zeros(1, np.int32), np.float32(0.25), 0)], [y],
                  dict(padding=1, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1),
                  "Conv2DOptions"),
             Node("MAX_POOL_2D", [y], [z], dict(padding=1, strideH=2, strideW=2, filterHeight=2,
                                                filterWidth=2), "Pool2DOptions"),
             Node("RESHAPE", [z, Constant(np.array([1, 1], np.int32))], [flat],
                  dict(newShape=[1, 1]), "ReshapeOptions"),
             Node("LOGISTIC", [flat], [end]), Node("DEQUANTIZE", [end], [out])]
    path = tmp_path / "small.tflite"
    path.write_bytes(model(nodes, [real], [out]))
    return path


def test_a_tflite_model(tmp_path):
    made = report(read_model(tflite(tmp_path), "litert"))
    assert [(each.operator, each.arithmetic) for each in made.computed] == [
        ("Conv2d", "contract onnx"), ("Pool", "max of levels"), ("Reshape", "moves levels"),
        ("Lookup", "table")]
    assert made.computed[0].quantization == "s8, scale 0.25, zero point 3"
    [first], [last] = made.quantize, made.dequantize
    assert (first.operator, first.reason) == (
        "QUANTIZE", "its input is an input of the model, of real numbers")
    assert (last.operator, last.levels, last.reason) == (
        "DEQUANTIZE", made.computed[-1].tensor,
        "its output is an output of the model, of real numbers")
    [group] = made.shared
    assert group.tensors == tuple(each.tensor for each in made.computed[:3])
    assert [each.split()[0] for each in group.operators] == ["Pool", "Reshape"]
    text = str(made)
    assert text.startswith("small as litert computes it\n\noperators on levels: 4\n")
    assert "quantize operators that remain: 1\n  QUANTIZE  t0  t1  its input" in text


def test_a_qonnx_model(tmp_path):
    """Operators in front of a quantizer, outputs that are levels, and exact sums."""
    b = QonnxBuilder(np.random.default_rng(1))
    real = b.node("Sub", [b.node("Mul", [b.input((1, 4)), b.constant(np.float32(2))]), b.constant(
        np.float32(1))])
    x = b.quant(real, 0.25)
    y = b.node("Relu", [b.node("MatMul", [b.quant(b.input((1, 2)), 0.5), b.weights((2, 3), 1)])])
    b.output(y, b.node("Flatten", [x]))
    (tmp_path / "small.onnx").write_bytes(b.file().SerializeToString())
    made = report(read_model(tmp_path / "small.onnx"))
    assert [(each.operator, each.reason) for each in (*made.quantize, *made.dequantize)] == [
        ("Quant", "Mul, Sub in front of it stay outside"),
        ("Quant", "its input is an input of the model, of real numbers"),
        ("Relu", "exact sums, of which the real numbers are computed outside"),
        ("Flatten", "levels of Flatten")]


def test_an_onnx_model(tmp_path):
    """Groups join at an operator of several inputs; what rescales is in none."""
    b = Builder(np.random.default_rng(1))
    names, others = b.quantization(), b.quantization()
    x = b.node("QuantizeLinear", [b.input((None, 2, 4, 4), "float32"), *names])
    a = b.node("MaxPool", [x], kernel_shape=[1, 1])
    c = b.node("Transpose", [b.node("QLinearConv", [x, *names, *b.weights((2, 2, 1, 1), 0),
                                                    *others])], perm=[0, 1, 3, 2])
    b.output(a)
    b.output(c)
    path = tmp_path / "small.onnx"
    path.write_bytes(b.bytes())
    read = read_model(path)
    made = report(read)
    network = read.network
    assert not made.dequantize and [each.operator for each in made.quantize] == ["QuantizeLinear"]
    assert "dequantize operators that remain: 0; the model's outputs are levels" in str(made)
    assert len(made.shared) == 2
    for group in made.shared:
        quantizations = [network.quantization(name) for name in group.tensors]
        assert len({(each.scale, each.zero_point) for each in quantizations}) == 1
    named = [name for group in made.shared for name in group.tensors]
    assert len(named) == len(set(named))
    # Every tensor is there, for each has a neighbour that keeps its levels.
    assert set(named) == set(network.tensors)


def test_groups_that_an_operator_joins():
    own, other = Quantization(IntFormat(8), 0.5, 3), Quantization(IntFormat(8), 0.5, 4)
    network = Network(name="n", inputs=tuple(Tensor(name, own, (4,)) for name in "ab"), layers=(
        Reshape(name="c", inputs=("a",), output=own, target=(2, 2)),
        Reshape(name="d", inputs=("b",), output=own, target=(2, 2)),
        Extreme(name="e", inputs=("c", "d"), output=own, kind="maximum"),
        Lookup(name="f", inputs=("e",), output=other, table=np.arange(-128, 128))))
    made = report(Model(network, "r", {}, ("a", "b")))
    assert [each.arithmetic for each in made.computed] == [
        "moves levels", "moves levels", "maximum of levels", "table"]
    [group] = made.shared
    assert set(group.tensors) == set("abcde") and len(group.tensors) == 5
    assert group.operators == ("Reshape (c)", "Reshape (d)", "Extreme (e)")
    assert group.quantization == "s8, scale 0.5, zero point 3"


def test_numbers_of_float32(tmp_path):
    """Dynamic quantization: a scale is a number, and no group shares one."""
    b = Builder(np.random.default_rng(1))
    x = b.input((None, 4), "float32")
    levels, scale, zero = b.node("DynamicQuantizeLinear", [x], outputs=3)
    sums = b.node("MatMulInteger", [levels, b.constant(np.ones((4, 2), np.int8)), zero])
    y = b.node("Mul", [b.node("Cast", [sums], to=1), scale])
    b.output(b.node("Reshape", [y, b.constant(np.array([-1, 1, 2]))]), kind="float32")
    (tmp_path / "model.onnx").write_bytes(b.bytes())
    made = report(read_model(tmp_path / "model.onnx"))
    assert [(each.operator, each.arithmetic, each.quantization.split(",")[0])
            for each in made.computed] == [
        ("DynamicQuantize", "float32, one operation", "u8"),
        ("DynamicQuantize", "float32, one operation", "float32"),
        ("DynamicQuantize", "float32, one operation", "u8"),
        ("Centre", "integers", "s9"), ("Dense", "contract none", "s32"),
        ("ToFloat", "float32, one operation", "float32"),
        ("FloatOperation", "float32, one operation", "float32"),
        ("Reshape", "moves levels", "float32")]
    assert not made.shared and not made.quantize and not made.dequantize
    assert [each.operator for each in made.computed if each.place is None] == ["Centre"]
    assert "operators on levels: 8, 1 of them added by the reader\n" in str(made)
