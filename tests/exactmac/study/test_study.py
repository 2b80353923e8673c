"""A study of two points, end to end, and what it need not do again."""

import json
from functools import partial

import numpy as np
import pytest

from exactmac.cache import Cache
from exactmac.study import command, curves, dynamic, measure, study
from exactmac.study.members import CALIBRATION, FORMATS, calibrated, packaged
from exactmac.study.workflows import BALANCED, POST, WIDTHS
from exactmac.sweep.store import Store
from golden import digits
from golden.networks import Linear
from golden.quantize import quantize
from golden.quantize.dynamic import run_dynamic
from golden.run import run
from golden.saved import digest, load
from sim.backend import Mismatch


def test_formats_have_the_width():
    for formats in FORMATS.values():
        assert tuple(formats) == WIDTHS
        for width, (weights, activations) in formats.items():
            bits = {"ternary": 2, "binary": 1}.get(width) or int(width)
            own = {"ternary": 2, "binary": 1, "bit": 1}
            assert {own.get(name) or int("".join(filter(str.isdigit, name)))
                    for name in (weights, activations)} == {bits}


def test_calibrated_networks():
    post, balanced = calibrated(3, ("4",))
    assert [each.point for each in (post, balanced)] == ["digits-post-training-4",
                                                        "digits-balanced-4"]
    assert post.name == "digits-post-training-4-seed3" and post.formats == ("s4n", "s4")
    assert balanced.formats == ("s4n", "s4")
    again, _ = calibrated(3, ("4",))
    other, _ = calibrated(4, ("4",))
    assert digest(again.network) == digest(post.network) != digest(other.network)
    assert CALIBRATION < len(packaged()[0].calibration)
    [codes] = curves.codes([post, balanced])
    assert (codes["data"], codes["width"]) == ("digits", "4")
    assert codes["levels"] == list(range(-7, 8))
    weights = np.concatenate([layer.weights.ravel() for layer in balanced.network.layers
                              if isinstance(layer, Linear)])
    assert codes["after"] == [int((weights == level).sum()) for level in codes["levels"]]
    assert codes["bits_before"] < codes["bits_after"] <= np.log2(15)


def test_dynamic_results_are_golden():
    _, samples, _ = packaged()
    found = dynamic.golden_results(samples)
    outputs = [run_dynamic(dynamic.layers_of(), samples.x[start:start + 64])[-1].output
               for start in range(0, 540, 64)]
    assert found["accuracy"] == digits.accuracy(np.concatenate(outputs), samples.labels)
    # The sums of both layers, and the codes of the first by a second pass.
    assert found["cost"]["macs"] == 2 * 64 * 64 + 640


@pytest.mark.slow
def test_two_points_end_to_end(tmp_path, monkeypatch):
    """Both are built, simulated and measured; a second study computes nothing."""
    monkeypatch.setattr(study, "trained", lambda quick: ())
    monkeypatch.setattr(command, "Study", partial(study.Study, widths=("binary",), seeds=[0]))
    assert command.main(["--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "study.json").read_text())
    assert [each["workflow"] for each in found["points"]] == [POST, BALANCED]
    _, samples, _ = packaged()
    for point in found["points"]:
        network = load(tmp_path / "networks" / point["runs"][0]["file"])
        output = run(network, quantize(samples.x, network.input))[network.outputs[0]]
        assert point["accuracy"] == digits.accuracy(output, samples.labels)
        assert (point["verified"], point["vectors"], point["elements"], point["mismatches"]) == (
            True, 64, 64 * (64 + 10), 0)
        assert point["bit_operations"] == 64 * 64 + 640
        assert point["area"]["ecp5"]["total"] > 1000 and point["area"]["ecp5"]["dsp"] == 0
    # One tile computes both networks.
    assert found["points"][0]["area"] == found["points"][1]["area"]

    def none():
        raise AssertionError("nothing is left to compute")

    monkeypatch.setattr(measure, "processes", none)
    assert command.main(["--quick", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "study.json").read_text()) == found


def test_dynamic_hardware_that_differs_is_named(monkeypatch, tmp_path):
    """The other points stay."""
    def differ(samples, vectors):
        raise Mismatch("Range of layer dense0 differs from golden")

    monkeypatch.setattr(study, "trained", lambda quick: ())
    monkeypatch.setattr(study, "measured", lambda jobs, *others: {})
    monkeypatch.setattr(dynamic, "compared", differ)
    cache = Cache(tmp_path / "results", print)
    found, failed = study.Study(tmp_path, quick=True, targets=(), widths=("8",), seeds=[0]).run(
        Store(tmp_path, print), cache, lambda text, steps: None)
    assert failed == {"digits-dynamic-8": "Range of layer dense0 differs from golden"}
    assert found["points"] == []  # nothing was measured
    assert [each["width"] for each in found["codes"]] == ["8"]
