import json
import re
import sys
from importlib import import_module

import numpy as np
import pytest

from golden import digits, train


def refused(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        train.main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m golden.train: error: ") and error.count("\n") == 1
    return error.removeprefix("python -m golden.train: error: ").rstrip("\n")


@pytest.mark.parametrize("module, name, only", [
    ("sklearn", "scikit-learn", "digits"), ("jax", "JAX", "digits-float"),
    ("mnist1d", "mnist1d", "digits,digits-float")])
def test_without_a_package(capsys, monkeypatch, tmp_path, module, name, only):
    monkeypatch.setitem(sys.modules, module, None)
    assert refused(capsys, ["--only", only, "--out", str(tmp_path)]) == (
        f"{name} is not installed; run: pip install 'exactmac[train]'")
    assert not list(tmp_path.iterdir())


def test_training_imports_nothing_more():
    """The modules can be looked at without scikit-learn and JAX; only training needs them."""
    for name in ("packaged", "estimators", "loop", "models", "data", "work"):
        assert {"sklearn", "jax", "optax", "mnist1d"}.isdisjoint(
            vars(import_module(f"golden.train.{name}")))


@pytest.mark.parametrize("arguments, message", [
    (["--out", ""], "Out must name a folder, not ''"),
    (["--out", __file__], f"Out must be a folder, not the file {__file__}"),
    (["--out", "/sys/folder"], "Out must be writable, not /sys/folder (Operation not permitted)"),
    (["--seeds", "0"], "Seeds must be at least 1, not 0"),
    (["--seeds", "11"], "Seeds must be at most 10, those of the results to make, not 11"),
    (["--seeds", "4", "--only", "digits-step-w3a3"],
     "Seeds must be at most 3, those of the results to make, not 4"),
    (["--seeds", "x"], "argument --seeds: must be an integer, not 'x'"),
    (["--only", "digits,digits-step-w4"], "Only must be names that --list prints, not "
     "'digits-step-w4' (did you mean digits-step-w4a4?)"),
    (["--table", "--only", "digits"], "Options --only, --list and --seeds must be without --table "
     "and --json, which print all committed results"),
])
def test_refused_before_it_begins(capsys, monkeypatch, arguments, message):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert refused(capsys, arguments) == message


def test_list(capsys):
    assert train.main(["--list"]) == 0
    assert set(train.results()) | {"digits"} == set(capsys.readouterr().out.split())


@pytest.mark.parametrize("index, message", [
    ('{"versions": {"jax": "0.1"}, "results": {}}',
     r"Out must have results by python .*, mnist1d \S+, not by jax 0\.1 as \S+; name another "
     "folder"),
    *((text, r"Results \S+/results\.json must be whole, not damaged "
       r"\((Type|Key|Attribute|Value)Error\(.*\)\)") for text in ("[]", *(
           f'{{"versions": VERSIONS, "results": {{"digits-float": {own}}}}}' for own in (
               "7", "{}", '{"seeds": 7}', '{"seeds": {"0": 7}}', '{"seeds": {"0": {}}}')))),
])
def test_a_folder_of_other_results(capsys, tmp_path, index, message):
    for module in ("jax", "optax", "sklearn", "mnist1d"):
        pytest.importorskip(module)
    from golden.train.work import versions

    index = index.replace("VERSIONS", json.dumps(versions()))
    (tmp_path / "results.json").write_text(index)
    assert re.fullmatch(message, refused(
        capsys, ["--only", "digits-float", "--out", str(tmp_path)]))
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert (tmp_path / "results.json").read_text() == index


@pytest.mark.parametrize("index, kept", [
    (None, 0), ('{"results": {"a": {"seeds": {"0": 1, "1": 2}}, "b": {"seeds": {"0": 3}}}}', 3),
    ("[]", 0)])
def test_a_full_disk(capsys, monkeypatch, tmp_path, index, kept):
    """One line names the file, and says how many results the folder's index has."""
    pytest.importorskip("sklearn")
    from golden.train import packaged

    def full(path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(packaged, "train", full)
    if index is not None:
        (tmp_path / "results.json").write_text(index)
    assert refused(capsys, ["--only", "digits", "--out", str(tmp_path)]) == (
        f"Out must be writable, not {tmp_path}/digits.npz (No space left on device); "
        f"{kept} results are kept in {tmp_path}")


def test_a_result_that_cannot_be_written_is_not_kept(capsys, monkeypatch, tmp_path):
    for module in ("jax", "optax", "sklearn", "mnist1d"):
        pytest.importorskip(module)
    from golden.train import work

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    def trained(self, recipe, seed):
        self._file(recipe, seed).write_bytes(b"")
        return train.load_float("digits-float")

    monkeypatch.setattr(work.Work, "_trained_float", trained)
    monkeypatch.setattr(work, "replace_file", full)
    assert refused(capsys, ["--only", "digits-float", "--seeds", "1", "--out", str(tmp_path)]) == (
        f"Out must be writable, not {tmp_path}/results.json (No space left on device); "
        f"0 results are kept in {tmp_path}")


@pytest.mark.slow
def test_the_packaged_network_starts_from_the_same_images(tmp_path):
    """The script still writes such a file; how training ends depends on the machine's BLAS."""
    pytest.importorskip("sklearn")
    from golden.train.packaged import train as again

    again(tmp_path / "again.npz")
    with np.load(tmp_path / "again.npz") as made, np.load(digits.PATH) as packaged:
        assert set(made.files) == set(packaged.files)
        for name in ("images", "labels", "calibration", "seed", "source"):
            np.testing.assert_array_equal(made[name], packaged[name])
        for name in made.files:
            assert made[name].shape == packaged[name].shape


@pytest.mark.slow
def test_what_is_done_is_kept(tmp_path, capsys, monkeypatch):
    """A second run trains only what the first has not."""
    pytest.importorskip("jax")
    from dataclasses import replace

    from golden.train import recipes, work

    short = replace(recipes.RECIPES["digits-float"], plan=recipes.Plan(epochs=2, batch=100))
    monkeypatch.setitem(recipes.RECIPES, "digits-float", short)
    options = ["--only", "digits-float", "--out", str(tmp_path)]
    assert train.main([*options, "--seeds", "1"]) == 0
    file = (tmp_path / "digits-float.npz").stat().st_mtime_ns
    made = []
    fit = work.fit
    monkeypatch.setattr(work, "fit", lambda *own, **more: made.append(own[3]) or fit(*own, **more))
    assert train.main([*options, "--seeds", "2"]) == 0
    assert made == [1] and (tmp_path / "digits-float.npz").stat().st_mtime_ns == file
    assert "0 of 2 networks equal the committed ones" in capsys.readouterr().out
