"""Ranges of calibration equal ONNX Runtime's, bit for bit in float32."""

import contextlib
import io

import numpy as np
import pytest

from golden.quantize.extremes import average_range, min_max_range
from golden.quantize.histograms import MAX_BINS, entropy_range, percentile_range

CALIBRATE = pytest.importorskip("onnxruntime.quantization.calibrate")

SIZE = 50
"""Examples of a collection."""


def tensors(rng):
    """Float32 tensors of 150 examples: several distributions, and degenerate ones."""
    normal = rng.normal(size=(3 * SIZE, 40))
    growing = normal * np.repeat([1, 2, 9], SIZE)[:, None]
    return {name: each.astype(np.float32) for name, each in {
        "normal": normal, "growing": growing, "shrinking": growing[::-1],
        "relu": np.maximum(growing, 0), "shifted": normal + 3, "negative": -np.abs(normal) - 1,
        "cubed": normal**3, "few": np.rint(normal), "constant": np.full((3 * SIZE, 2), 2.5),
        "below": np.full((3 * SIZE, 2), -2.5), "zeros": np.zeros((3 * SIZE, 1)),
        "late": np.concatenate([np.zeros((SIZE, 3)), rng.normal(size=(2 * SIZE, 3))]),
        "large": normal * 1e30, "tiny": normal * 1e-30}.items()}


NAMES = list(tensors(np.random.default_rng(0)))


def the_same(found, expected):
    # Of one type, and the same bits but for the sign of 0.
    assert [np.asarray(each).dtype for each in found] == [np.float32] * 2
    assert [float(each) for each in found] == [float(each) for each in expected]


def collected(values, collect, **options):
    """Range of ONNX Runtime's collector."""
    own = dict(symmetric=False, num_bins=128, num_quantized_bins=128, percentile=99.999,
               scenario="same") | options
    collector = CALIBRATE.HistogramCollector(**own)
    with contextlib.redirect_stdout(io.StringIO()):
        for first in range(0, len(values), collect or len(values)):
            collector.collect({"x": values[first:first + (collect or len(values))]})
        return collector.compute_collection_result()["x"][:2]


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_percentiles(name, absolute, rng):
    values = tensors(rng)[name]
    for percentile, bins, collect in [
            (99.999, 2048, 0), (99.9, 128, SIZE), (99, 2048, SIZE), (90, 2048, 1), (100, 7, SIZE),
            (0, 8, 0), (50, 1, SIZE), (99.99, 101, 2 * SIZE)]:
        the_same(
            percentile_range(values, absolute=absolute, percentile=percentile, bins=bins,
                             collect=collect),
            collected(values, collect, method="percentile", symmetric=absolute, num_bins=bins,
                      percentile=percentile))


@pytest.mark.parametrize("name", NAMES)
def test_entropy(name, rng):
    values = tensors(rng)[name]
    for bins, quantized_bins, collect in [
            (128, 128, 0), (128, 128, SIZE), (200, 16, 0), (201, 15, SIZE), (64, 1, 0),
            (33, 32, 1), (9, 9, 0), (1, 1, 0)]:
        the_same(entropy_range(values, bins=bins, quantized_bins=quantized_bins, collect=collect),
                 collected(values, collect, method="entropy", num_bins=bins,
                           num_quantized_bins=quantized_bins))


def test_one_number():
    for value in (0.0, 3.0, -3.0):
        values = np.array([[value]], dtype=np.float32)
        for absolute in (False, True):
            the_same(percentile_range(values, absolute=absolute, bins=16), collected(
                values, 0, method="percentile", symmetric=absolute, num_bins=16))
        the_same(entropy_range(values, bins=16, quantized_bins=4), collected(
            values, 0, method="entropy", num_bins=16, num_quantized_bins=4))
        the_same(average_range(values), (value, value))


@pytest.fixture(scope="module")
def calibrater(tmp_path_factory):
    """ONNX Runtime's calibrater of one tensor, given options and batches by collection."""
    from onnx import TensorProto, helper, save
    folder = tmp_path_factory.mktemp("extremes")
    tensor = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None])
              for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", *[[t] for t in tensor])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
         folder / "model.onnx")

    class Reader(CALIBRATE.CalibrationDataReader):
        def __init__(self, batches):
            self.batches = iter(batches)

        def get_next(self):
            return next(({"x": each} for each in self.batches), None)

    def ranged(collections, **options):
        own = CALIBRATE.MinMaxCalibrater(
            folder / "model.onnx", augmented_model_path=str(folder / "augmented.onnx"), **options)
        own.augment_graph()
        own.create_inference_session()
        for batches in collections:
            own.collect_data(Reader(batches))
        return [np.ravel(each)[0] for each in own.compute_data()["x"].range_value]

    return ranged


@pytest.mark.parametrize("batch, collect, averaging", [
    (1, 0, 0.01), (10, 0, 0.01), (7, 0, 0.5), (10, SIZE, 0.01), (5, 5, 0.3), (1, 1, 0.01),
    (150, 0, 1.0), (50, 50, 0.0)])
def test_moving_averages(calibrater, batch, collect, averaging, rng):
    values = tensors(rng)["growing"]
    groups = [[values[place:place + batch] for place in range(first, min(
        first + (collect or len(values)), len(values)), batch)]
        for first in range(0, len(values), collect or len(values))]
    the_same(average_range(values, batch=batch, collect=collect, averaging=averaging),
             calibrater(groups, moving_average=True, averaging_constant=averaging))


def test_extremes(calibrater, rng):
    values = tensors(rng)["shifted"]
    the_same(min_max_range(values), calibrater([[values[:70]], [values[70:]]]))


def test_definition_of_a_percentile():
    """Bins of width 1, a number in each: an end is the lower edge of its bin."""
    values = np.arange(100.0)
    assert percentile_range(values, percentile=90, bins=198) == (4.0, 94.0)
    assert percentile_range(-values, percentile=90, bins=198) == (-95.0, -5.0)
    assert percentile_range(np.append(values, -99.0), absolute=True, percentile=90,
                            bins=99) == (-90.0, 90.0)


def test_entropy_of_an_outlier():
    values = np.append(np.linspace(-1, 1, 2001), 20.0)
    lo, hi = entropy_range(values, bins=2048, quantized_bins=64)
    assert lo == -1.0 and 1.0 < hi < 2.0


@pytest.mark.parametrize("call, kind, message", [
    (lambda x: percentile_range(x, percentile=101), ValueError,
     r"Percentile must be in range \[0, 100\], not 101"),
    (lambda x: percentile_range(x, bins=0), ValueError, "Bins must be at least 1, not 0"),
    (lambda x: percentile_range(x, bins=2.5), TypeError, "Bins must be an integer, not 2.5"),
    (lambda x: percentile_range(x, bins=MAX_BINS + 1), ValueError,
     r"Bins must be at most 1048576, not the 1.049e\+06 that the largest number needs"),
    (lambda x: percentile_range([0.0, 1e3], absolute=True, collect=1), ValueError,
     r"Bins must be at most 1048576, not the 2.049e\+06 that the largest number needs"),
    (lambda x: percentile_range([1e-9, 1.0], collect=1), ValueError,
     r"Bins must be at most 1048576, not the 2.048e\+12 that the largest number needs"),
    (lambda x: percentile_range(np.full(3, 1e8, np.float32), absolute=True), ValueError,
     r"Bins must be so few that float32 tells their edges in range \[1e\+08, 1e\+08\] apart, "
     r"not 2048"),
    (lambda x: entropy_range(x, bins=4, quantized_bins=8), ValueError,
     "Quantized bins must be at most the 4 bins, not 8"),
    (lambda x: entropy_range(x, quantized_bins=0), ValueError,
     "Quantized bins must be at least 1, not 0"),
    (lambda x: average_range(x, batch=0), ValueError, "Batch must be at least 1, not 0"),
    (lambda x: average_range(x, collect=-1), ValueError, "Collect must be at least 0, not -1"),
    (lambda x: average_range(x, averaging=1.5), ValueError,
     r"Averaging must be in range \[0, 1\], not 1.5"),
    (lambda x: min_max_range([]), ValueError, r"Values must be one or more, not shape \(0,\)"),
    (lambda x: entropy_range([1.0, np.nan]), ValueError, "Values must be finite, not nan")])
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        call(np.arange(5.0))
