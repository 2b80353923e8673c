"""Groups of answers, who agrees, and networks of several outputs."""

from fractions import Fraction

import numpy as np
import pytest

from exactmac.explanation.differences import Effects
from exactmac.explanation.operators import Answers
from exactmac.explanation.readings import packed
from exactmac.explanation.wholes import contracted
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.layer_scales import reduce_parameters
from golden.multipliers import linear_parameters
from golden.networks import Dense, Network, Quantization, Reduce, Tensor
from golden.readers import Model
from golden.recontract import network_with
from golden.run import prove, run

S8, UP = parse("s8"), contract("half_up")
X = Quantization(S8, 0.5, 100)


def dense(rng, name, source, shape, output):
    weight = Quantization(S8, 0.01)
    return Dense(name=name, inputs=(source,), output=output, weights=rng.integers(-99, 99, shape),
                 weight=weight, contract=UP, parameters={
                     "bias": rng.integers(-99, 99, shape[0]), "zero_point": output.zero_point,
                     "clamp_min": -128, "clamp_max": 127, **linear_parameters(
                         UP, 0.5, 0.01, output.scale, IntFormat(32))})


def effects(rng, *, mean=False):
    """A layer, and behind it a mean, or two layers whose results are the outputs."""
    first = dense(rng, "first", "x", (6, 4), X)
    if mean:
        behind = (Reduce(name="mean", inputs=("first",), output=X, axes=(1, 2), keep=False,
                         kind="mean", contract=UP, parameters={
                             **reduce_parameters(UP, X, X, 18, IntFormat(32)), "zero_point": 100,
                             "clamp_min": -128, "clamp_max": 127}),)
    else:
        behind = (dense(rng, "fine", "first", (3, 6), Quantization(S8, 0.2)),
                  dense(rng, "coarse", "first", (3, 6), Quantization(S8, 9.0)))
    network = Network(name="n", inputs=(Tensor("x", X, (3, 4)),), layers=(first, *behind),
                      outputs=tuple(each.name for each in behind))
    proof = prove(network)
    x = rng.integers(-128, 128, (9, 3, 4))
    return Effects(Model(network, "golden", {}, ("x",)), proof, run(network, x, proof))


def answers(own):
    return Answers("first", own, lambda place: Fraction(7, 3))


def test_packed_levels_are_wide_again_in_layers(rng):
    """A mean subtracts a zero point, which would wrap in 8 bits."""
    own = effects(rng, mean=True)
    other = np.clip(own.tensors["first"] + 1, -128, 127)
    assert packed(other).dtype == np.int8
    said = answers(own)
    said.add("a", "runtime", packed(other))
    said.add("b", "contract", other)
    expected = run(own.model.network, own.tensors["x"], given={"first": other})["mean"]
    for each in said.found:
        assert each.group == 1 and each.outputs_differ == (expected != own.tensors["mean"]).sum()
        assert each.outputs_largest == np.abs(expected - own.tensors["mean"]).max()
        assert (each.first.exact, each.first.decimal) == ("7/3", "2.3333333333333333333")


@pytest.mark.parametrize("levels, dtype", [
    ([-128, 127], "int8"), ([-129, 0], "int16"), ([0, 255], "int16"), ([0, 2**31], "int64")])
def test_integers_are_kept_in_few_bytes(levels, dtype):
    kept = packed(np.array(levels))
    assert kept.tolist() == levels and kept.dtype == dtype


@pytest.mark.parametrize("given, agreement", [
    ([("runtime", 0)], "alone"), ([], "alone"),
    ([("runtime", 0), ("runtime", 0)], "all"), ([("runtime", 0), ("contract", 0)], "all"),
    ([("runtime", 0), ("contract", 1)], "runtimes"), ([("contract", 1)], "runtimes"),
    ([("contract", None), ("runtime", 0)], "alone"),
    ([("runtime", 0), ("runtime", 1), ("contract", 0)], "differ"),
    ([("runtime", 1), ("runtime", 2)], "differ"),
    ([("runtime", 0), ("runtime", None), ("contract", 0)], "all")])
def test_who_agrees(given, agreement, rng):
    own = effects(rng)
    said = answers(own)
    for kind, change in given:
        said.add("x", kind, "no" if change is None else np.clip(
            own.tensors["first"] + change, -128, 127))
    assert said.agreement == agreement
    assert [each.reason for each in said.found] == ["no" if change is None else ""
                                                    for _, change in given]


def test_all_outputs_of_a_network_count(rng):
    own = effects(rng)
    network, x = own.model.network, own.tensors["x"]
    for each in contracted(own, []):
        other, kept = network_with(network, contract(each.name))
        tensors = run(other, x)
        far = [np.abs(tensors[name] - own.tensors[name]) for name in network.outputs]
        assert (each.outputs_differ, each.outputs, each.largest, each.kept) == (
            sum((one != 0).sum() for one in far), 9 * 18, max(one.max() for one in far), len(kept))
    assert far[0].max() != far[1].max()  # of stochastic
    said = answers(own)
    said.add("floor", "contract", run(network_with(network, contract("floor"))[0], x)["first"])
    after = run(network, x, given={"first": np.array(said.groups[1].levels, np.int64)})
    far = [np.abs(after[name] - own.tensors[name]) for name in network.outputs]
    assert said.found[0].outputs_differ == sum((one != 0).sum() for one in far)
    assert said.found[0].outputs_largest == far[0].max() > far[1].max()
