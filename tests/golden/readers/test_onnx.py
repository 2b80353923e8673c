"""ONNX files against ONNX Runtime: operators made at random, networks, damaged files."""

import zlib
from itertools import product

import numpy as np
import pytest

from exactmac.oracles import RUNTIMES
from golden.readers import read_model
from golden.run import check_scales, run
from tests.golden.readers import onnx_qdq_files
from tests.golden.readers.onnx_files import CASES, Builder
from tests.golden.readers.onnx_networks import ELEMENTS, NETWORKS, WAYS, quantized


def compared(path, samples=4, seed=0):
    """Number of elements of all tensors that the reader makes layers of, all of them equal."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from exactmac.oracles.onnxruntime import start
    from exactmac.oracles.probe import uncertain

    read = read_model(path)
    network, rng, count = read.network, np.random.default_rng(seed), 0
    check_scales(network)
    x = {each.name: rng.choice(each.quantization.format.levels(), (samples, *each.shape))
         for each in network.inputs}
    own, invoke, left = run(network, x), start(path), uncertain(network, RUNTIMES["onnxruntime"])
    if left:
        pytest.skip(f"ONNX Runtime orders the floats of {left[0]} otherwise on this processor")
    for sample in range(samples):
        shown = invoke([x[each.name][sample:sample + 1].astype(
            "int8" if each.quantization.format.min else "uint8") for each in network.inputs])
        for name, place in read.tensors.items():
            if place not in shown:
                continue
            mine = own[name][sample:sample + 1]
            if name in read.channels_last:
                mine = np.moveaxis(mine, -1, 1)
            np.testing.assert_array_equal(shown[place], mine, err_msg=name)
            count += mine.size
    return count


def equal(cases, name, path, kind, count):
    """Random files of one case are equal in every tensor."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {kind}".encode()))
    for _ in range(count):
        graph = Builder(rng, kind)
        cases[name](graph)
        path.write_bytes(graph.bytes())
        assert compared(path)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_files_of_an_operator(name, tmp_path):
    test_an_operator(name, tmp_path, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", onnx_qdq_files.CASES)
def test_many_files_of_a_fused_operator(name, tmp_path):
    test_a_fused_operator(name, tmp_path, 60)


@pytest.mark.parametrize("name, form, activations, per_channel", [
    *product(NETWORKS, *WAYS)])
def test_every_tensor_of_a_network(name, form, activations, per_channel, tmp_path):
    """Float networks, quantized by ONNX Runtime: each operator's tensor is there and equal."""
    path = tmp_path / "network.onnx"
    quantized(name, path, form=form, activations=activations, per_channel=per_channel)
    assert compared(path, samples=8) == 8 * ELEMENTS[name]
    read = read_model(path)
    assert [len(each) for each in (read.quantize, read.dequantize)] == [1, 1]
