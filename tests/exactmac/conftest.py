"""Runtimes and a network for tests of ``exactmac explain``; pages in a browser."""

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


@pytest.fixture(scope="module")
def chromium():
    from tests.exactmac.explanation.picture import browser, executable

    if executable() is None:
        pytest.skip("Chromium must be installed to open the page")
    with browser() as started:
        yield started


@pytest.fixture
def opened_page(chromium, tmp_path):
    """Return a function that opens a page, at a place in it; nobody may complain."""
    from tests.exactmac.explanation.picture import address

    complaints, tabs = [], []

    def open_page(text, place, *, loads=("file:///", "data:"), timeout=10_000, **options):
        path = tmp_path / "page.html"
        path.write_text(text)
        tabs.append(chromium.new_page(**options))
        tabs[-1].set_default_timeout(timeout)
        tabs[-1].on("console", lambda message: complaints.append(message.text))
        tabs[-1].on("pageerror", lambda error: complaints.append(str(error)))
        tabs[-1].on("dialog", lambda dialog: complaints.append(dialog.message))
        tabs[-1].on("request", lambda request: request.url.startswith(loads)
                    or complaints.append(request.url))
        tabs[-1].goto(address(path, place))
        return tabs[-1]

    yield open_page
    for tab in tabs:
        tab.close()
    assert complaints == []
