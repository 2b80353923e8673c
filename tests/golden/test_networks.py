import dataclasses

import pytest

from golden.formats import parse
from golden.networks import INPUT, Network, Pool, Quantization

S8, U8 = Quantization(parse("s8")), Quantization(parse("u8"))


def pool(name, source, output=S8):
    return Pool(name=name, inputs=(source,), output=output, kind="max", size=(1, 1),
                stride=(1, 1))


def test_tensors_have_their_quantization():
    network = Network(name="n", input=U8, layers=(pool("a", INPUT), pool("b", "a", U8)))
    assert network.quantization(INPUT) is U8
    assert network.quantization("a") is S8
    assert network.quantization("b") is U8


def test_frozen():
    network = Network(name="n", input=U8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        network.name = "m"


@pytest.mark.parametrize("layers, message", [
    ([pool("a", INPUT), pool("a", INPUT)], r"^Layer name must be new, not 'a'$"),
    ([pool(INPUT, INPUT)], r"^Layer name must be new, not 'input'$"),
    ([pool("a", "b"), pool("b", INPUT)],
     r"^Inputs of layer 'a' must be among \['input'\], not 'b'$"),
])
def test_bad_networks(layers, message):
    with pytest.raises(ValueError, match=message):
        Network(name="n", input=U8, layers=tuple(layers))
