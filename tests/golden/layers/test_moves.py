"""Layers that move elements, against numpy; what they refuse."""

import numpy as np
import pytest

from golden.formats import parse
from golden.networks import (
    Extreme,
    Network,
    Pad,
    Quantization,
    Reshape,
    Slice,
    Tensor,
    Transpose,
)
from golden.run import check_scales, run
from golden.saved import load, save

S8 = Quantization(parse("s8"), 0.5, 3)


def network(layer, *more, shape=(2, 3, 4)):
    return Network(name="n", inputs=(Tensor("a", S8, shape), *more), layers=(layer,))


def layer(own, **fields):
    return own(**{**dict(name="y", inputs=("a",), output=S8), **fields})


CASES = [
    (layer(Reshape, target=(4, 6)), lambda x: x.reshape(-1, 4, 6)),
    (layer(Transpose, axes=(0, 3, 1, 2)), lambda x: x.transpose(0, 3, 1, 2)),
    (layer(Pad, widths=((1, 0), (0, 2), (3, 0)), level=-7),
     lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2), (3, 0)), constant_values=-7)),
    (layer(Slice, first=(1, 2, 0), count=(1, 3, 2), step=(1, -1, 3)),
     lambda x: x[:, 1:2, 2::-1, 0:4:3]),
    (layer(Extreme, inputs=("a", "a"), kind="maximum"), lambda x: x),
]


@pytest.mark.parametrize("each, wanted", CASES)
def test_elements(each, wanted, rng, tmp_path):
    x = rng.integers(-128, 128, (5, 2, 3, 4))
    made = network(each)
    check_scales(made)
    np.testing.assert_array_equal(run(made, x)["y"], wanted(x))
    assert made.tensors["y"].shape == wanted(x).shape[1:]
    save(made, tmp_path / "n.npz")
    np.testing.assert_array_equal(run(load(tmp_path / "n.npz"), x)["y"], wanted(x))


def test_extremes_broadcast(rng):
    x, y = rng.integers(-128, 128, (5, 2, 3, 4)), rng.integers(-128, 128, (5, 4))
    for kind, function in (("maximum", np.maximum), ("minimum", np.minimum)):
        made = network(layer(Extreme, inputs=("a", "b"), kind=kind), Tensor("b", S8, (4,)))
        np.testing.assert_array_equal(run(made, {"a": x, "b": y})["y"],
                                      function(x, y[:, None, None]))


@pytest.mark.parametrize("each, message", [
    (layer(Reshape, target=(5, 5)), "Target shape must have the 24 elements of tensor 'a', not be"),
    (layer(Reshape, target=(-1, -24)), "Target shape must have the 24 elements"),
    (layer(Transpose, axes=(1, 0, 2, 3)), "Axes must be 0 and then 1 to 3 in any order, not"),
    (layer(Transpose, axes=(0, 1, 1, 2)), "Axes must be 0 and then 1 to 3 in any order, not"),
    (layer(Pad, widths=((1, 0),), level=0), "Widths must be 3 pairs that are not negative, not"),
    (layer(Pad, widths=((1, 0), (0, -1), (0, 0)), level=0), "Widths must be 3 pairs that are not"),
    (layer(Slice, first=(0, 0), count=(1, 1, 1), step=(1, 1, 1)), "First must have 3 entries, not"),
    (layer(Slice, first=(0, 0, 0), count=(1, 1, 5), step=(1, 1, 1)),
     "Slice must lie in an axis of 4 elements, not be 5 from 0 on in steps of 1"),
    (layer(Slice, first=(0, 0, 1), count=(1, 1, 3), step=(1, 1, -1)), "Slice must lie in an axis"),
    (layer(Slice, first=(0, 0, 1), count=(1, 1, 0), step=(1, 1, 1)), "Slice must lie in an axis"),
])
def test_shapes_that_do_not_fit(each, message):
    with pytest.raises(ValueError, match=f"^Layer 'y': {message}"):
        network(each)


@pytest.mark.parametrize("each, message", [
    (layer(Reshape, target=(24,), output=Quantization(parse("s8"), 0.5, 4)),
     "Output of layer 'y' must have the format s8 and the zero point 3 of tensor 'a', not s8 a"),
    (layer(Reshape, target=(24,), output=Quantization(parse("u8"), 0.5, 3)), "Output of layer 'y'"),
    (layer(Pad, widths=((0, 0),) * 3, level=128), "Level of layer 'y' must be in range"),
    (layer(Extreme, inputs=("a", "a"), kind="mean"),
     "Kind of layer 'y' must be maximum or minimum, not 'mean'"),
])
def test_what_proof_refuses(each, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        run(network(each), np.zeros((1, 2, 3, 4), int))


def test_scales_must_stay():
    made = network(layer(Reshape, target=(24,), output=Quantization(parse("s8"), 0.25, 3)))
    with pytest.raises(ValueError, match="^Output of layer 'y' must have the scale 0.5 of tensor "
                                         "'a', not 0.25$"):
        check_scales(made)
