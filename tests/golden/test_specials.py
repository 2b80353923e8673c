"""Infinities and NaN in sums of products, against numpy's IEEE arithmetic."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from golden import specials
from golden.contracts import parse as contract
from golden.formats import INFINITY, NAN, parse
from golden.networks import Conv2d, Dense, Network, Quantization, Tensor
from golden.requantize import requantize
from golden.run import run

E5M2, E4M3FN = (parse(f"{name}:specials=propagate") for name in ("e5m2", "e4m3fn"))
VALUES = {NAN: np.nan, INFINITY: np.inf, -INFINITY: -np.inf, 0: 0.0, 5: 5.0, -3: -3.0}


def real(levels):
    return np.array([VALUES[int(level)] for level in levels.flat]).reshape(levels.shape)


def test_every_pair_of_products():
    """All sums of two products of what there is: NaN, infinities, zero, numbers of either sign."""
    kinds = np.array(list(itertools.product(VALUES, repeat=2)))
    counts = specials.count(kinds, kinds)
    sums = specials.numbers(kinds) @ specials.numbers(kinds).T
    levels = specials.resolve(sums, counts, E5M2)
    with np.errstate(invalid="ignore"):
        want = (real(kinds)[:, None] * real(kinds)[None]).sum(axis=-1)
    np.testing.assert_array_equal(levels == NAN, np.isnan(want))
    np.testing.assert_array_equal(levels == INFINITY, want == np.inf)
    np.testing.assert_array_equal(levels == -INFINITY, want == -np.inf)
    np.testing.assert_array_equal(levels[np.isfinite(want)], want[np.isfinite(want)])
    # Where there are no infinities, NaN is in their place.
    np.testing.assert_array_equal(specials.resolve(sums, counts, E4M3FN) == NAN,
                                  ~np.isfinite(want))


@pytest.mark.parametrize("shape", [(2, 3, 7), (3, 1, 5)])
def test_counts_of_stacks_add_up(rng, shape):
    kinds = list(VALUES)
    x, w = (rng.choice(kinds, size=(shape[0], rows, shape[2])) for rows in shape[1:])
    whole = specials.count(x, w)
    halves = specials.count(x[..., :2], w[..., :2]) + specials.count(x[..., 2:], w[..., 2:])
    assert whole.shape == (3, shape[0], shape[1], shape[2])
    np.testing.assert_array_equal(whole, halves)


def network(layer=Dense, output=E5M2, weights=((1, 2), (-1, 0)), shape=(2,), **more):
    parameters = {"bias": 0, "multiplier": 1 << 30, "shift": 30, "clamp_min": output.min,
                  "clamp_max": output.max}
    made = layer(name="layer", inputs=("input",), output=Quantization(output), parameters={
        name: np.array([value]) for name, value in parameters.items()}, weights=np.array(weights),
        weight=Quantization(parse("s4")), contract=contract("half_even"), **more)
    return Network(name="one", inputs=(Tensor("input", Quantization(E5M2), shape),),
                   layers=(made,))


def test_a_network_carries_them():
    x = [[NAN, 4], [INFINITY, 4], [INFINITY, -INFINITY], [4, INFINITY], [4, 8]]
    assert run(network(), x)["layer"].tolist() == [
        [NAN, NAN], [INFINITY, -INFINITY], [NAN, NAN], [INFINITY, NAN], [20, -4]]


def test_what_a_network_cannot_carry_is_refused():
    with pytest.raises(ValueError, match=r"^Layer 'layer' must be a Dense one whose output "
                                         r"propagates infinities and NaN, as its input "
                                         r"e5m2:specials=propagate does$"):
        run(network(output=parse("e5m2")), [[4, 8]])
    with pytest.raises(ValueError, match="^Layer 'layer' must be a Dense one "):
        run(network(Conv2d, weights=np.ones((1, 1, 1, 1), int), shape=(1, 1, 1)),
            np.ones((1, 1, 1, 1), int))
    infinite = replace(network().layers[0], weight=Quantization(E5M2),
                       weights=np.array([[NAN, 1]]))
    with pytest.raises(ValueError, match="^Weights of layer 'layer' must be numbers, not infinite "
                                         "or NaN$"):
        run(replace(network(), layers=(infinite,)), [[4, 8]])


@pytest.mark.parametrize("name, end", [("clamp_min", "minimum"), ("clamp_max", "maximum")])
def test_a_clamp_is_between_numbers(name, end):
    fmt = E4M3FN
    p = {"bias": 0, "multiplier": 1, "shift": 0, "clamp_min": fmt.min, "clamp_max": fmt.max}
    with pytest.raises(ValueError, match=rf"^Clamp {end} must be a number, not infinite or NaN$"):
        requantize([0], contract("half_even"), fmt, p | {name: NAN})
