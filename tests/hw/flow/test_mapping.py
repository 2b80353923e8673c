from pathlib import Path

import pytest

from hw.flow import mapping
from hw.flow.mapping import TARGETS
from hw.flow.tools import ToolMissing


def test_names():
    assert list(TARGETS) == ["generic", "ice40", "ecp5", "xc7"]
    assert all(mapping.parse(name).name == name for name in TARGETS)


def test_unknown_target():
    with pytest.raises(ValueError,
                       match=r"^Target must be one of generic, ice40, ecp5, xc7, not 'gowin'$"):
        mapping.parse("gowin")


@pytest.mark.parametrize("name,cells,columns", [
    ("generic", {"$_NAND_": 3, "$_NOT_": 1, "$_DFF_P_": 2, "$mem_v2": 1}, (4, 0, 2, 0, 0)),
    ("ice40", {"SB_LUT4": 5, "SB_CARRY": 2, "SB_DFFESR": 3, "SB_DFF": 1, "SB_RAM40_4KNW": 1},
     (5, 2, 4, 0, 1)),
    ("ecp5", {"LUT4": 5, "CCU2C": 2, "TRELLIS_FF": 3, "TRELLIS_DPR16X4": 2, "MULT18X18D": 4,
              "DP16KD": 1, "PFUMX": 9}, (17, 2, 3, 4, 1)),
    ("xc7", {"LUT1": 1, "LUT6": 2, "INV": 1, "RAM32M": 2, "SRL16E": 1, "CARRY4": 3, "FDRE": 4,
             "FDSE": 1, "DSP48E1": 2, "RAMB18E1": 1, "RAMB36E1": 3}, (13, 3, 5, 2, 7)),
])
def test_columns(name, cells, columns):
    assert tuple(mapping.parse(name).count(cells).values()) == columns


@pytest.mark.parametrize("name", TARGETS)
def test_unknown_cells_are_refused(name):
    with pytest.raises(ValueError, match=rf"^Cell type must be one that target {name} counts, "
                                         r"not 'BOX'$"):
        mapping.parse(name).count({"BOX": 1})


@pytest.mark.parametrize("name", TARGETS)
def test_models_exist(name):
    arguments = mapping.parse(name).verilator_arguments()
    libraries = [index + 1 for index, each in enumerate(arguments) if each == "-v"]
    sources = [index for index, each in enumerate(arguments)
               if not each.startswith("-") and index not in libraries]
    assert all(Path(arguments[index]).is_file() for index in sources + libraries)
    assert len(sources) == len(mapping.parse(name).sources)
    assert bool(libraries) == (name != "generic")
    # Verilator keeps the first module of a name, and -Werror keeps refusals errors.
    assert sources + libraries == sorted(sources + libraries)
    assert "-Werror-USERFATAL" in arguments


def test_yosys_missing(monkeypatch):
    monkeypatch.setattr(mapping.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing,
                       match=r"^pyosys is not installed; run: pip install exactmac$"):
        mapping.parse("ecp5").verilator_arguments()
