# amaranth: UnusedElaboratable=no
"""Committed results of training as points of a sweep."""

import json
from dataclasses import replace

import pytest

from exactmac.sweep import committed, networks
from exactmac.sweep.committed import SCRATCH, TUNED
from exactmac.sweep.networks import DATASETS
from exactmac.sweep.points import points_of
from golden import contracts, train
from golden.formats import parse
from golden.saved import digest
from hw.tile.config import TileConfig
from sim.verilator import available

FAST = ("--no-verify",)


def rows(sweep):
    return json.loads((sweep.out / "sweep.json").read_text())["points"]


def tile(weights, activations, **more):
    return TileConfig.of(**{"weights": weights, "activations": activations, "output": activations,
                            "zero_points": "none"} | more)


def test_rows_have_the_accuracies_of_training(sweep):
    status, _, err = sweep("--workflow", "post-training,trained,fine-tuned", "--weights",
                           "s2,odd2", "--activations", "u2", *FAST)
    found = rows(sweep)
    assert (status, err) == (0, "")
    assert [(each["workflow"], each["weights"], each["committed"]) for each in found] == [
        ("post-training", "s2", None), ("post-training", "odd2", None),
        ("trained", "s2", "digits-step-w2a2"), ("trained", "odd2", "digits-dorefa-w2a2"),
        ("fine-tuned", "s2", "digits-tuned-w2a2"), ("fine-tuned", "odd2", "digits-odd-w2a2")]
    known = train.results()
    for each in found[2:]:
        assert (each["accuracy"], each["float_accuracy"], each["samples"]) == (
            known[each["committed"]].test[0], known["digits-float"].test[0], 540)
        # The last layer's results have 16 bits.
        assert [name.split("_")[3] for name in each["tiles"].split()] == ["u2", "s16"]
    assert found[0]["float_accuracy"] != known["digits-float"].test[0]
    assert {each["zero_points"] for each in found[2:]} == {"none"}


def test_other_parts_of_the_tile_are_free(sweep):
    status, _, _ = sweep("--workflow", "trained", "--weights", "binary", "--activations", "bit",
                         "--cols", "4,6", "--outputs", "4", "--inner-product", "smallest", *FAST)
    first, second = rows(sweep)
    assert status == 0 and first["committed"] == "digits-binary-w1a1"
    assert len(first["tiles"].split()) == 2
    assert second["reason"] == "Outputs must divide the 6 cols, not be 4"


@pytest.mark.parametrize("workflow", [SCRATCH, TUNED])
def test_the_result_of_formats_is_that_of_the_best_validation(workflow):
    own = [each for each in train.results().values() if each.data == "digits"
           and each.start == {SCRATCH: "scratch", TUNED: "float network"}[workflow]
           and each.workflow != "float"]
    for each in own:
        if each.weights.startswith("codebook"):
            continue
        found = committed.committed("digits", workflow, tile(each.weights, each.activations))
        assert (found.weights, found.activations) == (each.weights, each.activations)
        assert sum(found.validation) / len(found.seeds) >= sum(each.validation) / len(each.seeds)
        assert digest(train.load(found.name)).startswith(found.digests[0])


def test_formats_that_name_a_fine_tuned_network():
    with pytest.raises(ValueError) as error:
        committed.committed("digits", TUNED, tile("s5", "u5"))
    assert str(error.value).endswith(
        "network, s4 x u4, odd4 x u4, s3 x u3, odd3 x u3, s2 x u2, odd2 x u2, s2n x u2, s8 x u8, "
        "e4m3fn x e4m3fn, e5m2 x e5m2, not s5 x u5")


@pytest.mark.parametrize("arguments, message", [
    ("--weights s4,s5 --activations u4", "Weights and activations must be those of a committed "
     "network, s4 x u4, odd4 x u4, s3 x u3, odd3 x u3, s2 x u2, odd2 x u2, binary x u1, not s5 x "
     "u4"),
    ("--bits 4", "Weights and activations must be those of a committed network, s4 x u4, "),
    ("--weights s4 --activations u4 --output u4,s4", "Output must be u4, as the activations of "
     "the next layer, not s4"),
    ("--weights s4 --activations u4 --requant half_up,tflite", "Contract must be that of the "
     "committed network, half_up of 31 bits, not tflite of 31 bits"),
    ("--weights s4 --activations u4 --multiplier-bits 16", "Contract must be that of the "
     "committed network, half_up of 31 bits, not half_up of 16 bits"),
    ("--weights s4 --activations u4 --zero-points none,both", "Zero points must be none for a "
     "committed network, not both")])
def test_a_combination_without_a_network_starts_nothing(sweep, arguments, message):
    status, out, err = sweep("--workflow", "post-training,trained", *arguments.split(), *FAST)
    assert (status, out, sweep.tasks) == (2, "", [])
    assert err.startswith(f"exactmac sweep: error: --workflow, entry 'trained': {message}")
    assert err.count("\n") == 1 and not sweep.out.exists()


def test_bits_alone_name_the_network_of_one_bit():
    named = {}
    for point in points_of({"bits": [*range(1, 9)]}):
        try:
            named[point.given["bits"]] = DATASETS["digits"].settled(
                replace(point, workflow=SCRATCH)).committed["name"]
        except ValueError as error:
            assert "must be those of a committed network" in str(error)
    assert named == {1: "digits-binary-w1a1"}


@pytest.mark.parametrize("name", sorted(
    set(contracts.CONTRACTS) - {"half_up", "none"}))
def test_every_other_contract_is_refused(name):
    activations = "s16" if name == "tflite_int16x8" else "u8"
    [point] = points_of({"weights": ["s8"], "activations": [activations], "contract": [name]})
    assert point.refused is None
    wrong = "Weights and activations" if activations == "s16" else "Contract"
    with pytest.raises(ValueError, match=f"^--workflow, entry 'fine-tuned': {wrong} must be "):
        DATASETS["digits"].settled(replace(point, workflow=TUNED))


def test_a_table_is_refused():
    with pytest.raises(ValueError, match="^Lut must be left out for a committed network, not load"):
        committed.committed("digits", TUNED, tile("s8", "u8", lut="loaded"))


def test_another_result_is_computed_again(sweep, monkeypatch):
    command = ("--workflow", "fine-tuned", "--weights", "ternary", "--activations", "u2", *FAST)
    sweep(*command)
    assert len(sweep.tasks) == 1
    sweep(*command)
    assert sweep.tasks == []
    own = networks.DATASETS["digits"]
    name = "digits-ternary-w2a2"
    result = replace(train.results()[name], digests=("0" * 16,))
    monkeypatch.setitem(networks.DATASETS, "digits", replace(own, workflows={
        **own.workflows, TUNED: replace(own.workflows[TUNED], committed=lambda config: result)}))
    sweep(*command)
    assert [task.point.committed for task in sweep.tasks] == [
        {"name": name, "digest": "0" * 16}]


def test_a_point_is_of_its_workflow_and_its_network():
    point, = points_of({"workflow": [TUNED], "weights": ["s8"], "activations": ["u8"]})
    settled = DATASETS["digits"].settled(point)
    assert settled.to_json()["workflow"] == TUNED
    assert settled.to_json()["committed"] == {
        "name": "digits-tuned-w8a8", "digest": train.results()["digits-tuned-w8a8"].digests[0]}
    assert settled.numbers != replace(settled, committed=None).numbers
    [other] = points_of({"workflow": ["post-training"], "weights": ["s8"], "activations": ["u8"]})
    assert DATASETS["digits"].settled(other) == other
    assert parse(settled.config["activations"]) == parse("u8")


@pytest.mark.slow
@pytest.mark.skipif(available() is not None, reason="no Verilator")
def test_the_verilog_equals_golden(sweep):
    status, _, _ = sweep("--workflow", "trained", "--weights", "s2", "--activations", "u2",
                         "--rows", "2", "--cols", "2", "--lanes", "8")
    assert status == 0
    assert [each["verified"] for each in rows(sweep)] == ["Verilog equals golden"]
