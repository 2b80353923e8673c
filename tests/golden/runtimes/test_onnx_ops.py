from fractions import Fraction

import numpy as np
import pytest

from golden.runtimes.onnx_ops import dynamic_range


def ends(rng, count):
    """Pairs of either sign and any size, equal and zero ones among them; ties are frequent."""
    size = 2.0 ** rng.uniform(-20, 20, (count, 1))
    pairs = rng.uniform(-1, 1, (count, 2)) * size
    # Whole steps and halves of a power of two, between which the zero point is a tie.
    steps = rng.integers(0, 2, count) == 0
    offset = rng.integers(0, 511, count) / 2
    exact = np.stack([-offset, 255 - offset], axis=1) * 2.0 ** rng.integers(-9, 9, (count, 1))
    pairs[steps] = exact[steps]
    pairs[rng.integers(0, 50, count) == 0] = 0
    pairs[:, 1][rng.integers(0, 50, count) == 0] = 0
    return np.sort(pairs, axis=1).astype(np.float32)


def test_equals_onnx_runtime(rng):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    kinds = {"x": onnx.TensorProto.FLOAT, "y": onnx.TensorProto.UINT8,
             "scale": onnx.TensorProto.FLOAT, "zero_point": onnx.TensorProto.UINT8}
    values = {name: onnx.helper.make_tensor_value_info(name, kind, None)
              for name, kind in kinds.items()}
    x = values.pop("x")
    node = onnx.helper.make_node("DynamicQuantizeLinear", ["x"], list(values))
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "graph", [x], list(values.values())), ir_version=10,
        opset_imports=[onnx.helper.make_opsetid("", 21)])
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options,
                                   providers=["CPUExecutionProvider"])
    pairs = ends(rng, 100_000)
    scale, zero_point = dynamic_range(pairs[:, 0], pairs[:, 1])
    assert scale.dtype == np.float32 and zero_point.dtype == np.uint8
    wanted = [session.run(["scale", "zero_point"], {"x": pair}) for pair in pairs]
    np.testing.assert_array_equal(scale, [each[0] for each in wanted])
    np.testing.assert_array_equal(zero_point, [each[1] for each in wanted])


@pytest.mark.parametrize("lo, hi, zero_point", [
    (-127.5, 127.5, 128), (-126.5, 128.5, 126), (-0.5, 254.5, 0), (-1.5, 253.5, 2),
    (-254.5, 0.5, 254), (-255, 0, 255), (0, 255, 0), (0, 0, 0), (3, 255, 0), (-255, -3, 255)])
def test_ties_and_ends(lo, hi, zero_point):
    """Half to even; the range is widened to hold 0."""
    assert dynamic_range(lo, hi) == (1, zero_point)


def test_each_step_is_the_nearest_float32(rng):
    """Against rational arithmetic, rounded by hand after each step."""
    def nearest(exact):
        near = np.float32(float(exact))
        around = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
        return min([near, *around], key=lambda f: (
            abs(Fraction(float(f)) - exact), int(f.view(np.uint32)) % 2))

    for lo, hi in ends(rng, 300):
        low, high = min(Fraction(float(lo)), 0), max(Fraction(float(hi)), 0)
        span = nearest(high - low)
        scale = nearest(Fraction(float(span)) / 255) if low < high else np.float32(1)
        places = round(Fraction(float(nearest(-low / Fraction(float(scale))))))
        assert dynamic_range(lo, hi) == (scale, min(max(places, 0), 255))


def test_ends_of_integers_are_ends_of_numbers(rng):
    """Where sums times a scale are the tensor, only the ends of the sums are needed."""
    for _ in range(200):
        sums = rng.integers(-2**31, 2**31, 100) >> rng.integers(0, 30)
        scale = np.float32(2.0 ** rng.uniform(-40, 3))
        tensor = sums.astype(np.float32) * scale
        found = np.array([sums.min(), sums.max()]).astype(np.float32) * scale
        assert dynamic_range(*found) == dynamic_range(tensor.min(), tensor.max())


@pytest.mark.parametrize("lo, hi, message", [
    (np.nan, 1, r"^Minimum must be finite, not nan$"),
    (0, np.inf, r"^Maximum must be finite, not inf$"),
    ([0, 2], [1, 1], r"^Minimum must be at most the maximum 1\.0, not 2\.0$"),
    (-3e38, 3e38,
     r"^Range must have a positive and finite scale, not \[-3\.0\d*e\+38, 3\.0\d*e\+38\]$"),
    (0, 1e-45, r"^Range must have a positive and finite scale, not \[0\.0, 1\.4\d*e-45\]$"),
])
def test_messages(lo, hi, message):
    with pytest.raises(ValueError, match=message):
        dynamic_range(lo, hi)
