"""TFLite files against tflite-micro: a committed model, operators made at random, damaged files."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from golden import readers
from golden.networks import Dense
from golden.readers import DamagedModel, UnsupportedModel, read_model
from golden.readers.tflite import file
from golden.run import check_scales, prove, run
from tests.golden.readers.fuzz import mutants, survives
from tests.golden.readers.tflite_files import CASES, case
from tests.golden.readers.tflite_model import Constant, Node, Value, model

HELLO = Path(__file__).parents[2] / "data" / "hello_world_int8.tflite"
FOLDER = os.environ.get("EXACTMAC_MODELS")
# Elements of intermediate tensors of each model, for each of its vectors.
MODELS = {"ad01_int8": 1672, "kws_ref_model": 72152, "pretrainedResnet_quant": 114836}


def compared(path, vectors):
    """Number of elements of the vectors' tensors, all of them equal to golden's."""
    read = read_model(path)
    network, count = read.network, 0
    check_scales(network)
    with np.load(vectors) as data:
        x = data["input0"].reshape(-1, *network.inputs[0].shape)
        tensors = run(network, x, prove(network))
        for layer in network.layers:
            theirs = data[f"t{read.tensors[layer.name]}"].reshape(tensors[layer.name].shape)
            np.testing.assert_array_equal(theirs, tensors[layer.name])
            count += theirs.size
    return count


def test_a_committed_model():
    assert compared(HELLO, HELLO.with_suffix(".vectors.npz")) == 9 * 33
    network = readers.read(str(HELLO))
    assert [type(layer) for layer in network.layers] == [Dense] * 3
    assert network.name == "hello_world_int8" and network.inputs[0].shape == (1,)


@pytest.mark.skipif(not FOLDER, reason="EXACTMAC_MODELS names no folder of models")
@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_of_a_model(name):
    path = Path(str(FOLDER)) / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    vectors = path.with_suffix(".vectors.npz")
    with np.load(vectors) as data:
        samples = len(data["input0"])
    assert compared(path, vectors) == samples * MODELS[name]


@pytest.mark.parametrize("name", CASES)
def test_an_operator(name, tmp_path):
    """Random files of one operator, int8 and int16: equal, or refused by tflite-micro too."""
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime",
                                  reason="tflite-micro is not installed")
    for kind in ("int8", "int16"):
        rng = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
        for _ in range(3):
            data, inputs = case(name, kind, rng)
            path = tmp_path / "one.tflite"
            path.write_bytes(data)
            try:
                interpreter = runtime.Interpreter.from_bytes(data, arena_size=1 << 20)
                for place, each in enumerate(inputs):
                    interpreter.set_input(each, place)
                interpreter.invoke()
            except RuntimeError:
                assert (name, kind) in REFUSED
                continue
            assert (name, kind) not in REFUSED
            read = read_model(path)
            own = run(read.network, {tensor.name: each for tensor, each in zip(
                read.network.inputs, inputs, strict=True)})
            for place, output in enumerate(read.network.outputs):
                theirs = interpreter.get_output(place)
                np.testing.assert_array_equal(own[output].reshape(theirs.shape), theirs)


REFUSED = {(name, kind) for name in ("RELU_N1_TO_1", "RELU_0_TO_1") for kind in ("int8", "int16")}
REFUSED |= {("HARD_SWISH", "int16")}


def written(tmp_path, nodes, inputs, outputs):
    path = tmp_path / "model.tflite"
    path.write_bytes(model(nodes, inputs, outputs))
    return path


def test_every_unsupported_operator_is_named(tmp_path):
    x, y, z = Value((1, 4)), Value((1, 4)), Value((1, 4))
    nodes = [Node("ABS", [x], [y]), Node("RELU6", [y], [z]),
             Node("SOFTMAX", [z], [Value((1, 4))], {"beta": 1.0}, "SoftmaxOptions")]
    z.scale = 0.5
    with pytest.raises(UnsupportedModel) as caught:
        read_model(written(tmp_path, nodes, [x], nodes[-1].outputs))
    assert [(each.operator, each.node) for each in caught.value.problems] == [
        ("ABS", "0 (t1)"), ("RELU6", "1 (t2)"), ("SOFTMAX", "2 (t3)")]
    text = str(caught.value)
    assert "\n" not in text and "Output must have the type, scale and zero point" in text
    assert "Output of softmax must have scale" in text


def test_a_float_model_is_told_so(tmp_path):
    x, y = Value((1, 4), "float32"), Value((1, 4), "float32")
    with pytest.raises(UnsupportedModel, match="quantize it first, thus: converter = "):
        read_model(written(tmp_path, [Node("RELU", [x], [y])], [x], [y]))


def test_options_of_another_operator(tmp_path):
    x, y = Value((1, 2, 2, 1)), Value((1, 1, 1, 1))
    node = Node("MAX_POOL_2D", [x], [y], {"keepDims": True}, "ReducerOptions")
    with pytest.raises(UnsupportedModel, match="Options must have FilterHeight, not only KeepDims"):
        read_model(written(tmp_path, [node], [x], [y]))


def test_real_numbers_in_the_middle_are_refused(tmp_path):
    x, real, y = Value((1, 4)), Value((1, 4), "float32"), Value((1, 4))
    nodes = [Node("DEQUANTIZE", [x], [real]), Node("QUANTIZE", [real], [y])]
    with pytest.raises(UnsupportedModel, match="must be an input of the model, not computed as"):
        read_model(written(tmp_path, nodes, [x], [y]))


def test_a_batch_of_several_is_refused(tmp_path):
    x, y = Value((2, 4)), Value((2, 4))
    with pytest.raises(UnsupportedModel, match=r"must have a batch of 1, not shape \(2, 4\)"):
        read_model(written(tmp_path, [Node("RELU", [x], [y])], [x], [y]))


def test_boundaries_stay_outside(tmp_path):
    """Real numbers at both ends: the network is what is between."""
    real, x, y, end = (Value((1, 4), "float32"), Value((1, 4), scale=0.5, zero=3), Value((1, 4)),
                       Value((1, 4), "float32"))
    nodes = [Node("QUANTIZE", [real], [x]), Node("RELU", [x], [y]),
             Node("DEQUANTIZE", [y], [end])]
    read = read_model(written(tmp_path, nodes, [real], [end]))
    assert [each.name for each in read.network.inputs] == ["t1"]
    assert read.network.outputs == ("t2",)
    assert read.inputs == ("t1",)
    assert [(each.real, each.levels) for each in (*read.quantize, *read.dequantize)] == [
        ("t0", "t1"), ("t3", "t2")]


@pytest.mark.parametrize("change, message", [
    (dict(scale=np.array([0.5, 0.25], np.float32)), "Weights must have 2 axes|one scale|scale"),
    (dict(data=np.zeros((3, 5), np.int8)), "must have 5 features|features"),
])
def test_weights_that_do_not_fit(tmp_path, change, message):
    x, y = Value((1, 4)), Value((1, 3))
    w = Constant(np.ones((3, 4), np.int8), np.float32(0.5), 0)
    for name, value in change.items():
        setattr(w, name, value)
    path = written(tmp_path, [Node("FULLY_CONNECTED", [x, w, None], [y], {},
                                   "FullyConnectedOptions")], [x], [y])
    with pytest.raises((UnsupportedModel, DamagedModel), match=message):
        read_model(path)


def test_constants_are_made_once(tmp_path):
    """Two layers with the same buffer share one array."""
    x, y, z = Value((1, 4)), Value((1, 4)), Value((1, 4))
    w = Constant(np.eye(4, dtype=np.int8), np.float32(0.5), 0)
    nodes = [Node("FULLY_CONNECTED", [a, w, None], [b], {}, "FullyConnectedOptions")
             for a, b in ((x, y), (y, z))]
    first, second = read_model(written(tmp_path, nodes, [x], [z])).network.layers
    assert isinstance(first, Dense) and isinstance(second, Dense)
    assert first.weights is second.weights


def test_runtimes(tmp_path):
    with pytest.raises(ValueError, match="^Runtime must be one of tflite-micro, litert, "
                                         "litert-reference, not 'tf'$"):
        read_model(HELLO, "tf")
    names = {runtime: {layer.contract.name for layer in read_model(HELLO, runtime).network.layers}
             for runtime in ("tflite-micro", "litert", "litert-reference")}
    assert names == {"tflite-micro": {"tflite"}, "litert": {"onnx"},
                     "litert-reference": {"half_away"}}


def test_no_file(tmp_path):
    with pytest.raises(OSError, match=r"^Model must be a file that can be read, not .* "
                                      r"\(No such file or directory\)$"):
        read_model(tmp_path / "none.tflite")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DamagedModel, match="must be a TFLite file"):
        read_model(tmp_path / "empty")


def test_damaged_files(tmp_path):
    """Mutants of real files: each is read, or refused in one line; nothing else happens."""
    data = {HELLO.name: HELLO.read_bytes()}
    for name in ("CONV_2D", "STRIDED_SLICE", "SPLIT", "CONCATENATION"):
        data[name] = case(name, "int8", np.random.default_rng(7))[0]
    outcomes = [survives(mutant, tmp_path / "mutant", number)
                for number, mutant in enumerate(mutants(data, 400, seed=1))]
    assert {"read", "DamagedModel", "UnsupportedModel"} == set(outcomes)


def test_the_limits_of_a_file(monkeypatch):
    monkeypatch.setattr(file, "MOST_ENTRIES", 3)
    with pytest.raises(DamagedModel, match="must have at most 3 tensors, not 10"):
        read_model(HELLO)
    monkeypatch.setattr(file, "MOST_ENTRIES", 1 << 16)
    monkeypatch.setattr(file, "MOST_ELEMENTS", 15)
    with pytest.raises(DamagedModel, match="at most 15 elements, not shape"):
        read_model(HELLO)
