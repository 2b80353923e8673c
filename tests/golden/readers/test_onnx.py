"""ONNX files against ONNX Runtime: operators made at random, networks, damaged files."""

import zlib
from itertools import product

import numpy as np
import pytest

from exactmac.comparison import counted, inputs_for
from exactmac.oracles import RUNTIMES, dtype_of
from golden.networks import Linear
from golden.readers import read_model
from golden.run import check_scales, run
from tests.golden.readers import onnx_qdq_files, onnx_real_files
from tests.golden.readers.onnx_files import CASES, Builder
from tests.golden.readers.onnx_networks import ELEMENTS, NETWORKS, WAYS, dynamic, quantized


def compared(path, samples=4, seed=0, runtime="onnxruntime"):
    """Comparison of all tensors that the reader makes layers of; no mismatch is left."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from exactmac.oracles.onnxruntime import start

    read = read_model(path, runtime)
    check_scales(read.network)
    x = inputs_for(read.network, samples, seed)
    invoke = start(path, runtime)
    results = [invoke([x[name][k:k + 1].astype(dtype_of(read.network.quantization(name).format))
                       for name in read.inputs]) for k in range(samples)]
    shown = {place: np.concatenate([each[place] for each in results]) for place in results[0]}
    found = counted(read, x, shown, RUNTIMES[runtime], "")
    if found.excluded:
        pytest.skip(f"ONNX Runtime orders the floats of {found.excluded[0]} otherwise on this "
                    f"processor")
    assert (found.mismatches, found.first) == (0, None)
    assert not found.rounded or read.reals
    return found


def equal(cases, name, path, kind, count, runtime="onnxruntime"):
    """Random files of one case are equal in every tensor, but for what float32 rounds."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
    for _ in range(count):
        graph = Builder(rng, kind)
        cases[name](graph)
        path.write_bytes(graph.bytes())
        found = compared(path, runtime=runtime)
        assert found.elements and found.rounded <= found.elements / 4


REFUSED = {("Relu", "uint8")}
"""Operators that ONNX Runtime has not."""


@pytest.mark.parametrize("name", CASES)
def test_an_operator(name, tmp_path, count=2):
    """Random files of one operator on levels, int8 and uint8."""
    for kind in ("int8", "uint8"):
        if (name, kind) not in REFUSED:
            equal(CASES, name, tmp_path / "one.onnx", kind, count)


@pytest.mark.parametrize("name", onnx_qdq_files.CASES)
def test_a_fused_operator(name, tmp_path, count=2):
    """Random files of one operator on real numbers that ONNX Runtime fuses."""
    for kind in ("int8", "uint8"):
        equal(onnx_qdq_files.CASES, name, tmp_path / "one.onnx", kind, count)


@pytest.mark.parametrize("name", [name for name in onnx_qdq_files.CASES if name != "Softmax"])
def test_an_operator_in_float32(name, tmp_path, count=1):
    """The same operators, not fused, or of types that are not: golden has the exact results."""
    for kind, runtime in (("uint8", "-unfused"), ("int16", ""), ("uint16", "-unfused")):
        equal(onnx_qdq_files.CASES, name, tmp_path / "one.onnx", kind, count,
              f"onnxruntime{runtime}")


@pytest.mark.parametrize("kind, weights, output, fused", [
    ("uint8", "int8", "uint8", True), ("uint8", "int8", "int8", False),
    ("int8", "int8", "uint8", False), ("int8", "uint8", "int8", False)])
def test_levels_of_several_types(kind, weights, output, fused, tmp_path):
    """ONNX Runtime fuses only some pairs of types."""
    b = Builder(np.random.default_rng(3), kind)
    x = b.node("DequantizeLinear", [b.input((1, 40)), *b.quantization()])
    array = b.rng.integers(-90 if weights == "int8" else 0, 91, (40, 300)).astype(weights)
    w = b.node("DequantizeLinear", [b.constant(each) for each in (
        array, np.float32(0.01), array.dtype.type(0))])
    b.output(b.node("QuantizeLinear", [b.node("MatMul", [x, w]), b.constant(np.float32(0.3)),
                                       b.constant(np.dtype(output).type(3))]), kind=output)
    (tmp_path / "one.onnx").write_bytes(b.bytes())
    assert compared(tmp_path / "one.onnx", samples=8).elements == 2400
    assert bool(read_model(tmp_path / "one.onnx").reals) != fused


@pytest.mark.parametrize("kind", ["uint8", "int16"])
@pytest.mark.parametrize("operator", ["Gemm", "Mul", "Add", "GlobalAveragePool"])
def test_rectifiers_in_float32(operator, kind, tmp_path):
    """Behind an operator, where they cut off more than the QuantizeLinear behind them."""
    b = Builder(np.random.default_rng(4), kind)
    names = b.quantization(scale=0.37)
    for ends in ((), (-0.3, 40.0), (0.2,), (5.0, 5.0)):
        shape = (1, 6, 4, 4) if "Pool" in operator else (1, 40)
        x = b.node("DequantizeLinear", [b.input(shape), *names])
        other = [] if "Pool" in operator else [x]
        if operator == "Gemm":
            other = [b.node("DequantizeLinear", b.weights((40, 20), 1), axis=1)]
        made = b.node(operator, [x, *other])
        limits = [b.constant(np.float32(end)) for end in ends]
        made = b.node("Clip", [made, *limits]) if ends else b.node("Relu", [made])
        zero = b.constant(np.dtype(kind).type(b.rng.integers(20, 90)))
        b.output(b.node("QuantizeLinear", [made, b.constant(np.float32(0.31)), zero]))
    (tmp_path / "one.onnx").write_bytes(b.bytes())
    assert compared(tmp_path / "one.onnx", 8, runtime="onnxruntime-unfused").elements > 100


@pytest.mark.parametrize("name", onnx_real_files.CASES)
def test_dynamic_quantization(name, tmp_path, count=3):
    """Integers, and numbers of float32 with all their bits."""
    for kind in ("int8", "uint8"):
        equal(onnx_real_files.CASES, name, tmp_path / "one.onnx", kind, count)


@pytest.mark.parametrize("weights, per_channel", [("QInt8", True), ("QUInt8", False)])
@pytest.mark.parametrize("name, elements", [("digits", 17), ("residual", 35)])
def test_networks_quantized_at_run_time(name, elements, weights, per_channel, tmp_path):
    """Every tensor of ONNX Runtime's dynamic quantization; each member of a batch by itself."""
    path = tmp_path / "network.onnx"
    dynamic(name, path, weights=weights, per_channel=per_channel)
    found = compared(path, samples=8)
    assert (found.tensors, found.rounded, found.hidden) == (elements, 0, ())
    network = read_model(path).network
    x = inputs_for(network, 3, 0)["x"]
    alone = [run(network, x[k:k + 1]) for k in range(3)]
    for name, levels in run(network, x).items():
        np.testing.assert_array_equal(levels, np.concatenate([each[name] for each in alone]))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_files_of_an_operator(name, tmp_path):
    test_an_operator(name, tmp_path, 25)


@pytest.mark.slow
@pytest.mark.parametrize("name", onnx_real_files.CASES)
def test_many_files_of_dynamic_quantization(name, tmp_path):
    test_dynamic_quantization(name, tmp_path, 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", onnx_qdq_files.CASES)
def test_many_files_of_a_fused_operator(name, tmp_path):
    test_a_fused_operator(name, tmp_path, 25)
    if name != "Softmax":
        test_an_operator_in_float32(name, tmp_path, 10)


"""Elements of the tensors of each network that layers make."""


@pytest.mark.parametrize("name, form, activations, per_channel", [
    *product(NETWORKS, *WAYS)])
def test_every_tensor_of_a_network(name, form, activations, per_channel, tmp_path):
    """Float networks, quantized by ONNX Runtime: each operator's tensor is there and equal."""
    path = tmp_path / "network.onnx"
    quantized(name, path, form=form, activations=activations, per_channel=per_channel)
    for runtime in ("onnxruntime", "onnxruntime-unfused")[:1 + (form == "QDQ")]:
        found = compared(path, samples=8, runtime=runtime)
        assert found.elements == 8 * ELEMENTS[name]
        assert (found.rounded > 0) == (runtime[11:] != "" and name == "convolutions")
    read = read_model(path)
    assert [len(each) for each in (read.quantize, read.dequantize)] == [1, 1]


@pytest.mark.parametrize("activations, weights", [
    ("QUInt8", "QInt4"), ("QInt8", "QUInt4"), ("QInt16", "QInt8"), ("QUInt16", "QInt16")])
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_of_4_bits_and_levels_of_16(name, activations, weights, tmp_path):
    """What ONNX Runtime does not fuse: it computes in float32, golden exactly."""
    path = tmp_path / "network.onnx"
    quantized(name, path, form="QDQ", activations=activations, per_channel=True, weights=weights)
    for runtime in ("onnxruntime", "onnxruntime-unfused"):
        found = compared(path, samples=8, runtime=runtime)
        assert found.elements == 8 * ELEMENTS[name] and found.rounded < found.elements / 50
    network = read_model(path).network
    assert {str(network.quantization(layer.name).format) for layer in network.layers} == {
        f"{activations[1].lower().replace('i', 's')}{activations.split('t')[1]}"}
    assert {str(layer.weight.format) for layer in network.layers if isinstance(layer, Linear)} == {
        f"{weights[1].lower().replace('i', 's')}{weights.split('t')[1]}"}


@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_that_the_file_quantizes(per_channel, tmp_path):
    """Weights of float32 with a QuantizeLinear of their own: the same network."""
    networks = []
    for own in (False, True):
        path = tmp_path / f"{own}.onnx"
        quantized("digits", path, form="QDQ", activations="QUInt8", per_channel=per_channel,
                  AddQDQPairToWeight=own)
        assert compared(path).elements == 4 * ELEMENTS["digits"]
        networks.append([layer for layer in read_model(path).network.layers
                         if isinstance(layer, Linear)])
    for a, b in zip(*networks, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
