"""Against vectors that nobody here computed: CMSIS-NN's unit tests, and tflite-micro's layers.

Both are TFLite's arithmetic with double rounding. The folder is not part of the repository;
``EXACTMAC_MODELS`` names it.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from golden import ops
from golden.contracts import parse as contract
from golden.elementwise import compute
from golden.formats import parse
from golden.networks import Quantization
from golden.requantize import requantize
from golden.unit_scales import parameters_of
from golden.units import Addition, Multiplication
from golden.units import parse as scheme

FOLDER = os.environ.get("EXACTMAC_MODELS")

pytestmark = pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")

CONVOLUTIONS = [
    "basic", "conv_1_x_n_2", "conv_1_x_n_4", "conv_1_x_n_6_generic", "conv_1_x_n_8",
    "conv_2x2_dilation", "conv_2x3_dilation", "conv_3x2_dilation", "conv_4",
    "conv_dilation_golden", "grouped_conv_1", "grouped_conv_3", "kernel1x1_stride_x",
    "kernel1x1_stride_x_y_1",
]
DEPTHWISE = [
    "depthwise_2", "depthwise_eq_in_out_ch", "depthwise_kernel_3x3_null_bias",
    "depthwise_null_bias_0", "depthwise_out_activation", "depthwise_x_stride",
    "in_ch_one_out_ch_larger_one",
]
DEPTHWISE_16 = [
    "dw_int16xint8_dilation", "dw_int16xint8_fast_multiple_batches_uneven_buffers",
    "dw_int16xint8_fast_null_bias", "dw_int16xint8_fast_spill_null_bias",
    "dw_int16xint8_fast_stride_null_bias", "dw_int16xint8_mult4",
]
DENSE = ["fully_connected_mve_0", "fully_connected_null_bias_0", "fully_connected_w_zp"]
POOLS = ["avgpooling", "avgpooling_2", "avgpooling_4", "avgpooling_int16", "avgpooling_int16_2",
         "maxpooling", "maxpooling_2", "maxpooling_4", "maxpooling_6"]


def load(name):
    path = Path(str(FOLDER)) / "cmsis_nn" / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files if key != "config"}
        return arrays, json.loads(bytes(data["config"]))


def padding(config, kernel, dilation=(1, 1)):
    """What is before is given; what is behind follows from the size of the output."""
    pads = []
    for axis, name in enumerate("HW"):
        first = config["PAD_" + "YX"[axis]] if "PAD_X" in config else config[f"PADDING_{name}"]
        stride = config["STRIDE_" + ("YX" if "STRIDE_X" in config else "HW")[axis]]
        reach = ((config[f"OUTPUT_{name}"] - 1) * stride + (kernel[axis] - 1) * dilation[axis] + 1)
        pads.append((first, max(reach - config[f"INPUT_{name}"] - first, 0)))
    return tuple(pads)


def window(config):
    return dict(stride=(config["STRIDE_Y"], config["STRIDE_X"]),
                dilation=(config["DILATION_Y"], config["DILATION_X"]))


def parameters(config, bias, multiplier, shift):
    return dict(bias=bias, multiplier=multiplier, shift=shift,
                zero_point=config["OUTPUT_OFFSET"], clamp_min=config["OUT_ACTIVATION_MIN"],
                clamp_max=config["OUT_ACTIVATION_MAX"])


def convolve(arrays, config, weights, groups):
    batch = arrays["input"].size // (
        config["INPUT_H"] * config["INPUT_W"] * config["IN_CH"])
    x = arrays["input"].reshape(batch, config["INPUT_H"], config["INPUT_W"], config["IN_CH"])
    options = window(config)
    return ops.conv2d(x, weights, x_zero_point=-config["INPUT_OFFSET"], groups=groups,
                      padding=padding(config, weights.shape[1:3], options["dilation"]), **options)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name):
    arrays, config = load(name)
    depth = config.get("FILTER_CH", config["IN_CH"])
    weights = arrays["weights"].reshape(
        config["OUT_CH"], config["FILTER_Y"], config["FILTER_X"], depth)
    sums = convolve(arrays, config, weights, config["IN_CH"] // depth)
    result = requantize(sums, contract("tflite"), parse("s8"), parameters(
        config, arrays["biases"], arrays["output_mult"], arrays["output_shift"]))
    np.testing.assert_array_equal(result.ravel(), arrays["output_ref"])


def depthwise_weights(arrays, config):
    # (1, height, width, outputs) there; output channel first here.
    weights = arrays["weights"].reshape(config["FILTER_Y"], config["FILTER_X"], config["OUT_CH"])
    return weights.transpose(2, 0, 1)[..., None]


@pytest.mark.parametrize("name", DEPTHWISE)
def test_depthwise(name):
    arrays, config = load(name)
    sums = convolve(arrays, config, depthwise_weights(arrays, config), config["IN_CH"])
    result = requantize(sums, contract("tflite"), parse("s8"), parameters(
        config, arrays["biases"], arrays["output_mult"], arrays["output_shift"]))
    np.testing.assert_array_equal(result.ravel(), arrays["output_ref"])


@pytest.mark.parametrize("name", DEPTHWISE_16)
def test_depthwise_16x8(name):
    """Sums of 64 bits, a 15-bit multiplier and one rounding."""
    arrays, config = load(name)
    sums = convolve(arrays, config, depthwise_weights(arrays, config), config["IN_CH"])
    multiplier = arrays["output_mult"].astype(np.int64)
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    result = requantize(sums, contract("tflite_int16x8"), parse("s16"), parameters(
        config, arrays["biases"], reduced, arrays["output_shift"]))
    np.testing.assert_array_equal(result.ravel(), arrays["output_ref"])


@pytest.mark.parametrize("name", DENSE)
def test_dense(name):
    arrays, config = load(name)
    depth = config["ACCUMULATION_DEPTH"]
    sums = ops.dense(arrays["input"].reshape(-1, depth), arrays["weights"].reshape(-1, depth),
                     x_zero_point=-config["INPUT_OFFSET"],
                     w_zero_point=-config.get("FILTER_OFFSET", 0))
    result = requantize(sums, contract("tflite"), parse("s8"), parameters(
        config, arrays.get("biases", 0), config["OUTPUT_MULTIPLIER"], config["OUTPUT_SHIFT"]))
    np.testing.assert_array_equal(result.ravel(), arrays["output_ref"])


def test_dense_16x8():
    arrays, config = load("fully_connected_int16")
    depth = config["ACCUMULATION_DEPTH"]
    sums = ops.dense(arrays["input"].reshape(-1, depth), arrays["weights"].reshape(-1, depth))
    reduced = (config["OUTPUT_MULTIPLIER"] + (1 << 15)) >> 16
    result = requantize(sums, contract("tflite_int16x8"), parse("s16"), parameters(
        config, arrays["biases"], reduced, config["OUTPUT_SHIFT"]))
    np.testing.assert_array_equal(result.ravel(), arrays["output_ref"])


@pytest.mark.parametrize("name", POOLS)
def test_pool(name):
    arrays, config = load(name)
    size = (config["FILTER_H"], config["FILTER_W"])
    x = arrays["input"].reshape(-1, config["INPUT_H"], config["INPUT_W"], config["INPUT_C"])
    pool = ops.max_pool if name.startswith("max") else ops.average_pool
    result = pool(x, size=size, stride=(config["STRIDE_H"], config["STRIDE_W"]),
                  padding=padding(config, size))
    np.testing.assert_array_equal(
        np.clip(result, config["ACTIVATION_MIN"], config["ACTIVATION_MAX"]).ravel(),
        arrays["output_ref"])


@pytest.mark.parametrize("model, before, after, size", [
    ("kws_ref_model", "t30", "t31", (25, 5)),
    ("pretrainedResnet_quant", "t33", "t34", (8, 8)),
])
def test_average_pool_of_a_network(model, before, after, size):
    path = Path(str(FOLDER)) / f"{model}.vectors.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with np.load(path) as data:
        for x, y in zip(data[before], data[after], strict=True):
            np.testing.assert_array_equal(ops.average_pool(x, size=size, stride=size), y)


def operands(config):
    return {"a_zero_point": -config["INPUT1_OFFSET"], "b_zero_point": -config["INPUT2_OFFSET"],
            "multiplier": config["OUTPUT_MULT"], "shift": config["OUTPUT_SHIFT"],
            "zero_point": config["OUTPUT_OFFSET"], "clamp_min": config["OUT_ACTIVATION_MIN"],
            "clamp_max": config["OUT_ACTIVATION_MAX"]}


def test_sum():
    arrays, config = load("add")
    s8, way = parse("s8"), scheme("tflite")
    assert way.left == config["LEFT_SHIFT"]
    scales = {f"{name}_{field}": config[f"INPUT{k}_{key}"] for k, name in ((1, "a"), (2, "b"))
              for field, key in (("multiplier", "MULT"), ("shift", "SHIFT"))}
    result = compute(Addition(way, s8, s8, s8), [arrays["input1"], arrays["input2"]],
                     operands(config) | scales)
    np.testing.assert_array_equal(result, arrays["output_ref"])


def test_product():
    arrays, config = load("mul")
    s8 = parse("s8")
    result = compute(Multiplication(contract("tflite"), s8, s8, s8),
                     [arrays["input1"], arrays["input2"]], operands(config))
    np.testing.assert_array_equal(result, arrays["output_ref"])


def test_sums_of_a_network():
    """Every ADD of the image classifier, with the scales that its file has; relu among them."""
    path = Path(str(FOLDER)) / "pretrainedResnet_quant.vectors.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    s8, count = parse("s8"), 0
    operation = Addition(scheme("tflite"), s8, s8, s8)
    with np.load(path) as data:
        meta = json.loads(bytes(data["meta_json"]))
        for node in meta["op_io"]:
            if node["op"] != "ADD":
                continue
            a, b, y = (str(index) for index in (*node["inputs"], *node["outputs"]))
            known = [meta["tensors"][name] for name in (a, b, y)]
            p = parameters_of(operation, *(
                Quantization(s8, tensor["scales"][0], tensor["zps"][0]) for tensor in known))
            np.testing.assert_array_equal(
                compute(operation, [data[f"t{a}"], data[f"t{b}"]], p), data[f"t{y}"])
            count += data[f"t{y}"].size
    assert count == 5 * (32 * 32 * 16 + 16 * 16 * 32 + 8 * 8 * 64)
