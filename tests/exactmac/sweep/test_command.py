# amaranth: UnusedElaboratable=no
"""The command ``exactmac sweep``: rows, what is kept, and bad input."""

import csv
import errno
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from exactmac import cache
from exactmac.comparison import inputs_for
from exactmac.sweep import command, evaluate, identity, networks, store
from exactmac.sweep.identity import Identity
from golden import digits
from golden.command import replace_file
from golden.formats import parse
from golden.run import run as run_golden
from golden.saved import save
from hw.flow.tools import ToolFailed
from sim.backend import Mismatch
from sim.layers import Designs
from tests.golden.readers.onnx_files import Builder
from tests.sim.layers.networks import dense, network_of

FAST = ("--no-verify",)


def rows(sweep):
    return json.loads((sweep.out / "sweep.json").read_text())["points"]


@pytest.fixture
def model(tmp_path):
    """A saved network of two small layers, with inputs and labels."""
    network = network_of(dense("a", "x", features=6, channels=5), dense(
        "b", "a", features=5, channels=3, seed=1))
    x = inputs_for(network, 9, 0)
    labels = np.argmax(run_golden(network, x)["b"], axis=1)
    labels[:3] = (labels[:3] + 1) % 3
    save(network, tmp_path / "model.npz")
    np.save(tmp_path / "x.npy", x["x"])
    np.save(tmp_path / "labels.npy", labels)
    return (tmp_path / "model.npz", tmp_path / "x.npy", tmp_path / "labels.npy")


def test_a_row_for_each_point(sweep):
    status, out, err = sweep("--bits", "2,4", "--lanes", "4,16", *FAST)
    assert (status, err) == (0, "")
    found = rows(sweep)
    assert [(each["weights"], each["lanes"], each["cycles"]) for each in found] == [
        ("s2n", 4, 41330), ("s2n", 16, found[1]["cycles"]), ("s4n", 4, 41330),
        ("s4n", 16, found[3]["cycles"])]
    # Jobs of 4 beats take the 16 cycles of their results, as those of 16 beats do.
    assert found[1]["cycles"] < 41330
    assert [each["accuracy"] for each in found[::2]] == [436 / 540, 524 / 540]
    assert {each["verified"] for each in found} == {"unverified"}
    assert {each["workflow"] for each in found} == {"post-training"}
    assert [each["bit_operations"] for each in found[::2]] == [4736 * 4, 4736 * 16]
    assert len(out.splitlines()) == 1 + 4 + 2 and out.count("unverified") == 5
    with (sweep.out / "sweep.csv").open() as file:
        read = list(csv.DictReader(file))
    assert [each["cycles"] for each in read] == [str(each["cycles"]) for each in found]
    assert {each["verified"] for each in read} == {"unverified"}


def test_costs_are_those_of_explain(sweep):
    from golden.costs import cost_of, total
    sweep("--bits", "4", *FAST)
    network = digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s4"))
    cost = total(cost_of(layer, network) for layer in network.layers)
    [own] = rows(sweep)
    assert [own[name] for name in ("macs", "bit_operations", "stored_bytes", "moved_bytes",
                                   "arithmetic_pj", "sram_pj", "dram_pj", "memory")] == [
        cost.macs, cost.bit_operations, cost.stored_bytes, cost.moved_bytes, cost.arithmetic_pj,
        cost.sram_pj, cost.dram_pj, cost.memory]
    assert own["energy_pj"] == cost.arithmetic_pj + cost.sram_pj + cost.dram_pj
    assert own["block"] == "multipliers" and own["tiles"] == "mac_s4n_s4_s4_4x4x4"


def test_a_changed_option_costs_only_its_own_points(sweep):
    sweep("--bits", "2", "--lanes", "4,8", *FAST)
    assert len(sweep.tasks) == 2
    sweep("--bits", "2", "--lanes", "8,4", *FAST)
    assert sweep.tasks == [] and [each["lanes"] for each in rows(sweep)] == [8, 4]
    sweep("--bits", "2,3", "--lanes", "4,8", "--rows", "4", *FAST)
    assert [task.point.given["bits"] for task in sweep.tasks] == [3, 3]


@pytest.mark.parametrize("part", ["sources", "tools", "data", "workflow", "damage"])
def test_nothing_stale_is_shown(sweep, monkeypatch, part):
    sweep("--bits", "2", *FAST)
    before = identity.identity()
    if part in ("sources", "tools"):
        after = Identity("other", before.tools) if part == "sources" else Identity(
            before.sources, (*before.tools, ("tool", "9")))
        monkeypatch.setattr(command, "identity", lambda: after)
        monkeypatch.setattr(evaluate, "identity", lambda: after)
    elif part == "data":
        copy = sweep.out / "digits.npz"
        copy.write_bytes(digits.PATH.read_bytes() + b"\\0")
        monkeypatch.setattr(networks, "DATASETS", networks.DATASETS)
        own = networks.DATASETS["digits"]
        monkeypatch.setitem(networks.DATASETS, "digits", replace(own, path=copy))
    elif part == "workflow":
        own = networks.DATASETS["digits"]
        monkeypatch.setitem(networks.DATASETS, "digits", replace(
            own, workflows={"other": own.workflows["post-training"]}))
    else:
        [kept] = [each for each in (sweep.out / "results").iterdir()
                  if each.name != "version.json"]
        kept.write_text(kept.read_text().replace("41330", "41331"))
    status, out, err = sweep("--bits", "2", *FAST)
    assert (status, len(sweep.tasks)) == (0, 1)
    assert ("was damaged and is made again" in err) == (part == "damage")
    assert rows(sweep)[0]["cycles"] == 41330


def test_what_a_configuration_refuses_is_a_row(sweep):
    status, out, err = sweep("--bits", "2", "--depth", "1024,32", "--cols", "4,6", "--outputs",
                             "4", "--requant", "half_up,none", *FAST)
    assert (status, err) == (0, "")
    found = rows(sweep)
    assert [each["reason"] for each in found[:4]] == [
        None, "Depth must be at least the 64 products of a sum, not 32",
        "Outputs must divide the 6 cols, not be 4", "Outputs must divide the 6 cols, not be 4"]
    assert found[4]["reason"] == ("Contract must be one whose results another layer takes, "
                                  "not none")
    assert [each["verified"] for each in found] == ["unverified", *["refused"] * 7]
    assert "refused: Depth must be at least the 64 products of a sum, not 32" in out
    sweep("--bits", "2", "--depth", "32", *FAST, "--outputs", "4")
    assert sweep.tasks == []  # a reason is kept, too


def test_a_model(sweep, model):
    network, x, labels = model
    status, out, err = sweep("--network", network, "--inputs", x, "--labels", labels, "--lanes",
                             "2,4", "--requant", "half_up,tflite", *FAST)
    assert (status, err) == (0, "")
    found = rows(sweep)
    assert [(each["contract"], each["lanes"]) for each in found] == [
        ("half_up", 2), ("half_up", 4), ("tflite", 2), ("tflite", 4)]
    assert found[0]["accuracy"] == 6 / 9 and found[0]["samples"] == 9
    assert found[0]["weights"] is None and found[0]["workflow"] is None
    own = ("--lanes", "2", "--requant", "half_up", *FAST)
    # Its inputs decide, whatever their file is called.
    shutil.move(x, moved := x.with_name("moved.npy"))
    sweep("--network", network, "--inputs", moved, "--labels", labels, *own)
    assert sweep.tasks == []
    np.save(moved, np.load(moved)[::-1])
    sweep("--network", network, "--inputs", moved, "--labels", labels, *own)
    assert len(sweep.tasks) == 1


@pytest.fixture
def external(tmp_path, rng):
    """An ONNX model with its constants in a file, and a function that makes that file anew."""
    b = Builder(rng, "int8")

    def quantization():
        return [b.constant(np.float32(0.25)), b.constant(np.int8(0))]

    b.constant(rng.integers(-127, 128, (6, 3)).astype(np.int8))
    b.output(b.node("QLinearMatMul", [b.input((1, 6)), *quantization(), "c0", *quantization(),
                                      *quantization()]))
    path, model = tmp_path / "model.onnx", b.onnx.load_from_string(b.bytes())
    b.onnx.save(model, path, save_as_external_data=True, location="constants.bin",
                size_threshold=0)
    data = tmp_path / "constants.bin"

    def change():
        first = data.read_bytes()
        data.write_bytes(bytes([first[0] ^ 1]) + first[1:])

    return path, change


def test_constants_in_another_file_decide_too(sweep, external):
    path, change = external
    before = path.read_bytes()
    assert sweep("--network", path, *FAST)[0] == 0 and len(sweep.tasks) == 1
    assert sweep("--network", path, *FAST)[0] == 0 and sweep.tasks == []
    change()
    assert sweep("--network", path, *FAST)[0] == 0 and len(sweep.tasks) == 1
    assert path.read_bytes() == before
    digests = json.loads((sweep.out / "sweep.json").read_text())["digests"]
    assert [*digests] == [str(path), str(path.with_name("constants.bin"))]


@pytest.mark.parametrize("gone", [False, True])
def test_constants_that_change_under_way_end_the_sweep(sweep, external, gone):
    path, change = external
    own, data = sweep.inline.submit, path.with_name("constants.bin")

    def submit(task):
        data.unlink() if gone else change()
        return own(task)

    sweep.inline.submit = submit
    assert sweep("--network", path, *FAST) == (
        2, "", f"exactmac sweep: error: Files {path}, {data} must stay as they were when the sweep "
               f"began; 0 of 1 points are kept in {sweep.out}\n")


@pytest.fixture
def simulated(monkeypatch):
    """Designs are simulated without a compiler, and Verilator is there."""
    monkeypatch.setattr(evaluate, "Designs", lambda: Designs("amaranth"))
    monkeypatch.setattr(command, "missing", lambda: None)


def test_hardware_is_compared_with_golden(sweep, model, simulated):
    status, out, _ = sweep("--network", model[0], "--rows", "2", "--cols", "2", "--lanes", "2,3")
    assert status == 0
    assert {each["verified"] for each in rows(sweep)} == {"Verilog equals golden"}
    assert "unverified" not in out
    # Points that are not to be verified are those that were.
    sweep("--network", model[0], "--rows", "2", "--cols", "2", "--lanes", "2,3,4", *FAST)
    assert len(sweep.tasks) == 1
    assert [each["verified"] for each in rows(sweep)] == ["unverified"] * 3
    sweep("--network", model[0], "--rows", "2", "--cols", "2", "--lanes", "4")
    assert [task.parts for task in sweep.tasks] == [("verified",)]


@pytest.mark.parametrize("error, reason", [
    (Mismatch("Layer a differs"), "Layer a differs"), (ToolFailed("g++", "no"), "g++ failed: no"),
    (MemoryError(), "MemoryError")])
def test_a_point_that_fails_is_no_end(sweep, model, simulated, monkeypatch, error, reason):
    own = evaluate.run_placed

    def run_placed(placement, *arguments, **more):
        if next(iter(placement.tiles)).lanes == 3:
            raise error
        return own(placement, *arguments, **more)

    monkeypatch.setattr(evaluate, "run_placed", run_placed)
    shape = ("--network", model[0], "--rows", "2", "--cols", "2", "--lanes", "3,2")
    status, out, _ = sweep(*shape)
    assert status == 1 and f"failed: {reason}" in out
    assert [(each["verified"], each["reason"]) for each in rows(sweep)] == [
        ("failed", reason), ("Verilog equals golden", None)]
    # It is tried again, and nothing else is.
    monkeypatch.setattr(evaluate, "run_placed", own)
    assert sweep(*shape)[0] == 0
    assert [task.parts for task in sweep.tasks] == [("verified",)]


def test_cycles_of_the_formula_are_those_of_the_simulation(sweep, model, simulated, monkeypatch):
    own = evaluate.network_cycles

    def late(*each):
        cycles, tiles = own(*each)
        return cycles + 1, tiles

    monkeypatch.setattr(evaluate, "network_cycles", late)
    status, _, _ = sweep("--network", model[0], "--rows", "2")
    assert status == 1
    assert rows(sweep)[0]["reason"].startswith("Cycles of the simulation must be ")


def test_area_on_the_targets_that_a_tile_may_have(sweep, monkeypatch):
    asked = []

    def area(tile, target, no_dsp):
        asked.append((tile.target, target, no_dsp))
        return {"total": 100 * len(asked), "lut": 1, "carry": 2, "ff": 3, "dsp": 4, "ram": 5}

    monkeypatch.setattr(evaluate, "_area", area)
    command_line = ("--bits", "2", "--target", "generic,ecp5", "--area", "ecp5,xc7", *FAST)
    assert sweep(*command_line)[0] == 0
    assert asked == [("generic", "ecp5", False), ("generic", "xc7", False),
                     ("ecp5", "ecp5", False)]
    assert [(each["lut_ecp5"], each["lut_xc7"]) for each in rows(sweep)] == [
        (100, 200), (300, None)]
    assert [each["pareto_lut_ecp5"] for each in rows(sweep)] == [True, False]
    sweep(*command_line)
    assert sweep.tasks == []
    sweep("--bits", "2", "--target", "ecp5", "--area", "xc7", *FAST)
    assert [each["reason"] for each in rows(sweep)] == ["Area must be ecp5 for --target ecp5, "
                                                       "not 'xc7'"]
    sweep("--bits", "2", "--dsp", "0", "--area", "ecp5", *FAST)
    assert asked[-1] == ("generic", "ecp5", True)


def test_a_full_disk_ends_the_sweep_and_keeps_what_was_done(sweep, monkeypatch):
    own, count = cache.replace_file, []

    def replace_file(path, data):
        count.append(path)
        if len(count) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        own(path, data)

    monkeypatch.setattr(cache, "replace_file", replace_file)
    status, out, err = sweep("--bits", "2", "--lanes", "2,4,8", *FAST)
    assert (status, out) == (2, "")
    assert err == (f"exactmac sweep: error: Out must be writable, not {count[1]} (No space left "
                   f"on device); 1 of 3 points are kept in {sweep.out}\n")
    assert count[1].parent == sweep.out / "results"
    assert not (sweep.out / "sweep.csv").exists()
    sweep("--bits", "2", "--lanes", "2,4,8", *FAST)
    assert len(sweep.tasks) == 2


@pytest.mark.parametrize("name", ["version.json", "sweep.json", "sweep.csv"])
def test_a_disk_that_other_files_fill_keeps_what_was_done(sweep, monkeypatch, name):
    def full(path, data):
        if path.name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        replace_file(path, data)

    for place in (command, store):
        monkeypatch.setattr(place, "replace_file", full)
    status, out, err = sweep("--bits", "2", "--lanes", "2,4,8", *FAST)
    assert (status, out) == (2, "")
    done, place = (0, "results/version.json") if name == "version.json" else (3, name)
    assert err == (f"exactmac sweep: error: Out must be writable, not {sweep.out}/{place} (No "
                   f"space left on device); {done} of 3 points are kept in {sweep.out}\n")


@pytest.mark.parametrize("place, named, reason", [
    ("file/out", "file/out/results", "Not a directory"),
    ("/proc/none/out", "/proc/none", "No such file or directory")])
def test_an_out_that_cannot_be_made(sweep, tmp_path, place, named, reason):
    (tmp_path / "file").write_text("")
    out = tmp_path / place
    status, _, err = sweep("--bits", "2", *FAST, out=out)
    assert (status, err) == (2, f"exactmac sweep: error: Out must be writable, not "
                                f"{tmp_path / named} ({reason}); 0 of 1 points are kept in {out}\n")


@pytest.mark.parametrize("place", ["/dev/null", "file"])
def test_an_out_that_is_a_file(sweep, tmp_path, place):
    (tmp_path / "file").write_text("")
    out = tmp_path / place
    assert sweep("--bits", "2", *FAST, out=out) == (
        2, "", f"exactmac sweep: error: Out must be a folder, not the file {out}\n")


@pytest.mark.parametrize("error, said", [
    (OSError(errno.ENOSPC, "No space left on device", "/dev/shm/a"),
     "No space left on device: /dev/shm/a"),
    (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    (OSError("Verilator is gone"), "Verilator is gone")])
@pytest.mark.parametrize("place", ["worker", "command"])
def test_other_disks_and_tools(sweep, monkeypatch, error, said, place):
    def failing(*_):
        raise error

    if place == "worker":
        monkeypatch.setattr(evaluate, "network_cycles", failing)
    else:
        monkeypatch.setattr(sweep.inline, "submit", failing)
    assert sweep("--bits", "2", *FAST) == (
        2, "", f"exactmac sweep: error: {said}; 0 of 1 points are kept in {sweep.out}\n")


def test_a_refused_point_is_not_tried_again(sweep, simulated):
    own = ("--bits", "2", "--depth", "32")
    assert sweep(*own)[0] == 0 and len(sweep.tasks) == 1
    assert sweep(*own)[0] == 0 and sweep.tasks == []


def test_a_point_that_failed_is_not_kept(sweep, model, simulated, monkeypatch):
    def run_placed(placement, *arguments, **more):
        if next(iter(placement.tiles)).lanes == 3:
            raise ToolFailed("g++", "no")
        raise OSError("No space left on device")

    monkeypatch.setattr(evaluate, "run_placed", run_placed)
    status, _, err = sweep("--network", model[0], "--rows", "2", "--cols", "2", "--lanes", "3,2")
    assert (status, err) == (2, "exactmac sweep: error: No space left on device; 0 of 2 points "
                                f"are kept in {sweep.out}\n")


def test_an_interrupted_sweep_goes_on_where_it_was(sweep, monkeypatch):
    own = evaluate.network_cycles

    def network_cycles(placement, *more):
        if next(iter(placement.tiles)).lanes == 8:
            raise KeyboardInterrupt
        return own(placement, *more)

    monkeypatch.setattr(evaluate, "network_cycles", network_cycles)
    with pytest.raises(KeyboardInterrupt):
        sweep("--bits", "2", "--lanes", "2,4,8,16", *FAST)
    monkeypatch.setattr(evaluate, "network_cycles", own)
    assert sweep("--bits", "2", "--lanes", "2,4,8,16", *FAST)[0] == 0
    assert [task.point.given["lanes"] for task in sweep.tasks] == [8, 16]


@pytest.mark.parametrize("arguments, message", [
    (["--network", "digit"], "Network must be digits or the file of a model, not 'digit' (did you "
                             "mean digits?)"),
    (["--network", "mnist1d", "--bits", "4"], "Network must be digits or the file of a model, not "
                                              "'mnist1d'"),
    (["--bits", "4", "--weights", "s4,s9x"], "--weights, entry 's9x': Weights: Format must be "),
    (["--bits", "4", "--inputs", "x.npy"], "--inputs must be left out for digits, which has its "
                                           "own samples, not x.npy"),
    (["--bits", "4", "--area", "ecp6"], "Area must be one of generic, ice40, ecp5, xc7, not "
                                        "'ecp6'"),
    (["--bits", "4", "--pnr", "--area", "xc7"], "Area must include ecp5 for --pnr, not xc7"),
    (["--network", "nowhere.tflite"], "Network must be digits or the file of a model, not "
                                      "'nowhere.tflite'"),
    (["--network", __file__], f"Model {__file__} must be a TFLite file")])
def test_bad_input_starts_nothing(sweep, arguments, message):
    status, out, err = sweep(*arguments, *FAST)
    assert (status, out, sweep.tasks) == (2, "", [])
    assert err.startswith(f"exactmac sweep: error: {message}") and err.count("\n") == 1
    assert not sweep.out.exists()


def test_a_bad_option_of_a_model_starts_nothing(sweep, model):
    network, x, labels = model
    for arguments, message in (
            (["--weights", "s4,s8"], f"--weights must be left out for {network}, which decides "
                                     "it, not s4,s8"),
            (["--workflow", "post-training"], "--workflow, entry 'post-training': "),
            (["--labels", labels], f"Labels must be given with --inputs, not {labels} alone"),
            (["--inputs", x, "--samples", "3"], "Samples must be left out with --inputs, not 3"),
            (["--inputs", labels], "Inputs must have shape (samples, 6), not (9,)")):
        status, out, err = sweep("--network", network, *arguments, *FAST)
        assert (status, out, sweep.tasks) == (2, "", [])
        assert err.startswith(f"exactmac sweep: error: {message}") and err.count("\n") == 1


@pytest.mark.parametrize("mark, said", [
    ('{"exactmac sweep": 9}', '{"exactmac sweep": 9}'),
    ('{"exactmac study": 1}', '{"exactmac study": 1}'), ("x", "a damaged version"),
    (None, "results of no version")])
def test_results_of_another_version(sweep, mark, said):
    (sweep.out / "results").mkdir(parents=True)
    (sweep.out / "results" / ("other" if mark is None else "version.json")).write_text(mark or "")
    before = sorted(sweep.out.rglob("*"))
    status, out, err = sweep("--bits", "4", *FAST)
    assert (status, out, sweep.tasks) == (2, "", [])
    assert err == ("exactmac sweep: error: Out must be a folder with results of exactmac sweep, "
                   f"version 1, or without any, not {sweep.out} ({said})\n")
    assert sorted(sweep.out.rglob("*")) == before


def test_files_that_change_under_way_end_the_sweep(sweep, model):
    own = sweep.inline.submit

    def submit(task):
        model[1].write_bytes(b"")
        return own(task)

    sweep.inline.submit = submit
    status, _, err = sweep("--network", model[0], "--inputs", model[1], *FAST)
    assert status == 2
    assert err == (f"exactmac sweep: error: Files {model[0]}, {model[1]} must stay as they were "
                   f"when the sweep began; 0 of 1 points are kept in {sweep.out}\n")


def test_as_json(sweep):
    status, out, err = sweep("--bits", "2", *FAST, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found == json.loads((sweep.out / "sweep.json").read_text())
    assert found["version"] == 1 and found["network"] == "digits"
    assert found["command"].startswith("exactmac sweep --bits 2 --no-verify")
    status, out, _ = sweep("--network", "x", "--json")
    assert status == 2 and json.loads(out)["error"].startswith("Network must be")
