"""Runtimes' answers by place in the file, and the sentence that sums an explanation up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exactmac.comparison import Comparison, Observed
from exactmac.explanation.data import Contracted
from exactmac.explanation.readings import UNKNOWN, WRONG, Reading
from exactmac.explanation.wholes import sentence
from golden import digits
from golden.formats import parse
from golden.networks import Network, Pool, Quantization, Tensor, Transpose
from golden.readers import Model, read_model
from golden.run import run
from tests.known_networks import resnet

HELLO = Path(__file__).parents[2] / "data" / "hello_world_int8.tflite"
X = np.arange(-128, 128).reshape(-1, 1)


def reading(name, rounded=0, unknown=(), change=0, wrong=0, hidden=()):
    """Hello world in a runtime that shows what golden computes, or levels a bit off."""
    model = read_model(HELLO, name)
    tensors = run(model.network, X)
    shown = {each.name: tensors[each.name] + change for each in model.network.layers}
    last = (model.network.outputs[0],) if wrong else ()
    found = Comparison(name, "1", 3, 99, wrong, tuple(hidden), None, rounded=rounded, wrong=last)
    return Reading.of(model, Observed(found, {model.network.inputs[0].name: X}, shown), unknown)


MICRO, LITERT, REFERENCE = map(reading, ("tflite-micro", "litert", "litert-reference"))
PLAIN = Reading.of(read_model(HELLO))


def test_answers_are_those_on_the_references_levels():
    tensors = MICRO.run({"serving_default_dense_input:0": X})
    made = LITERT.answers(MICRO.model, tensors)
    for layer in LITERT.model.network.layers:
        alone = run(LITERT.model.network, X, given=tensors)[layer.name]
        assert (made[layer.name] == alone).all()
    # On its own levels, it has others.
    own = LITERT.run({"serving_default_dense_input:0": X})
    name = LITERT.model.network.outputs[0]
    assert (made[name] != own[name]).any()
    assert MICRO.answers(MICRO.model, tensors).keys() == made.keys()
    partly = reading("litert", unknown=[name]).answers(MICRO.model, tensors)
    assert partly[name] == UNKNOWN and isinstance(partly[LITERT.model.network.layers[0].name],
                                                  np.ndarray)
    # On inputs that the runtime had itself, its answer was seen.
    first = LITERT.model.network.layers[0].name
    assert (reading("litert", unknown=[first]).answers(MICRO.model, tensors)[first]
            == made[first]).all()
    wrong = reading("litert", wrong=1).answers(MICRO.model, tensors)
    assert wrong[name] == WRONG and wrong.keys() == made.keys()


def test_equality_is_of_every_tensor():
    tensors = MICRO.run({"serving_default_dense_input:0": X})
    assert MICRO.equals(tensors, MICRO.model) and not LITERT.equals(tensors, MICRO.model)
    assert not reading("tflite-micro", change=1).equals(tensors, MICRO.model)
    assert not PLAIN.equals(tensors, MICRO.model)
    name = MICRO.model.network.layers[0].name
    assert not MICRO.equals(tensors | {name: tensors[name] ^ 1}, MICRO.model)
    nothing = replace(MICRO, observed=MICRO.observed._replace(tensors={}))
    assert not nothing.equals(tensors, MICRO.model)


def test_layouts_of_the_file_and_of_the_network(rng):
    """An image with channels first in one reading, and last in the other."""
    own = Quantization(parse("s8"))

    def model(last):
        shape = (4, 4, 3) if last else (3, 4, 4)
        axes = (0, 2, 1, 3) if last else (0, 1, 3, 2)
        name = "x:channels_last" if last else "x"
        turned = Transpose(name=f"{name}:t", inputs=(name,), output=own, axes=axes)
        network = Network(name="n", inputs=(Tensor(name, own, shape),), layers=(turned,))
        return Model(network, "a" if last else "b", {name: 0, turned.name: 7}, (name,),
                     channels_last=frozenset((name, turned.name) if last else ()))

    first, last = Reading.of(model(False)), Reading.of(model(True))
    tensors = first.run({"x": rng.integers(-128, 128, (2, 3, 4, 4))})
    made = last.answers(first.model, tensors)
    assert made["x:t"].shape == (2, 3, 4, 4) and (made["x:t"] == tensors["x:t"]).all()
    shown = Comparison("a", "1", 1, 1, 0, (), None)
    seen = replace(last, observed=Observed(shown, {}, {
        "x:channels_last:t": np.moveaxis(tensors["x:t"], 1, -1)}))
    assert seen.equals(tensors, first.model)
    assert not seen.equals({**tensors, "x:t": tensors["x:t"] ^ 1}, first.model)


def contract(name, differ=0, equal=(), kept=0):
    return Contracted(name, 3, kept, differ, 320, int(differ > 0), tuple(equal))


@pytest.mark.parametrize("contracts, readings, expected", [
    ([contract("tflite", 0, ["tflite-micro"]), contract("onnx", 97)], [MICRO],
     "with contract tflite this network is bit for bit tflite-micro, on these inputs; with onnx, "
     "30.3 % of the outputs differ from tflite-micro's"),
    # A contract is named that the runtime itself has, and a runtime once.
    ([contract("half_up", 97, ["litert", "litert-reference"]),
      contract("tflite", 0, ["tflite-micro"]),
      contract("onnx", 97, ["litert", "litert-reference"]), contract("floor", 300)],
     [MICRO, LITERT, REFERENCE],
     "with contract tflite this network is bit for bit tflite-micro, on these inputs; with onnx, "
     "bit for bit litert and litert-reference, 30.3 % of the outputs differ from tflite-micro's"),
    ([contract("tflite", 0, ["tflite-micro"]), contract("onnx")], [MICRO, LITERT],
     "with contract tflite this network is bit for bit tflite-micro, on these inputs; litert has "
     "contract onnx in Dense; with onnx, no output differs"),
    # What golden does not reproduce is named first, and has no arithmetic.
    ([contract("tflite", 5, ["litert"])], [reading("tflite-micro", wrong=7), LITERT],
     "golden differs from tflite-micro in 7 of 99 elements, so that nothing here is its answer; "
     "with contract tflite this network is bit for bit litert, on these inputs; there 1.6 % of the "
     "outputs differ from tflite-micro's"),
    ([contract("tflite", 0, ["tflite-micro"])], [reading("tflite-micro", hidden=["a"])],
     "with contract tflite this network is bit for bit tflite-micro in every tensor that it shows, "
     "on these inputs"),
    # Of the others, one that differs and is no runtime's.
    ([contract("tflite", 0, ["tflite-micro"]), contract("onnx"), contract("half_up", 1)], [MICRO],
     "with contract tflite this network is bit for bit tflite-micro, on these inputs; with "
     "half_up, 0.3 % of the outputs differ from tflite-micro's"),
    ([contract("half_up", 1)], [reading("litert", rounded=1234)],
     "no contract throughout is bit for bit one of the runtimes, on these inputs; litert has "
     "contract onnx in Dense and a float32 that rounds 1,234 elements otherwise; with half_up, "
     "0.3 % of the outputs differ from litert's"),
    ([contract("tflite", 0, ["tflite-micro"])],
     [MICRO, reading("litert", unknown=[LITERT.model.network.outputs[0]])],
     "with contract tflite this network is bit for bit tflite-micro, on these inputs; litert has "
     "contract onnx in Dense and a rounding that golden does not have in 1 operator"),
    ([contract("half_up"), contract("zero", 320), contract("onnx", 1), contract("precise")],
     [PLAIN], "no runtime was compared; no output differs from the reference, on these inputs, "
     "with half_up and precise; 0.3 % of the outputs differ with onnx; 100.0 % of the outputs "
     "differ with zero"),
    ([], [PLAIN], "no operator of this network has a contract"),
    ([], [MICRO], "no operator of this network has a contract; tflite-micro has contract tflite "
     "in Dense")])
def test_sentences(contracts, readings, expected):
    assert sentence(contracts, readings[0], readings[1:]) == expected


def test_operators_that_have_no_contract_are_named():
    network = resnet(size=8)
    model = Model(network, "tflite-micro", {}, ())
    found = Comparison("tflite-micro", "1", 3, 99, 0, (), None)
    own = Reading.of(model, Observed(found, {}, {}))
    assert any(isinstance(layer, Pool) for layer in network.layers)
    assert sentence([contract("tflite", 0, ["tflite-micro"], kept=1)], own, []) == (
        "with contract tflite (and average of levels in Pool) this network is bit for bit "
        "tflite-micro, on these inputs")


def test_a_saved_network_runs_as_it_is():
    network = digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s4"))
    own = Reading.of(Model(network, "golden", {}, ("input",)))
    x = np.zeros((1, 64), int)
    assert own.run({"input": x})["dense1"].tolist() == run(network, x)["dense1"].tolist()
    assert own.name == "golden"
