"""Contracts and schemes that a layer of a model can have."""

from dataclasses import replace

import numpy as np
import pytest

from exactmac.explanation.alternatives import NAMES, alternatives, given_contract, whole
from golden import digits
from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from golden.layers import kind_of
from golden.networks import Add, Lookup, Pool, Quantization
from golden.readers import Model, read_model
from golden.run import prove, run
from golden.units import SCHEMES
from tests.golden.readers.qonnx_builder import QonnxBuilder, float32
from tests.known_networks import resnet


def model(network):
    return Model(network, "golden", {}, ())


def test_contracts_of_sums_and_schemes_of_two_tensors():
    own = model(resnet(size=8))
    for layer in own.network.layers:
        found = dict(alternatives(layer, own))
        if isinstance(layer, Pool):
            assert not found
            continue
        assert list(found) == list(SCHEMES if isinstance(layer, Add) else NAMES)
        assert found["tflite"] is layer
        assert all(isinstance(other, str) or other.name == layer.name for other in found.values())
    assert set(CONTRACTS) - set(NAMES) == {"none"}
    assert found["q31"].contract.name == "q31"


def test_reasons():
    own = model(digits.quantized(digits.load(), weights=parse("mx_e2m1"),
                                 activations=parse("mx_s8")))
    found = dict(alternatives(own.network.layers[0], own))
    assert found["onnx"] == ("Layer 'dense0': Output must be an integer format for contract onnx, "
                             "not mx_s8")
    assert found["half_up"] is own.network.layers[0]


def test_exact_sums_have_none():
    network = digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s4"))
    sums = replace(network.layers[0], contract=contract("none"), parameters={
        "bias": np.zeros(64, int)}, output=Quantization(parse("s16")))
    own = model(replace(network, layers=(sums,), outputs=()))
    assert not dict(alternatives(sums, own))


def qonnx(tmp_path, shift, scale=0.15, clip=None, bits=8):
    """A QONNX file of a product by weights, a number that is added, and a quantizer."""
    b = QonnxBuilder(np.random.default_rng(1), powers=False)
    x = b.quant(b.input((1, 3)), 0.3, bits=4)
    x = b.node("MatMul", [x, b.quant(b.rng.uniform(-1, 1, (3, 4)), 0.125, bits=4)])
    x = b.node("Add", [x, b.constant(np.float32(shift))])
    if clip is not None:
        x = b.node("Clip", [x, *(b.constant(np.float32(end)) for end in clip)])
    x = b.quant(x, scale, bits=bits)
    (tmp_path / "m.onnx").write_bytes(b.finished(x, 2).SerializeToString())
    read = read_model(tmp_path / "m.onnx")
    return read, read.network.layers[0], run(read.network, np.array(
        [[i, j, k] for i in range(-8, 8) for j in range(-8, 8, 3) for k in (-8, -1, 7)]))


def exact_levels(read, layer, tensors):
    """Levels that the file says, by real numbers."""
    x = tensors[layer.inputs[0]] - read.network.input.zero_point
    sums = x @ layer.weights.T
    exact = read.exact[layer.name]
    return [[(exact.reals[c % len(exact.reals)](int(n)), n) for c, n in enumerate(row)]
            for row in sums]


@pytest.mark.parametrize("shift", [0, 0.08, [0.01, -0.33, 0.2, 5]])
def test_a_qonnx_layer_multiplies_by_the_factor_of_its_real_numbers(shift, tmp_path):
    read, layer, tensors = qonnx(tmp_path, shift, clip=(-1, 1.2))
    assert layer.contract.name == "thresholds"
    step = float32(0.15)
    for name in ("half_even", "half_away", "half_up", "pulp_round"):
        own = given_contract(layer, read, contract(name))
        # A number behind the sum that is no multiple of its factor is an addend.
        assert (own.contract.addend is None) == (shift == 0 and name != "pulp_round")
        y = kind_of(own).run(own, read.network, [tensors[layer.inputs[0]]],
                             kind_of(own).prove(own, read.network, None))
        for levels, reals in zip(y, exact_levels(read, layer, tensors), strict=True):
            for level, (real, _) in zip(levels, reals, strict=True):
                near = abs(real / step - level)
                assert near <= 0.5 or abs(float(near) - 0.5) < 2.0**-20
    own = given_contract(layer, read, contract("onnx"))
    if shift == 0:
        assert (own.parameters["bias"] == 0).all()
    else:
        factor = [abs(float(each.slope)) for each in read.exact[layer.name].reals]
        added = [float(each.offset) for each in read.exact[layer.name].reals]
        count = len(layer.weights)
        assert own.parameters["bias"].tolist() == [
            round(added[k % len(added)] / factor[k % len(factor)]) for k in range(count)]
    made, kept = whole(read, contract("half_up"))
    prove(made)
    assert not kept and made.layers[0].contract.name == "half_up"


def test_qonnx_layers_without_a_factor(tmp_path):
    read, layer, _ = qonnx(tmp_path, 0, bits=1)  # a sign
    with pytest.raises(ValueError, match="^Levels of layer .* must be multiples of a scale"):
        given_contract(layer, read, contract("half_up"))
    read, layer, _ = qonnx(tmp_path, 0)
    for name in ("none", "thresholds"):
        if name == "thresholds":
            assert given_contract(layer, read, contract(name)) is layer
            continue
        with pytest.raises(ValueError, match="^Contract of layer .* must be one that scales"):
            given_contract(layer, read, contract(name))


def test_a_table_of_a_qonnx_file_has_no_contract(tmp_path):
    b = QonnxBuilder(np.random.default_rng(1), powers=False)
    x = b.quant(b.quant(b.input((1, 3)), 0.3, bits=4), 0.7, bits=3)
    x = b.node("MatMul", [x, b.quant(b.rng.uniform(-1, 1, (3, 2)), 0.125, bits=4)])
    (tmp_path / "m.onnx").write_bytes(b.finished(x, 2).SerializeToString())
    read = read_model(tmp_path / "m.onnx")
    layer = read.network.layers[0]
    assert isinstance(layer, Lookup) and not dict(alternatives(layer, read))
    with pytest.raises(ValueError, match="must be one that a contract scales, not a Lookup"):
        given_contract(layer, read, contract("half_up"))
