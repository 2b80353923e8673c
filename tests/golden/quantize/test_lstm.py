"""An LSTM with dynamic quantization: ONNX Runtime's gates, and the cell by its definition."""

import re
from functools import cache
from math import exp, tanh

import numpy as np
import pytest

from golden.floats.lstm import GATES, FloatLstm
from golden.formats import parse
from golden.quantize.lstm import CELL, OUTPUT, quantize_lstm
from golden.run import check_scales, run
from golden.saved import load, save
from tests.golden.dynamic_networks import onnx_gates
from tests.golden.onnx_session import run_model

S8N = parse("s8n")
INPUTS, HIDDEN, STEPS, BATCH = 16, 32, 16, 4


def sequence(rng, steps=STEPS):
    """Steps of all sizes, as in speech."""
    size = 2.0**rng.uniform(-3, 2, (steps, 1, 1))
    return (rng.normal(size=(steps, BATCH, INPUTS)) * size).astype(np.float32)


@cache
def example(seed=0):
    """Return an LSTM, its quantization, an input, and the steps that have run."""
    rng = np.random.default_rng(seed)
    lstm = FloatLstm.random(INPUTS, HIDDEN, rng)
    quantized, x = quantize_lstm(lstm, S8N), sequence(rng)
    return lstm, quantized, x, list(quantized.steps(x))


def test_codes_sums_and_gates_equal_onnx_runtime():
    """Concat, DynamicQuantizeLinear, MatMulInteger, the bias, QuantizeLinear, in each step."""
    _, quantized, x, steps = example()
    scales = np.repeat([2.0**-5 if name == "candidate" else 2.0**-4 for name in GATES], HIDDEN)
    model = onnx_gates(quantized, scales)
    names = [output.name for output in model.graph.output]
    h = np.zeros((BATCH, HIDDEN), np.float32)
    for now, step in zip(x, steps, strict=True):
        found = dict(zip(names, run_model(model, {"x": now, "h": h}), strict=True))
        np.testing.assert_array_equal(step.codes, found["levels0"])
        assert (np.float32(step.input.scale), step.input.zero_point) == (
            found["scale0"], found["zero_point0"])
        np.testing.assert_array_equal(step.gates, found["gates"])
        h = (step.output * 2.0**-7).astype(np.float32)
    assert len({step.input.scale for step in steps}) == STEPS


def half_up(x, bits):
    return (x + (1 << bits - 1)) >> bits


def test_the_cell_is_its_definition():
    """Integers alone: tables of sigmoid and tanh, three products and a sum."""
    _, _, _, steps = example()
    levels = np.arange(-128, 128)
    share = np.array([min(round(256 / (1 + exp(-level / 16))), 255) for level in levels])
    squash = np.array([min(max(round(128 * tanh(level / 32)), -128), 127) for level in levels])
    c = np.zeros((BATCH, HIDDEN), int)
    for step in steps:
        i, f, g, o = np.split(step.gates, 4, axis=1)
        i, f, o, g = share[i + 128], share[f + 128], share[o + 128], squash[g + 128]
        old, fresh = (np.clip(each, -32768, 32767) for each in (half_up(f * c, 8),
                                                                half_up(i * g, 3)))
        c = np.clip(old + fresh, -32768, 32767)
        np.testing.assert_array_equal(step.cell, c)
        squashed = squash[np.clip(half_up(c, 7), -128, 127) + 128]
        np.testing.assert_array_equal(step.output, half_up(o * squashed, 8))


def test_the_cell_saturates():
    """States beyond 8 stay at the ends of 16 bits, and the tanh of both is nearly 1."""
    _, quantized, _, _ = example()
    one = np.ones((1, HIDDEN), int)
    for end, c in ((1, 32767), (-1, -32768)):
        made = run(quantized.cell, {"input": 127 * one, "forget": 127 * one, "output": 127 * one,
                                    "candidate": (127 if end > 0 else -128) * one, "c": c * one})
        assert (made["new"] * end > 32600).all()
        assert set(made["h"].ravel().tolist()) == {127 if end > 0 else -127}


def test_the_cell_is_a_network(tmp_path):
    """Its parameters are those of its scales, and it is saved as any other."""
    _, quantized, _, steps = example()
    check_scales(quantized.cell)
    save(quantized.cell, tmp_path / "cell")
    inputs = quantized.split(steps[1].gates, steps[0].cell)
    made = run(load(tmp_path / "cell"), inputs)
    np.testing.assert_array_equal(made["new"], steps[1].cell)
    np.testing.assert_array_equal(made["h"], steps[1].output)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_small(seed):
    """Of outputs within 1: 0.06 at most, 0.008 on average."""
    lstm, _, x, steps = example(seed)
    error = np.abs(np.array([step.output for step in steps]) * OUTPUT.scale - lstm.run(x))
    assert 0 < error.max() <= 0.06 and error.mean() <= 0.008
    assert max(np.abs(step.cell).max() for step in steps) * CELL.scale > 1


def test_the_float_network_is_onnx_runtimes():
    """Its order of gates is i, f, g, o; ONNX's LSTM has i, o, f, c."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    lstm, _, x, _ = example()
    order = np.concatenate([np.arange(HIDDEN) + HIDDEN * place for place in (0, 3, 1, 2)])
    rows, bias = lstm.weights[order].astype(np.float32), lstm.bias[order].astype(np.float32)
    both = np.concatenate([bias, np.zeros_like(bias)])
    tensors = [onnx.numpy_helper.from_array(array[None], name) for name, array in (
        ("W", rows[:, :INPUTS]), ("R", rows[:, INPUTS:]), ("B", both))]
    kind = onnx.TensorProto.FLOAT
    node = onnx.helper.make_node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=HIDDEN)
    graph = onnx.helper.make_graph(
        [node], "lstm", [onnx.helper.make_tensor_value_info("x", kind, None)],
        [onnx.helper.make_tensor_value_info("y", kind, None)], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)],
                                   ir_version=8)
    [y] = run_model(model, {"x": x})
    assert np.abs(y[:, 0] - lstm.run(x)).max() < 1e-6


@pytest.mark.parametrize("weights, bias, message", [
    (np.ones((6, 9)), np.ones(6),
     "Weights must have 4 * hidden rows and more than hidden columns, not shape (6, 9)"),
    (np.ones((8, 2)), np.ones(8),
     "Weights must have 4 * hidden rows and more than hidden columns, not shape (8, 2)"),
    (np.ones((8, 3)), np.ones(2), "Bias must have shape (8,), not (2,)"),
    (np.full((8, 3), np.nan), np.ones(8), "Weights must be finite, not nan"),
])
def test_weights_that_are_refused(weights, bias, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        FloatLstm(weights, bias)


@pytest.mark.parametrize("x, message", [
    (np.ones((2, 3)), "Input must have shape (steps, batch, 16), not (2, 3)"),
    (np.ones((2, 3, 15)), "Input must have shape (steps, batch, 16), not (2, 3, 15)"),
    (np.full((2, 3, 16), np.inf), "Input must be finite, not inf"),
])
def test_inputs_that_are_refused(x, message):
    lstm, quantized, _, _ = example()
    for run_it in (lstm.run, lambda x: list(quantized.steps(x))):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            run_it(x)
