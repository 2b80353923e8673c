"""Unit tests of CMSIS-NN in golden: ``python -m tests.golden.runtimes.cmsis_nn [FOLDER]``.

Each file ``NAME.npz`` has the arrays of one test under the names of its C header, and ``config``,
its constants. The results are TFLite's, with double rounding. Without a folder, the one that
``EXACTMAC_MODELS`` names is taken.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from golden import ops
from golden.contracts import parse as contract
from golden.elementwise import compute
from golden.formats import parse
from golden.requantize import requantize
from golden.runtimes.tflite_softmax import softmax
from golden.units import Addition, Multiplication
from golden.units import parse as scheme

__all__ = ["CASES", "load", "result"]

Arrays = Mapping[str, Any]


def padding(config: Arrays, kernel, dilation=(1, 1)):
    """Padding in front is given; padding behind follows from the size of the output."""
    pads = []
    for axis, name in enumerate("HW"):
        first = config["PAD_" + "YX"[axis]] if "PAD_X" in config else config[f"PADDING_{name}"]
        stride = config["STRIDE_" + ("YX" if "STRIDE_X" in config else "HW")[axis]]
        reach = ((config[f"OUTPUT_{name}"] - 1) * stride + (kernel[axis] - 1) * dilation[axis] + 1)
        pads.append((first, max(reach - config[f"INPUT_{name}"] - first, 0)))
    return tuple(pads)


def parameters(config: Arrays, bias, multiplier, shift):
    """Parameters of a layer's contract."""
    return dict(bias=bias, multiplier=multiplier, shift=shift,
                zero_point=config["OUTPUT_OFFSET"], clamp_min=config["OUT_ACTIVATION_MIN"],
                clamp_max=config["OUT_ACTIVATION_MAX"])


def reduced(multiplier) -> np.ndarray:
    """Multiplier of 15 bits that int16 layers make of one of 31."""
    multiplier = np.asarray(multiplier, np.int64)
    return np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)


def convolved(arrays: Arrays, config: Arrays, weights: np.ndarray, groups: int) -> np.ndarray:
    """Sums of a convolution."""
    size = config["INPUT_H"], config["INPUT_W"], config["IN_CH"]
    dilation = config["DILATION_Y"], config["DILATION_X"]
    return ops.conv2d(arrays["input"].reshape(-1, *size), weights,
                      x_zero_point=-config["INPUT_OFFSET"], groups=groups, dilation=dilation,
                      stride=(config["STRIDE_Y"], config["STRIDE_X"]),
                      padding=padding(config, weights.shape[1:3], dilation))


def convolution(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Results of a convolution, perhaps in groups."""
    depth = config.get("FILTER_CH", config["IN_CH"])
    weights = arrays["weights"].reshape(
        config["OUT_CH"], config["FILTER_Y"], config["FILTER_X"], depth)
    sums = convolved(arrays, config, weights, config["IN_CH"] // depth)
    return requantize(sums, contract("tflite"), parse("s8"), parameters(
        config, arrays["biases"], arrays["output_mult"], arrays["output_shift"]))


def depthwise(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Results of a depthwise convolution, int8 or int16."""
    # (1, height, width, outputs) there; output channel first here.
    weights = arrays["weights"].reshape(config["FILTER_Y"], config["FILTER_X"], config["OUT_CH"])
    sums = convolved(arrays, config, weights.transpose(2, 0, 1)[..., None], config["IN_CH"])
    if arrays["input"].dtype == np.int16:
        # Sums of 64 bits, a 15-bit multiplier and one rounding.
        return requantize(sums, contract("tflite_int16x8"), parse("s16"), parameters(
            config, arrays["biases"], reduced(arrays["output_mult"]), arrays["output_shift"]))
    return requantize(sums, contract("tflite"), parse("s8"), parameters(
        config, arrays["biases"], arrays["output_mult"], arrays["output_shift"]))


def dense(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Results of a fully connected layer, int8 or int16."""
    depth = config["ACCUMULATION_DEPTH"]
    sums = ops.dense(arrays["input"].reshape(-1, depth), arrays["weights"].reshape(-1, depth),
                     x_zero_point=-config["INPUT_OFFSET"],
                     w_zero_point=-config.get("FILTER_OFFSET", 0))
    name, multiplier = "tflite", config["OUTPUT_MULTIPLIER"]
    if arrays["input"].dtype == np.int16:
        name, multiplier = "tflite_int16x8", reduced(multiplier)
    return requantize(sums, contract(name), parse(f"s{8 * arrays['input'].itemsize}"), parameters(
        config, arrays.get("biases", 0), multiplier, config["OUTPUT_SHIFT"]))


def pool(arrays: Arrays, config: Arrays, of: Callable[..., np.ndarray]) -> np.ndarray:
    """Results of a pool."""
    size = config["FILTER_H"], config["FILTER_W"]
    x = arrays["input"].reshape(-1, config["INPUT_H"], config["INPUT_W"], config["INPUT_C"])
    y = of(x, size=size, stride=(config["STRIDE_H"], config["STRIDE_W"]),
           padding=padding(config, size))
    return np.clip(y, config["ACTIVATION_MIN"], config["ACTIVATION_MAX"])


def average_pool(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Results of an average pool."""
    return pool(arrays, config, ops.average_pool)


def max_pool(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Results of a maximum pool."""
    return pool(arrays, config, ops.max_pool)


def operands(config: Arrays) -> dict[str, int]:
    """Parameters that sums and products of two tensors have."""
    return {"a_zero_point": -config["INPUT1_OFFSET"], "b_zero_point": -config["INPUT2_OFFSET"],
            "multiplier": config["OUTPUT_MULT"], "shift": config["OUTPUT_SHIFT"],
            "zero_point": config["OUTPUT_OFFSET"], "clamp_min": config["OUT_ACTIVATION_MIN"],
            "clamp_max": config["OUT_ACTIVATION_MAX"]}


def addition(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Sums of two tensors."""
    s8, way = parse("s8"), scheme("tflite")
    if way.left != config["LEFT_SHIFT"]:
        raise ValueError(f"Left shift must be {way.left}, not {config['LEFT_SHIFT']}")
    scales = {f"{name}_{field}": config[f"INPUT{k}_{key}"] for k, name in ((1, "a"), (2, "b"))
              for field, key in (("multiplier", "MULT"), ("shift", "SHIFT"))}
    return compute(Addition(way, s8, s8, s8), [arrays["input1"], arrays["input2"]],
                   operands(config) | scales)


def product(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Products of two tensors."""
    s8 = parse("s8")
    return compute(Multiplication(contract("tflite"), s8, s8, s8),
                   [arrays["input1"], arrays["input2"]], operands(config))


def rows(arrays: Arrays, config: Arrays) -> np.ndarray:
    """Softmax of rows."""
    return softmax(arrays["input"].reshape(config["NUM_ROWS"], config["ROW_SIZE"]), parse("s8"),
                   {"multiplier": config["INPUT_MULT"], "shift": config["INPUT_LEFT_SHIFT"]})


CASES: Mapping[str, Callable[[Arrays, Arrays], np.ndarray]] = {
    **dict.fromkeys((
        "basic", "conv_1_x_n_2", "conv_1_x_n_4", "conv_1_x_n_6_generic", "conv_1_x_n_8",
        "conv_2x2_dilation", "conv_2x3_dilation", "conv_3x2_dilation", "conv_4",
        "conv_dilation_golden", "grouped_conv_1", "grouped_conv_3", "kernel1x1_stride_x",
        "kernel1x1_stride_x_y_1"), convolution),
    **dict.fromkeys((
        "depthwise_2", "depthwise_eq_in_out_ch", "depthwise_kernel_3x3_null_bias",
        "depthwise_null_bias_0", "depthwise_out_activation", "depthwise_x_stride",
        "in_ch_one_out_ch_larger_one", "dw_int16xint8_dilation",
        "dw_int16xint8_fast_multiple_batches_uneven_buffers", "dw_int16xint8_fast_null_bias",
        "dw_int16xint8_fast_spill_null_bias", "dw_int16xint8_fast_stride_null_bias",
        "dw_int16xint8_mult4"), depthwise),
    **dict.fromkeys(("fully_connected_int16", "fully_connected_mve_0",
                     "fully_connected_null_bias_0", "fully_connected_w_zp"), dense),
    **dict.fromkeys(("avgpooling", "avgpooling_2", "avgpooling_4", "avgpooling_int16",
                     "avgpooling_int16_2"), average_pool),
    **dict.fromkeys(("maxpooling", "maxpooling_2", "maxpooling_4", "maxpooling_6"), max_pool),
    "add": addition, "mul": product, "softmax": rows,
}
"""What computes the results of each test."""


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and constants of a test."""
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files if key != "config"}
        return arrays, json.loads(bytes(data["config"]))


def result(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Golden's results of a test, and CMSIS-NN's."""
    arrays, config = load(path)
    return CASES[path.stem](arrays, config).ravel(), arrays["output_ref"]


def main() -> int:
    """Compute every test of a folder, and print elements and mismatches of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.runtimes.cmsis_nn")
    parser.add_argument("folder", nargs="?", type=Path)
    folder = parser.parse_args().folder
    if folder is None:
        if not (models := os.environ.get("EXACTMAC_MODELS")):
            parser.error("FOLDER must be given, or EXACTMAC_MODELS name a folder of models")
        folder = Path(models) / "cmsis_nn"
    paths, elements, mismatches = sorted(folder.glob("*.npz")), 0, 0
    if unknown := [path.stem for path in paths if path.stem not in CASES]:
        parser.error(f"Tests must be some of {', '.join(CASES)}, not {unknown[0]}")
    for path in paths:
        own, theirs = result(path)
        differ = int((own != theirs).sum())
        print(f"{path.stem:50} {theirs.size:6,} {differ:6,}")
        elements, mismatches = elements + theirs.size, mismatches + differ
    print(f"{len(paths)} tests, {elements:,} elements, {mismatches:,} mismatches")
    return int(mismatches > 0 or not paths)


if __name__ == "__main__":
    sys.exit(main())
