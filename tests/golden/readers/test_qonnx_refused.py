"""QONNX files that are refused: all that is unsupported, by name."""

import numpy as np
import pytest

from golden.readers import read_model
from tests.golden.readers.qonnx_builder import DOMAIN, QonnxBuilder
from tests.golden.readers.qonnx_files import refused

float32 = np.float32


@pytest.fixture
def b():
    return QonnxBuilder(np.random.default_rng(5))


def test_every_unsupported_operator_is_named(b, tmp_path):
    x = b.quant(b.input((1, 4)), 0.5)
    b.node("Relu", [b.node("FloatQuant", [x], DOMAIN)])  # of an unknown tensor: says nothing new
    for operator in ("Softmax", "Abs", "Mul"):
        b.output(b.node(operator, [x, x][:1 + (operator == "Mul")]))
    text = refused(b, tmp_path)
    for part in (f"{DOMAIN}.FloatQuant 1 (t1_0): Operator must be one of Add,",
                 "Softmax 3 (t3_0): Operator must be one of Add,",
                 "Pad, Relu, Reshape,", "or Quant, IntQuant, BipolarQuant, Trunc, MultiThreshold "
                 "of domain qonnx.custom_op.general or onnx.brevitas",
                 "Abs 4 (t4_0): Operator must be one of",
                 "Mul 5 (t5_0): One input must be constant, not both computed"):
        assert part in text
    assert "Relu 2" not in text


@pytest.mark.parametrize("options, message", [
    (dict(mode="HALF"), "Attribute rounding_mode must be one of ROUND, HALF_EVEN, CEIL, FLOOR, UP, "
     "DOWN, HALF_UP, HALF_DOWN, not 'HALF'"),
    (dict(bits=17), "must be an integer in range [1, 16], not 17"),
    (dict(bits=2.5), "must be an integer in range [1, 16], not 2.5"),
    (dict(bits=0), "must be an integer in range [1, 16], not 0"),
    (dict(signed=2), "Attribute signed must be 0 or 1, not 2"),
    (dict(zero=0.25), "Zero point must be an integer or half of one, not 0.25"),
    (dict(zero=1e30), "Integers minus the zero point must fit 16 bits"),
    (dict(zero=np.nan), "Zero point must be finite, not nan"),
    (dict(bits=1, zero=1), "Zero point of one signed bit must be 0, not 1.0"),
    (dict(bits=1, signed=0, narrow=1), "at least 2 levels"),
    (dict(scale=0), "must be positive, not 0.0"), (dict(scale=-1), "must be positive, not -1.0"),
    (dict(scale=np.inf), "Scale must be finite, not inf"),
    (dict(scale=[1, 2]), "must have 1 entry for a tensor that is computed, not 2"),
])
def test_quantizers(b, tmp_path, options, message):
    """Of a computed tensor, of the graph's input and of a constant."""
    scale = options.pop("scale", 0.5)
    x = b.quant(b.input((1, 2)), 0.5)
    for each in (x, b.input((1, 2)), [[1.0, 2.0]]):
        b.output(b.quant(each, scale, **options))
    text = refused(b, tmp_path)
    assert text.count(message) >= 2 or text.count(message.split("[1")[0]) >= 2


def test_constants(b, tmp_path):
    x = b.quant(b.input((1, 2)), 0.5)
    b.output(b.node("MatMul", [x, b.constant(float32([[0.5], [1]]))]),
             b.node("MatMul", [x, b.quant([[np.nan], [1]], 0.5)]),
             b.node("MatMul", [x, b.quant([[2], [1]], 0.5, bits=20)]),
             b.node("MatMul", [x, b.quant([[2, 2], [1, 1]], [[0.5], [1]])]),
             b.node("MatMul", [x, b.trunc(b.constant(float32([[1], [2]])))]),
             b.node("MatMul", [x, b.quant([[2], [1]], [0.5, 1])]),
             b.node("Add", [x, b.constant(float32([[[1], [2]]]))]),
             b.node("Add", [x, b.constant(float32([[1], [2], [3]]))]),
             b.node("Div", [x, b.constant(float32(0))]),
             b.node("Div", [b.constant(float32(1)), x]),
             b.node("Add", [x, b.constant(float32([1, np.inf]))]),
             b.quant(x, [[[0.5]]]), b.quant(b.input((1, 2)), 0.5, [[[1]]]),
             b.node("Add", [x, b.constant(float32([[[1]]]))]))
    text = refused(b, tmp_path)
    for part in ("must be what a quantizer makes, or whole numbers", "must be finite",
                 "must have at most 16 bits, not 20",
                 "Scale of the weights must be one, or one for each output channel on axis 1, not "
                 "of shape (2, 1)", "Input must be computed, not constant, for Trunc",
                 "Scale and zero point must broadcast to shape (2, 1)",
                 "Constant must have at most the 2 axes of the tensor, not shape (1, 2, 1)",
                 "Constant must have 1 entry or one for each channel, not shape (3, 1)",
                 "Divisor must not be 0", "Divisor must be constant, not computed",
                 "must be finite, not inf",
                 "must have at most the 2 axes of the tensor, not shape (1, 1, 1)",
                 "Constant must have at most the 2 axes of the tensor, not shape (1, 1, 1)"):
        assert part in text, part
    assert text.count("' must have at most the 2 axes of the tensor, not shape (1, 1, 1)") == 2


def test_real_numbers_without_a_quantizer(b, tmp_path):
    x = b.input((1, 4))
    w = b.quant(np.eye(4), 0.5)
    b.output(b.node("MatMul", [x, w]))
    y = b.node("MatMul", [b.quant(b.node("Neg", [x]), 0.5), w])
    b.output(b.node("MatMul", [y, w]), b.node("Relu", [b.node("Concat", [y, y], axis=1)]))
    b.node("Relu", [y])
    z = b.node("Concat", [y, y], axis=1)
    b.output(b.quant(b.node("Concat", [z, z], axis=1), 1.0))
    text = refused(b, tmp_path)
    for part in ("Input 'x0' must be what a quantizer makes, not real numbers of the graph's input",
                 "must be what a quantizer makes, not the real numbers of MatMul 4",
                 "Output must be what a quantizer makes, or real numbers of sums",
                 "Result must go to a quantizer or an output",
                 "Inputs must not be what a Concat makes, without a quantizer between"):
        assert part in text, part


def test_functions(b, tmp_path):
    x = b.quant(b.input((1, 2, 4, 4)), 0.5)
    three = b.constant(float32([1, 2, 3]))
    two = b.constant(float32([[[1]], [[2]]]))
    down = b.node("MaxPool", [b.node("Neg", [x])], kernel_shape=[2, 2])
    b.output(
        b.quant(b.node("Mul", [down, b.constant(float32(-1))]), 0.5),
        b.quant(b.node("Add", [x, three]), 0.5),
        b.quant(b.node("Add", [b.node("Flatten", [b.node("Relu", [x])]), three]), 0.5),
        b.quant(b.node("Mul", [b.node("Add", [b.node("Conv", [x, b.quant(
            np.ones((3, 2, 1, 1)), 1.0)]), b.constant(float32(1))]), two]), 0.5),
        b.quant(b.node("AveragePool", [x], kernel_shape=[2, 2], pads=[1] * 4), 0.5),
        b.quant(b.node("BatchNormalization", [x, *[b.constant(float32([1, 1]))] * 3, b.constant(
            float32([-2, 1]))]), 0.5),
        b.quant(b.node("BatchNormalization", [x, *[b.constant(float32([1, 1]))] * 4],
                       training_mode=1), 0.5),
        b.quant(b.node("BatchNormalization", [x, *[b.constant(float32([1, 1]))] * 4],
                       epsilon=float("inf")), 0.5),
        b.node("Pad", [x, b.constant(np.ones(8, int)), b.constant(float32(1))]),
        b.thresholds(x, 3), b.thresholds(b.node("Flatten", [b.node("Relu", [x])]), 2),
        b.node("MultiThreshold", [x, b.constant(float32([1, 2]))], DOMAIN),
        b.thresholds(x, 1, out_scale=-1.0), b.trunc(x, out=40),
        b.quant(b.node("Add", [x, b.quant(b.input((1, 1, 4, 4)), 0.5)]), 0.5))
    text = refused(b, tmp_path)
    for part in ("Factor behind a MaxPool must not be negative",
                 "Constant must have 1 entry, or one for each of the channels on axis 1 of a "
                 "tensor of 2 or 4 axes that no operator has moved, not 3 on axis 3",
                 "that no operator has moved, not 3 on axis 1",
                 "Constant must have 3 entries on axis 1, one for each channel, not 2 on axis 1",
                 "Attribute count_include_pad must be 1 where there is padding",
                 "Variance plus epsilon must be positive", "Attribute training_mode must be 0",
                 "Attribute epsilon must be finite, not inf",
                 "Constant must have 2 entries, one for each channel, not 3",
                 "Thresholds 'c", "must have shape (channels, steps), not (2,)",
                 "Value must be 0, which has a level, not 1.0",
                 "Attribute out_scale must be positive, not -1.0", "in range [1, 16], not 40",
                 "Inputs must have one shape, not (2, 4, 4) and (1, 4, 4)"):
        assert part in text, part


def test_constants_of_more_axes_behind_a_reshape(b, tmp_path):
    """They would give the result as many; of a Reshape, the node tells how many there are."""
    x = b.node("GlobalAveragePool", [b.quant(b.input((1, 2, 4, 4)), 0.5)])
    flat, squeezed = b.node("Flatten", [x]), b.node("Squeeze", [x])
    y = b.node("Unsqueeze", [b.node("Reshape", [x, b.constant(np.array([1, 2, 1]))])], axes=[1])
    b.output(*(b.quant(each, np.full((1,) * rank, 0.5)) for each, rank in (
        (flat, 3), (squeezed, 2), (y, 5))), b.quant(b.node("Mul", [flat, b.constant(
            np.ones((1, 1, 1), float32))]), 0.5), b.quant(b.node("Mul", [squeezed, b.constant(
                np.ones(2, float32))]), 0.5))
    text = refused(b, tmp_path)
    for part in ("' must have at most the 2 axes of the tensor, not shape (1, 1, 1)",
                 "' must have at most 1 axis, behind a reshape, not shape (1, 1)",
                 "' must have at most the 4 axes of the tensor, not shape (1, 1, 1, 1, 1)",
                 "Constant must have at most the 2 axes of the tensor, not shape (1, 1, 1)",
                 "Constant must have 1 entry behind a reshape, not 2"):
        assert part in text, part


def test_constants_in_front(b, tmp_path):
    for shape in ((2, 3), (1, 1, 3), (2,)):
        b.output(b.quant(b.node("Mul", [b.input((None, 3)), b.constant(
            np.ones(shape, float32))]), 0.5))
    text = refused(b, tmp_path)
    for shape in ((2, 3), (1, 1, 3), (2,)):
        assert ("Constant must broadcast to 2 axes of shape (1, 3), and have one member for the "
                f"batch, not shape {shape}") in text


@pytest.mark.parametrize("ends, message", [
    ((np.inf, np.inf), "End min must be finite, not inf"),
    ((-np.inf, -np.inf), "End max must be finite, not -inf"),
    ((np.nan, 1), "End min must be finite, not nan")])
def test_ends_that_are_infinite(ends, message, b, tmp_path):
    x = b.node("Clip", [b.quant(b.input((1, 3)), 0.5), *(b.constant(float32(end))
                                                         for end in ends)])
    b.output(b.quant(x, 0.5))
    assert message in refused(b, tmp_path)


def test_wide_outputs(b, tmp_path):
    """Where a product and a shift round some sum otherwise, the channel is named."""
    x = b.quant(b.input((1, 6)), 0.5)
    y = b.node("MatMul", [x, b.quant(np.ones((6, 1)), 0.125)])
    b.output(b.quant(y, 0.25, 3, 12), b.quant(y, 0.25, mode="CEIL", bits=9),
             b.quant(y, 0.25, 100.5), b.trunc(y, 0.0625, 0, 16, 16, rounding_mode="FLOOR"))
    text = refused(b, tmp_path)
    assert ("Output of sums must have at most 8 bits, not 12 (s12), where no factor of 31 bits "
            "with an addend of 48 gives every sum its level: in channel 0, 0.25 and 0.0") in text
    assert text.count("or be what a Quant with an integer zero point and rounding_mode ROUND") == 3


def test_wide_outputs_of_a_large_offset(b, tmp_path):
    """The addend has 48 bits with every shift, also with none."""
    y = b.node("MatMul", [b.quant(b.input((1, 3)), 0.25), b.quant(np.ones((3, 2)), 0.125)])
    b.output(b.quant(b.node("Add", [y, b.constant(float32(1e30))]), 2**-4, bits=12))
    assert "in channel 0, 0.5 and 1.6" in refused(b, tmp_path)


@pytest.mark.parametrize("end", ["output", "relabel", "wide"])
def test_numbers_too_large_for_a_float(end, b, tmp_path):
    x = b.quant(b.input((1, 3)), 0.25)
    if end != "relabel":
        x = b.node("MatMul", [x, b.quant(np.ones((3, 3)), 0.125)])
    for _ in range(20):
        x = b.node("Mul", [x, b.constant(float32(3e38))])
    b.output({"output": lambda: x, "wide": lambda: b.quant(x, 0.5, bits=12),
              "relabel": lambda: b.node("MatMul", [x, b.quant(np.ones((3, 3)), 0.125)])}[end]())
    assert "must be smaller than 2**1024" in refused(b, tmp_path)


def test_outputs_that_float32_cannot_hold(b, tmp_path):
    x = b.node("MatMul", [b.quant(b.input((1, 3)), 0.25), b.quant(np.ones((3, 2)), 0.125)])
    b.output(b.node("Mul", [x, b.constant(float32([1, 3e38]))]))
    assert "that float32 holds, not 2.88e+40 as in channel 1" in refused(b, tmp_path)


def test_inputs(b, tmp_path):
    for shape in ((2, 4), (), (1, None)):
        b.output(b.quant(b.input(shape), 0.5))
    x = b.input((1, 4))
    b.output(b.quant(x, 0.5), b.quant(x, 0.25), b.quant(x, 0.5, mode="FLOOR"))
    b.output(b.thresholds(b.input((1, 4)), 1), b.quant(b.input((1, 4), "int64", "y"), 0.5))
    text = refused(b, tmp_path)
    assert text.count("Shape must have a batch of 1 or of any size first") == 2
    for part in ("Sizes behind the batch must be given", "Type must be float32, not int64",
                 "Quant 4 (t4_0): Input 'x3' must have one quantizer, not another than 't3_0'",
                 "Quant 5 (t5_0): Input 'x3' must have one quantizer, not another than 't3_0'",
                 "MultiThreshold 6 (t6_0): Input 'x4' must be what a quantizer makes, not real"):
        assert part in text, part


@pytest.mark.parametrize("first, second", [
    (dict(zero=-4, bits=3, signed=0), dict(bits=4, signed=0)),
    (dict(zero=7.5, bits=4, signed=0, mode="UP"), dict(zero=-0.5, bits=4, mode="UP")),
    (dict(bits=1), None), (dict(), "Mul"), ("Mul", "Mul")])
def test_two_quantizers_of_one_input(first, second, b, tmp_path):
    """They differ though the levels have one format, scale and zero point, and so do two inputs."""
    x = b.input((1, 4))
    for each in (first, second):
        if isinstance(each, dict):
            b.output(b.quant(x, 1.0, **each))
        elif each is None:
            b.output(b.node("BipolarQuant", [x, b.constant(float32(1))], DOMAIN))
        else:
            b.output(b.quant(b.node("Mul", [x, b.constant(float32(2))]), 1.0))
    assert "Input 'x0' must have one quantizer, not another than 't" in refused(b, tmp_path)


def test_two_quantizers_of_one_input_that_agree(b, tmp_path):
    x = b.input((1, 4))
    b.output(b.quant(x, 0.5), b.quant(b.node("Identity", [x]), 0.5, mode="half_even"))
    (tmp_path / "model.onnx").write_bytes(b.file().SerializeToString())
    network = read_model(tmp_path / "model.onnx").network
    assert network.outputs == (network.inputs[0].name,)


def test_another_runtime(b, tmp_path):
    b.output(b.quant(b.input((1, 4)), 0.5))
    (tmp_path / "model.onnx").write_bytes(b.file().SerializeToString())
    with pytest.raises(ValueError, match="^Runtime must be one of qonnx for a QONNX model, "
                                         "not 'onnxruntime'$"):
        read_model(tmp_path / "model.onnx", "onnxruntime")
