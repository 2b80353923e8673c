"""ONNX files that are refused: all that is unsupported by name, damaged and hostile files."""

import logging

import numpy as np
import pytest

from golden.readers import DamagedModel, UnsupportedModel, files_of, read_model
from golden.readers.onnx import file
from tests.golden.readers import onnx_mutants, onnx_networks
from tests.golden.readers.fuzz import mutants, onnx_operators, survives
from tests.golden.readers.onnx_files import MICROSOFT, Builder


@pytest.fixture
def b(request):
    return Builder(np.random.default_rng(5))


def written(b, tmp_path, change=None):
    """Path of the file of a builder, the model changed by a function."""
    model = b.onnx.ModelProto.FromString(b.bytes())
    if change is not None:
        change(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def refused(b, tmp_path, kind=UnsupportedModel, change=None):
    """Message of the error, which has one line."""
    path = written(b, tmp_path, change)
    with pytest.raises(kind) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_unsupported_operator_is_named(b, tmp_path):
    x = b.input((1, 4))
    made = b.node("QLinearReduceMean", [x], MICROSOFT)
    b.node("Relu", [made])  # of an unknown tensor: says nothing new
    for operator, inputs in (("Abs", [x]), ("MaxPool", [x]), ("Transpose", [x])):
        b.output(b.node(operator, inputs, **{"perm": [1, 0]} if operator == "Transpose" else {}))
    text = refused(b, tmp_path)
    # Those of one reason together, for it names all operators that can be read.
    for part in ("not com.microsoft.QLinearReduceMean 0 (t0_0), Abs 2 (t2_0): Operator must be one "
                 "of Add,",
                 "MaxPool 3 (t3_0): Input must have 4 axes",
                 "Transpose 4 (t4_0): Axes must be 0 and then 1 to 1 in any order"):
        assert part in text
    assert "Relu" not in text.replace("Relu,", "")


def test_a_float_model_is_told_so(b, tmp_path):
    x = b.input((1, 4), "float32")
    b.output(b.node("MatMul", [x, b.constant(np.eye(4, dtype=np.float32))]), kind="float32")
    text = refused(b, tmp_path)
    assert "quantize it first" in text and "MatMul 0 (t0_0): Result must go to" in text


@pytest.mark.parametrize("name", onnx_networks.NETWORKS)
def test_the_lines_that_quantize_a_float_model(name, tmp_path):
    """As the error has them; what they make is read."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    examples = onnx_networks.NETWORKS[name](tmp_path / "float.onnx")
    with pytest.raises(UnsupportedModel) as caught:
        read_model(tmp_path / "float.onnx")
    lines = str(caught.value).split("{input name: array}: ")[1].split(") must have operators")[0]
    assert lines.count("; ") == 2 and "\n" not in str(caught.value)
    logging.disable(logging.WARNING)
    try:
        exec(lines, {"MODEL": tmp_path / "float.onnx", "QUANTIZED": tmp_path / "quantized.onnx",
                     "EXAMPLES": iter([{"x": row[None]} for row in examples])})
    finally:
        logging.disable(logging.NOTSET)
    assert read_model(tmp_path / "quantized.onnx").network.outputs


@pytest.mark.parametrize("shape, kind, message", [
    ((2, 4), None, "batch of 1 or of any size first"), ((), None, "batch of 1"),
    ((1, None), None, "Sizes behind the batch must be given"),
    ((1, 4), "int32", "Type must be int8, uint8, int16, uint16 or float32, not int32"),
])
def test_inputs(b, tmp_path, shape, kind, message):
    b.output(b.node("Identity", [b.input(shape, kind)]), kind=kind)
    assert message in refused(b, tmp_path)


def test_what_is_left_in_real_numbers(b, tmp_path):
    """Operators that no QuantizeLinear follows, or that a rectifier keeps from being fused."""
    names = b.quantization(scale=0.5)
    x = b.node("DequantizeLinear", [b.input((1, 4)), *names])
    w = b.node("DequantizeLinear", b.weights((4, 3), 1))
    b.output(b.node("MatMul", [x, w]), kind="float32")
    made = b.node("Relu", [b.node("MatMul", [x, w])])
    b.output(b.node("QuantizeLinear", [made, names[0], b.constant(np.uint8(7))]))
    b.output(b.node("QuantizeLinear", [b.node("MatMul", [b.node("Relu", [x]), w]), *names]))
    text = refused(b, tmp_path)
    assert text.count("MatMul") == 2 and "Result must go to a QuantizeLinear" in text
    assert ("Relu 4 (t4_0): Result must not be cut off before its QuantizeLinear more than that "
            "does, at 0 and 255, but at (7, 255)") in text
    assert "must be what a DequantizeLinear makes, not another operator" in text


def test_softmax(b, tmp_path):
    """Over the last axis, and only as the Runtime fuses it."""
    names = b.quantization()
    x = b.node("DequantizeLinear", [b.input((1, 4, 3)), *names])
    b.output(b.node("QuantizeLinear", [b.node("Softmax", [x]), *names]))
    path = written(b, tmp_path)
    assert read_model(path).network.outputs
    with pytest.raises(UnsupportedModel, match="Softmax 1 .*: Softmax must be one that the Runtime "
                                               "fuses, not one in float32"):
        read_model(path, "onnxruntime-unfused")
    b.output(b.node("QuantizeLinear", [b.node("Softmax", [x], axis=1), *names]))
    assert "Attribute axis must be 2, the last, not 1" in refused(b, tmp_path)


def test_a_split_with_two_readers(b, tmp_path):
    names = b.quantization()
    real = b.node("DequantizeLinear", [b.input((1, 4)), *names])
    _, second = b.node("Split", [real], outputs=2, axis=1, num_outputs=2)
    for _ in range(2):
        b.output(b.node("QuantizeLinear", [second, *names]))
    assert "Split 1 (t1_0): Each result must have one reader, not [0, 2]" in refused(b, tmp_path)


def test_a_bias_on_another_scale(b, tmp_path):
    names = b.quantization(scale=0.5)
    x = b.node("DequantizeLinear", [b.input((1, 4)), *names])
    w = b.node("DequantizeLinear", b.weights((4, 3), 1))
    bias = b.node("DequantizeLinear", [b.constant(np.zeros(3, np.int32)),
                                       b.constant(np.float32(0.5))])
    b.output(b.node("QuantizeLinear", [b.node("Gemm", [x, w, bias]), *names]))
    assert "must be the product of those of input and weights" in refused(b, tmp_path)


@pytest.mark.parametrize("scale, message", [
    (np.float32(0), "positive, finite and not subnormal, not 0.0"),
    (np.float32(1e-40), "not subnormal"), (np.float32(np.nan), "not nan"),
    (np.float32([1, 2]), "must have 1 entry, not 2"), (np.float64(1), "float32, not float64"),
    (np.float16(1), "must be of a type of 8, 16, 32 or 64 bits"),
])
def test_scales(b, tmp_path, scale, message):
    names = b.quantization()
    x = b.node("DequantizeLinear", [b.input((1, 4)), b.constant(scale), names[1]])
    b.output(b.node("QuantizeLinear", [x, *names]))
    assert message in refused(b, tmp_path)


@pytest.mark.parametrize("shape", [(), (1, 4)])
def test_operators_of_constants_alone(b, tmp_path, shape):
    names, one = b.quantization(), b.constant(np.ones(shape, np.uint8))
    b.input((1, 4))
    b.output(b.node("QLinearMul", [one, *names, one, *names, *names], MICROSOFT))
    message = "One input at least must be a computed tensor, not constants alone"
    assert message in refused(b, tmp_path)
    b.nodes.clear()
    b.outputs.clear()
    real = b.node("DequantizeLinear", [one, *names])
    b.output(b.node("QuantizeLinear", [b.node("Mul", [real, real]), *names]))
    assert message in refused(b, tmp_path)


def _constant(model, **fields):
    for name, value in fields.items():
        if isinstance(value, list):
            del getattr(model.graph.initializer[0], name)[:]
            getattr(model.graph.initializer[0], name).extend(value)
        else:
            setattr(model.graph.initializer[0], name, value)


@pytest.mark.parametrize("change, message", [
    (lambda m: m.graph.node[0].input.__setitem__(0, "t1_0"),
     "node 0 must come after the one that makes its input 't1_0'"),
    (lambda m: m.graph.node[1].output.__setitem__(0, "t0_0"),
     "a tensor must have a name of its own, not 't0_0'"),
    (lambda m: m.graph.node[1].output.__setitem__(0, "x0"), "a name of its own, not 'x0'"),
    (lambda m: _constant(m, name="x0"), "after the one that makes its input 'c0'"),
    (lambda m: m.graph.output.add(name="bad\nname"), r"must make its output 'bad\?name'"),
    (lambda m: _constant(m, dims=[3]), r"shape \(3,\) must have 24 bytes, not 16"),
    (lambda m: _constant(m, dims=[-2]), "sizes that are not negative"),
    (lambda m: _constant(m, dims=[1 << 62, 1 << 62]), "at most 2147483648 elements"),
    (lambda m: _constant(m, dims=[0]), "must have 0 bytes, not 16"),
    (lambda m: m.graph.sparse_initializer.add(), "must have no sparse constants, not 1"),
    (lambda m: m.functions.add(), "must have no functions, not 1"),
    (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 1 << 40),
     "input 'x0' must have positive sizes and at most"),
    (lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 0),
     "input 'x0' must have positive sizes"),
])
def test_damaged_models(b, tmp_path, change, message):
    x = b.input((1, 4))
    made = b.node("Reshape", [x, b.constant(np.array([1, 4]))])
    b.output(b.node("Identity", [made]))
    read_model(written(b, tmp_path))
    with pytest.raises(DamagedModel, match=message):
        read_model(written(b, tmp_path, change))


@pytest.mark.parametrize("sizes", [[1, 1 << 62, 4], [1, -1, 0], [4, 1], [1, -1, -1], [2, 2]])
def test_shapes_that_do_not_fit(b, tmp_path, sizes):
    b.output(b.node("Reshape", [b.input((1, 4)), b.constant(np.array(sizes))]))
    assert "Reshape 0 (t0_0): " in refused(b, tmp_path)


def test_huge_results(b, tmp_path):
    x = b.input((1, 1, 8, 8))
    b.output(b.node("Pad", [x, b.constant(np.array([0, 0, 1 << 40, 0, 0, 0, 0, 0]))]))
    b.output(b.node("QLinearConv", [x, *b.quantization(), *b.weights((1, 1, 3, 3), 0),
                                    *b.quantization()], pads=[1 << 40, 0, 0, 0]))
    text = refused(b, tmp_path)
    assert "at most 2147483648 elements" in text and "Padding must be at most 65536" in text


def _external(location, **more):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        for key, value in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=str(value))
    return change


@pytest.mark.parametrize("location, more, message", [
    ("/etc/hostname", {}, "must be in a file beside the model or below, not '/etc/hostname'"),
    ("../data", {}, "beside the model or below, not '../data'"),
    ("a/../../data", {}, "beside the model or below"),
    ("C:\\data", {}, "beside the model or below"),
    ("", {}, "beside the model or below, not ''"), (".", {}, "beside the model or below"),
    ("link", {}, "not behind a link, 'link'"), ("folder/data", {}, "not behind a link"),
    ("none", {}, "must be in a file, not 'none'"),
    ("data", {"length": 17}, "must have 16 bytes, not 17"),
    ("data", {"offset": 24}, "must end within the 32 bytes of 'data', not at 40"),
    ("data", {"offset": -1}, "numbers"), ("data", {"offset": "9" * 30}, "numbers"),
])
def test_external_data_is_refused(b, tmp_path, location, more, message):
    (tmp_path / "data").write_bytes(bytes(32))
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "folder").symlink_to(tmp_path)
    b.output(b.node("Reshape", [b.input((1, 4)), b.constant(np.array([1, 4]))]))
    assert message in refused(b, tmp_path, DamagedModel, _external(location, **more))


def test_external_data(b, tmp_path):
    (tmp_path / "data").write_bytes(bytes(8) + np.array([1, 4]).tobytes())
    b.output(b.node("Reshape", [b.input((1, 2, 2)), b.constant(np.array([1, 4]))]))
    b.constant(np.array([1, 4]))
    path = written(b, tmp_path, _external("data", offset=8, length=16))
    assert read_model(path).network.tensors["t0_0"].shape == (4,)

    def shared(model):
        _external("data", offset=8)(model)
        model.graph.initializer[1].CopyFrom(model.graph.initializer[0])
        model.graph.initializer[1].name = "c1"

    assert "not share that of 'data'" in refused(b, tmp_path, DamagedModel, shared)


def test_files_of_a_model(b, tmp_path):
    """Those of initializers and of constants in nodes, if they may be read."""
    def change(model):
        for at, location in zip(model.graph.initializer, ("data", "folder/more", "../up", "/abs",
                                                          "a\0b"), strict=True):
            at.data_location = 1
            at.external_data.add(key="location", value=location)
        node = model.graph.node[1].attribute[0].t
        node.data_location = 1
        node.external_data.add(key="location", value="./last")

    for _ in range(5):
        b.constant(np.array([1, 4]))
    b.output(b.node("Reshape", [b.input((1, 4)), "c0"]))
    b.node("Constant", [], value=b.onnx.numpy_helper.from_array(np.array([1])))
    path = written(b, tmp_path, change)
    assert files_of(path) == (path, tmp_path / "data", tmp_path / "folder" / "more",
                              tmp_path / "last")
    assert files_of(str(path)) == files_of(path)
    (tmp_path / "file").write_bytes(bytes(100))
    assert files_of(tmp_path / "file") == (tmp_path / "file",)
    with pytest.raises(OSError, match="^Model must be a file that can be read, not "):
        files_of(tmp_path / "none")


def test_no_model(tmp_path):
    for data in (b"", b"TFL3", bytes(100), b"\x0a" * 1000, b"\x08\x07" * 50):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(DamagedModel, match="must be a TFLite file, which has TFL3 at byte 4, "
                                               "or an ONNX file"):
            read_model(tmp_path / "file")


def test_nested_graphs(b, tmp_path):
    """Protobuf refuses what is nested too deep; a graph in an attribute is not read."""
    text = b"\x0a\x00"
    for _ in range(3000):
        size, length = len(text), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        # node 1: attribute 5: g 6, a graph again.
        text = b"\x32" + length + bytes([size]) + text
    (tmp_path / "deep").write_bytes(text)
    with pytest.raises(DamagedModel, match="must be a TFLite file"):
        read_model(tmp_path / "deep")
    x = b.input((1, 4))
    graph = b.onnx.helper.make_graph([], "inner", [], [])
    b.output(b.node("If", [x], then_branch=graph, else_branch=graph))
    assert "If 0 (t0_0): Operator must be one of" in refused(b, tmp_path)


def test_long_chains(b, tmp_path):
    """As many operators as a file may have, one after the other: no recursion."""
    real = b.node("DequantizeLinear", [b.input((1, 4)), *b.quantization()])
    for _ in range(1500):
        real = b.node("Clip", [real])
    b.output(b.node("QuantizeLinear", [real, *b.quantization()]))
    assert "must be what a DequantizeLinear makes, not Clip" in refused(b, tmp_path)


def test_mutants(tmp_path):
    """Mutants of files and of their parts are read, or refused in one line."""
    data = onnx_operators()
    files = [*mutants(data, 200, seed=1), *onnx_mutants.mutants(data, 400, seed=1)]
    outcomes = [survives(mutant, tmp_path / "mutant") for mutant in files]
    assert {"read", "DamagedModel", "UnsupportedModel"} == set(outcomes)


def test_the_limits_of_a_file(b, tmp_path, monkeypatch):
    b.output(b.node("Identity", [b.node("Identity", [b.input((1, 4))])]))
    monkeypatch.setattr(file, "MOST_ENTRIES", 1)
    assert "must have at most 1 nodes, not 2" in refused(b, tmp_path, DamagedModel)


@pytest.mark.parametrize("scale, zero, readers, message", [
    (np.float32([0.5, 0.5]), np.int8([0, 0]), 1, "Scale 'c1' must have 1 entry or 4, not 2"),
    (np.float32(0.5), np.int8([0, 0]), 1, "Zero point must be one of "),
    (np.float32(0.5), np.int32(0), 1, "not shape () of int32"),
    (np.float32(0.5), np.int8(0), 2, "Weights 'c0' must have one reader, not 2"),
])
def test_weights_that_the_file_quantizes(b, tmp_path, scale, zero, readers, message):
    w = b.constant(np.eye(4, dtype=np.float32))
    names = [b.constant(scale), b.constant(zero)]
    for _ in range(readers):
        b.output(b.node("QuantizeLinear", [w, *names]))
    assert message in refused(b, tmp_path)
