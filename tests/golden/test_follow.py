"""What follows from other levels of a tensor: as if all had been computed."""

import numpy as np

from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import Add, Dense, Network, Quantization, Tensor
from golden.run import follow, prove, run
from golden.units import parse as scheme
from tests.known_networks import resnet

S8 = Quantization(parse("s8"), 0.5)


def branches():
    """A network of two branches that meet, and of a layer beside them."""
    def dense(name, source, weights):
        return Dense(name=name, inputs=(source,), output=S8, weights=np.array(weights),
                     weight=Quantization(S8.format), contract=contract("half_up"), parameters={
                         "bias": 0, "multiplier": 1, "shift": 3, "zero_point": 0,
                         "clamp_min": -128, "clamp_max": 127})

    both = Add(name="both", inputs=("a", "b"), output=S8, scheme=scheme("exact"), parameters={
        "a_zero_point": 0, "b_zero_point": 0, "a_multiplier": 1, "a_shift": 0, "b_multiplier": 1,
        "b_shift": 0, "multiplier": 1, "shift": 0, "zero_point": 0, "clamp_min": -128,
        "clamp_max": 127})
    return Network(name="n", inputs=(Tensor("x", S8, (2,)),), outputs=("both", "beside"), layers=(
        dense("a", "x", [[1, 2]]), dense("b", "x", [[3, -1]]), both,
        dense("beside", "b", [[1]])))


def test_only_what_is_behind_is_computed():
    network = branches()
    proof = prove(network)
    tensors = run(network, np.array([[40, 20], [-8, 90]]), proof)
    found = follow(network, tensors, {"a": tensors["a"] + 1}, proof)
    assert list(found) == ["a", "both"]
    assert (found["both"] == tensors["both"] + 1).all()
    # Nothing comes of what all is rounded away, nor of equal levels.
    assert list(follow(network, tensors, {"b": tensors["b"] ^ 1}, proof)) == ["b", "both"]
    same = follow(network, tensors, {"x": tensors["x"]}, proof)
    assert list(same) == ["x"]


def test_a_whole_network(rng):
    network = resnet(size=8)
    proof = prove(network)
    x = rng.integers(-128, 128, (3, *network.inputs[0].shape))
    tensors = run(network, x, proof)
    for name in ("conv2d0", network.layers[3].name, network.layers[-1].name):
        other = np.clip(tensors[name] + rng.integers(-1, 2, tensors[name].shape), -128, 127)
        # A network of the layers behind, whose input the tensor is.
        expected = run(network, x, proof, given={name: other}) | {name: other}
        found = follow(network, tensors, {name: other}, proof)
        for layer in network.layers:
            assert (found.get(layer.name, tensors[layer.name]) == expected[layer.name]).all()
