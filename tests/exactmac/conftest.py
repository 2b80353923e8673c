"""Runtimes and a network for tests of ``exactmac explain``."""

import numpy as np
import pytest

from exactmac import comparison
from exactmac.explanation import builtin
from exactmac.oracles import Runtime
from golden import digits
from golden.formats import parse
from golden.readers import read_model
from golden.readers.borders import levels_of
from golden.run import run
from golden.saved import save
from hw.flow.tools import ToolFailed


@pytest.fixture
def golden_runs(monkeypatch):
    """Every runtime is installed, and shows what golden computes with its arithmetic."""
    change = {}

    def shown(runtime, model, inputs):
        if "fails" in change:
            raise ToolFailed(runtime.name, "it crashed")
        own = "litert-reference" if runtime.name == builtin.NAME else runtime.name
        read = read_model(model, change.get(runtime.name, own))
        levels = {name: levels_of(read, name, x) if x.dtype == np.float32 else x.astype(np.int64)
                  for name, x in zip(read.inputs, inputs, strict=True)}
        tensors = run(read.network, levels)
        made = {}
        for name, place in read.tensors.items():
            x = np.moveaxis(tensors[name], -1, 1) if name in read.channels_last else tensors[name]
            made[place] = x + change.get(name, 0)
        return made

    monkeypatch.setattr(comparison, "tensors", shown)
    monkeypatch.setattr(Runtime, "installed", property(lambda own: own.version))
    return change


@pytest.fixture(scope="session")
def network():
    """The digits network of 4 bits."""
    return digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s4"))


@pytest.fixture
def saved(network, tmp_path):
    """The digits network, and a file that has it."""
    save(network, path := tmp_path / "digits.npz")
    return network, path
