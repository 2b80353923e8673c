"""A study of two points, end to end, and what it need not do again."""

import json
import shlex
from argparse import Namespace
from functools import partial

import numpy as np
import pytest

from exactmac import network
from exactmac.cache import Cache
from exactmac.inputs import read_inputs
from exactmac.study import command, curves, dynamic, measure, study
from exactmac.study.members import CALIBRATION, FORMATS, calibrated, packaged
from exactmac.study.workflows import BALANCED, POST, WIDTHS
from exactmac.sweep.store import Store
from golden import digits
from golden.networks import Linear
from golden.quantize import quantize
from golden.quantize.dynamic import run_dynamic
from golden.readers import read_model
from golden.run import run
from golden.saved import digest, load
from sim.backend import Mismatch, Mistimed


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
    # 8 batches of 64 examples and one of 28, each with three passes.
    assert (found["cycles"], found["blocks"]) == (302229, ["multipliers"])
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
        own = load(tmp_path / "networks" / point["runs"][0]["file"])
        output = run(own, quantize(samples.x, own.input))[own.outputs[0]]
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


@pytest.fixture
def dynamic_point(monkeypatch, tmp_path):
    """The point of dynamic quantization of a study that computes nothing else."""
    monkeypatch.setattr(study, "trained", lambda quick: ())
    monkeypatch.setattr(study, "measured", lambda jobs, *others: {})
    monkeypatch.setattr(dynamic, "compared",
                        lambda samples, vectors: {"elements": 1, "vectors": vectors})
    found, failed = study.Study(tmp_path, quick=True, targets=(), widths=("8",), seeds=[0]).run(
        Store(tmp_path, "exactmac study", print), Cache(tmp_path / "results", print),
        lambda text, steps: None)
    assert not failed
    [point] = found["points"]
    return point


def test_commands_of_a_dynamic_point_cover_its_tiles_and_passes(dynamic_point, tmp_path):
    builds, compares = (dynamic_point["commands"][name].splitlines()
                        for name in ("build", "compare"))
    folder = tmp_path / "networks"
    names = [f"digits-dynamic-8-{each}" for each in ("sums0", "codes0", "sums1")]
    # Both sums have one tile.
    assert [each.split()[2] for each in builds] == [f"{folder}/{each}.npz" for each in names[:2]]
    assert len(dynamic_point["tiles"]) == len(builds)
    assert [each.split()[2:5:2] for each in compares] == [
        [f"{folder}/{each}.npz", f"{folder}/{each}-inputs.npy"] for each in names]
    hidden, output = run_dynamic(dynamic.layers_of(), packaged()[1].x[:dynamic.BATCH])
    for each, expected in zip(names, (hidden.sums, output.levels, output.sums), strict=True):
        model = read_model(folder / f"{each}.npz")
        [[_, x]] = read_inputs(str(folder / f"{each}-inputs.npy"), model).items()
        [levels] = run(model.network, x, outputs_only=True).values()
        np.testing.assert_array_equal(levels, expected)


@pytest.mark.slow
def test_commands_of_a_dynamic_point_run(dynamic_point, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for line in dynamic_point["commands"]["compare"].splitlines():
        assert network.main(shlex.split(line)[2:]) == 0
    assert capsys.readouterr().out.count("0 mismatches") == 3


def test_cycles_of_dynamic_passes(monkeypatch):
    """The simulation's are compared with the formula's."""
    _, samples, _ = packaged()
    cycles = [0, 0]

    class Traced:
        def __init__(self, count):
            self.trace = Namespace(cycles=count)

    def on(designs, simulations, layers, x, note):
        for each in cycles:
            note(Traced(each))
        return run_dynamic(layers, x)

    monkeypatch.setattr(dynamic, "run_dynamic_on", on)
    with pytest.raises(Mistimed, match="^Cycles of the simulation must be 34685, not 0$"):
        dynamic.compared(samples, 64)
    cycles[:] = 34000, 685
    assert dynamic.compared(samples, 64) == {"elements": 64 * (64 + 10) + 64 * 64 + 2,
                                             "vectors": 64}


@pytest.mark.slow
def test_cycles_of_dynamic_passes_are_simulated():
    dynamic.compared(packaged()[1], 100)


def test_dynamic_hardware_that_differs_is_named(monkeypatch, tmp_path):
    """The other points stay."""
    def differ(samples, vectors):
        raise Mismatch("Range of layer dense0 differs from golden")

    monkeypatch.setattr(study, "trained", lambda quick: ())
    monkeypatch.setattr(study, "measured", lambda jobs, *others: {})
    monkeypatch.setattr(dynamic, "compared", differ)
    cache = Cache(tmp_path / "results", print)
    found, failed = study.Study(tmp_path, quick=True, targets=(), widths=("8",), seeds=[0]).run(
        Store(tmp_path, "exactmac study", print), cache, lambda text, steps: None)
    assert failed == {"digits-dynamic-8": "Range of layer dense0 differs from golden"}
    assert found["points"] == []  # nothing was measured
    assert [each["width"] for each in found["codes"]] == ["8"]
