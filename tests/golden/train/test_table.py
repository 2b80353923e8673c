import json
import sys

import numpy as np
import pytest

from golden import train
from golden.networks import Conv2d, Dense, Network
from golden.run import run
from golden.train.table import RESULTS, results, table

KNOWN = train.results()


def test_every_result_has_its_files_and_they_are_small():
    files = {path.name for path in RESULTS.iterdir() if path.is_file()}
    assert files == {"results.json", *(f"{name}.npz" for name in KNOWN)}
    assert sum(path.stat().st_size for path in RESULTS.glob("**/*") if path.is_file()) < 2_000_000


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name].workflow != "float"])
def test_every_layer_has_the_widths_of_the_name(name):
    network, own = train.load(name), KNOWN[name]
    assert isinstance(network, Network)
    for layer in network.layers:
        if isinstance(layer, Dense | Conv2d):
            assert layer.weight.format.bits == own.weight_bits
            assert layer.contract.name == "half_up"
            assert network.quantization(layer.inputs[0]).format.bits == own.activation_bits
    assert str(network.input.format) == own.input
    assert f"-w{own.weight_bits}a{own.activation_bits}" in name


def test_accuracies_are_shares_of_the_examples():
    for each in KNOWN.values():
        size = {"digits": 540, "mnist1d": 1000}[each.data]
        for share in each.test:
            assert share * size == pytest.approx(round(share * size), abs=1e-9)
        assert len(each.test) == len(each.validation) == len(each.seeds) == len(each.digests)


def test_loss_is_in_points_below_the_float_network():
    base = KNOWN["digits-float"]
    for each in KNOWN.values():
        if each.data == "digits":
            assert each.seeds == base.seeds
            assert each.loss == pytest.approx(100 * (np.mean(base.test) - np.mean(each.test)))


def test_packaged_accuracy():
    """The committed networks have the committed accuracies; packaged test images suffice."""
    from golden import digits
    from golden.affine import quantize

    given = digits.load()
    for name, own in KNOWN.items():
        if own.data == "digits" and own.workflow != "float":
            network = train.load(name)
            made = run(network, quantize(given.images, network.input), outputs_only=True)
            assert digits.accuracy(made[network.outputs[0]], given.labels) == own.test[0], name


def test_a_float_network():
    from golden import digits
    from golden.floats import run_float

    given, network = digits.load(), train.load_float("digits-float")
    assert [layer.weights.shape for layer in network.layers] == [(64, 64), (10, 64)]
    assert digits.accuracy(run_float(network, given.images), given.labels) == (
        KNOWN["digits-float"].test[0])


@pytest.mark.parametrize("loader, name, message", [
    (train.load, "digits-step-w4a", r"Name must be one of golden\.train\.results\(\), not "
                                    r"'digits-step-w4a' \(did you mean digits-step-w4a4\?\)"),
    (train.load, "digits-float", "Name must be that of a quantized network, not 'digits-float', "
                                 "which golden.train.load_float returns"),
    (train.load_float, "digits-post-w4a4", "Name must be that of a float network, not "
                                           "'digits-post-w4a4', which golden.train.load returns"),
])
def test_wrong_names(loader, name, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        loader(name)


def test_a_damaged_index(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ValueError, match=r"^Results .*results\.json must be whole, not damaged "
                                         r"\(KeyError\('results'\)\)$"):
        results(tmp_path)


def test_the_table_needs_numpy_alone(capsys, monkeypatch):
    for module in ("jax", "optax", "sklearn", "mnist1d"):
        monkeypatch.setitem(sys.modules, module, None)
    assert train.main(["--table"]) == 0
    assert capsys.readouterr().out == table(KNOWN.values()) + "\n"
    assert train.main(["--json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in read] == list(KNOWN)
    assert read[0]["mean_test"] == 100 * np.mean(KNOWN[read[0]["name"]].test)
