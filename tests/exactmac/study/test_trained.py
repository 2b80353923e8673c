"""Networks that were trained become members of a study."""

import pytest

from exactmac.study import trained
from exactmac.study.members import calibrated
from exactmac.study.report import summary
from golden.formats import parse
from golden.train import Result
from hw.flow.tools import ToolMissing


def result(workflow, bits, start, *, seeds=(0, 1, 2), weights="s4", data="digits"):
    name = f"{data}-{workflow}" + (f"-w{bits}a{bits}" if bits else "")
    test = tuple(0.98 - 0.01 * (workflow != "float") - seed / 1000 for seed in seeds)
    return name, Result(
        name=name, data=data, workflow=workflow, weight_bits=bits, activation_bits=bits,
        weights=weights, input="u4", activations="u4", start=start, choice="", seeds=seeds,
        validation=test, test=test, loss=1.0, digests=("",) * len(seeds))


@pytest.fixture
def made_up(monkeypatch):
    """Results whose networks are all the calibrated one of 4 bits."""
    found = dict([result("float", 0, ""), result("post", 4, ""), result("step", 4, "scratch"),
                  result("tuned", 4, "float network"), result("odd", 4, "float network"),
                  result("ternary", 2, "float network", weights=str(parse("ternary"))),
                  result("binary", 1, "scratch", weights="binary"),
                  result("codebook", 4, "float network", seeds=())])
    network = next(calibrated(0, ("4",))).network
    monkeypatch.setattr(trained, "results", lambda: found)
    monkeypatch.setattr(trained, "load", lambda name: network)


def test_each_result_is_a_member(made_up):
    found = list(trained.trained(quick=False))
    assert [(each.workflow, each.width, each.variant) for each in found] == [
        ("post-training", "4", "post"), ("trained", "4", "step"), ("fine-tuned", "4", "tuned"),
        ("fine-tuned", "4", "odd"), ("fine-tuned", "ternary", "ternary"),
        ("trained", "binary", "binary")]
    assert found[1].name == "digits-trained-4-step-seed0" and found[1].float_accuracy == 0.98
    assert found[1].others == {seed: (0.97 - seed / 1000, 0.98 - seed / 1000) for seed in (1, 2)}
    assert found[1].about["training"] == "step, from scratch"


def test_a_quick_study_has_some(made_up):
    assert [each.variant for each in trained.trained(quick=True)] == [
        "step", "tuned", "ternary", "binary"]


def test_kinds_of_results(made_up):
    assert trained.kinds() == {
        ("post-training", "4"), ("trained", "4"), ("fine-tuned", "4"), ("fine-tuned", "ternary"),
        ("trained", "binary")}


def test_the_committed_ternary_results_are_of_their_own_width():
    assert ("fine-tuned", "ternary") in trained.kinds()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(trained.MAKERS, "mnist1d", ("no_mnist1d", *trained.MAKERS["mnist1d"][1:]))
    with pytest.raises(ToolMissing, match="pip install 'exactmac\\[train\\]'"):
        trained.samples_of("mnist1d")


def test_without_results_there_are_none(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(trained, "results", none)
    assert list(trained.trained(quick=False)) == [] and trained.kinds() == set()


def test_other_seeds_count_for_the_accuracy_alone():
    runs = [{"accuracy": 0.5, "float_accuracy": 1.0, "loss": 50.0, "file": "a.npz",
             "verified": {"vectors": 64, "elements": 10, "mismatches": 0}},
            {"accuracy": 1.0, "float_accuracy": 1.0, "loss": 0.0, "file": None, "verified": None}]
    found = summary(runs)
    assert (found["accuracy"], found["verified"], found["elements"]) == (0.75, True, 10)
