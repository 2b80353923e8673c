"""Float ONNX files compute as ONNX Runtime does; what cannot be read is refused by name."""

from dataclasses import replace
from math import inf, prod

import numpy as np
import pytest

from golden.floats import FloatAdd, FloatConv2d, FloatDense, FloatLinear, FloatPool, run_float
from golden.quantize import equalize, quantize_network, tensor_errors
from golden.readers import DamagedModel, UnsupportedModel
from golden.readers.onnx.floats import QuantizedModel, read_float
from tests.golden.readers.onnx_float_files import FloatBuilder, images, runtime, saved


def read(made, folder):
    return read_float(saved(made, folder / "model.onnx"))


def equal(made, shape, folder, rng):
    """The network of a file, which gives the numbers of ONNX Runtime."""
    network = read(made, folder)
    x = rng.integers(-3, 4, (3, *shape)).astype(float)
    np.testing.assert_array_equal(run_float(network, x), runtime(made, x))
    assert network.input_shape == shape
    return network


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("axes", [1, 2])
def test_small_integers_are_exact(seed, axes, tmp_path):
    rng = np.random.default_rng([seed, axes])
    equal(*images(rng, axes=axes), tmp_path, rng)


def test_random_numbers_are_as_near_as_float32(rng, tmp_path):
    b = FloatBuilder(rng, exact=False)
    x = b.input((None, 3, 9, 8), "float32")
    y = b.node("Conv", [x, b.weights(4, 3, 3, 3), b.weights(4)], strides=[2, 1])
    y = b.node("AveragePool", [b.node("Relu", [y])], kernel_shape=[3, 2], pads=[1, 0, 0, 1])
    y = b.node("Add", [y, b.node("Conv", [y, b.weights(4, 1, 1, 1)], group=4)])
    y = b.node("Gemm", [b.node("Flatten", [y]), b.weights(72, 5), b.weights(5)])
    made = b.finished(y)
    network = read(made, tmp_path)
    x = rng.normal(size=(4, 3, 9, 8)).astype(np.float32)
    tensors, errors = {"x0": x.astype(float)}, {"x0": np.zeros(x.shape)}
    for layer in network.layers:
        inputs = [tensors[name] for name in layer.inputs]
        tensors[layer.name] = layer.run(*inputs)
        errors[layer.name] = bound(layer, inputs, [errors[name] for name in layer.inputs])
    found = np.abs(runtime(made, x) - tensors[network.output])
    assert (found <= errors[network.output]).all() and 0 < found.max() < 1e-3


def bound(layer, inputs, errors):
    """Bound of the error of a result in float32, for inputs with errors: Higham, section 3.1.

    A sum of n rounded products is off by at most ``n u / (1 - n u)`` of the sum of magnitudes, in
    any order; a clip, a maximum or a move adds nothing.
    """
    terms = (prod(layer.weights.shape[1:]) if isinstance(layer, FloatLinear) else
             prod(layer.size) if isinstance(layer, FloatPool) else len(inputs)) + 1
    share = terms * 2.0**-24 / (1 - terms * 2.0**-24)
    sizes = replace(layer, least=-inf, most=inf)
    if isinstance(sizes, FloatLinear):
        sizes = replace(sizes, weights=np.abs(sizes.weights), bias=np.abs(sizes.biases()))
        passed = replace(sizes, bias=None)
    else:
        passed = sizes
    if not isinstance(layer, FloatLinear | FloatPool | FloatAdd):
        return layer.unclipped(*errors)
    largest = [np.abs(x) + e for x, e in zip(inputs, errors, strict=True)]
    return passed.unclipped(*errors) + share * sizes.unclipped(*largest)


class TestWhatIsFolded:
    """By the kinds of the layers, and their ends."""

    @pytest.fixture
    def b(self, rng):
        return FloatBuilder(rng)

    def test_a_normalization_and_a_clip_go_into_the_convolution(self, b, rng, tmp_path):
        x = b.input((None, 3, 4, 4), "float32")
        y = b.node("Conv", [x, b.weights(4, 3, 2, 2), b.weights(4)])
        y = b.batch_normalization(b.node("Identity", [y]), 4)
        y = b.clip(b.node("Add", [y, b.weights(1, 4, 1, 1)]), -1, 6)
        network = equal(b.finished(y), (3, 4, 4), tmp_path, rng)
        [conv] = [each for each in network.layers if isinstance(each, FloatConv2d)]
        assert (len(network.layers), conv.least, conv.most) == (3, -1, 6)

    def test_clips_follow_each_other(self, b, rng, tmp_path):
        y = b.node("MatMul", [b.input((None, 5), "float32"), b.weights(5, 3)])
        y = b.clip(b.clip(b.clip(y, -5, 9), None, 4), -2, 20)
        network = equal(b.finished(y), (5,), tmp_path, rng)
        [dense] = network.layers
        assert (dense.least, dense.most) == (-2, 4)

    def test_a_tensor_that_others_read_stays(self, b, rng, tmp_path):
        x = b.input((None, 5), "float32")
        y = b.node("Gemm", [x, b.weights(5, 4)])
        y = b.node("Add", [y, b.node("Relu", [y])])
        network = equal(b.finished(y), (5,), tmp_path, rng)
        sums = [each for each in network.layers if isinstance(each, FloatLinear)]
        assert [type(each) for each in sums] == [FloatDense, FloatConv2d]
        assert sums[1].weights.ravel().tolist() == [1] * 4 and sums[1].groups == 4

    @pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 4, 4)])
    @pytest.mark.parametrize("kind", ["relu", "normalization", "scalar", "bias"])
    def test_an_input_gets_a_layer_of_its_own(self, b, rng, tmp_path, shape, kind):
        x = b.input((None, *shape), "float32")
        axes = [1] * (len(shape) - 1)
        y = {"relu": lambda: b.clip(x, 0, 2), "normalization": lambda: b.batch_normalization(x, 3),
             "scalar": lambda: b.node("Add", [b.constant(np.float32(2)), x]),
             "bias": lambda: b.node("Add", [x, b.weights(3, *axes)])}[kind]()
        equal(b.finished(y), shape, tmp_path, rng)

    def test_rows_of_vectors(self, b, rng, tmp_path):
        x = b.input((None, 4, 5), "float32")
        y = b.node("Add", [b.node("MatMul", [x, b.weights(5, 3)]), b.weights(3)])
        y = b.node("Concat", [b.node("Relu", [y]), y], axis=-1)
        network = equal(b.finished(y), (4, 5), tmp_path, rng)
        assert isinstance(network.layers[0], FloatDense)

    @pytest.mark.parametrize("attributes", [
        {"ceil_mode": 1, "strides": [2, 2], "count_include_pad": 1},
        {"ceil_mode": 1, "strides": [3, 2], "pads": [0, 1, 0, 1]},
        {"ceil_mode": 1, "strides": [2, 2], "auto_pad": "VALID"},
        {"ceil_mode": 1, "strides": [1, 2], "auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER", "strides": [1, 2]}])
    @pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
    def test_ragged_windows(self, b, rng, tmp_path, attributes, operator):
        if operator == "MaxPool":
            attributes = {key: each for key, each in attributes.items()
                          if key != "count_include_pad"}
        y = b.node(operator, [b.input((None, 2, 6, 7), "float32")], kernel_shape=[1, 2],
                   **attributes)
        equal(b.finished(y, opset=19), (2, 6, 7), tmp_path, rng)

    @pytest.mark.parametrize("heads", [1, 2])
    def test_weights_are_in_the_order_of_an_image(self, b, rng, tmp_path, heads):
        """Only the transpose of the input stays."""
        x = b.node("Conv", [b.input((None, 2, 3, 4), "float32"), b.weights(3, 2, 2, 2)])
        x = b.node("Reshape", [b.node("Relu", [x]), b.constant(np.array([-1, 18]))])
        y = [b.node("Gemm", [x, b.weights(18, 2)]) for _ in range(heads)]
        network = equal(b.finished(b.node("Concat", y, axis=1)), (2, 3, 4), tmp_path, rng)
        kinds = [type(each).__name__.removeprefix("Float") for each in network.layers]
        assert kinds == ["Transpose", "Conv2d", "Reshape", *["Dense"] * heads, "Concat"]

    def test_a_flattened_image_that_is_the_output_too_is_in_the_order_of_the_file(
            self, b, rng, tmp_path):
        x = b.node("Conv", [b.input((None, 2, 3, 4), "float32"), b.weights(3, 2, 2, 2)])
        x = b.node("Flatten", [x])
        y = b.node("Concat", [x, b.node("Gemm", [x, b.weights(18, 2)])], axis=1)
        equal(b.finished(y), (2, 3, 4), tmp_path, rng)

    def test_attributes_of_older_versions(self, b, rng, tmp_path):
        y = b.node("Clip", [b.node("Gemm", [b.input((None, 3), "float32"), b.weights(3, 3),
                                            b.weights(3)])], min=-1.0, max=2.0)
        equal(b.finished(y, opset=9), (3,), tmp_path, rng)

    def test_only_what_the_output_needs_stays(self, b, rng, tmp_path):
        x = b.input((None, 3), "float32")
        b.node("Relu", [b.node("Gemm", [x, b.weights(3, 3)])])
        assert len(equal(b.finished(b.node("Gemm", [x, b.weights(3, 2)])), (3,), tmp_path,
                         rng).layers) == 1


@pytest.mark.parametrize("axes", [1, 2])
def test_a_file_is_equalized_and_quantized(rng, tmp_path, axes):
    """Every kind of layer that a file becomes, with 8 bits near to the float network."""
    made, shape = images(rng, exact=False, axes=axes)
    network = equalize(read(made, tmp_path))
    x = rng.normal(size=(30, *shape))
    made = quantize_network(network, x, weights="s8n", activations="s8", contract="half_up")
    assert tensor_errors(network, made, x)[-1].noise_ratio > 20


def test_everything_unsupported_is_named_at_once(rng, tmp_path):
    b = FloatBuilder(rng)
    x = b.input((None, 3), "float32")
    y = b.node("Sigmoid", [b.node("Gemm", [x, b.weights(3, 3)])])
    y = b.node("Mul", [b.node("Softmax", [x]), y])
    made = b.finished(b.node("Softmax", [b.node("Relu", [y])]))
    with pytest.raises(UnsupportedModel) as error:
        read(made, tmp_path)
    assert str(error.value) == (
        f"Model {tmp_path / 'model.onnx'} must have operators that can be read, not "
        "Sigmoid 1 (t1_0), Softmax 2 (t2_0), Mul 3 (t3_0), Softmax 5 (t5_0): Operator must be one "
        "of Gemm, MatMul, Conv, BatchNormalization, Relu, Clip, MaxPool, AveragePool, "
        "GlobalAveragePool, Add, Concat, Flatten, Reshape, Identity, Dropout")


@pytest.mark.parametrize("make, reason", [
    (lambda b, x: b.clip(x, 1, 6), "Ends of layer 't0_0' must be at most 0 and at least 0, and "
                                   "differ, not 1.0 and 6.0"),
    (lambda b, x: b.node("Gemm", [x, b.weights(3, 2)]), "Input 'x0' must have 2 axes, not 4"),
    (lambda b, x: b.node("Conv", [x, b.weights(2, 4, 1, 1)]),
     "Input 0 must have shape (height, width, 4), not (4, 5, 3)"),
    (lambda b, x: b.node("Conv", [x, b.weights(2, 3, 1)]),
     "Weights 'c0' must have 4 axes, not 3"),
    (lambda b, x: b.node("Conv", [x, x]), "Weights 'x0' must be constant, not computed"),
    (lambda b, x: b.node("AveragePool", [x], kernel_shape=[2, 2], pads=[1, 1, 1, 1],
                         count_include_pad=1),
     "Attribute count_include_pad must be 0 where there is padding, not 1"),
    (lambda b, x: b.node("MaxPool", [x], kernel_shape=[2, 2], dilations=[2, 2]),
     "Attribute dilations must be [1, 1], not '[2, 2]'"),
    (lambda b, x: b.node("Add", [x, b.weights(1, 1, 3)]),
     "Operand must have one number or one for each place of an axis of (3, 4, 5), not shape "
     "(1, 1, 3)"),
    (lambda b, x: b.node("Add", [x, b.weights(5)]),
     "Operand must have a number for each channel, along axis 1, or come behind a fully connected "
     "layer that nothing else reads, not have one for each place of axis 3"),
    (lambda b, x: b.node("Add", [x, b.node("GlobalAveragePool", [x])]),
     "Inputs must have one shape behind the batch, not (3, 4, 5) and (3, 1, 1)"),
    (lambda b, x: b.node("Flatten", [x], axis=2), "Attribute axis must be 1, not 2"),
    (lambda b, x: b.node("Reshape", [x, b.constant(np.array([60, -1]))]),
     "Shape must leave the batch first, and have the 60 elements of a sample behind it, not be "
     "[60, -1]"),
    (lambda b, x: b.node("Concat", [x, x], axis=0), "Axis must not be 0, the batch"),
    (lambda b, x: b.node("Conv", [x, b.constant(np.full((1, 3, 1, 1), np.nan, np.float32))]),
     "Weights 'c0' must be finite, not nan"),
    (lambda b, x: b.node("BatchNormalization", [x, *b.normalization(3)], training_mode=1),
     "Attribute training_mode must be 0, not '1'"),
    (lambda b, x: b.node("BatchNormalization", [x, *b.normalization(4)]),
     "Scale, shift, mean and variance must have shape (3,), not (4,)"),
])
def test_what_is_refused(rng, tmp_path, make, reason):
    b = FloatBuilder(rng)
    y = make(b, b.input((None, 3, 4, 5), "float32"))
    with pytest.raises(UnsupportedModel) as error:
        read(b.finished(y), tmp_path)
    assert [each.reason for each in error.value.problems] == [reason]


def test_inputs_and_outputs_are_one_each(rng, tmp_path):
    b = FloatBuilder(rng)
    x, other = b.input((None, 3), "float32"), b.input((None, 3), "float32")
    y = b.node("Relu", [x])
    b.output(other, kind="float32")
    with pytest.raises(UnsupportedModel) as error:
        read(b.finished(y), tmp_path)
    assert [each.reason for each in error.value.problems] == [
        "Inputs of the model must be 1, not 2", "Outputs of the model must be 1, not 2"]
    b = FloatBuilder(rng)
    with pytest.raises(UnsupportedModel, match="Output 'x0' must be computed, not the input$"):
        read(b.finished(b.input((None, 3), "float32")), tmp_path)


def test_levels_are_refused(rng, tmp_path):
    b = FloatBuilder(rng)
    x = b.node("QuantizeLinear", [b.input((None, 3), "float32"), *b.quantization()])
    with pytest.raises(QuantizedModel, match="must be of real numbers, not quantized: it has "
                                             "operators QuantizeLinear$"):
        read(b.finished(x), tmp_path)


def test_a_damaged_file(rng, tmp_path):
    made = images(rng)[0].SerializeToString()
    for size in (0, 10, len(made) // 2, len(made) - 1):
        (tmp_path / "cut.onnx").write_bytes(made[:size])
        with pytest.raises(DamagedModel):
            read_float(tmp_path / "cut.onnx")
