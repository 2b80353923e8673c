"""QONNX files: every tensor equals the graph in rational numbers."""

import numpy as np
import pytest

from golden.readers import UnsupportedModel, read_model
from tests.golden.readers.qonnx_builder import QonnxBuilder
from tests.golden.readers.qonnx_files import CASES, NETWORKS
from tests.golden.readers.qonnx_operators import equal, executed, made

float32 = np.float32

pytest.importorskip("qonnx", reason="qonnx is not installed")


@pytest.mark.parametrize("name", CASES)
def test_a_group_of_operators(name, tmp_path, count=4):
    done = 0
    for b, model in made(name, count):
        try:
            done += equal(b, model, tmp_path / "one.onnx")
        except UnsupportedModel as error:  # Truncs of wide sums
            assert "Output of sums must have at most 8 bits" in str(error)
    assert done


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_files_of_a_group(name, tmp_path):
    test_a_group_of_operators(name, tmp_path, 60)


@pytest.mark.parametrize("powers", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_executor(name, powers, tmp_path, count=1):
    """Differences are by float32, and there are none where all scales are powers of two."""
    path, done = tmp_path / "one.onnx", 0
    for b, model in made(name, count, powers):
        path.write_bytes(model.SerializeToString())
        try:
            elements, differ, rounded = executed(path, b)
        except UnsupportedModel as error:
            assert "Output of sums must have at most 8 bits" in str(error)
            continue
        assert differ == (0 if powers else rounded)
        done += elements
    assert done


@pytest.mark.slow
@pytest.mark.parametrize("powers", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_executor_on_many_files(name, powers, tmp_path):
    test_the_executor(name, powers, tmp_path, 15)


def test_rounding_through_layers_that_the_file_does_not_have(tmp_path):
    """Float32 ends beyond a border behind a sum of two tensors, and in a part of a Concat."""
    b = QonnxBuilder(np.random.default_rng(0))
    x, y = (b.quant(b.input((1, 60)), 0.3 * factor) for factor in (1, 3))
    z = b.node("Concat", [b.quant(b.input((1, 2, 5, 5)), 0.3 * factor) for factor in (1, 3)],
               axis=1)
    b.output(*(b.quant(each, 0.6, mode="UP") for each in (b.node("Add", [x, y]), z)))
    (tmp_path / "one.onnx").write_bytes(b.file().SerializeToString())
    _, differ, rounded = executed(tmp_path / "one.onnx", b)
    assert differ == rounded > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network(name, tmp_path):
    """Networks as Brevitas exports them, in rational numbers and in the executor."""
    b = QonnxBuilder(np.random.default_rng(3))
    model = NETWORKS[name](b)
    assert equal(b, model, tmp_path / "network.onnx", 1)
    elements, differ, rounded = executed(tmp_path / "network.onnx", b, 2)
    assert elements and differ == rounded


@pytest.mark.parametrize("scale, bits, contract", [
    (0.25, 12, "half_even"), (0.25, 8, "thresholds"), (0.3, 8, "thresholds")])
def test_the_contract_of_wide_outputs(scale, bits, contract, tmp_path):
    """More than 8 bits are multiplied and shifted, where that is exact."""
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.quant(b.input((1, 6)), 0.5)
    w = b.quant(b.rng.normal(0, 1, (6, 4)), 0.125, bits=6)
    x = b.node("Add", [b.node("MatMul", [x, w]), b.constant(float32([0.5, -3, 0.125, 7]))])
    x = b.node("Mul", [x, b.constant(float32([1, -1, 2, 0.5]))])
    model = b.finished(b.quant(b.node("Clip", [x, b.constant(float32(-90))]), scale, 4, bits),
                       2)
    assert equal(b, model, tmp_path / "wide.onnx", 8)
    [layer] = read_model(tmp_path / "wide.onnx").network.layers
    assert layer.contract.name == contract


def test_shapes_in_front_of_the_first_quantizer(tmp_path):
    """Constants of more channels give the input as many."""
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.node("Sub", [b.input((1, 1, 4, 4)), b.constant(b.reals((1, 3, 1, 1), -1, 1))])
    x = b.quant(b.node("Mul", [b.constant(float32([[2], [1], [3], [1]])), x]), 0.3)
    model = b.finished(b.quant(b.node("GlobalAveragePool", [x]), 0.1), 4)
    assert equal(b, model, tmp_path / "one.onnx") and executed(tmp_path / "one.onnx", b)[0]
    [x] = read_model(tmp_path / "one.onnx").network.inputs
    assert x.shape == (3, 4, 4)


def test_constants_of_one_entry_behind_a_reshape(tmp_path):
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.node("Flatten", [b.node("Conv", [b.source((1, 2, 3, 3)), b.weights((2, 2, 1, 1), 0)])])
    x = b.node("Clip", [b.node("Mul", [x, b.constant(float32([[0.7]]))]),
                        b.constant(float32(-np.inf)), b.constant(float32(np.inf))])
    assert equal(b, b.finished(b.quant(x, [[0.3]]), 2), tmp_path / "one.onnx")


def test_tables(tmp_path):
    """Of levels with a zero point, by functions that rise, fall, or are constant."""
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.quant(b.input((1, 40)), 0.5, 3, 5, 0)
    falling = b.node("Sub", [b.constant(float32(2.25)), b.node("Mul", [x, b.constant(
        float32(0.7))])])
    for each in (b.node("Neg", [x]), falling, b.node("Mul", [x, b.constant(float32(0))])):
        b.output(b.quant(each, 0.5, 4, 4, mode="DOWN"), b.quant(each, 0.3, -0.5, 4),
                 b.quant(each, 1.0, bits=12, mode="CEIL"), b.thresholds(each, 1), b.trunc(each))
    assert equal(b, b.file(), tmp_path / "tables.onnx", 8)
    assert {type(each).__name__ for each in read_model(tmp_path / "tables.onnx").network.layers
            } == {"Lookup"}


@pytest.mark.parametrize("wide", [True, False])
def test_factors_of_0(wide, tmp_path):
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.quant(b.input((1, 3)), 0.5)
    x = b.node("Gemm", [x, b.weights((3, 2), 1), b.constant(float32([2, -3]))], alpha=0.0)
    model = b.finished(b.quant(x, 0.25, bits=12) if wide else x, 2)
    assert equal(b, model, tmp_path / "zero.onnx") == 2 * (3 + 2)


def test_formats(tmp_path):
    """Formats are those of the levels: ternary (s2n), binary, odd, narrow."""
    found = {}
    for name, options in {"s2n": dict(bits=2, narrow=1), "binary": dict(bits=1),
                          "odd4": dict(bits=4, zero=-0.5), "odd3": dict(bits=3, zero=3.5, signed=0),
                          "s8n": dict(bits=8, narrow=1), "u4": dict(bits=4, signed=0),
                          "u4n": dict(bits=4, signed=0, narrow=1),
                          "s7": dict(bits=5, zero=0.5)}.items():
        b = QonnxBuilder(np.random.default_rng(3))
        x = b.quant(b.input((1, 6)), 0.5, **options)
        w = b.quant(b.rng.normal(0, 1, (6, 4)), 0.5, **options)
        model = b.finished(b.quant(b.node("MatMul", [x, w]), 0.5, **options), 2)
        equal(b, model, tmp_path / "one.onnx")
        network = read_model(tmp_path / "one.onnx").network
        found[name] = {str(each) for each in (
            network.input.format, network.layers[0].weight.format, network.layers[0].output.format)}
    assert found == {name: {name} for name in found}


@pytest.mark.parametrize("zero", [-0.5, 3.0])
def test_padding_by_the_real_number_0(zero, tmp_path):
    """Odd levels, which have none for it, become integers; else it is the zero point."""
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.quant(b.input((1, 2, 3, 3)), 0.5, zero, 4)
    padded = b.node("Pad", [x, b.constant(np.array([0, 0, 1, 0, 0, 0, 0, 1])),
                            b.constant(float32(0))])
    flat = b.node("MatMul", [b.node("Flatten", [padded]), b.weights((32, 3), 1)])
    conv = b.node("Conv", [x, b.weights((3, 2, 2, 2), 0)], kernel_shape=[2, 2], pads=[1, 0, 0, 1])
    mean = b.node("AveragePool", [x], kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1)
    for each in (flat, conv, mean):
        b.output(b.quant(each, 0.3))
    path = tmp_path / "one.onnx"
    assert equal(b, b.file(), path)
    elements, differ, rounded = executed(path, b)
    assert elements and differ == rounded


@pytest.mark.parametrize("move", ["none", "Clip", "MaxPool", "Flatten", "Transpose",
                                  "negative MaxPool"])
def test_sums_at_an_output(move, tmp_path):
    """Each channel's own factor and offset, wherever its sums have gone."""
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.quant(b.input((1, 2, 4, 4)), 0.5)
    w = b.quant(b.rng.normal(0, 1, (3, 2, 1, 1)), b.rng.uniform(0.2, 0.4, (3, 1, 1, 1)), bits=4)
    x = b.node("Conv", [x, w, b.constant(float32([0.5, 30, -4]))], kernel_shape=[1, 1])
    if move in ("none", "Clip", "Transpose", "negative MaxPool"):
        x = b.node("Mul", [x, b.constant(float32(-0.7))])
    if move == "Clip":
        x = b.node("Clip", [x, b.constant(float32(-1.25)), b.constant(float32(20))])
    if move in ("MaxPool", "Flatten", "negative MaxPool"):
        x = b.node("MaxPool", [x], kernel_shape=[2, 2])
    if move in ("Flatten", "Transpose"):
        x = b.node(move, [x], **{"perm": [0, 3, 1, 2]} if move == "Transpose" else {})
    path = tmp_path / "one.onnx"
    path.write_bytes(b.finished(x, 2 if move == "Flatten" else 4).SerializeToString())
    if move == "negative MaxPool":
        with pytest.raises(UnsupportedModel, match="Output must be what a quantizer makes where a "
                                                   "MaxPool is of negative factors"):
            read_model(path)
        return
    assert equal(b, b.file(), path)
    elements, differ, _ = executed(path, b)
    # Sums that were clipped cannot be got back from the executor's numbers.
    assert bool(elements) == (move != "Clip") and not differ


def test_weights_of_a_channel_whose_function_falls(tmp_path):
    b = QonnxBuilder(np.random.default_rng(3))
    x = b.quant(b.input((1, 2)), 1.0)
    w = b.quant([[-2.0, 1.0], [1.0, 1.0]], 1.0, bits=2)
    x = b.node("Mul", [b.node("MatMul", [x, w]), b.constant(float32([-1, 1]))])
    equal(b, b.finished(b.quant(x, 4.0), 2), tmp_path / "one.onnx")
    [layer] = read_model(tmp_path / "one.onnx").network.layers
    assert layer.weights.tolist() == [[2, -1], [1, 1]]
    assert str(layer.weight.format) == "s3"  # 2 is no level of s2


def test_borders(tmp_path):
    """What stays outside: in front of the first quantizer, and behind the last sums."""
    b = QonnxBuilder(np.random.default_rng(3))
    path = tmp_path / "one.onnx"
    path.write_bytes(CASES["real output"](b).SerializeToString())
    read = read_model(path)
    [first], [last] = read.quantize, read.dequantize
    assert (first.operator, first.real, first.levels) == ("Quant", "t2_0", "t3_0")
    assert (last.operator, last.real, last.levels) == ("Add", "t6_0", "t6_0")
    assert read.network.layers[-1].contract.name == "none"
